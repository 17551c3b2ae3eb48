using NanoVm.Core;
using NanoVm.Memory.Faults;

namespace NanoVm.Tasks;

/// <summary>Which signal a fault or exception of user mode becomes.</summary>
/// <remarks>Linux: <c>force_sig_fault</c> as called from <c>arch/x86/mm/fault.c</c> and <c>arch/x86/kernel/traps.c</c>.</remarks>
internal static unsafe class FaultSignals
{
    /// <summary>A page fault that memory could not answer.</summary>
    public static void Raise(Task task, ref TrapFrame frame, VirtAddr address, PageFaultCode code, PageFaultResult result)
    {
        SignalInfo info = default;
        info.Address = address;
        switch (result)
        {
            case PageFaultResult.SegvMaperr:
                info.Signal = SignalNumber.Segmentation;
                info.Code = SignalInfo.SegvMapErr;
                break;
            case PageFaultResult.SegvAccerr:
                info.Signal = SignalNumber.Segmentation;
                info.Code = SignalInfo.SegvAccErr;
                break;
            case PageFaultResult.SegvPkuerr:
                info.Signal = SignalNumber.Segmentation;
                info.Code = SignalInfo.SegvPkuErr;
                info.ProtectionKey = task.Mm!.ProtectionKeyAt(address);
                break;
            case PageFaultResult.Sigbus:
                info.Signal = SignalNumber.Bus;
                info.Code = SignalInfo.BusAdrErr;
                break;
            case PageFaultResult.OutOfMemory:
                _ = task.System.Physical.Frames.OutOfMemory!.MakeRoom(0);    // then the access is tried again
                return;
            case PageFaultResult.KernelFixup:
            case PageFaultResult.KernelBad:
            default:
                Traps.BadKernelFault(ref frame, address, code);
                return;
        }
        // Linux: a fault above user space is shown as a protection violation, so that nothing is learnt of the kernel's mappings.
        task.FaultCode = address.IsUser ? code : code | PageFaultCode.Present;
        task.FaultAddress = address;
        task.FaultVector = 14;
        Signals.Force(task, info);
    }

    /// <summary>Another exception of user mode.</summary>
    public static void RaiseException(Task task, ref TrapFrame frame, int vector)
    {
        SignalInfo info = default;
        info.Code = SignalInfo.CodeKernel;
        switch (vector)
        {
            case 0:         // #DE
                info.Signal = SignalNumber.FloatingPoint;
                info.Code = SignalInfo.FpeIntDiv;
                info.Address = new VirtAddr(frame.Rip);
                break;
            case 1:         // #DB
                info.Signal = SignalNumber.Trap;
                info.Code = SignalInfo.TrapTrace;
                info.Address = new VirtAddr(frame.Rip);
                break;
            case 3:         // #BP: Linux sends SI_KERNEL
                info.Signal = SignalNumber.Trap;
                break;
            case 6:         // #UD
                info.Signal = SignalNumber.Illegal;
                info.Code = SignalInfo.IllIllOpn;
                info.Address = new VirtAddr(frame.Rip);
                break;
            case 11:        // #NP
            case 12:        // #SS
                info.Signal = SignalNumber.Bus;
                break;
            case 17:        // #AC
                info.Signal = SignalNumber.Bus;
                info.Code = SignalInfo.BusAdrAln;
                break;
            case 16:        // #MF
            case 19:        // #XM
                info.Signal = SignalNumber.FloatingPoint;
                info.Code = FloatingPointCode(task, vector);
                info.Address = new VirtAddr(frame.Rip);
                break;
            default:        // #OF, #BR, #TS, #GP and what programs cannot raise
                info.Signal = SignalNumber.Segmentation;
                break;
        }
        task.FaultVector = vector;
        task.FaultCode = (PageFaultCode)frame.ErrorCode;
        Signals.Force(task, info);
    }

    /// <summary>Which of the unmasked conditions it was. Linux: <c>fpu__exception_code</c>.</summary>
    private static int FloatingPointCode(Task task, int vector)
    {
        FpuState.SaveCurrent();
        ushort control = *(ushort*)task.FpuArea, status = *(ushort*)(task.FpuArea + 2);
        uint mxcsr = *(uint*)(task.FpuArea + FpuState.MxcsrOffset);
        int raised = vector == 16 ? status & ~control : (int)(mxcsr & ~(mxcsr >> 7));
        if ((raised & 0x01) != 0)
            return SignalInfo.FpeFltInv;
        if ((raised & 0x04) != 0)
            return SignalInfo.FpeFltDiv;
        if ((raised & 0x08) != 0)
            return SignalInfo.FpeFltOvf;
        if ((raised & 0x12) != 0)
            return SignalInfo.FpeFltUnd;
        return (raised & 0x20) != 0 ? SignalInfo.FpeFltRes : SignalInfo.FpeFltInv;
    }
}
