using System;
using System.Runtime;
using Internal.Runtime;

namespace NanoVm.User;

/// <summary>From the first instruction to <c>Program.Main</c>, and out again.</summary>
internal static unsafe class Startup
{
    private const int ExitGroup = 231;

    [RuntimeExport("UserStart")]
    private static void Start(nint* stack, void* modulesStart, void* modulesEnd)
    {
        RuntimeStartup.InitializeStatics(modulesStart, modulesEnd);
        Arguments.Initialize(stack);
        Exit(ProgramEntry.Main());
    }

    /// <summary>Ends the process.</summary>
    public static void Exit(int status)
    {
        while (true)
            Syscall.Call(ExitGroup, status);
    }
}
