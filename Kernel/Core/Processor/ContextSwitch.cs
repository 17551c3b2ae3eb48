using System.Diagnostics.CodeAnalysis;
using System.Runtime;

namespace NanoVm.Core;

/// <summary>Gives the processor from one thread to another.</summary>
/// <remarks>
/// Linux: <c>__switch_to</c>, <c>copy_thread</c>, <c>ret_from_fork</c>. CR3 is the business of <c>Memory.Virtual.SwitchMm</c>.
/// <code>
///   KernelStackTop  ─ TrapFrame ─┐            a user task's registers are always here
///                     448 bytes  │
///   UserFrame       ─────────────┘
///                     ... calls of the kernel ...
///   SavedStackPointer: r15 r14 r13 r12 rbx rbp, return address      while the thread does not run
/// </code>
/// </remarks>
internal static unsafe class ContextSwitch
{
    /// <summary>What switch_stacks has pushed.</summary>
    private const int SwitchRegisters = 6;

    /// <summary>Switches to <paramref name="to"/>; returns when <paramref name="from"/> runs again. Interrupts off.</summary>
    public static void Switch(KernelThread from, KernelThread to)
    {
        if (from.FpuArea is not null)
        {
            FpuState.Save(from);
            from.FsBase = Cpu.ReadFsBase();
            from.GsBase = Cpu.ReadUserGsBase();
            from.SegmentSelectors = Cpu.ReadSelectors();
        }
        if (to.FpuArea is not null)
        {
            FpuState.LoadIfStale(to);
            if (to.SegmentSelectors != Cpu.ReadSelectors())
                Cpu.WriteSelectors(to.SegmentSelectors);
            Cpu.WriteFsBase(to.FsBase);
            Cpu.WriteUserGsBase(to.GsBase);
        }
        PerCpu.SetCurrent(to);
        fixed (ulong* saved = &from.SavedStackPointer)
            Cpu.SwitchStacks(saved, to.SavedStackPointer);
    }

    /// <summary>Gives the running thread the segments of a new program: for exec.</summary>
    public static void ResetSegments()
    {
        bool enabled = Interrupts.Disable();
        Cpu.WriteSelectors(0);
        Cpu.WriteFsBase(0);
        Cpu.WriteUserGsBase(0);
        Interrupts.Restore(enabled);
    }

    /// <summary>Where a user task's registers lie while it is in the kernel. Linux: <c>task_pt_regs</c>.</summary>
    public static TrapFrame* UserFrame(KernelThread thread) => (TrapFrame*)(thread.KernelStackTop.Value - (ulong)sizeof(TrapFrame));

    /// <summary>Prepares a new task's stack so that its first switch leads to user mode with these registers.</summary>
    /// <remarks>The stack and, for a user task, the FPU area must be set.</remarks>
    public static void PrepareUser(KernelThread thread, in TrapFrame frame)
    {
        *UserFrame(thread) = frame;
        PushSwitchFrame(thread, (ulong)UserFrame(thread), (ulong)Cpu.FirstUser());
        FpuState.Forget(thread.FpuArea);
    }

    /// <summary>Prepares a new kernel thread's stack so that its first switch leads to <see cref="KernelThread.Start"/>.</summary>
    public static void PrepareKernel(KernelThread thread)
    {
        // Room for a user frame stays: the thread may become a user task by exec.
        PushSwitchFrame(thread, (ulong)UserFrame(thread), (ulong)Cpu.FirstKernel());
    }

    /// <summary>Leaves the kernel with the registers in <see cref="UserFrame"/>: how a kernel thread becomes a program.</summary>
    [DoesNotReturn]
    public static void EnterUser(KernelThread thread)
    {
        Interrupts.Disable();
        Cpu.EnterUser(UserFrame(thread));
        Panic.Now("the switch to user mode came back"u8);
    }

    private static void PushSwitchFrame(KernelThread thread, ulong top, ulong start)
    {
        ulong* stack = (ulong*)top;
        *--stack = start;
        for (int i = 0; i < SwitchRegisters; i++)
            *--stack = 0;
        thread.SavedStackPointer = (ulong)stack;
    }

    [RuntimeExport("traps_first_switch")]
    private static void FirstSwitch() => PerCpu.Current.AfterFirstSwitch();

    [RuntimeExport("traps_thread_body")]
    private static void ThreadBody()
    {
        Interrupts.Enable();
        PerCpu.Current.Start();
        Panic.Now("a kernel thread's body returned"u8);
    }
}
