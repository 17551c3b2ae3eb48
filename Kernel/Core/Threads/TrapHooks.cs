namespace NanoVm.Core;

/// <summary>What Core calls upwards when the processor traps; <c>Kernel.cs</c> installs one in <see cref="PerCpu.Hooks"/>.</summary>
internal abstract class TrapHooks
{
    /// <summary>A #PF, interrupts as the interrupted code had them. Kernel faults that nobody can repair come back by <c>Traps.BadKernelFault</c>.</summary>
    /// <param name="address">What CR2 held.</param>
    public abstract void PageFault(ref TrapFrame frame, VirtAddr address, PageFaultCode code);

    /// <summary>Another exception in user mode, interrupts on: becomes a signal.</summary>
    public abstract void UserException(ref TrapFrame frame, int vector);

    /// <summary>A SYSCALL, interrupts on. Number in <c>OriginalRax</c>, result to <c>Rax</c>.</summary>
    public abstract void SystemCall(ref TrapFrame frame);

    /// <summary>Before a return to user mode while a reschedule or a signal waits; interrupts on. Called again until neither waits.</summary>
    public abstract void ExitToUser(ref TrapFrame frame);
}
