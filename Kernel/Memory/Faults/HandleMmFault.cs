using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Memory.Faults;

namespace NanoVm.Memory.Virtual;

/// <summary>Brings one page of an area in: from the area's rights being settled to the entry being set.</summary>
/// <remarks>
/// Linux: <c>handle_mm_fault</c>, <c>handle_pte_fault</c>. Lecture 000, "Handling page faults". The tree of kinds:
/// <code>
///   no table for the entry, or a huge page in its place ──► HandlePmdFault (HugeFault.cs), which makes a table or 2 MiB at once
///
///   entry empty?  ──yes──  no operations?  ──yes──  read  → zero page            DoAnonymousPage  (AnonymousFault.cs)
///        │                      │                   write → zeroed frame
///        │                      no ───────────────  read            → DoReadFault    (ReadFault.cs)
///        │                                          write, private  → DoCowFault     (CowFault.cs)
///        │                                          write, shared   → DoSharedFault  (SharedFault.cs)
///        no
///        ├─ not present  ─────────────────────────  swapped out     → DoSwapPage     (SwapFault.cs)
///        ├─ write, entry read-only  ──────────────  copy or reuse   → DoWpPage       (WriteProtectFault.cs)
///        └─ else  ────────────────────────────────  already settled: mark accessed, forget the stale translation
/// </code>
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Makes the access <paramref name="flags"/> to <paramref name="address"/> possible.</summary>
    /// <param name="area">Contains the address and allows the access.</param>
    /// <remarks>Holds <see cref="MmapLock"/> for reading. May sleep for a device.</remarks>
    public PageFaultResult HandleMmFault(VmArea area, VirtAddr address, FaultFlags flags)
    {
        VmFault fault = default;
        fault.Mm = this;
        fault.Area = area;
        fault.Address = address.PageDown();
        fault.Exact = address;
        fault.Flags = flags;

        PageFaultResult result = HandlePteFault(ref fault);
        CountFault(result, fault.IsMajor, flags);
        return result;
    }

    private PageFaultResult HandlePteFault(ref VmFault fault)
    {
        if (!TryFindPte(fault.Address, out fault.Table))
            return HandlePmdFault(ref fault);

        Pte entry = fault.Entry;
        fault.Original = entry;
        if (entry.IsNone)
            return fault.Area.IsAnonymous ? DoAnonymousPage(ref fault) : DoFault(ref fault);
        if (!entry.IsMapped())
            return DoSwapPage(ref fault);
        if (fault.IsWrite && !entry.IsWritable)
            return DoWpPage(ref fault);
        return SettleSpurious(ref fault);
    }

    /// <summary>A page of an area with operations, touched for the first time. Linux: <c>do_fault</c>.</summary>
    private PageFaultResult DoFault(ref VmFault fault)
    {
        fault.Page = Pfn.None;
        fault.PageIndex = fault.Area.PageIndexOf(fault.Address);
        if (!fault.IsWrite)
            return DoReadFault(ref fault);
        return (fault.Area.Flags & VmFlags.Shared) != 0 ? DoSharedFault(ref fault) : DoCowFault(ref fault);
    }

    /// <summary>Somebody else has set the entry, or the processor used a stale one: nothing is missing any more.</summary>
    private PageFaultResult SettleSpurious(ref VmFault fault)
    {
        bool enabled = PageTableLock.AcquireRaw();
        ref Pte entry = ref fault.Entry;
        if (entry == fault.Original && entry.IsPresent)
            entry = fault.IsWrite ? entry.With(PteFlags.Accessed | PteFlags.Dirty | PteFlags.SoftDirty) : entry.WithAccessed();
        PageTableLock.ReleaseRaw(enabled);
        TlbBatch.FlushPage(this, fault.Address);
        System.Statistics.Count(VmCounter.FaultSpurious);
        return PageFaultResult.Handled;
    }

    /// <summary>Minor and major faults, per task and in all. Linux: <c>mm_account_fault</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void CountFault(PageFaultResult result, bool major, FaultFlags flags)
    {
        System.Statistics.Count(VmCounter.PgFault);
        if (result > PageFaultResult.Installed || (flags & FaultFlags.Uncounted) != 0)
            return;
        TaskMemory task = TaskMemory.Current;
        if (major)
        {
            System.Statistics.Count(VmCounter.PgMajFault);
            task.MajorFaults++;
        }
        else
        {
            task.MinorFaults++;
        }
    }

    /// <summary>Maps a page of the page cache, or its private copy, into an empty entry. The reference to it becomes the entry's. Linux: <c>do_set_pte</c>.</summary>
    /// <remarks>Under <see cref="PageTableLock"/>.</remarks>
    internal void SetFilePte(VmArea area, ref Pte entry, VirtAddr address, Pfn page, bool write)
    {
        var made = new Pte(page, area.PageProtection);
        if (write)
            made = made.With(PteFlags.Dirty | PteFlags.SoftDirty | ((area.Flags & VmFlags.Write) != 0 ? PteFlags.Writable : PteFlags.None));
        if (write && (area.Flags & VmFlags.Shared) == 0)
        {
            System.AddNewAnonymous(area, address, page);
            AnonymousPages++;
        }
        else
        {
            ref Physical.PageFrame frame = ref System.Frames[page];
            System.AddFileMapping(ref frame);
            if ((area.Flags & VmFlags.Locked) != 0)
                System.LockPage(page);
            if ((frame.Flags & Physical.FrameFlags.SwapBacked) != 0)
                ShmemPages++;
            else
                FilePages++;
        }

        entry = made;
    }
}
