using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>Makes one huge page of 512 small ones because the program asks for it: <c>madvise(MADV_COLLAPSE)</c>.</summary>
/// <remarks>
/// Linux: <c>madvise_collapse</c>, <c>collapse_huge_page</c>. There is no thread that does it unasked (Linux has <c>khugepaged</c>).
/// <code>
///   before   entry ─► table ─► a b - d 0 … z      small pages, holes, the zero page, anywhere in RAM
///   after    entry ─► a b 0 d 0 … z               one block with a copy of each, zeros where nothing was;
///            table                                put by for the day it is split
/// </code>
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Collapses every whole 2 MiB of a part of an area.</summary>
    /// <returns>EINVAL: the area cannot have huge pages, or a part of it has nothing to collapse; ENOMEM: no block; EAGAIN: a page is in use.</returns>
    /// <remarks>Holds <see cref="MmapLock"/> for writing. All that can be collapsed is, also when another part cannot.</remarks>
    private Errno CollapseRange(VmArea area, PageRange range)
    {
        if (!System.HugePages.Allows(area, isAsked: true) || area.AnonVma is null)
            return Errno.EINVAL;
        ulong lastBlock = area.End.Value & ~(PageSize.LargeBytes - 1);
        if (lastBlock < PageSize.LargeBytes || lastBlock - PageSize.LargeBytes < area.Start.Value)
            return Errno.EINVAL;        // not one huge page fits into it
        Errno error = Errno.None;
        var start = new VirtAddr((range.Start.Value + PageSize.LargeBytes - 1) & ~(PageSize.LargeBytes - 1));
        for (VirtAddr block = start; block + PageSize.LargeBytes <= range.End; block += PageSize.LargeBytes)
        {
            Errno one = Collapse(area, block);
            if (one != Errno.None)
                error = one;
            if (one == Errno.ENOMEM)
                break;
            PerCpu.Scheduler.CondResched();
        }

        return error;
    }

    private Errno Collapse(VmArea area, VirtAddr block)
    {
        if (!TryFindPmd(block, out PmdPlace place) || place.Entry.IsNone)
            return Errno.EINVAL;
        if (place.Entry.IsHuge)
            return Errno.None;
        Pfn oldTable = place.Entry.Pfn;
        var table = new PageTable<Pte>(oldTable);
        Errno error = BringBackForCollapse(area, block, table);
        if (error == Errno.None)
            error = MayCollapse(table);
        if (error != Errno.None)
            return error;

        // Reserve. The allocation may sleep, and reclaim takes pages away meanwhile; what is copied is looked at afterwards.
        if (System.Frames.AllocateHuge(System.HugePages.FlagsFor(area, System.Frames), out Pfn first) != Errno.None)
        {
            System.Statistics.Count(VmCounter.ThpCollapseAllocFailed);
            return Errno.ENOMEM;
        }

        System.Statistics.Count(VmCounter.ThpCollapseAlloc);
        error = MayCollapse(table);
        if (error != Errno.None)
        {
            System.Frames.FreeHuge(first);
            return error == Errno.EINVAL ? Errno.EAGAIN : error;
        }

        // Commit: no processor may use a small entry while its page is copied.
        bool enabled = PageTableLock.AcquireRaw();
        place.Entry = default;
        TlbBatch.FlushMm(this);
        for (int i = 0; i < PageSize.TableEntries; i++)
            TakeIntoHuge(ref table[i], first + (ulong)i);
        System.AddNewHuge(area, block, first);
        AnonymousPages += FrameAllocator.HugeFrames;
        HugeEntries++;
        PutBy(place.Table, oldTable);
        PteFlags rights = area.PageProtection | PteFlags.Huge | PteFlags.Dirty | PteFlags.SoftDirty;
        place.Entry = new Pmd(first, (area.Flags & VmFlags.Write) != 0 ? rights | PteFlags.Writable : rights);
        PageTableLock.ReleaseRaw(enabled);
        return Errno.None;
    }

    /// <summary>Swapped pages come back before the others are looked at. Linux: <c>__collapse_huge_page_swapin</c>.</summary>
    private Errno BringBackForCollapse(VmArea area, VirtAddr block, PageTable<Pte> table)
    {
        for (int i = 0; i < PageSize.TableEntries; i++)
        {
            if (!table[i].IsSwap())
                continue;
            Errno error = ToErrno(HandleMmFault(area, block + ((ulong)i << PageSize.Shift), FaultFlags.Remote | FaultFlags.Uncounted));
            if (error != Errno.None)
                return error == Errno.ENOMEM ? error : Errno.EINVAL;
        }

        return Errno.None;
    }

    /// <summary>Whether nobody but page tables holds the pages, and at least one of them may be written. Linux: <c>hpage_collapse_scan_pmd</c>.</summary>
    private Errno MayCollapse(PageTable<Pte> table)
    {
        bool isWritable = false;
        for (int i = 0; i < PageSize.TableEntries; i++)
        {
            Pte entry = table[i];
            if (entry.IsNone || (entry.IsMapped() && entry.IsSpecial && entry.Pfn == System.ZeroPage))
                continue;
            if (!entry.IsMapped() || entry.IsSpecial || entry.Has(PteFlags.UserfaultWriteProtect))
                return Errno.EINVAL;
            ref PageFrame frame = ref System.Frames[entry.Pfn];
            if (!frame.IsAnonymous)
                return Errno.EINVAL;
            int holders = frame.MapCount + (frame.Has(FrameFlags.SwapCache) ? 1 : 0);
            if (frame.ReferenceCount != holders || frame.HasAny(FrameFlags.Locked | FrameFlags.Writeback))
                return Errno.EAGAIN;
            isWritable |= entry.IsWritable;
        }

        return isWritable ? Errno.None : Errno.EINVAL;
    }

    /// <summary>Copies what a small entry maps, and gives its page back. The TLB has been flushed.</summary>
    private void TakeIntoHuge(ref Pte entry, Pfn target)
    {
        Pte old = entry;
        entry = default;
        if (old.IsNone || old.IsSpecial)
        {
            DirectMap.ZeroPage(target);
            return;
        }

        DirectMap.CopyPage(target, old.Pfn);
        AnonymousPages--;
        System.RemoveMapping(ref System.Frames[old.Pfn]);
        System.Frames.Put(old.Pfn);
    }
}
