using System.Runtime.InteropServices;

namespace NanoVm.Core;

/// <summary>
/// The registers of interrupted code, as the entry stubs of <c>boot/traps.asm</c> and <c>boot/syscall.asm</c> lay them on the kernel stack.
/// </summary>
/// <remarks>
/// Linux: <c>pt_regs</c>, and before it the low halves of the vector registers that kernel code uses (boot/registers.inc).
/// The FPU area of a task that is in the kernel has stale values there: who shows or changes a stopped task's vector registers
/// takes the low 16 bytes from here.
/// </remarks>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TrapFrame
{
    /// <summary>Bytes that the vector registers take at the start.</summary>
    public const int XmmBytes = 256;

    /// <summary>xmm0 to xmm15, 16 bytes each; only those of boot/registers.inc are filled.</summary>
    public fixed byte Xmm[XmmBytes];

    /// <summary>Keeps the registers above aligned.</summary>
    private ulong _padding;

    public ulong R15;
    public ulong R14;
    public ulong R13;
    public ulong R12;
    public ulong Rbp;
    public ulong Rbx;
    public ulong R11;
    public ulong R10;
    public ulong R9;
    public ulong R8;
    public ulong Rax;
    public ulong Rcx;
    public ulong Rdx;
    public ulong Rsi;
    public ulong Rdi;

    /// <summary>The system call's number, or -1 when this is no system call (so that signals do not restart it). Linux: <c>orig_ax</c>.</summary>
    public ulong OriginalRax;
    /// <summary>The exception or interrupt vector; <see cref="SystemCallVector"/> for SYSCALL.</summary>
    public ulong Vector;
    /// <summary>What the processor pushed, or 0.</summary>
    public ulong ErrorCode;

    public ulong Rip;
    public ulong Cs;
    public ulong Rflags;
    public ulong Rsp;
    public ulong Ss;

    public const ulong SystemCallVector = 256;

    /// <summary>Whether the interrupted code ran in user mode.</summary>
    public readonly bool IsUser => (Cs & 3) != 0;

    /// <summary>Whether the frame comes from a SYSCALL whose restart is still to be judged.</summary>
    public readonly bool IsSystemCall => (long)OriginalRax >= 0;

    public readonly bool InterruptsWereEnabled => (Rflags & (1 << 9)) != 0;
}
