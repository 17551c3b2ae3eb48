namespace NanoVm.Tasks;

/// <summary>Kinds of signals. Linux: <c>sig_kernel_only</c> and its family; signal(7).</summary>
internal static class SignalSets
{
    private static ulong Bit(int signal) => 1UL << (signal - 1);

    /// <summary>Can be neither caught, blocked nor ignored.</summary>
    public static SignalSet KernelOnly => new(Bit(SignalNumber.Kill) | Bit(SignalNumber.Stop));

    public static SignalSet IgnoredByDefault => new(Bit(SignalNumber.Child) | Bit(SignalNumber.Continue) | Bit(SignalNumber.WindowChange)
        | Bit(SignalNumber.Urgent));

    public static SignalSet StopByDefault => new(Bit(SignalNumber.Stop) | Bit(SignalNumber.TerminalStop) | Bit(SignalNumber.TerminalInput)
        | Bit(SignalNumber.TerminalOutput));

    public static SignalSet CoreByDefault => new(Bit(SignalNumber.Quit) | Bit(SignalNumber.Illegal) | Bit(SignalNumber.Trap)
        | Bit(SignalNumber.Abort) | Bit(SignalNumber.FloatingPoint) | Bit(SignalNumber.Segmentation) | Bit(SignalNumber.Bus)
        | Bit(SignalNumber.BadSystemCall) | Bit(SignalNumber.CpuLimit) | Bit(SignalNumber.FileSizeLimit));

    /// <summary>Raised by what the program itself does: delivered before all others, so that the frame shows the instruction at fault.</summary>
    public static SignalSet Synchronous => new(Bit(SignalNumber.Segmentation) | Bit(SignalNumber.Bus) | Bit(SignalNumber.Illegal)
        | Bit(SignalNumber.Trap) | Bit(SignalNumber.FloatingPoint) | Bit(SignalNumber.BadSystemCall));

    /// <summary>Whether the default action ends the process.</summary>
    public static bool IsFatalByDefault(int signal) => !IgnoredByDefault.Contains(signal) && !StopByDefault.Contains(signal);
}
