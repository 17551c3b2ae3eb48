using System;
using NanoVm.User.Suites;

namespace NanoVm.User.Soak;

/// <summary>soak KIND SEED STOP [SIZE] [FOLDER]: works until the file STOP exists, checking all that it does; says how much, or what was wrong.</summary>
/// <remarks>
/// Kinds: <c>memory</c> (private memory over forks), <c>shared</c> (memfd and System V), <c>files</c> (reads, writes and mappings in FOLDER),
/// <c>processes</c> (fork, exec, pipes), <c>threads</c>, <c>signals</c>. SIZE is in MiB. Ends with 0, or 1 when something was wrong.
/// </remarks>
internal static unsafe class Program
{
    private static ulong s_random;
    private static nint s_stop;

    public static int Main()
    {
        if (Arguments.Count < 4)
        {
            Output.Error.Write("usage: soak memory|shared|files|processes|threads|signals SEED STOP [SIZE] [FOLDER]\n"u8);
            Output.Error.Flush();
            return 2;
        }
        ReadOnlySpan<byte> kind = Arguments.At(1);
        s_random = Number(Arguments.At(2)) * 0x9e37_79b9_7f4a_7c15 + 1;
        s_stop = (nint)Arguments.Vector[3];
        int size = Arguments.Count > 4 ? (int)Number(Arguments.At(4)) : 8;

        if (kind.SequenceEqual("memory"u8))
            MemoryWorker.Prepare(size);
        else if (kind.SequenceEqual("shared"u8))
            SharedWorker.Prepare(size);
        else if (kind.SequenceEqual("files"u8))
            FileWorker.Prepare(size, Arguments.At(5));
        else if (kind.SequenceEqual("threads"u8))
            ThreadWorker.Prepare();

        long rounds = 0;
        while (!IsStopped())
        {
            if (kind.SequenceEqual("memory"u8))
                MemoryWorker.Round();
            else if (kind.SequenceEqual("shared"u8))
                SharedWorker.Round();
            else if (kind.SequenceEqual("files"u8))
                FileWorker.Round();
            else if (kind.SequenceEqual("processes"u8))
                ProcessWorker.Round();
            else if (kind.SequenceEqual("threads"u8))
                ThreadWorker.Round();
            else
                SignalWorker.Round();
            rounds++;
        }
        if (kind.SequenceEqual("files"u8))
            FileWorker.CleanUp();
        Output.Standard.Write($"{kind} {rounds} rounds\n");
        Output.Standard.Flush();
        return 0;
    }

    /// <summary>Something was not as it must be: says so and ends the process.</summary>
    public static void Wrong(string what, long a = 0, long b = 0)
    {
        Output.Standard.Write($"WRONG: {Arguments.At(1)}: {what} {a} {b}\n");
        Output.Standard.Flush();
        Linux.Exit(1);
    }

    /// <summary>Checks a call that must succeed.</summary>
    public static nint Must(nint result, string what)
    {
        if (Linux.IsError(result))
            Wrong(what, result);
        return result;
    }

    /// <summary>Forks. Memory may be short for a moment, with no more than a refusal to be had.</summary>
    public static int Fork() => (int)Must(Linux.Fork(), "fork");

    /// <summary>Waits for a child that must end well.</summary>
    public static void Join(int child)
    {
        if (Linux.Wait(child, out int status) != child || status != 0)
            Wrong("a child ended with", status);
    }

    public static int Below(int n)
    {
        s_random = s_random * 6364136223846793005 + 1442695040888963407;
        return (int)((s_random >> 33) % (ulong)n);
    }

    /// <summary>In a child: other numbers than the parent's.</summary>
    public static void Reseed(int by) => s_random ^= (ulong)by * 0x9e37_79b9_7f4a_7c15;

    private static bool IsStopped() => Syscall.Call(21, s_stop, 0) == 0;

    private static ulong Number(ReadOnlySpan<byte> text)
    {
        ulong value = 0;
        foreach (byte c in text)
            value = value * 10 + (ulong)(c - '0');
        return value;
    }
}
