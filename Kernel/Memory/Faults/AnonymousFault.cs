using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>The first touch of memory that has no file: heap, stack, bss, anonymous mappings.</summary>
/// <remarks>
/// Linux: <c>do_anonymous_page</c>. Lecture 004, "Anonymous Page: Page Fault". A read gets the one frame of zeros, read-only, so that memory
/// which is only looked at costs nothing; the write that may follow is a write-protect fault that finds the zero page.
/// </remarks>
internal sealed partial class MmStruct
{
    private PageFaultResult DoAnonymousPage(ref VmFault fault)
    {
        VmArea area = fault.Area;
        if ((area.Flags & VmFlags.UserfaultMissing) != 0)
            return HandleUserfault(ref fault, 0);
        if (!fault.IsWrite)
        {
            MapZeroPage(ref fault);
            return PageFaultResult.Handled;
        }

        // Reserve: the frame, zeroed before anybody can see it, and the place where it will be found again.
        if (area.AnonVma is null && AnonVma.Prepare(area) != Errno.None)
            return PageFaultResult.OutOfMemory;
        if (System.Frames.Allocate(0, AllocationFlags.Zeroed, out Pfn page) != Errno.None)
            return PageFaultResult.OutOfMemory;

        // Commit.
        bool enabled = PageTableLock.AcquireRaw();
        ref Pte entry = ref fault.Entry;
        if (!entry.IsNone)
        {
            PageTableLock.ReleaseRaw(enabled);
            System.Frames.Put(page);            // another thread was faster
            return PageFaultResult.Handled;
        }

        PteFlags rights = area.PageProtection | PteFlags.Dirty | PteFlags.SoftDirty;
        if ((area.Flags & VmFlags.Write) != 0)
            rights |= PteFlags.Writable;
        System.AddNewAnonymous(area, fault.Address, page);
        AnonymousPages++;
        entry = new Pte(page, rights);
        PageTableLock.ReleaseRaw(enabled);
        System.Statistics.Count(VmCounter.FaultAnonymous);
        return PageFaultResult.Handled;
    }

    private void MapZeroPage(ref VmFault fault)
    {
        bool enabled = PageTableLock.AcquireRaw();
        ref Pte entry = ref fault.Entry;
        if (entry.IsNone)
            entry = new Pte(System.ZeroPage, fault.Area.PageProtection | PteFlags.Special);
        PageTableLock.ReleaseRaw(enabled);
        System.Statistics.Count(VmCounter.FaultZeroPage);
    }
}
