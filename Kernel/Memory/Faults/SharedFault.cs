using NanoVm.Core;
using NanoVm.Memory.Faults;

namespace NanoVm.Memory.Virtual;

/// <summary>The first touch of a shared page is a write: the page of the cache itself, once its file has agreed.</summary>
/// <remarks>Linux: <c>do_shared_fault</c>. Lecture 004, "do_shared_fault".</remarks>
internal sealed partial class MmStruct
{
    private PageFaultResult DoSharedFault(ref VmFault fault)
    {
        VmOperations operations = fault.Area.Operations!;
        PageFaultResult result = operations.Fault(ref fault);
        if (result != PageFaultResult.Handled)
            return result;

        if (operations.HasPageMkwrite)
        {
            result = operations.PageMkwrite(ref fault);
            if (result != PageFaultResult.Handled)
            {
                System.Frames.LetGo(fault.Page);
                return result;
            }
        }
        else
        {
            fault.Area.File?.Mapping?.WrittenByMapping();
        }

        System.MarkFileFrameDirty(ref System.Frames[fault.Page], fault.Page);
        FinishFileFault(ref fault, write: true);
        System.Statistics.Count(VmCounter.FaultShared);
        return PageFaultResult.Handled;
    }
}
