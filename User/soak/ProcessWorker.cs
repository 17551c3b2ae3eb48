using NanoVm.User.Suites;

namespace NanoVm.User.Soak;

/// <summary>Processes: forked, made into other programs, talking through pipes, many at once.</summary>
internal static unsafe class ProcessWorker
{
    private const int Children = 6, Bytes = 100_000;

    public static void Round()
    {
        int* children = stackalloc int[Children];
        for (int i = 0; i < Children; i++)
        {
            children[i] = Program.Fork();
            if (children[i] == 0)
                Execute();
        }
        for (int i = 0; i < Children; i++)
            Program.Join(children[i]);
        Pass();
    }

    private static void Execute()
    {
        fixed (byte* path = "/bin/true"u8)
        {
            nint* arguments = stackalloc nint[2];
            arguments[0] = (nint)path;
            arguments[1] = 0;
            nint result = Syscall.Call(59, (nint)path, (nint)arguments, (nint)(arguments + 1));
            Program.Wrong("execve", result);
        }
    }

    /// <summary>A child sends bytes through a pipe; all arrive, in order.</summary>
    private static void Pass()
    {
        int* ends = stackalloc int[2];
        byte* buffer = stackalloc byte[3000];
        Program.Must(Linux.Pipe(ends), "pipe");
        int child = Program.Fork();
        if (child == 0)
        {
            Linux.Close(ends[0]);
            for (int sent = 0; sent < Bytes;)
            {
                int part = 1 + Program.Below(2999);
                part = part < Bytes - sent ? part : Bytes - sent;
                for (int i = 0; i < part; i++)
                    buffer[i] = (byte)((sent + i) % 251);
                nint written = Program.Must(Linux.Write(ends[1], buffer, part), "write");
                sent += (int)written;
            }
            Linux.Exit(0);
        }
        Linux.Close(ends[1]);
        int at = 0;
        nint got;
        while ((got = Program.Must(Linux.Read(ends[0], buffer, 1 + Program.Below(2999)), "read")) > 0)
        {
            for (nint i = 0; i < got; i++, at++)
            {
                if (buffer[i] != at % 251)
                    Program.Wrong("a byte of a pipe is wrong", at);
            }
        }
        if (at != Bytes)
            Program.Wrong("a pipe's reader has seen", at);
        Linux.Close(ends[0]);
        Program.Join(child);
    }
}
