using System.Diagnostics.CodeAnalysis;
using System.Runtime;
using Internal.Runtime;

namespace NanoVm.Core;

/// <summary>Where the entry stubs of <c>boot/traps.asm</c> and <c>boot/syscall.asm</c> arrive.</summary>
internal static unsafe class Traps
{
    /// <summary>An exception or interrupt, interrupts off.</summary>
    [RuntimeExport("traps_dispatch")]
    private static void Dispatch(TrapFrame* frame)
    {
        if (frame->Vector == TrapVector.PageFault)
            PageFault(frame);
        else if (frame->Vector >= TrapVector.FirstInterrupt)
            Interrupt(frame);
        else
            Exception(frame);
    }

    [RuntimeExport("traps_syscall")]
    private static void SystemCall(TrapFrame* frame) => PerCpu.Hooks.SystemCall(ref *frame);

    /// <summary>Before a return to user mode with work to do, interrupts off; the stub looks again with interrupts off afterwards.</summary>
    [RuntimeExport("traps_exit_work")]
    private static void ExitWork(TrapFrame* frame)
    {
        Interrupts.Enable();
        PerCpu.Hooks.ExitToUser(ref *frame);
    }

    /// <summary>A #PF in the kernel that no handler could resolve: goes on at the recovery of a user copy, or panics.</summary>
    public static void BadKernelFault(ref TrapFrame frame, VirtAddr address, PageFaultCode code)
    {
        if (ExceptionTable.TryRecover(ref frame))
            return;
        if ((code & PageFaultCode.InstructionFetch) != 0 && ExceptionTable.TryRecoverCall(ref frame))
            return;
        PanicReport.PageFault(ref frame, address, code);
    }

    private static void PageFault(TrapFrame* frame)
    {
        var address = new VirtAddr(Cpu.ReadCr2());           // before interrupts are on: the next fault overwrites it
        var code = (PageFaultCode)frame->ErrorCode;
        if (!PerCpu.HasHooks)
        {
            BadKernelFault(ref *frame, address, code);
            return;
        }
        if (!frame->IsUser && !MayBeResolved(frame, address))
        {
            BadKernelFault(ref *frame, address, code);
            return;
        }
        if (frame->InterruptsWereEnabled)
        {
            Interrupts.Enable();
            PerCpu.Hooks.PageFault(ref *frame, address, code);
            Interrupts.Disable();
        }
        else
        {
            PerCpu.Hooks.PageFault(ref *frame, address, code);
        }
    }

    /// <summary>Whether a kernel-mode fault may be asked of the memory manager: not from atomic code, not for a defect.</summary>
    private static bool MayBeResolved(TrapFrame* frame, VirtAddr address)
    {
        KernelThread? current = PerCpu.CurrentOrNull;
        if (current is null || PerCpu.Area->InterruptDepth != 0)
            return false;
        // A user copy is the only kernel code that may touch user memory; the vmalloc range is shared by all tables at the top.
        return address.IsUser && ExceptionTable.Covers(frame->Rip) && current.PageFaultsDisabled == 0 && frame->InterruptsWereEnabled;
    }

    private static void Interrupt(TrapFrame* frame)
    {
        PerCpuArea* area = PerCpu.Area;
        area->InterruptDepth++;
        area->InterruptedUser = frame->IsUser ? 1 : 0;
        if (area->Interrupts is not null)
            RawObject.At<InterruptTable>(area->Interrupts).Dispatch(ref *frame);
        area->InterruptDepth--;
    }

    private static void Exception(TrapFrame* frame)
    {
        int vector = (int)frame->Vector;
        if (vector == TrapVector.NonMaskable)
        {
            NonMaskable(frame);
            return;
        }
        if (vector is TrapVector.DoubleFault or TrapVector.MachineCheck)
            PanicReport.Exception(ref *frame);
        if (frame->IsUser && PerCpu.HasHooks)
        {
            Interrupts.Enable();
            PerCpu.Hooks.UserException(ref *frame, vector);
            Interrupts.Disable();
            return;
        }
        if (vector == TrapVector.GeneralProtection && ExceptionTable.TryRecover(ref *frame))
            return;
        PanicReport.Exception(ref *frame);
    }

    // QEMU's monitor sends it ("nmi"): the way to see where a kernel hangs.
    [DoesNotReturn]
    private static void NonMaskable(TrapFrame* frame) => PanicReport.Exception(ref *frame);
}
