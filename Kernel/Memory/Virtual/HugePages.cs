using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>Huge pages in an address space: one entry of the second level that maps 2 MiB at once, and how it becomes 512 small ones.</summary>
/// <remarks>
/// Linux: transparent huge pages, <c>mm/huge_memory.c</c>. Three things, and who counts whom:
/// <code>
///   entry of mm A ──┐ UseCount 2         one mapping and one reference each
///                   ├──────────► huge page ──────────► frame 0, 1, 2 … 511
///   entry of mm B ──┘                                      ▲
///   small entry of mm C (it was split there) ──────────────┘  one mapping and one reference more, of that frame alone
/// </code>
/// The 512 frames are ordinary anonymous frames from the start. Splitting an entry gives each of them one mapping by a small entry; when the last
/// entry of 2 MiB has gone, the huge page is no more: it gives its one mapping and reference of each frame back, and those that nobody
/// else has are free. So code for small pages needs to know nothing of huge ones, and giving back half of a huge page frees half of it at once.
/// <para>
/// A split must never fail, for <c>munmap</c> may not. So with every 2 MiB entry an empty table is deposited, hung from the frame of
/// the table that the entry stands in.
/// </para>
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Entries of 2 MiB that may have to be split; most address spaces have none, and then nothing looks for them. Guarded by <see cref="PageTableLock"/>.</summary>
    public ulong HugeEntries;

    /// <summary>A table for <see cref="Deposit"/>.</summary>
    private bool TryAllocateTable(out Pfn table) => System.Frames.Allocate(0, AllocationFlags.Zeroed, out table) == Errno.None;

    /// <summary>Puts an empty table by, to be used when a huge page below <paramref name="upper"/> is split. Under <see cref="PageTableLock"/>.</summary>
    /// <remarks>Linux: <c>pgtable_trans_huge_deposit</c>.</remarks>
    private void Deposit(Pfn upper, Pfn table)
    {
        CountTable(table);
        PutBy(upper, table);
    }

    private void PutBy(Pfn upper, Pfn table)
    {
        ref PageFrame holder = ref System.Frames[upper];
        System.Frames[table].Private = holder.Private;
        holder.Private = (nuint)table.Value;                // frame 0 is never a table: 0 ends the list
    }

    /// <summary>Takes one of the tables put by; which one does not matter. Linux: <c>pgtable_trans_huge_withdraw</c>.</summary>
    private Pfn Withdraw(Pfn upper)
    {
        ref PageFrame holder = ref System.Frames[upper];
        if (holder.Private == 0)
            Panic.Now("a huge page without a table to split it into"u8);
        var table = new Pfn(holder.Private);
        ref PageFrame taken = ref System.Frames[table];
        holder.Private = taken.Private;
        taken.Private = 0;
        return table;
    }

    /// <summary>Sets an empty entry to a huge page, and deposits its table. Under <see cref="PageTableLock"/>.</summary>
    private void SetHuge(PmdPlace place, Pmd entry, Pfn table)
    {
        Deposit(place.Table, table);
        place.Entry = entry;
        HugeEntries++;
        if (!entry.Has(PteFlags.Special))
            AnonymousPages += FrameAllocator.HugeFrames;
    }

    /// <summary>Replaces the 2 MiB entry for <paramref name="block"/> by a table of 512 entries that map the same. Cannot fail.</summary>
    /// <remarks>
    /// Linux: <c>__split_huge_pmd</c>. Not under <see cref="PageTableLock"/>, which it takes. Nothing a program can see changes: rights and the
    /// marks "accessed" and "written" go to every small entry.
    /// </remarks>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal void SplitHuge(PmdPlace place, VirtAddr block)
    {
        block = block.AlignDown(PageSize.LargeBytes);
        bool enabled = PageTableLock.AcquireRaw();
        ref Pmd entry = ref place.Entry;
        Pmd huge = entry;
        if (!huge.IsHuge || huge.IsFromPool)
        {
            PageTableLock.ReleaseRaw(enabled);
            return;
        }

        Pfn table = Withdraw(place.Table);
        var small = new PageTable<Pte>(table);
        bool isZero = huge.Has(PteFlags.Special);
        for (int i = 0; i < PageSize.TableEntries; i++)
        {
            Pte one = huge.ToPte(i);
            if (isZero)
            {
                small[i] = one.WithPfn(System.ZeroPage);
                continue;
            }

            small[i] = one;
            ref PageFrame frame = ref System.Frames[one.Pfn];
            frame.ReferenceCount++;
            frame.MapCount++;
        }

        // Never two sizes for one address in a TLB: first nothing, flushed, then the table (SDM 4.10.2.3, and Linux's pmdp_invalidate).
        entry = default;
        TlbBatch.FlushPage(this, block);
        entry = Pmd.UserTable(table);
        HugeEntries--;
        System.Statistics.Count(VmCounter.ThpSplitPmd);
        System.RemoveHugeMapping(huge);
        PageTableLock.ReleaseRaw(enabled);
    }

    /// <summary>Splits the huge page that <paramref name="address"/> lies inside of, if it is not its start: an area is about to be cut there.</summary>
    /// <remarks>Linux: <c>split_huge_pmd_if_needed</c>. So a huge page never belongs to two areas.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void SplitHugeAt(VirtAddr address)
    {
        if (HugeEntries != 0 && (address.Value & (PageSize.LargeBytes - 1)) != 0)
            SplitHugeAround(address);
    }

    /// <summary>Splits the huge page that <paramref name="address"/> lies in, if it does.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal void SplitHugeAround(VirtAddr address)
    {
        if (TryFindPmd(address, out PmdPlace place) && place.Entry.IsHuge)
            SplitHuge(place, address);
    }

    /// <summary>Takes a whole huge page out of this address space: its entry, its counts, its deposited table. Linux: <c>zap_huge_pmd</c>.</summary>
    private void UnmapHuge(PmdPlace place, VirtAddr block, ref TlbBatch batch)
    {
        bool enabled = PageTableLock.AcquireRaw();
        Pmd entry = place.Entry;
        place.Entry = default;
        HugeEntries--;
        Pfn table = Withdraw(place.Table);
        if (!entry.Has(PteFlags.Special))
            AnonymousPages -= FrameAllocator.HugeFrames;
        PageTableLock.ReleaseRaw(enabled);

        batch.FlushNow(block);
        System.RemoveHugeMapping(entry);
        TableFreed(block, table, ref batch);
    }

    /// <summary>The child of a fork gets the huge page too, both until one writes. Linux: <c>copy_huge_pmd</c>.</summary>
    /// <returns><see cref="Errno.ENOMEM"/> when a table cannot be made.</returns>
    private Errno CopyHuge(MmStruct child, PmdPlace place, VirtAddr block, bool isWatched)
    {
        // Reserve.
        if (!child.TryAllocatePmd(block, out PmdPlace target) || !child.TryAllocateTable(out Pfn table))
            return Errno.ENOMEM;

        // Commit.
        bool enabled = PageTableLock.AcquireRaw();
        Pmd entry = place.Entry.Without(PteFlags.Writable);
        place.Entry = entry;
        System.DuplicateHugeMapping(entry);
        child.SetHuge(target, entry.Without(isWatched ? PteFlags.Accessed : PteFlags.Accessed | PteFlags.UserfaultWriteProtect), table);
        PageTableLock.ReleaseRaw(enabled);
        System.Statistics.Add(VmCounter.ForkPagesShared, FrameAllocator.HugeFrames);
        return Errno.None;
    }

    /// <summary>Moves a huge page to another place of 2 MiB whose entry is empty; its deposited table goes with it. Linux: <c>move_huge_pmd</c>.</summary>
    private void MoveHuge(PmdPlace from, PmdPlace to)
    {
        bool enabled = PageTableLock.AcquireRaw();
        to.Entry = from.Entry.With(PteFlags.SoftDirty);
        from.Entry = default;
        if (!to.Entry.IsFromPool)
            PutBy(to.Table, Withdraw(from.Table));
        PageTableLock.ReleaseRaw(enabled);
    }

    /// <summary>Gives a huge page the rights of <paramref name="protection"/>. Linux: <c>change_huge_pmd</c>.</summary>
    private void ProtectHuge(PmdPlace place, VirtAddr block, PteFlags protection, ref TlbBatch batch)
    {
        bool enabled = PageTableLock.AcquireRaw();
        Pte before = place.Entry.ToPte(0);
        Pte after = before.WithProtection(protection);
        place.Entry = place.Entry.WithFlagsOf(after);
        PageTableLock.ReleaseRaw(enabled);
        if (LosesRights(before, after))
            batch.NoteChange(block);
    }

    /// <summary>Whether this address space alone has the huge page and nobody holds any frame of it, so that writing in place harms nobody.</summary>
    /// <remarks>O(512), for a fault that would otherwise make 512 entries.</remarks>
    private bool CanReuseHuge(Pfn first)
    {
        FrameTable frames = System.Frames.Table;
        if (frames[first].UseCount != 1)
            return false;
        for (ulong i = 0; i < FrameAllocator.HugeFrames; i++)
        {
            if (frames[first + i].UnpinnedReferences != 1)
                return false;
        }

        return true;
    }
}

internal sealed partial class MemorySystem
{
    /// <summary>Huge pages of anonymous memory that some entry maps whole. <c>AnonHugePages</c>. Linux: <c>NR_ANON_THPS</c>.</summary>
    public ulong AnonymousHugePages;

    /// <summary>Guards <see cref="_hugeZero"/>. Inside <see cref="MmStruct.PageTableLock"/>.</summary>
    private Core.Sync.SpinLock _hugeZeroLock;

    /// <summary>The 2 MiB of zeros that untouched huge pages read, while anybody does, and the entries that map them.</summary>
    private Pfn _hugeZero = Pfn.None;
    private ulong _hugeZeroUses;

    /// <summary>A fresh block of <see cref="FrameAllocator.AllocateHuge"/> becomes a huge page of <paramref name="area"/> with its first mapping.</summary>
    internal void AddNewHuge(VmArea area, VirtAddr block, Pfn first)
    {
        ulong index = area.PageIndexOf(block);
        for (ulong i = 0; i < FrameAllocator.HugeFrames; i++)
        {
            ref PageFrame frame = ref Frames[first + i];
            frame.SetAnonymous(area.AnonVma, index + i);
            frame.Flags |= FrameFlags.Huge;
            frame.MapCount = 1;
        }

        Frames[first].UseCount = 1;
        AnonymousPages += FrameAllocator.HugeFrames;
        AnonymousHugePages++;
        Frames.Lru.Add(first, LruKind.InactiveAnonymous);
    }

    /// <summary>One more entry maps what <paramref name="entry"/> maps.</summary>
    internal void DuplicateHugeMapping(Pmd entry)
    {
        if (!entry.Has(PteFlags.Special))
        {
            Frames[entry.Pfn].UseCount++;
            return;
        }

        bool enabled = _hugeZeroLock.AcquireRaw();
        _hugeZeroUses++;
        _hugeZeroLock.ReleaseRaw(enabled);
    }

    /// <summary>One entry less maps the huge page that <paramref name="entry"/> mapped; no TLB has it any more.</summary>
    internal void RemoveHugeMapping(Pmd entry)
    {
        if (entry.Has(PteFlags.Special))
            PutHugeZero();
        else if (--Frames[entry.Pfn].UseCount == 0)
            Dissolve(entry.Pfn);
    }

    /// <summary>Nobody maps a huge page whole any more: its frames are ordinary ones, and those that nobody else has are free.</summary>
    private void Dissolve(Pfn first)
    {
        FrameTable frames = Frames.Table;
        Frames.Lru.Remove(first);
        AnonymousHugePages--;
        bool isHeld = false;
        for (ulong i = 0; i < FrameAllocator.HugeFrames && !isHeld; i++)
            isHeld = frames[first + i].ReferenceCount != 1;
        if (!isHeld)
        {
            AnonymousPages -= FrameAllocator.HugeFrames;
            Frames.FreeHuge(first);
            return;
        }

        Statistics.Count(VmCounter.ThpSplitPage);
        for (ulong i = 0; i < FrameAllocator.HugeFrames; i++)
        {
            ref PageFrame frame = ref frames[first + i];
            frame.ClearFlags(FrameFlags.Huge);
            if (--frame.MapCount == 0)
                AnonymousPages--;
            else
                Frames.Lru.Add(first + i, LruKind.InactiveAnonymous);
            Frames.Put(first + i);
        }
    }

    /// <summary>The huge page of zeros, with one use for the caller. Linux: <c>mm_get_huge_zero_page</c>.</summary>
    /// <returns>False when no block is free.</returns>
    internal bool TryGetHugeZero(AllocationFlags flags, out Pfn first)
    {
        if (_hugeZero.IsNone)
        {
            if (Frames.AllocateHuge(flags | AllocationFlags.Zeroed, out Pfn made) != Errno.None)
            {
                Statistics.Count(VmCounter.ThpZeroPageAllocFailed);
                first = Pfn.None;
                return false;
            }

            Statistics.Count(VmCounter.ThpZeroPageAlloc);
            if (_hugeZero.IsNone)
                _hugeZero = made;
            else
                Frames.FreeHuge(made);              // another thread was faster while we allocated
        }

        bool enabled = _hugeZeroLock.AcquireRaw();
        _hugeZeroUses++;
        first = _hugeZero;
        _hugeZeroLock.ReleaseRaw(enabled);
        return true;
    }

    /// <summary>Gives a use back; the last one frees the zeros. Linux frees them when memory runs short.</summary>
    internal void PutHugeZero()
    {
        bool enabled = _hugeZeroLock.AcquireRaw();
        Pfn free = Pfn.None;
        if (--_hugeZeroUses == 0)
        {
            free = _hugeZero;
            _hugeZero = Pfn.None;
        }

        _hugeZeroLock.ReleaseRaw(enabled);
        if (!free.IsNone)
            Frames.FreeHuge(free);
    }
}
