using System.Runtime.InteropServices;

namespace NanoVm.Core;

/// <summary>What each processor keeps for itself; the layout is shared with <c>boot/percpu.inc</c>.</summary>
/// <remarks>Objects are kept as addresses: nothing moves them in the kernel, and raw memory holds no references.</remarks>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct PerCpuArea
{
    public PerCpuArea* Self;
    public ulong UserStackPointer;
    public ulong KernelStackTop;
    public void* Current;
    public void* Scheduler;
    public void* Hooks;
    public ExitWork Work;
    public int Number;
    /// <summary>Nested interrupts and exceptions in the kernel, for the panic's text and the scheduler's checks.</summary>
    public int InterruptDepth;
    public int Panicking;
    /// <summary>1 when the interrupt that is handled now came in user mode: whose time a tick is.</summary>
    public int InterruptedUser;
    public void* Clock;
    public void* Generator;
    public void* Log;
    public void* Interrupts;
    /// <summary>The task-state segment, whose stack for traps from user mode follows the running thread.</summary>
    public byte* TaskState;
    /// <summary>Whose vector registers are loaded: an FPU area, or null.</summary>
    public byte* FpuOwner;
    /// <summary>The parts of the state that XSAVE and XRSTOR handle, and the bytes that they take.</summary>
    public ulong FpuMask;
    public ulong FpuBytes;
    /// <summary>See <see cref="BootHeap"/>.</summary>
    public byte* HeapNext;
    public byte* HeapEnd;
    public ulong HeapUsed;
    public void* HeapSource;
    /// <summary>Where PKRU lies in the area, or 0.</summary>
    public ulong FpuKeysOffset;
    /// <summary>The machine's <see cref="FailureInjection"/>, and 1 when anything is to fail: what user copies and disks look at.</summary>
    public void* Failures;
    public int FailuresArmed;
    /// <summary>The machine's <see cref="Core.PanicCheck"/>, or null; and, while it runs, why the machine panicked.</summary>
    public void* PanicCheck;
    public byte* PanicReason;
    public int PanicReasonLength;
    /// <summary>The bits that the processor's MXCSR has.</summary>
    public uint MxcsrMask;
}
