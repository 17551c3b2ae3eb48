using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>The first touch of a private file page is a write: the program gets its own copy, the cache keeps the original.</summary>
/// <remarks>Linux: <c>do_cow_fault</c>. Lecture 004, "write fault without previously reading (MAP_PRIVATE)".</remarks>
internal sealed partial class MmStruct
{
    private PageFaultResult DoCowFault(ref VmFault fault)
    {
        VmArea area = fault.Area;
        if (area.AnonVma is null && AnonVma.Prepare(area) != Errno.None)
            return PageFaultResult.OutOfMemory;
        if (System.Frames.Allocate(0, AllocationFlags.None, out Pfn copy) != Errno.None)
            return PageFaultResult.OutOfMemory;

        PageFaultResult result = area.Operations!.Fault(ref fault);
        if (result != PageFaultResult.Handled)
        {
            System.Frames.Put(copy);
            return result;
        }

        DirectMap.CopyPage(copy, fault.Page);
        System.Frames.LetGo(fault.Page);
        FinishFault(ref fault, copy, write: true);
        System.Statistics.Count(VmCounter.FaultCow);
        return PageFaultResult.Handled;
    }
}
