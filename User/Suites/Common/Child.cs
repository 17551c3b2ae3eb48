namespace NanoVm.User.Suites;

/// <summary>Runs something in a child process: what may die dies there.</summary>
internal static unsafe class Child
{
    /// <summary>The signal that ended a child which reads one byte at the address; 0 when it lived.</summary>
    public static int SignalOfRead(nint address)
    {
        int pid = Linux.Fork();
        if (pid == 0)
        {
            _ = System.Threading.Volatile.Read(ref *(byte*)address);
            Linux.Exit(0);
        }
        return SignalOf(pid);
    }

    /// <summary>The signal that ended a child which writes one byte at the address; 0 when it lived.</summary>
    public static int SignalOfWrite(nint address)
    {
        int pid = Linux.Fork();
        if (pid == 0)
        {
            System.Threading.Volatile.Write(ref *(byte*)address, 1);
            Linux.Exit(0);
        }
        return SignalOf(pid);
    }

    /// <summary>The signal that ended a child which jumps to the address; 0 when it lived.</summary>
    public static int SignalOfCall(nint address)
    {
        int pid = Linux.Fork();
        if (pid == 0)
        {
            ((delegate*<void>)address)();
            Linux.Exit(0);
        }
        return SignalOf(pid);
    }

    /// <summary>Runs the body in a child and gives its exit status, or 128 plus the signal that ended it.</summary>
    public static int Run(delegate*<int> body)
    {
        int pid = Linux.Fork();
        if (pid == 0)
            Linux.Exit(body());
        return Status(pid);
    }

    /// <summary>Waits for a child: its exit status, or 128 plus the signal that ended it; -1 when it was no child, the error when there was no fork.</summary>
    public static int Status(int pid)
    {
        if (pid < 0)
            return pid;
        if (Linux.Wait(pid, out int status) != pid)
            return -1;
        return (status & 0x7f) == 0 ? status >> 8 & 0xff : 128 + (status & 0x7f);
    }

    private static int SignalOf(int pid) => pid > 0 && Linux.Wait(pid, out int status) == pid ? status & 0x7f : -1;
}
