using System.Runtime;
using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.SelfTest;

/// <summary>Accesses that the processor should refuse: <c>boot/attempts.asm</c>.</summary>
internal static unsafe class Attempts
{
    /// <summary>What an attempt returns that was not refused.</summary>
    public const ulong Allowed = 0;

    /// <summary>What an attempt returns that ended in a page fault with this error code.</summary>
    public static ulong PageFault(PageFaultCode code) => ((ulong)TrapVector.PageFault << 32) | (uint)code;

    /// <summary>What an attempt returns that ended in a general protection fault with error code 0.</summary>
    public const ulong GeneralProtection = (ulong)TrapVector.GeneralProtection << 32;

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "attempt_read")]
    public static extern ulong Read(ulong address);

    /// <param name="value">What is there already: an attempt that goes through does no harm.</param>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "attempt_write")]
    public static extern ulong Write(ulong address, byte value);

    /// <summary>Jumps where a RET should be.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "attempt_call")]
    public static extern ulong Call(ulong address);

    /// <summary>Reads with EFLAGS.AC set, as a user copy does.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "attempt_open_read")]
    public static extern ulong OpenRead(ulong address);

    /// <summary>Writes with EFLAGS.AC set.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "attempt_open_write")]
    public static extern ulong OpenWrite(ulong address, byte value);

    /// <summary>Runs the stack into its guard page: the machine ends.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "attempt_overflow")]
    public static extern void Overflow();

    /// <summary>The address of a RET in the kernel's text.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "attempt_text")]
    public static extern byte* Text();

    /// <summary>The address of a RET among its constants.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "attempt_constant")]
    public static extern byte* Constant();

    /// <summary>The address of a RET in its data.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "attempt_data")]
    public static extern byte* Data();

    /// <summary>A place in its zeroed data.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "attempt_zeroed")]
    public static extern byte* Zeroed();
}
