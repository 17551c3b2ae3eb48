using System;
using NanoVm.User.Suites;

namespace NanoVm.User.SysFuzz;

/// <summary>sysfuzz: makes system calls at random, from several tasks at once, and looks whether anything but the callers comes to harm.</summary>
/// <remarks>
/// <code>
///   sysfuzz [--seed N] [--seeds COUNT] [--ops M] [--tasks T]
/// </code>
/// Each seed: T processes (every second one of a user without rights) of two threads make M calls each, of all numbers, with arguments of the
/// right type, nearly right, or anything. A victim (see <see cref="Victim"/>) fills the machine with a word that nobody else may see. Checked
/// after each call: registers, buffers, fresh memory; after each seed: nothing left over, all memory in order, the ledger even.
/// Ends with 0 when all was well, 1 when not, 2 for wrong arguments.
/// </remarks>
internal static unsafe class Program
{
    public static int Main()
    {
        ulong seed = 1, seeds = 1, calls = 1000, tasks = 4;
        if (Arguments.Count > 0 && Arguments.Count % 2 == 0)
            return Refuse();
        for (int i = 1; i < Arguments.Count; i += 2)
        {
            ReadOnlySpan<byte> option = Arguments.At(i);
            if (!Number(Arguments.At(i + 1), out ulong value))
                return Refuse();
            if (option.SequenceEqual("--seed"u8))
                seed = value;
            else if (option.SequenceEqual("--seeds"u8))
                seeds = value;
            else if (option.SequenceEqual("--ops"u8) && value <= 10_000_000)
                calls = value;
            else if (option.SequenceEqual("--tasks"u8) && value is > 0 and <= Stage.MostTasks)
                tasks = value;
            else
                return Refuse();
        }

        Calls.Prepare();
        Stage* stage = Harness.Prepare((int)tasks);
        Books.Prepare();
        bool good = Harness.Play(seed, 40);                 // what stays warm is warm
        for (ulong end = seed + seeds; seed < end; seed++)
        {
            Books.Begin();
            good &= Harness.Play(seed, (int)calls / Stage.Lanes);
            bool even = Books.IsEven(), inOrder = Books.IsInOrder();
            good &= even && inOrder;
            long succeeded = 0, failed = 0;
            for (int i = 0; i < (int)tasks * Stage.Lanes; i++)
            {
                Lane* lane = Stage.LaneOf(stage, i / Stage.Lanes, i % Stage.Lanes);
                succeeded += lane->Succeeded;
                failed += lane->Failed;
            }
            Output.Standard.Write($"seed {seed}: {succeeded} calls succeeded, {failed} failed\n");
            Output.Standard.Flush();
        }

        int worked = 0;
        for (int i = 0; i < 512; i++)
            worked += stage->Worked[i];
        Output.Standard.Write($"{worked} different calls have succeeded\n");
        Output.Standard.Write(good ? "all well\n"u8 : "NOT well\n"u8);
        Output.Standard.Flush();
        return good ? 0 : 1;
    }

    private static int Refuse()
    {
        Output.Error.Write("usage: sysfuzz [--seed N] [--seeds COUNT] [--ops M] [--tasks T]\n"u8);
        Output.Error.Flush();
        return 2;
    }

    private static bool Number(ReadOnlySpan<byte> text, out ulong value)
    {
        value = 0;
        foreach (byte digit in text)
        {
            if (digit is < (byte)'0' or > (byte)'9' || value > 1_000_000_000_000)
                return false;
            value = value * 10 + (ulong)(digit - '0');
        }
        return text.Length > 0;
    }
}
