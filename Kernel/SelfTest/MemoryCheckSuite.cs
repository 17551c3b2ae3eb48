using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Memory.Check;
using NanoVm.Memory.Hugetlb;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Swap;
using NanoVm.Memory.Virtual;

namespace NanoVm.SelfTest;

/// <summary>All of memory is in order when the machine has just been built, and every kind of damage is found.</summary>
/// <remarks>
/// Each case ruins one word of one structure (<see cref="Ruin{T}"/>), lets all of memory be checked, and puts the word back: the complaint must
/// be the one for this kind of damage, and afterwards there must be none.
/// </remarks>
internal sealed unsafe class MemoryCheckSuite(MemorySystem memory, PageCache cache) : TestSuite
{
    private readonly MemorySystem _memory = memory;
    private readonly PageCache _cache = cache;
    private readonly MemoryScene _scene = new(memory);
    private readonly ObjectCache<TestSpace> _files = new(memory.Physical, "selftest_file"u8);
    private TestContext _test = null!;

    public override ReadOnlySpan<byte> Name => "memfsck"u8;

    public override int Count => 13;

    public override ReadOnlySpan<byte> CaseName(int number) => number switch
    {
        0 => "Every_frame_and_every_address_space_is_in_order"u8,
        1 => "A_ruined_page_table_is_found"u8,
        2 => "A_ruined_area_or_count_of_an_address_space_is_found"u8,
        3 => "A_wrong_count_of_a_frame_is_found"u8,
        4 => "A_ruined_free_list_slab_or_reclaim_list_is_found"u8,
        5 => "A_ruined_reverse_map_is_found"u8,
        6 => "A_ruined_page_cache_is_found"u8,
        7 => "A_ruined_map_of_swap_is_found"u8,
        8 => "A_ruined_huge_page_is_found"u8,
        9 => "A_page_that_nobody_holds_or_owns_is_found"u8,
        10 => "A_ruined_mark_or_special_entry_is_found"u8,
        11 => "A_wrong_sum_over_all_of_memory_is_found"u8,
        _ => "A_kernel_page_for_users_or_for_writing_and_executing_is_found"u8,
    };

    public override void Run(int number, TestContext test)
    {
        _test = test;
        test.Check(_scene.Enter(), "there is memory for an address space"u8);
        if (!test.Failed)
        {
            switch (number)
            {
                case 0: All(); break;
                case 1: Tables(); break;
                case 2: Areas(); break;
                case 3: Counts(); break;
                case 4: Lists(); break;
                case 5: ReverseMaps(); break;
                case 6: PageCaches(); break;
                case 7: Swap(); break;
                case 8: HugePages(); break;
                case 9: Holds(); break;
                case 10: Entries(); break;
                case 11: Sums(); break;
                default: KernelTables(); break;
            }
        }

        _scene.Leave();
    }

    private void All()
    {
        MemoryReport report = default;
        MemoryCheck.Run(_memory, ref report);
        _test.Check(report.Errors == 0, report.FirstError);
        ulong frames = report.Free + report.Reserved + report.Slab + report.PageTable + report.Vmalloc + report.Anonymous + report.Cached + report.Kernel;
        ulong ram = 0;
        for (int i = 0; i < _memory.Frames.RamRangeCount; i++)
        {
            _memory.Frames.RamRange(i, out Pfn first, out Pfn end);
            ram += end.Value - first.Value;
        }

        _test.Check(frames == ram, "each frame is of one kind"u8);
        _test.Check(report.AddressSpaces == 2 && report.BusyAddressSpaces == 0 && report.HeldReferences == 0, "both address spaces are looked at, and nobody works on a page"u8);
        _test.Check(report.Anonymous >= 12 + 512 && report.Cached >= 8 && report.SwapSlots == 63 && report.KernelEntries > 1000, "what there is was seen"u8);
    }

    /// <summary>Ruins a word, checks, and puts it back.</summary>
    /// <param name="evenSo">The complaint that there is without this, for what takes two words to ruin.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]         // a report is large, and there are many calls in one method
    private void Ruin<T>(ref T word, T value, ReadOnlySpan<byte> complaint, ReadOnlySpan<byte> evenSo = default)
    {
        T before = word;
        word = value;
        Expect(complaint);
        word = before;
        Settle(evenSo);
    }

    /// <summary>A check renews the sums of the trees that it goes through; so it runs once for those, and then there must be no complaint.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Settle(ReadOnlySpan<byte> complaint = default)
    {
        MemoryReport report = default;
        MemoryCheck.Run(_memory, ref report);
        Expect(complaint);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Expect(ReadOnlySpan<byte> complaint)
    {
        if (_test.Failed)
            return;
        MemoryReport report = default;
        MemoryCheck.Run(_memory, ref report);
        if (report.FirstError.SequenceEqual(complaint))
            return;
        Log.Warn($"memfsck says '{report.FirstError}' and not '{complaint}'");
        _test.Check(false, complaint.IsEmpty ? report.FirstError : complaint);
    }

    private void Tables()
    {
        ref Pte entry = ref _scene.EntryAt(MemoryScene.Base);
        ref Pte own = ref _scene.EntryAt(MemoryScene.Base + (MemoryScene.Pages - 1) * PageSize.Bytes);
        ref Pte outside = ref _scene.EntryAt(MemoryScene.Base + MemoryScene.Pages * PageSize.Bytes);
        VmArea area = _scene.AreaAt(MemoryScene.Base);
        const VmFlags none = VmFlags.Read | VmFlags.Write;
        Ruin(ref area.Flags, area.Flags & ~VmFlags.Write, "mm: an entry allows what its area forbids"u8);
        Ruin(ref area.Flags, area.Flags & ~none, "mm: an entry allows what its area forbids"u8);
        Ruin(ref own, new Pte(own.Value & ~(ulong)PteFlags.NoExecute), "mm: an entry allows what its area forbids"u8);
        Ruin(ref own, new Pte(own.Value & ~(ulong)PteFlags.User), "mm: an entry allows what its area forbids"u8);
        Ruin(ref entry, new Pte(entry.Value | (ulong)PteFlags.Writable), "mm: a shared anonymous page is writable"u8);
        Ruin(ref entry, default, "mm: the resident counts are wrong"u8);
        Ruin(ref entry, own, "an anonymous page's reverse map does not lead to an entry that maps it"u8);
        Ruin(ref outside, own, "mm: a page is mapped outside every area"u8);
        Ruin(ref own, own.WithPfn(new Pfn(1UL << 38)), "mm: an entry maps what is no RAM"u8);

        ref Pmd upper = ref _scene.UpperEntryAt(MemoryScene.Base);
        ref Pmd other = ref _scene.UpperEntryAt(MemoryScene.Shared);
        Ruin(ref upper, other, "a page table hangs in two places"u8);
        Ruin(ref upper, Pmd.UserTable(own.Pfn), "an entry names what is no page table"u8);
        Ruin(ref upper, Pmd.UserTable(new Pfn(1UL << 38)), "an entry names what is no page table"u8);
        Ruin(ref _memory.Frames[upper.Pfn].Flags, FrameFlags.None, "an entry names what is no page table"u8);
        Ruin(ref _scene.Mm.Root, new Pfn(1UL << 38), "an address space has no table to begin with"u8);
        Ruin(ref _scene.Mm.PageTablePages, 1UL, "mm: the count of page tables is wrong"u8);
    }

    private void Areas()
    {
        MmStruct mm = _scene.Mm;
        VmArea first = _scene.AreaAt(MemoryScene.Base), second = _scene.AreaAt(MemoryScene.Shared);
        ReadOnlySpan<byte> disagree = "mm: list and tree of areas do not agree"u8;
        Ruin(ref first.Next, second.Next, disagree);
        Ruin(ref second.Previous, null, disagree);
        Ruin(ref first.SubtreeGap, first.SubtreeGap + PageSize.Bytes, disagree);
        Ruin(ref first.TreeLinks.IsRed, !first.TreeLinks.IsRed, disagree);
        Ruin(ref first.TreeLinks.Parent, second.TreeLinks.Parent == first.TreeLinks.Parent ? first : second.TreeLinks.Parent, disagree);
        Ruin(ref first.Mm, _scene.Child, "mm: an area belongs elsewhere"u8);
        Ruin(ref mm.TotalVm, mm.TotalVm + 1, "mm: the totals of pages are wrong"u8);
        Ruin(ref mm.DataVm, mm.DataVm - 1, "mm: the totals of pages are wrong"u8);
        Ruin(ref mm.LockedVm, 1UL, "mm: the totals of pages are wrong"u8);
        Ruin(ref mm.AnonymousPages, mm.AnonymousPages + 1, "mm: the resident counts are wrong"u8);
        Ruin(ref mm.ShmemPages, mm.ShmemPages - 1, "mm: the resident counts are wrong"u8);
        Ruin(ref mm.SwapEntries, mm.SwapEntries + 1, "mm: the count of pages in swap is wrong"u8);
        Ruin(ref mm.PreviousMm, null, "the list of address spaces is broken"u8);

        // Two areas overlap, and the gaps are right. The child is looked at first, whose reverse map goes over the same area.
        VirtAddr end = first.End;
        first.End = second.Start + PageSize.Bytes;
        mm.Areas.Resized(first);
        _test.Check(!mm.Areas.Validate(), "overlapping areas are found"u8);
        Expect("a tree of chains is broken"u8);
        first.End = end;
        mm.Areas.Resized(first);
        Settle();
    }

    private void Counts()
    {
        VirtAddr shared = MemoryScene.Base, own = MemoryScene.Base + (MemoryScene.Pages - 1) * PageSize.Bytes;
        ref PageFrame frame = ref _scene.FrameAt(shared);
        ref PageFrame alone = ref _scene.FrameAt(own);
        Ruin(ref frame.MapCount, frame.MapCount + 1, "mm: a mapped frame is not counted"u8);
        Ruin(ref frame.MapCount, frame.MapCount - 1, "a frame's map count is not the number of entries that map it"u8);
        Ruin(ref frame.ReferenceCount, frame.ReferenceCount - 1, "mm: a mapped frame is not counted"u8);
        Ruin(ref alone.ReferenceCount, 0, "a free frame is on a reclaim list"u8);
        Ruin(ref alone.Flags, alone.Flags | FrameFlags.Buddy, "free frames are on no list"u8);
        Ruin(ref alone.Flags, alone.Flags | FrameFlags.PerCpuFree, "free frames are on no list"u8);
        Ruin(ref alone.Flags, alone.Flags | FrameFlags.PageTable, "a frame's map count is not the number of entries that map it"u8);
        ref PageFrame table = ref _memory.Frames[_scene.UpperEntryAt(shared).Pfn];
        Ruin(ref table.ReferenceCount, 2, "a frame of the kernel's own is held twice or mapped"u8);
        ref PageFrame cached = ref _scene.FrameAt(MemoryScene.Shared);
        Ruin(ref cached.ReferenceCount, cached.MapCount, "a page of the cache lacks the cache's reference"u8);
        Ruin(ref cached.ReferenceCount, cached.ReferenceCount + 1, "a frame has references that nobody holds"u8);
        Ruin(ref alone.ReferenceCount, alone.ReferenceCount + 1, "a frame has references that nobody holds"u8);
        Ruin(ref alone.MlockCount, 1, "the count of locked pages is wrong"u8);
        Ruin(ref _memory.Frames[_memory.ZeroPage].ReferenceCount, 2, "a frame has references that nobody holds"u8);

        // A frame that is in use is given to the free lists behind the back of who uses it.
        _test.Check(_memory.Frames.Allocate(AllocationFlags.None, out Pfn page) == Errno.None, "there is a frame"u8);
        _memory.Frames.Put(page);
        ref PageFrame free = ref _memory.Frames[page];
        Ruin(ref free.ReferenceCount, 1, "a per-CPU frame is in use"u8);
        Ruin(ref free.MapCount, 1, "a free frame is mapped or held"u8);
        Ruin(ref _scene.EntryAt(own), _scene.EntryAt(own).WithPfn(page), "mm: a mapped frame is not counted"u8);
    }

    private void Lists()
    {
        FrameAllocator frames = _memory.Frames;
        Zone zone = frames.ZoneOf(_scene.EntryAt(MemoryScene.Base).Pfn);
        Ruin(ref zone.FreeFrames, zone.FreeFrames - 1, "the count of free frames is wrong"u8);
        Ruin(ref zone.PerCpu[0].Count, zone.PerCpu[0].Count + 1, "the count of per-CPU frames is wrong"u8);
        int order = Zone.Orders - 1;
        while (zone.FreeBlocks(order) < 2)
            order--;
        ref PageFrame block = ref frames.Table[zone.FirstBlock(order)];
        Ruin(ref block.Next, PageFrame.NoLink, "the count of free blocks is wrong"u8);
        Ruin(ref block.Next, PageFrame.NoLink - 1, "a list of free blocks is broken"u8);
        Ruin(ref block.Next, zone.FirstBlock(order), "a list of free blocks is broken"u8);
        Ruin(ref block.Order, (byte)(order ^ 1), "a free block has the wrong flags or order"u8);
        Ruin(ref block.ReferenceCount, 1, "a free block is in use"u8);
        Ruin(ref block.Flags, FrameFlags.None, "a free block has the wrong flags or order"u8);

        // The object behind an area of the scene lies in a slab.
        Pfn pfn = DirectMap.PhysicalOf(ObjectFactory.AddressOf(_scene.AreaAt(MemoryScene.Base))).Pfn;
        while (!frames[pfn].Has(FrameFlags.Slab))
            pfn = new Pfn(pfn.Value - 1);
        ref PageFrame slab = ref frames[pfn];
        Ruin(ref slab.UseCount, slab.UseCount - 1, "a slab counts its objects wrong"u8);
        Ruin(ref slab.Index, slab.Index + 1, "a list of slabs is broken, or a slab has the wrong owner"u8);
        Ruin(ref slab.Private, slab.Private + 8, "a free object lies outside its slab"u8);
        Ruin(ref slab.Private, (nuint)DirectMap.Pointer(_scene.EntryAt(MemoryScene.Base).Pfn), "a free object lies outside its slab"u8);
        nuint* second = (nuint*)(slab.Private + 8);
        Ruin(ref *second, slab.Private, "a list of free objects is a circle"u8);

        ref PageFrame listed = ref _scene.FrameAt(MemoryScene.Base);
        Ruin(ref listed.Flags, listed.Flags & ~FrameFlags.Lru, "a page is on a reclaim list that it does not know of"u8);
        Ruin(ref listed.Flags, listed.Flags ^ FrameFlags.Active, "a page is on a reclaim list that it does not know of"u8);
        Ruin(ref listed.Next, PageFrame.NoLink - 1, "a reclaim list is broken"u8);
        Ruin(ref listed.Previous, listed.Next, "a reclaim list is broken"u8);
        ref PageFrame unlisted = ref frames[_scene.UpperEntryAt(MemoryScene.Base).Pfn];
        Ruin(ref unlisted.Flags, unlisted.Flags | FrameFlags.Lru, "a frame says that it is on a reclaim list, and is on none"u8);

        _test.Check(_memory.Physical.Vmalloc.Allocate(new PageCount(2), out VirtAddr address) == Errno.None, "there is room in vmalloc space"u8);
        ref PageFrame piece = ref frames[_memory.Physical.Vmalloc.FrameOf(address)];
        Ruin(ref piece.ReferenceCount, 2, "a frame of the kernel's own is held twice or mapped"u8);
        ref Pte entry = ref KernelEntryAt(address);
        Ruin(ref entry, default, "a frame of vmalloc space is not mapped there"u8);
        Ruin(ref entry, KernelEntryAt(address + PageSize.Bytes), "a frame of vmalloc space is mapped there twice"u8);
        _memory.Physical.Vmalloc.Free(address);
    }

    private void ReverseMaps()
    {
        VmArea area = _scene.AreaAt(MemoryScene.Base), shared = _scene.AreaAt(MemoryScene.Shared);
        ref PageFrame frame = ref _scene.FrameAt(MemoryScene.Base);
        ReadOnlySpan<byte> astray = "an anonymous page's reverse map does not lead to an entry that maps it"u8;
        Ruin(ref frame.Index, frame.Index + 1, astray);
        AnonVma elsewhere = _scene.AreaAt(MemoryScene.Out).AnonVma!;
        Ruin(ref frame.Mapping, (nuint)ObjectFactory.AddressOf(elsewhere) | PageFrame.MappingAnonymous, astray);
        AnonVmaChain chain = area.AnonChain!;
        Ruin(ref chain.Area, shared, "an area has another's chain"u8);
        Ruin(ref chain.TreeLinks.IsRed, !chain.TreeLinks.IsRed, "a tree of chains is broken"u8);
        Ruin(ref chain.SubtreeLast, chain.SubtreeLast + 1, "a tree of chains is broken"u8);
        Ruin(ref area.AnonVma, elsewhere, "an area has no chain to where its new pages go"u8);
        Ruin(ref area.AnonChain, null, "an area has no chain to where its new pages go"u8);
        Ruin(ref elsewhere.ActiveAreas, elsewhere.ActiveAreas + 1, "a reverse map counts its areas wrong"u8);
        // The child's area with pages in swap has two chains: one to its own, one to where the pages from before the fork are.
        AnonVmaChain own = _scene.Child.FindVma(MemoryScene.Out)!.AnonChain!;
        Ruin(ref own.NextOfArea, null, "a tree of chains has chains that no area has"u8);

        // The chain hangs in its area, and in no tree.
        AnonVma.LeaveTrees(area);
        Expect("an area's chain is not in the tree of its reverse map"u8);
        AnonVma.EnterTrees(area);
        Expect(default);

        AddressSpace file = shared.File!.Mapping!;
        file.RemoveArea(shared);
        Expect("an area is not in its file's tree"u8);
        file.AddArea(shared);
        Expect(default);
        if (_memory.Areas.Allocate() is { } ghost)
        {
            ghost.Start = shared.Start;
            ghost.End = shared.End;
            file.AddArea(ghost);
            Expect("a file's tree has areas that nobody has"u8);
            file.RemoveArea(ghost);
            _memory.Areas.Free(ghost);
            Expect(default);
        }

        Ruin(ref shared.SharedLinks.IsRed, !shared.SharedLinks.IsRed, "a file's tree of areas is broken"u8);
        Ruin(ref shared.SharedSubtreeLast, shared.SharedSubtreeLast + 1, "a file's tree of areas is broken"u8);
        Ruin(ref shared.PageOffset, 1UL, "a file's page is mapped where its file is not"u8);
    }

    private void PageCaches()
    {
        ref PageFrame frame = ref _scene.FrameAt(MemoryScene.Shared);
        Ruin(ref frame.Index, 100UL, "a file's page is mapped where its file is not"u8);
        Ruin(ref frame.Flags, frame.Flags & ~FrameFlags.PageCache, "a file's page is mapped where its file is not"u8);
        TestSpace? file = _files.Allocate();
        _test.Check(file is not null, "there is memory"u8);
        if (file is null)
            return;
        file.Initialize(_cache);
        if (file.FindOrCreatePage(70).TryGet(out Pfn page, out _) && file.FindOrCreatePage(700).TryGet(out Pfn second, out _))
        {
            file.MarkDirty(page);
            _memory.Frames.LetGo(page);
            _memory.Frames.LetGo(second);
            ref PageFrame cached = ref _memory.Frames[page];
            ref PageFrame clean = ref _memory.Frames[second];
            Ruin(ref cached.Flags, cached.Flags & ~FrameFlags.Dirty, "a page of the cache is marked wrong"u8);
            Ruin(ref clean.Flags, clean.Flags | FrameFlags.Dirty, "a page of the cache is marked wrong"u8);
            Ruin(ref clean.Index, 701UL, "a page of the cache does not know its place"u8);
            Ruin(ref clean.Flags, clean.Flags | FrameFlags.Writeback, "a page of the cache is marked wrong"u8);
            Arrays(file);
            Ruin(ref cached.Mapping, (nuint)0, "a page of the cache does not know its place"u8);
            Ruin(ref cached.ReferenceCount, 0, "a free frame is on a reclaim list"u8);
        }
        else
        {
            _test.Check(false, "there is memory"u8);
        }

        file.Evict();
        _files.Free(file);
    }

    /// <summary>The array of a file that has pages 70 and 700: a branch over branches or leaves.</summary>
    private void Arrays(TestSpace file)
    {
        var branch = (XArrayBranch)file.RootNode!;
        Ruin(ref branch.Count, (byte)(branch.Count + 1), "an array's node counts wrong"u8);
        Ruin(ref branch.Marks[(int)XArrayMark.Dirty], 0UL, "an array's marks disagree"u8);
        Ruin(ref branch.Parent, branch, "the root of an array has a parent"u8);
        XArrayNode below = branch.Children[branch.SlotOf(70)]!;
        Ruin(ref below.Offset, (byte)(below.Offset + 1), "an array's node is misplaced"u8);
        Ruin(ref below.Shift, (byte)12, "an array's node is misplaced"u8);
        Ruin(ref below.Parent, null, "an array's node is misplaced"u8);
        Ruin(ref branch.Children[5], below, "an array's marks disagree"u8);
        var leaf = (XArrayLeaf)below;
        Ruin(ref leaf.Entries[70 & (XArrayNode.Slots - 1)], 0UL, "an array marks what is not there"u8);
        Ruin(ref leaf.Entries[1], 1UL, "an array's node counts wrong"u8);
    }

    private void Swap()
    {
        SwapArea area = _memory.Swap!.Area(0)!;
        ref Pte entry = ref _scene.EntryAt(MemoryScene.Out);
        _test.Check(entry.IsSwap(), "a page is in swap"u8);
        if (_test.Failed)
            return;
        int slot = (int)new SwapEntry(entry).Slot;
        ReadOnlySpan<byte> wrong = "a slot of swap is not used as often as it is named"u8;
        Ruin(ref area.Uses[slot], area.Uses[slot] + 1, wrong);
        Ruin(ref area.Uses[slot], area.Uses[slot] - 1, wrong);
        Ruin(ref area.Uses[60], 1, wrong);
        Ruin(ref area.Free, area.Free + 1, "an area of swap counts its free slots wrong"u8);
        Ruin(ref area.Clusters.Array[0].Free, (ushort)(area.Clusters.Array[0].Free + 1), "a cluster of swap counts its free slots wrong"u8);
        Ruin(ref entry, new Pte(new SwapEntry(5, 1).Value), "an entry names swap that is not there"u8);
        Ruin(ref entry, new Pte(new SwapEntry(0, 1000).Value), "an entry names swap that is not there"u8);
        Ruin(ref entry, new Pte(new SwapEntry(0, 0).Value | (ulong)PteFlags.SoftDirty), "an entry that maps nothing is none of swap"u8);
        Ruin(ref entry, entry.With(PteFlags.Huge), "an entry that maps nothing is none of swap"u8);
        Ruin(ref _memory.SwapPages, _memory.SwapPages - 1, "the count of slots of swap is wrong"u8);
        Ruin(ref _memory.FreeSwapPages, _memory.FreeSwapPages + 1, "the count of free slots of swap is wrong"u8);
    }

    private void HugePages()
    {
        ref Pmd entry = ref _scene.UpperEntryAt(MemoryScene.Huge);
        _test.Check(entry.IsHuge, "a huge page is there"u8);
        if (_test.Failed)
            return;
        ref PageFrame first = ref _memory.Frames[entry.Pfn];
        ref PageFrame inner = ref _memory.Frames[entry.Pfn + 7];
        Ruin(ref first.UseCount, first.UseCount + 1, "a huge page's count is not the number of entries that map it"u8);
        Ruin(ref inner.MapCount, inner.MapCount - 1, "mm: a frame of a huge page is not counted"u8);
        Ruin(ref inner.MapCount, inner.MapCount + 1, "mm: a frame of a huge page is not counted"u8);
        Ruin(ref inner.Flags, inner.Flags & ~FrameFlags.Huge, "mm: a frame of a huge page is not counted"u8);
        Ruin(ref entry, new Pmd(entry.Value | (ulong)PteFlags.Writable), "mm: a shared huge page is writable, or not counted"u8);
        Ruin(ref _scene.Mm.HugeEntries, 0UL, "mm: the count of huge pages is wrong"u8);

        // The table that a huge page is split into hangs from the frame of the table above.
        ref PageFrame holder = ref _memory.Frames[_scene.Mm.TryFindPmd(MemoryScene.Huge, out PmdPlace place) ? place.Table : Pfn.None];
        Ruin(ref holder.Private, (nuint)0, "mm: the count of page tables is wrong"u8);

        HugePool pool = _memory.Hugetlb.Pool;
        pool.SetSize(2);
        _test.Check(pool.Allocate(isReserved: false, out Pfn taken) == Errno.None && pool.Free == 1, "there are pages for the pool"u8);
        if (_test.Failed)
            return;
        ref PageFrame used = ref _memory.Frames[taken];
        used.SetFlags(FrameFlags.Anonymous);
        used.UseCount = 0;                                  // no entry maps it
        Expect(default);
        Ruin(ref used.UseCount, 2, "a huge page of the pool is not used as often as it is found"u8);
        Ruin(ref used.ReferenceCount, 2, "a huge page of the pool has references that nobody holds"u8);
        Ruin(ref pool.Reserved, 1UL, "the pool's promises are not those of its files and mappings"u8);
        Ruin(ref pool.Total, 3UL, "the pool counts its huge pages wrong"u8);
        Ruin(ref pool.Free, 0UL, "the pool's list of free huge pages is broken"u8);
        Ruin(ref pool.Reserved, 2UL, "the pool has promised more huge pages than it has"u8);
        used.UseCount = 1;
        pool.RemoveUse(taken);
        pool.SetSize(0);
    }

    private void KernelTables()
    {
        _test.Check(_memory.Physical.Vmalloc.Allocate(new PageCount(1), out VirtAddr address) == Errno.None, "there is room in vmalloc space"u8);
        ref Pte entry = ref KernelEntryAt(address);
        Ruin(ref entry, new Pte(entry.Value & ~(ulong)PteFlags.NoExecute), "a page of the kernel can be written and executed"u8);
        Users(address);
        _memory.Physical.Vmalloc.Free(address);

        // All address spaces share one half for the kernel.
        Ruin(ref new PageTable<ulong>(_scene.Mm.Root)[PageSize.TableEntries - 1], 0UL, "an address space has a kernel's half of its own"u8);
    }

    /// <summary>User mode needs the right on every level: nothing is amiss before the last one has it.</summary>
    private void Users(VirtAddr address)
    {
        Pfn table = _memory.InitMm.Root;
        int top = _memory.PagingLevels == 5 ? 48 : 39;
        for (int shift = top; shift >= PageSize.Shift; shift -= 9)
        {
            ref Pmd entry = ref new PageTable<Pmd>(table)[(int)(address.Value >> shift) & (PageSize.TableEntries - 1)];
            table = entry.Pfn;
            entry = new Pmd(entry.Value | (ulong)PteFlags.User);
        }

        Expect("user mode can reach a page of the kernel"u8);
        table = _memory.InitMm.Root;
        for (int shift = top; shift >= PageSize.Shift; shift -= 9)
        {
            ref Pmd entry = ref new PageTable<Pmd>(table)[(int)(address.Value >> shift) & (PageSize.TableEntries - 1)];
            table = entry.Pfn;
            entry = new Pmd(entry.Value & ~(ulong)PteFlags.User);
        }

        Expect(default);
    }

    /// <summary>Who holds what for a while; marks of userfaultfd and entries that map no counted frame; the sums over all.</summary>
    private void Holds()
    {
        VirtAddr own = MemoryScene.Base + (MemoryScene.Pages - 1) * PageSize.Bytes;
        Pfn page = _scene.EntryAt(own).Pfn;
        KernelThread self = PerCpu.Current;
        Ruin(ref _memory.Frames[page].Holds, 1, "a frame has fewer references than holders"u8);
        Ruin(ref _memory.Frames[page].Pins, (ushort)1, "a frame is pinned by devices that do not hold it"u8);
        Ruin(ref self.HeldFrames, 1, "pages are not held as often as threads and transfers hold some"u8);
        _memory.Frames.Hold(page);
        Expect("a thread has not given back a page that it held"u8);
        Ruin(ref self.HeldFrames, 0, "pages are not held as often as threads and transfers hold some"u8, evenSo: "a thread has not given back a page that it held"u8);
        _memory.Frames.LetGo(page);
        Expect(default);
        _memory.Frames.Hold(page);
        _memory.Frames.HandToTransfer(page);
        Expect(default);
        _memory.Frames.LetGoOfTransfer(page);
        Expect(default);

        // A frame of ours that is called a file's, and one that is nobody's.
        _test.Check(_memory.Frames.Allocate(AllocationFlags.None, out Pfn taken) == Errno.None, "there is a frame"u8);
        ref PageFrame frame = ref _memory.Frames[taken];
        Ruin(ref frame.ReferenceCount, 0, "a frame is neither free nor used"u8);
        frame.Mapping = _scene.FrameAt(MemoryScene.Shared).Mapping;
        frame.Index = 5;
        Ruin(ref frame.Flags, FrameFlags.PageCache, "a frame names a page cache that does not have it"u8);
        frame.Mapping = 0;
        Ruin(ref frame.Flags, FrameFlags.PageCache, "a page of a cache does not know its file"u8);
        frame.Index = 0;
        _memory.Frames.Put(taken);
    }

    private void Entries()
    {
        ref Pte own = ref _scene.EntryAt(MemoryScene.Base + (MemoryScene.Pages - 1) * PageSize.Bytes);
        ref Pte zeros = ref _scene.EntryAt(MemoryScene.Zeros);
        ref Pte swapped = ref _scene.EntryAt(MemoryScene.Out);
        _test.Check(zeros.IsSpecial && zeros.Pfn == _memory.ZeroPage && own.IsWritable, "the scene has a page of zeros"u8);
        if (_test.Failed)
            return;
        ReadOnlySpan<byte> unwatched = "an entry is marked for a userfaultfd that does not watch its area"u8;
        Ruin(ref own, own.With(PteFlags.UserfaultWriteProtect).WithoutWritable(), unwatched);
        Ruin(ref swapped, swapped.With(PteFlags.UserfaultWriteProtect), unwatched);
        VmArea area = _scene.AreaAt(MemoryScene.Base);
        area.Flags |= VmFlags.UserfaultWriteProtect;
        Ruin(ref own, own.With(PteFlags.UserfaultWriteProtect), "an entry that a userfaultfd watches is writable"u8);
        area.Flags &= ~VmFlags.UserfaultWriteProtect;
        Expect(default);
        Ruin(ref zeros, zeros.WithPfn(own.Pfn), "a special entry maps neither zeros nor a device"u8);
        Ruin(ref zeros, zeros.WithWritable(), "a special entry maps neither zeros nor a device"u8);
    }

    private void Sums()
    {
        Ruin(ref _memory.AnonymousPages, _memory.AnonymousPages + 1, "the count of anonymous pages is wrong"u8);
        Ruin(ref _memory.FileMappedPages, _memory.FileMappedPages - 1, "the count of mapped pages of files is wrong"u8);
        Ruin(ref _memory.MlockedPages, 1UL, "the count of locked pages is wrong"u8);
        Ruin(ref _memory.PageTablePages, _memory.PageTablePages + 1, "the count of page tables is wrong"u8);
        Ruin(ref _memory.CommittedPages, _memory.CommittedPages - 1, "what is promised is not what areas and files may have"u8);
        _memory.MlockedPages++;
        Ruin(ref _scene.FrameAt(MemoryScene.Base).MlockCount, 1, "pages are not locked as often as entries of locked areas map them"u8, evenSo: "the count of locked pages is wrong"u8);
        _memory.MlockedPages--;
        _cache.CountPages(isShmem: false, 1);
        Expect("the count of pages in page caches is wrong"u8);
        _cache.CountPages(isShmem: false, -2);
        _cache.CountPages(isShmem: true, 1);
        Expect("the count of pages of shared memory is wrong"u8);
        _cache.CountPages(isShmem: true, -1);
        _cache.CountPages(isShmem: false, 1);
        _cache.CountDirty(1);
        Expect("the count of dirty pages is wrong"u8);
        _cache.CountDirty(-1);
        _cache.CountWriteback(1);
        Expect("the count of pages that are being written is wrong"u8);
        _cache.CountWriteback(-1);
        Expect(default);
    }

    /// <summary>The last-level entry for an address of vmalloc space.</summary>
    private ref Pte KernelEntryAt(VirtAddr address)
    {
        Pfn table = _memory.InitMm.Root;
        for (int shift = _memory.PagingLevels == 5 ? 48 : 39; shift > PageSize.Shift; shift -= 9)
            table = new PageTable<Pmd>(table)[(int)(address.Value >> shift) & (PageSize.TableEntries - 1)].Pfn;
        return ref new PageTable<Pte>(table)[Pte.IndexOf(address)];
    }

    /// <summary>A file that nobody maps.</summary>
    private sealed class TestSpace : AddressSpace
    {
        public override ulong SizeBytes => 1000 * PageSize.Bytes;

        public override Errno ReadPage(Pfn page, ulong index) => Errno.None;
    }
}
