using System.Runtime;
using System.Runtime.CompilerServices;

namespace NanoVm.User.Cost;

/// <summary>What C# cannot say: the time-stamp counter, and loads and stores that no compiler moves.</summary>
internal static unsafe class Clock
{
    /// <summary>Ticks since the machine's start; instructions when it counts them (QEMU's <c>-icount shift=0</c>).</summary>
    [RuntimeImport("*", "cost_clock")]
    [MethodImpl(MethodImplOptions.InternalCall)]
    public static extern ulong Now();

    /// <summary>Writes a byte.</summary>
    [RuntimeImport("*", "cost_store")]
    [MethodImpl(MethodImplOptions.InternalCall)]
    public static extern void Store(nint address);

    /// <summary>Reads a byte.</summary>
    [RuntimeImport("*", "cost_load")]
    [MethodImpl(MethodImplOptions.InternalCall)]
    public static extern byte Load(nint address);

    /// <summary>Writes into each of the pages below the stack's end.</summary>
    [RuntimeImport("*", "cost_stack")]
    [MethodImpl(MethodImplOptions.InternalCall)]
    public static extern void GrowStack(int pages);
}
