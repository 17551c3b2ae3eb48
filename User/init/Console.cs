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

    /// <summary>Standard input is <c>/dev/null</c>, for nobody types: who reads it, or polls it first, finds its end at once.</summary>
    public static void EndInput() => Sys.UseAsStandardFiles(Sys.Open("/dev/null"u8, 0), 1, 2);
}
