using NanoVm.Memory.Faults;

namespace NanoVm.Memory.Virtual;

/// <summary>A page that was swapped out is touched again.</summary>
/// <remarks>
/// Linux: <c>do_swap_page</c>. Lecture 000, "Handling page faults", case 3. Its place in the decision tree is here; swap itself comes with the
/// disk, and until then no entry of this form is ever written, so meeting one is a damaged page table and must not be hidden.
/// </remarks>
internal sealed partial class MmStruct
{
    private PageFaultResult DoSwapPage(ref VmFault fault)
    {
        Core.Panic.Now("a swap entry without swap"u8);
        return PageFaultResult.Sigbus;
    }
}
