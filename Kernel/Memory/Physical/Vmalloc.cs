using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Check;
using NanoVm.Memory.Structures;

namespace NanoVm.Memory.Physical;

/// <summary>Kernel memory that is contiguous in virtual space only, each piece with an unmapped page behind it.</summary>
/// <remarks>
/// Linux: <c>vmalloc</c>, <c>vfree</c>, <c>ioremap</c>. Kernel stacks, large arrays and device registers live here.
/// <code>
///   [ pages of A ][guard][ pages of B ][guard]      free      [ pages of C ][guard]  free …
/// </code>
/// Free ranges are in a tree by address that knows the largest one below each node; the lowest that fits is taken. An area
/// keeps its descriptor when it is freed: freeing never allocates. What is freed waits, still mapped, to be unmapped together with others
/// (<c>Vmalloc.Purge.cs</c>).
/// </remarks>
internal sealed partial class Vmalloc
{
    private readonly FrameAllocator _frames;
    private readonly ObjectCache<VmallocArea> _areas;
    private readonly FailureInjection _failures;
    private KernelPageTable _tables;                         // counts: not readonly

    /// <summary>Guards the trees, the counts and the tables.</summary>
    private SpinLock _lock;
    private RedBlackTree<VmallocArea, VmallocArea.FreeTraits> _free;
    private RedBlackTree<VmallocArea, VmallocArea.UsedTraits> _used;
    private ulong _usedPages;

    internal Vmalloc(PhysicalMemory memory, Pfn kernelRoot)
    {
        _frames = memory.Frames;
        MostUnpurged = UsualMostUnpurged(_frames.TotalFrames);
        _failures = memory.Failures;
        _tables = new KernelPageTable(_frames, kernelRoot);
        _areas = new ObjectCache<VmallocArea>(memory, "vmap_area"u8);
        VmallocArea? all = _areas.Allocate();
        if (all is null)
        {
            Panic.Now("there is no memory for vmalloc"u8);
            return;
        }

        all.Start = new VirtAddr(KernelLayout.Vmalloc);
        all.End = new VirtAddr(KernelLayout.VmallocEnd);
        _free.InsertAt(all, null, left: false);
        if (_tables.Hold(all.Start, AllocationFlags.None) != Errno.None)      // the first table is always in use: it need not come and go
            Panic.Now("there is no memory for vmalloc"u8);
    }

    /// <summary>Pages that are mapped to RAM. VmallocUsed.</summary>
    public PageCount UsedPages => new(_usedPages);

    /// <summary>Areas in use, those that wait to be unmapped too.</summary>
    public ulong UsedAreas { get; private set; }

    /// <summary>Frames of the page tables: as many as pieces of 2 MiB have an area, wherever it happened to be put.</summary>
    public PageCount TableFrames => _tables.Tables;

    /// <summary>Descriptors of areas, in use and free: how many free ones there are depends on where the used ones lie.</summary>
    internal SlabCache Descriptors => _areas.Slabs;

    /// <summary>All of vmalloc space. VmallocTotal.</summary>
    public static PageCount TotalPages => new((KernelLayout.VmallocEnd - KernelLayout.Vmalloc) >> PageSize.Shift);

    /// <summary>Maps fresh zeroed frames.</summary>
    /// <returns><see cref="Errno.ENOMEM"/>, and then nothing has changed.</returns>
    public Errno Allocate(PageCount pages, out VirtAddr address) => Allocate(pages, VmallocUse.General, out address);

    /// <inheritdoc cref="Allocate(PageCount, out VirtAddr)"/>
    public Errno Allocate(PageCount pages, VmallocUse use, out VirtAddr address)
    {
        address = VirtAddr.Zero;
        if (pages > _frames.TotalFrames)
            return Errno.ENOMEM;                    // before tables are made for what can never be
        VmallocArea? area = Reserve(pages, use);
        if (area is null)
            return Errno.ENOMEM;

        // A few pages are worth a death, an array as large as some program liked is not.
        AllocationFlags flags = AllocationFlags.Zeroed | (pages.Value <= 1 << FrameAllocator.CostlyOrder ? AllocationFlags.None : AllocationFlags.MayFail);
        VirtAddr end = area.End - PageSize.Bytes;
        for (VirtAddr page = area.Start; page < end; page += PageSize.Bytes)
        {
            if (_frames.Allocate(flags, out Pfn frame) != Errno.None)
            {
                bool locked = _lock.AcquireRaw();
                AddUnpurged(area, new PageCount((page - area.Start) >> PageSize.Shift));
                _lock.ReleaseRaw(locked);
                return Errno.ENOMEM;
            }

            _frames[frame].Flags |= FrameFlags.Vmalloc;
            bool enabled = _lock.AcquireRaw();
            _tables.Map(page, frame, PteFlags.KernelData);
            _usedPages++;
            _lock.ReleaseRaw(enabled);
        }

        address = area.Start;
        return Errno.None;
    }

    /// <summary>Gives an area back: its frames come free, and its addresses, when enough of them wait. O(1) but for that.</summary>
    /// <param name="address">What <see cref="Allocate(PageCount, out VirtAddr)"/> or <see cref="MapDevice(PhysAddr, PageCount, out VirtAddr)"/> returned.</param>
    public void Free(VirtAddr address)
    {
        bool enabled = _lock.AcquireRaw();
        VmallocArea? area = Find(address);
        if (area is null || area.Start != address || area.Use == VmallocUse.Unpurged)
        {
            Panic.Now("memory is freed that vmalloc did not give"u8);
            return;
        }

        bool now = area.Use == VmallocUse.Device;           // what a device does with an access to a stale address nobody knows
        if (!now)
            AddUnpurged(area, area.Pages);
        bool enough = _unpurgedPages > MostUnpurged;
        _lock.ReleaseRaw(enabled);
        if (now)
            UnmapDevicePages(area);
        else if (enough)
            Purge();
    }

    /// <summary>Maps a device's registers or memory, uncached. Linux: <c>ioremap</c>.</summary>
    /// <param name="start">Of the device; the result has the same offset in its page.</param>
    /// <param name="pages">Pages that it covers.</param>
    public Errno MapDevice(PhysAddr start, PageCount pages, out VirtAddr address) => MapDevice(start, pages, PteFlags.KernelDevice, out address);

    /// <summary>The same with other caching: a framebuffer is write-combined.</summary>
    public Errno MapDevice(PhysAddr start, PageCount pages, PteFlags flags, out VirtAddr address)
    {
        address = VirtAddr.Zero;
        VmallocArea? area = Reserve(pages, VmallocUse.Device);
        if (area is null)
            return Errno.ENOMEM;
        bool enabled = _lock.AcquireRaw();
        for (ulong i = 0; i < pages.Value; i++)
            _tables.Map(area.Start + (i << PageSize.Shift), start.Pfn + i, flags);
        _lock.ReleaseRaw(enabled);
        address = area.Start + start.PageOffset;
        return Errno.None;
    }

    /// <summary>Undoes <see cref="MapDevice(PhysAddr, PageCount, out VirtAddr)"/>. Linux: <c>iounmap</c>.</summary>
    public void UnmapDevice(VirtAddr address) => Free(address.PageDown());

    /// <summary>The frame behind an address of vmalloc space, or <see cref="Pfn.None"/>; of an area that was freed perhaps still the old one. Linux: <c>vmalloc_to_pfn</c>.</summary>
    public Pfn FrameOf(VirtAddr address)
    {
        bool enabled = _lock.AcquireRaw();
        Pfn frame = _tables.Lookup(address.PageDown());
        _lock.ReleaseRaw(enabled);
        return frame;
    }

    /// <summary>Copies the first area in use at or above <paramref name="address"/>, for <c>/proc/vmallocinfo</c>.</summary>
    public bool TryNext(VirtAddr address, out PageRange range, out VmallocUse use)
    {
        bool enabled = _lock.AcquireRaw();
        VmallocArea? found = null;
        VmallocArea? walk = _used.Root;
        while (walk is not null)
        {
            if (walk.Start >= address)
            {
                found = walk;
                walk = walk.Links.Left;
            }
            else
            {
                walk = walk.Links.Right;
            }
        }

        range = found is null ? default : new PageRange(found.Start, found.End);
        use = found is null ? VmallocUse.General : found.Use;
        _lock.ReleaseRaw(enabled);
        return found is not null;
    }

    /// <summary>Panics unless both trees are sound and together fill vmalloc space without overlap.</summary>
    public void Validate()
    {
        MemoryReport report = default;
        Check(ref report);
        report.PanicIfBroken();
    }

    /// <summary>Checks that both trees are sound and together fill vmalloc space without overlap.</summary>
    internal void Check(ref MemoryReport report)
    {
        bool enabled = _lock.AcquireRaw();
        if (!report.Unless(_free.Validate(out _) && _used.Validate(out _), "a tree of vmalloc is broken"u8))
        {
            _lock.ReleaseRaw(enabled);
            return;
        }

        VmallocArea? free = _free.First();
        VmallocArea? used = _used.First();
        VirtAddr at = new(KernelLayout.Vmalloc);
        bool lastWasFree = false;
        while (free is not null || used is not null)
        {
            bool takeFree = used is null || (free is not null && free.Start < used.Start);
            VmallocArea next = takeFree ? free! : used!;
            report.Unless(next.Start == at && next.End > next.Start, "vmalloc areas overlap or leave a hole"u8);
            report.Unless(!(takeFree && lastWasFree), "two free vmalloc areas were not joined"u8);
            at = next.End;
            lastWasFree = takeFree;
            if (takeFree)
                free = RedBlackTree<VmallocArea, VmallocArea.FreeTraits>.Next(next);
            else
                used = RedBlackTree<VmallocArea, VmallocArea.UsedTraits>.Next(next);
        }

        report.Unless(at.Value == KernelLayout.VmallocEnd, "vmalloc areas do not reach the end"u8);
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>Finds a place for the pages and their guard, with all tables it needs.</summary>
    private VmallocArea? Reserve(PageCount pages, VmallocUse use)
    {
        if (pages.Value == 0 || pages.Value >= TotalPages.Value || _failures.ShouldFail(FailureKinds.Vmalloc))
            return null;
        VmallocArea? area = _areas.Allocate();
        if (area is null)
            return null;

        ulong bytes = pages.Bytes + PageSize.Bytes;
        bool enabled = _lock.AcquireRaw();
        VmallocArea? hole = LowestHole(bytes);
        if (hole is null)
        {
            _lock.ReleaseRaw(enabled);
            _areas.Free(area);
            return null;
        }

        area.Use = use;
        area.Start = hole.Start;
        area.End = hole.Start + bytes;
        VmallocArea? spent = null;
        if (hole.Bytes == bytes)
        {
            _free.Remove(hole);
            spent = hole;
        }
        else
        {
            hole.Start = area.End;
            RedBlackTree<VmallocArea, VmallocArea.FreeTraits>.Propagate(hole);
        }

        _used.Insert<VmallocArea.UsedTraits>(area);
        UsedAreas++;
        VirtAddr held = area.Start;
        while (held < area.End && _tables.Hold(held, AllocationFlags.Atomic) == Errno.None)
            held = NextTable(held);
        bool prepared = held >= area.End;
        if (!prepared)
            ReleaseTables(area.Start, held);
        _lock.ReleaseRaw(enabled);

        if (spent is not null)
            _areas.Free(spent);
        if (prepared)
            return area;
        MakeFree(area);
        return null;
    }

    /// <summary>The first page that the next last-level table serves.</summary>
    private static VirtAddr NextTable(VirtAddr page) => (page + PageSize.LargeBytes).AlignDown(PageSize.LargeBytes);

    private void ReleaseTables(VirtAddr start, VirtAddr end)
    {
        for (VirtAddr page = start; page < end; page = NextTable(page))
            _tables.Release(page);
    }

    private void UnmapDevicePages(VmallocArea area)
    {
        bool enabled = _lock.AcquireRaw();
        for (VirtAddr page = area.Start; page < area.End - PageSize.Bytes; page += PageSize.Bytes)
        {
            _tables.Unmap(page);
            Tlb.FlushPage(page);
        }

        ReleaseTables(area.Start, area.End);
        _lock.ReleaseRaw(enabled);
        MakeFree(area);
    }

    /// <summary>Joins an area in which nothing is mapped with its free neighbours.</summary>
    private void MakeFree(VmallocArea area)
    {
        bool enabled = _lock.AcquireRaw();
        _used.Remove(area);
        UsedAreas--;
        VmallocArea? joined1 = null, joined2 = null;

        // The neighbours by address: the free areas that end and begin where this one does.
        FindFreeNeighbours(area.Start, out VmallocArea? before, out VmallocArea? after);
        if (before is not null && before.End == area.Start)
        {
            _free.Remove(before);
            area.Start = before.Start;
            joined1 = before;
        }

        if (after is not null && after.Start == area.End)
        {
            _free.Remove(after);
            area.End = after.End;
            joined2 = after;
        }

        area.LargestBelow = 0;
        _free.Insert<VmallocArea.FreeTraits>(area);
        _lock.ReleaseRaw(enabled);

        if (joined1 is not null)
            _areas.Free(joined1);
        if (joined2 is not null)
            _areas.Free(joined2);
    }

    private VmallocArea? LowestHole(ulong bytes)
    {
        VmallocArea? walk = _free.Root;
        if (walk is null || walk.LargestBelow < bytes)
            return null;
        while (true)
        {
            if (walk.Links.Left is { } left && left.LargestBelow >= bytes)
                walk = left;
            else if (walk.Bytes >= bytes)
                return walk;
            else
                walk = walk.Links.Right!;
        }
    }

    private VmallocArea? Find(VirtAddr address)
    {
        VmallocArea? walk = _used.Root;
        while (walk is not null)
        {
            if (address < walk.Start)
                walk = walk.Links.Left;
            else if (address >= walk.End)
                walk = walk.Links.Right;
            else
                return walk;
        }

        return null;
    }

    private void FindFreeNeighbours(VirtAddr address, out VmallocArea? before, out VmallocArea? after)
    {
        before = null;
        after = null;
        VmallocArea? walk = _free.Root;
        while (walk is not null)
        {
            if (walk.Start > address)
            {
                after = walk;
                walk = walk.Links.Left;
            }
            else
            {
                before = walk;
                walk = walk.Links.Right;
            }
        }
    }
}
