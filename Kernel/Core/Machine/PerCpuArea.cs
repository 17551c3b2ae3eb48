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
    public void* Clock;
    public void* Generator;
    public void* Log;
    public void* Interrupts;
    public void* Descriptors;
}
