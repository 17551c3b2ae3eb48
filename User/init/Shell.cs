using System;

namespace NanoVm.User.Init;

/// <summary>What has the console: a login shell, or one command of run-qemu.sh's <c>--run</c>. Both start in <c>/root</c>.</summary>
internal static class Shell
{
    private const int LongestCommand = 128 * 1024;      // Linux: MAX_ARG_STRLEN, the longest argument that execve takes
    private const int RecordSeparator = 0x1e;

    /// <summary>The command's text, byte for byte; absent when there is none.</summary>
    public static ReadOnlySpan<byte> CommandFile => "/etc/nanovm/run"u8;

    /// <summary>A login shell on the console; its end, however it comes, is the machine's.</summary>
    public static int Interactive(Options options)
    {
        int child = Children.Fork();
        if (child == 0)
        {
            Console.Take(options);
            Banner();
            Execute("/bin/sh"u8, "-sh"u8, default, default, options);
        }
        return child < 0 ? 1 : Children.WaitFor(child);
    }

    /// <summary>Runs the command by <c>/bin/sh -c</c>, its output unchanged on the console, and returns its status.</summary>
    public static int RunCommand(Options options)
    {
        Span<byte> command = stackalloc byte[LongestCommand];
        int length = Sys.ReadFile(CommandFile, command.Slice(0, LongestCommand - 1));
        if (length < 0 || length == LongestCommand - 1)
            return 126;     // as a shell says of what it cannot execute; the kernel would answer E2BIG
        command[length] = 0;

        int child = Children.Fork();
        if (child == 0)
        {
            Console.Take(options);
            Console.PassOutputUnchanged();
            if (options.Has("no-input"u8))
                Console.EndInput();
            if (options.Has("mark-output"u8))
                Sys.Write(1, [RecordSeparator]);
            Execute("/bin/sh"u8, "sh"u8, "-c"u8, command, options);
        }
        return child < 0 ? 1 : Children.WaitFor(child);
    }

    /// <summary>Becomes a program with init's environment. Every text is followed by a zero byte. Returns never: 127 when it cannot.</summary>
    public static unsafe void Execute(
        ReadOnlySpan<byte> path, ReadOnlySpan<byte> name, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Options options)
    {
        Span<byte> terminal = stackalloc byte[64];
        ReadOnlySpan<byte> type = options.Value("term"u8);
        var text = new Text(terminal);
        text.Append("TERM="u8);
        text.Append(type.Length is > 0 and < 50 ? type : "vt100"u8);
        terminal = text.Terminated();

        // The texts are literals and stack memory of this process, so that their addresses stay what they are.
        fixed (byte* file = path, argument0 = name, argument1 = first, argument2 = second, term = terminal)
        fixed (byte* search = "PATH=/bin:/sbin:/usr/bin:/usr/sbin:/tests"u8, home = "HOME=/root"u8, folder = "PWD=/root"u8)
        fixed (byte* user = "USER=root"u8, login = "LOGNAME=root"u8, shell = "SHELL=/bin/sh"u8)
        {
            byte** arguments = stackalloc byte*[] { argument0, argument1, argument2, null };
            byte** environment = stackalloc byte*[] { search, home, folder, user, login, shell, term, null };
            Sys.Execute(file, arguments, environment);
        }
        Sys.Write(2, "init: cannot execute "u8);
        Sys.Write(2, path);
        Sys.Write(2, "\n"u8);
        Sys.Exit(127);
    }

    private static void Banner()
    {
        Sys.Write(1, "NanoVM: every process here lives in an address space that a kernel in C# has built.\n"u8);
        Sys.Write(1, "Try: cat /proc/self/maps    `poweroff` ends the machine.\n"u8);
    }
}
