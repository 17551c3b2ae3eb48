using System;
using System.Runtime;

namespace NanoVm.User;

/// <summary>Where failed checks of the core library end: the message on standard error, then the signal that <c>abort</c> sends.</summary>
internal static class Failure
{
    private const int GetPid = 39;
    private const int Kill = 62;
    private const int Abort = 6;

    [RuntimeExport("RuntimePanic")]
    private static void Panic(string message)
    {
        Output.Error.Write(message);
        Output.Error.Write("\n"u8);
        Output.Error.Flush();
        Syscall.Call(Kill, Syscall.Call(GetPid), Abort);
        Startup.Exit(134);
    }
}
