namespace NanoVm.Tasks;

/// <summary>Signal numbers of x86-64. Linux: <c>SIG*</c>, signal(7).</summary>
internal static class SignalNumber
{
    public const int Hangup = 1, Interrupt = 2, Quit = 3, Illegal = 4, Trap = 5, Abort = 6, Bus = 7, FloatingPoint = 8;
    public const int Kill = 9, User1 = 10, Segmentation = 11, User2 = 12, Pipe = 13, Alarm = 14, Terminate = 15, StackFault = 16;
    public const int Child = 17, Continue = 18, Stop = 19, TerminalStop = 20, TerminalInput = 21, TerminalOutput = 22, Urgent = 23;
    public const int CpuLimit = 24, FileSizeLimit = 25, VirtualAlarm = 26, Profile = 27, WindowChange = 28, Io = 29, Power = 30;
    public const int BadSystemCall = 31;

    /// <summary>The first real-time signal and the last.</summary>
    public const int FirstRealTime = 32, Last = 64;

    public static bool IsValid(int signal) => signal is >= 1 and <= Last;
}
