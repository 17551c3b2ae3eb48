using NanoVm.Core;
using NanoVm.Memory.Faults;

namespace NanoVm.Memory.Virtual;

/// <summary>The first read of a page that has a file, and the pages around it that need no waiting.</summary>
/// <remarks>
/// Linux: <c>do_read_fault</c>, <c>do_fault_around</c>. Lecture 004, "do_read_fault(): warm page cache". Programs touch code and data in
/// clusters: one fault maps up to 16 pages that the cache already holds.
/// <code>
///        window of 16 pages, aligned
///   [ . . P P P x P P . . P P P P P P ]      x the page touched; P in the cache and mapped now; . not in the cache
///   limited to the area, to the page table, to the file
/// </code>
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Linux: <c>fault_around_bytes</c>.</summary>
    private const ulong FaultAroundPages = 16;

    private PageFaultResult DoReadFault(ref VmFault fault)
    {
        VmOperations operations = fault.Area.Operations!;
        // Whom each page's first touch has to be told cannot have its neighbours mapped in silence.
        if (operations.HasMapPages && (fault.Area.Flags & VmFlags.UserfaultMinor) == 0)
        {
            FaultAround(ref fault, operations);
            if (!fault.Entry.IsNone)
            {
                System.Statistics.Count(VmCounter.FaultRead);
                return PageFaultResult.Handled;
            }
        }

        PageFaultResult result = operations.Fault(ref fault);
        if (result != PageFaultResult.Handled)
            return result;
        FinishFileFault(ref fault, write: false);
        System.Statistics.Count(VmCounter.FaultRead);
        return PageFaultResult.Handled;
    }

    private void FaultAround(ref VmFault fault, VmOperations operations)
    {
        VmArea area = fault.Area;
        // From where the area begins, when it does so in the window, its whole length: but never into the next page table.
        VirtAddr start = VirtAddr.Max(fault.Address.AlignDown(FaultAroundPages * PageSize.Bytes), area.Start);
        VirtAddr tableEnd = fault.Address.AlignDown(PageSize.LargeBytes) + PageSize.LargeBytes;
        VirtAddr end = VirtAddr.Min(start + FaultAroundPages * PageSize.Bytes, VirtAddr.Min(tableEnd, area.End));
        bool enabled = PageTableLock.AcquireRaw();
        operations.MapPages(ref fault, area.PageIndexOf(start), area.PageIndexOf(end - PageSize.Bytes));
        PageTableLock.ReleaseRaw(enabled);
    }

    /// <summary>Sets the entry to the file's page, which the caller holds: his reference becomes the entry's.</summary>
    private void FinishFileFault(ref VmFault fault, bool write)
    {
        System.Frames.Keep(fault.Page);
        FinishFault(ref fault, fault.Page, write);
    }

    /// <summary>Sets the entry to <paramref name="page"/>, whose reference the caller hands over, unless somebody else was faster. Linux: <c>finish_fault</c>.</summary>
    private void FinishFault(ref VmFault fault, Pfn page, bool write)
    {
        bool enabled = PageTableLock.AcquireRaw();
        ref Pte entry = ref fault.Entry;
        bool mine = entry.IsNone;
        if (mine)
            SetFilePte(fault.Area, ref entry, fault.Address, page, write);
        PageTableLock.ReleaseRaw(enabled);
        if (!mine)
            System.Frames.Put(page);
    }
}
