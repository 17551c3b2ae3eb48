using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>The legacy vsyscall page: three calls at fixed addresses that old static programs still jump to.</summary>
/// <remarks>
/// Linux: <c>emulate_vsyscall</c>, <c>vsyscall=xonly</c>. Nothing is mapped there. The instruction fetch faults, the call is made in its
/// place, and the program goes on at its return address; reading the page is a fault like any other.
/// </remarks>
internal static class Vsyscall
{
    private const ulong EntryBits = 0xc00;
    private const int EntryShift = 10;

    // The system calls behind the three entries.
    private const ulong GetTimeOfDay = 96, Time = 201, GetCpu = 309;

    /// <summary>Whether the fault is a jump into the page.</summary>
    public static bool IsCall(in TrapFrame frame, VirtAddr address, PageFaultCode code)
    {
        const PageFaultCode fetch = PageFaultCode.User | PageFaultCode.InstructionFetch;
        return (code & fetch) == fetch && frame.Rip == address.Value && (address.Value & ~PageSize.Mask) == UserSpace.Vsyscall;
    }

    /// <summary>Makes the call and returns to the caller; SIGSEGV when it is no entry, or the stack or an argument cannot be used.</summary>
    public static void Emulate(Task task, ref TrapFrame frame, SystemCallEntry calls)
    {
        if (!TryEmulate(task, ref frame, calls))
            Signals.Force(task, Signals.FromKernel(SignalNumber.Segmentation));
    }

    private static bool TryEmulate(Task task, ref TrapFrame frame, SystemCallEntry calls)
    {
        ulong entry = frame.Rip & PageSize.Mask;
        if ((entry & ~EntryBits) != 0 || entry == EntryBits)
            return false;
        if (UserCopy.Get(new VirtAddr(frame.Rsp), out ulong caller) != Errno.None)
            return false;
        ulong rax = frame.Rax;
        frame.OriginalRax = (entry >> EntryShift) switch
        {
            0 => GetTimeOfDay,
            1 => Time,
            _ => GetCpu,
        };
        calls.Enter(task, ref frame);
        frame.OriginalRax = ulong.MaxValue;
        if ((long)frame.Rax == -(long)Errno.EFAULT)
        {
            frame.Rax = rax;
            return false;
        }
        frame.Rip = caller;
        frame.Rsp += sizeof(ulong);
        return true;
    }
}
