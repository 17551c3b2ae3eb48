using System;

namespace NanoVm.User.Init;

/// <summary>Starting, waiting for and ending processes; orphans of others are init's children too and are reaped on the way.</summary>
internal static class Children
{
    /// <summary>Nobody in particular: what <see cref="WaitFor"/> returns when init itself was asked to end the machine.</summary>
    private const int StatusOfRequestedEnd = 0;

    /// <summary>A child's end and the requests to end the machine are waited for, never delivered.</summary>
    public static void BlockSignals() => Sys.BlockSignals(Sys.SignalBit(Sys.SIGCHLD) | Requests);

    /// <summary>BusyBox's <c>halt</c>, <c>poweroff</c> and <c>reboot</c> without <c>-f</c>; and ^C at the console of a machine with no shell.</summary>
    private static ulong Requests =>
        Sys.SignalBit(Sys.SIGUSR1) | Sys.SignalBit(Sys.SIGUSR2) | Sys.SignalBit(Sys.SIGTERM) | Sys.SignalBit(Sys.SIGINT);

    /// <summary>A copy of init with its signals unblocked and default: 0 in the child, its number in init, negative when there is none.</summary>
    public static int Fork()
    {
        int child = Sys.Fork();
        if (child == 0)
            Sys.BlockSignals(0);
        return child;
    }

    /// <summary>Sleeps until <paramref name="child"/> has ended. Its exit status, 128 and the signal's number when one killed it.</summary>
    /// <returns>0 as well when someone asked init to end the machine, whatever the child does then.</returns>
    public static int WaitFor(int child)
    {
        while (true)
        {
            while (Sys.Wait(Sys.DoNotBlock, out int status) is > 0 and int ended)
                if (ended == child)
                    return ExitStatus(status);
            int signal = Sys.WaitForSignal(Sys.SignalBit(Sys.SIGCHLD) | Requests);
            if (signal > 0 && signal != Sys.SIGCHLD)
                return StatusOfRequestedEnd;
        }
    }

    /// <summary>Kills every process but init and waits until all are gone.</summary>
    public static void KillAll()
    {
        Sys.Kill(-1, Sys.SIGKILL);
        while (Sys.Wait(0, out _) > 0)
        {
        }
    }

    /// <summary>Linux: <c>WIFSIGNALED</c>, <c>WTERMSIG</c>, <c>WEXITSTATUS</c>, as a shell shows them.</summary>
    private static int ExitStatus(int status) =>
        (status & 0x7f) != 0 ? 128 + (status & 0x7f) : (status >> 8) & 0xff;
}
