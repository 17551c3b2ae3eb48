namespace NanoVm.Tasks;

/// <summary>Offsets of what a signal handler finds on its stack; programs and unwinders know them.</summary>
/// <remarks>
/// Linux: <c>struct rt_sigframe</c>, <c>ucontext</c>, <c>sigcontext_64</c>, <c>_fpx_sw_bytes</c>.
/// <code>
///   higher  ┌ program's stack, or the top of the alternate one
///           │ red zone, 128 bytes (not on an alternate stack)
///           │ FPU state: FXSAVE, XSAVE header, the rest, magic number 2        aligned to 64
///           │ siginfo, 128 bytes
///           │ ucontext: flags, link, stack; registers; mask
///   RSP  →  └ return address: the restorer, which calls rt_sigreturn           RSP + 8 is aligned to 16
/// </code>
/// </remarks>
internal static class SignalFrameFormat
{
    public const int ReturnAddress = 0;
    public const int Context = 8;
    public const int ContextFlags = Context;
    public const int ContextLink = Context + 8;
    public const int ContextStack = Context + 16;
    public const int Registers = Context + 40;
    public const int ContextMask = Registers + RegistersBytes;
    public const int Info = ContextMask + 8;
    public const int Bytes = Info + SignalInfoFormat.Bytes;

    // Words of sigcontext_64.
    public const int R8 = 0, R9 = 1, R10 = 2, R11 = 3, R12 = 4, R13 = 5, R14 = 6, R15 = 7, Rdi = 8, Rsi = 9, Rbp = 10, Rbx = 11, Rdx = 12,
        Rax = 13, Rcx = 14, Rsp = 15, Rip = 16, Flags = 17, Selectors = 18, Error = 19, Trap = 20, OldMask = 21, Cr2 = 22, FpuPointer = 23;
    public const int RegistersBytes = 256;

    // ContextFlags: the FPU state has more than FXSAVE; the stack selector is stored; and is to be restored as stored.
    public const ulong HasExtendedState = 1, HasStackSelector = 2, StrictRestore = 4;

    /// <summary>Where FXSAVE leaves room for software: magic number, sizes, features.</summary>
    public const int FpuSoftware = 464;
    public const uint FpuMagic1 = 0x4650_5853;
    public const uint FpuMagic2 = 0x4650_5845;
    public const int FpuMagic2Bytes = 4;
    public const int FpuAlignment = 64;

    public const ulong RedZoneBytes = 128;
}
