using System.Runtime.CompilerServices;
using Internal.Runtime;

namespace NanoVm.Core;

/// <summary>The running processor's own data, through GS: the only static state there is.</summary>
/// <remarks>Part of the edge that Kernel.Tests/Machine replaces.</remarks>
internal static unsafe class PerCpu
{
    /// <summary>Where a task-state segment has the stack pointer for traps from user mode. Intel SDM volume 3, 8.7.</summary>
    private const int StackPointer0Offset = 4;

    internal static PerCpuArea* Area
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Cpu.PerCpuArea();
    }

    /// <summary>The processor's number, from 0.</summary>
    public static int Number => Area->Number;

    /// <summary>The running thread. Panics during early boot, before the first one.</summary>
    public static KernelThread Current
    {
        get
        {
            void* current = Area->Current;
            if (current is null)
                Panic.Now("there is no current thread yet"u8);
            return RawObject.At<KernelThread>(current);
        }
    }

    /// <summary>The running thread, or null before the first one.</summary>
    public static KernelThread? CurrentOrNull => RawObject.At<KernelThread>(Area->Current);

    /// <summary>Called by the context switch, and once by the boot for the first thread. Interrupts off.</summary>
    public static void SetCurrent(KernelThread thread)
    {
        PerCpuArea* area = Area;
        area->Current = RawObject.AddressOf(thread);
        area->KernelStackTop = thread.KernelStackTop.Value;
        if (area->TaskState is not null)
            *(ulong*)(area->TaskState + StackPointer0Offset) = thread.KernelStackTop.Value;
        area->Work = thread.SignalPending ? area->Work | ExitWork.Signal : area->Work & ~ExitWork.Signal;
    }

    public static Scheduler Scheduler
    {
        get => RawObject.At<Scheduler>(Area->Scheduler);
        set => Area->Scheduler = RawObject.AddressOf(value);
    }

    public static TrapHooks Hooks
    {
        get => RawObject.At<TrapHooks>(Area->Hooks);
        set => Area->Hooks = RawObject.AddressOf(value);
    }

    public static bool HasHooks => Area->Hooks is not null;

    /// <summary>Another thread should run: looked at before a return to user mode and by CondResched. Linux: <c>TIF_NEED_RESCHED</c>.</summary>
    public static bool NeedReschedule
    {
        get => (Area->Work & ExitWork.Reschedule) != 0;
        set => Area->Work = value ? Area->Work | ExitWork.Reschedule : Area->Work & ~ExitWork.Reschedule;
    }

    /// <summary>The machine's failure injection, for those who have no other way to it. Installed before the first thread.</summary>
    public static FailureInjection Failures
    {
        get => RawObject.At<FailureInjection>(Area->Failures);
        set => Area->Failures = RawObject.AddressOf(value);
    }

    /// <summary>Whether <see cref="Failures"/> is to be asked.</summary>
    public static bool FailuresArmed
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Area->FailuresArmed != 0;
        set => Area->FailuresArmed = value ? 1 : 0;
    }

    /// <summary>What a panic runs before the machine ends. Installed once, when it can work.</summary>
    public static PanicCheck PanicCheck
    {
        set => Area->PanicCheck = RawObject.AddressOf(value);
    }

    /// <summary>Whether the machine is ending: locks are not waited for any more, for who holds them does not run.</summary>
    public static bool IsPanicking => Area->Panicking != 0;

    /// <summary>Whether the interrupt that is handled now came in user mode.</summary>
    public static bool InterruptedUser => Area->InterruptedUser != 0;

    /// <summary>Called when <see cref="KernelThread.SignalPending"/> of <paramref name="thread"/> changes.</summary>
    internal static void SignalPendingChanged(KernelThread thread)
    {
        PerCpuArea* area = Area;
        if (area->Current == RawObject.AddressOf(thread))
            area->Work = thread.SignalPending ? area->Work | ExitWork.Signal : area->Work & ~ExitWork.Signal;
    }
}
