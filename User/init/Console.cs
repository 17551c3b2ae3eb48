using System;

namespace NanoVm.User.Init;

/// <summary>The guest's terminal, <c>/dev/console</c>, as the controlling terminal of one session.</summary>
internal static class Console
{
    private const int UsualRows = 24, UsualColumns = 80;

    /// <summary>Makes the calling process the leader of a session on the console, with the console as input, output and errors.</summary>
    public static void Take(Options options)
    {
        Sys.NewSession();
        int console = Sys.Open("/dev/console"u8, Sys.ReadWrite);
        Sys.ControlTerminal(console);
        Sys.UseAsStandardFiles(console, console, console);
        int rows = Options.Number(options.Value("rows"u8));
        int columns = Options.Number(options.Value("cols"u8));
        Sys.SetWindowSize(0, rows > 0 ? rows : UsualRows, columns > 0 ? columns : UsualColumns);
    }

    /// <summary>No carriage return before a line feed: what a command writes reaches the host byte for byte.</summary>
    public static void PassOutputUnchanged()
    {
        if (Sys.GetTerminal(1, out TerminalModes modes))
        {
            modes.Output &= ~TerminalModes.PostProcess;
            Sys.SetTerminal(1, in modes);
        }
    }

    /// <summary>Reading the console gives end of file at once, for nobody types there; it stays a terminal.</summary>
    /// <remarks>Linux: termios(3), <c>MIN == 0, TIME == 0</c>: a read returns at once, with 0 when nothing is there.</remarks>
    public static void EndInput()
    {
        if (Sys.GetTerminal(0, out TerminalModes modes))
        {
            modes.Local &= ~TerminalModes.Canonical;
            modes.SetControl(TerminalModes.MinimumIndex, 0);
            modes.SetControl(TerminalModes.TimeIndex, 0);
            Sys.SetTerminal(0, in modes);
        }
    }
}
