using System;

namespace NanoVm.User.Init;

/// <summary>The first process: gives the machine to a shell, to one command, or to the test suites, and ends it with their status.</summary>
/// <remarks>
/// It knows no exceptions and needs no heap: all its memory is the stack. It sleeps in <see cref="Children"/> until a child ends or
/// someone asks it to end the machine, as BusyBox's <c>poweroff</c>, <c>halt</c> and <c>reboot</c> do, each by its own signal.
/// </remarks>
internal static class Program
{
    private const int LongestCommandLine = 4096;

    public static int Main()
    {
        if (Sys.ProcessId() != 1)
        {
            Sys.Write(2, "init: only the kernel starts me, as process 1\n"u8);
            return 1;
        }
        Children.BlockSignals();
        Disks.MountKernelFileSystems();
        Sys.ChangeFolder("/root"u8);

        Span<byte> line = stackalloc byte[LongestCommandLine];
        int length = Sys.ReadFile("/proc/cmdline"u8, line);
        var options = new Options(line.Slice(0, Math.Max(length, 0)));

        Machine.End(Disks.Attach(options) ? Work(options) : 1);
        return 0;
    }

    /// <summary>Does what the machine was started for and returns the status to end it with.</summary>
    private static int Work(Options options)
    {
        if (options.Value("test"u8).Length > 0)
            return Suites.Run(options);
        return Sys.Exists(Shell.CommandFile) ? Shell.RunCommand(options) : Shell.Interactive(options);
    }
}
