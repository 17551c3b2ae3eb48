using System;

namespace NanoVm.User.Init;

/// <summary>Runs the user suites of <c>/tests</c> after the kernel's own and prints one KTAP report of both.</summary>
/// <remarks>
/// The kernel has printed <c>KTAP version 1</c> and its suites as tests 1 to k when init starts, and says in
/// <c>/proc/sys/kernel/nanovm_selftest</c> how many there were and how many failed. Each user suite is one test more, its own report
/// nested in it, and one for what it must not have lost (<see cref="Ledger"/>); the plan comes last, for only then is the number known. KTAP: the kernel documentation's dev-tools/ktap.
/// </remarks>
internal static class Suites
{
    private const int MostSuites = 256, LongestName = 64;

    /// <summary>Runs all suites, or those named by <c>test=</c>. 0 when there was one at least and none failed.</summary>
    public static int Run(Options options)
    {
        Console.Take(options);
        Console.PassOutputUnchanged();

        ReadOnlySpan<byte> wanted = options.Value("test"u8);
        bool all = wanted.SequenceEqual("all"u8);
        KernelSuites(out int number, out int failed);
        int found = number;

        Span<byte> space = stackalloc byte[MostSuites * LongestName];
        var names = new Names(space, LongestName);
        RunFolder("/tests/"u8, ref names, all ? default : wanted, options, ref number, ref failed, ref found);
        if (!all)
            RunFolder("/tests/alone/"u8, ref names, wanted, options, ref number, ref failed, ref found);

        int asked = 0;
        foreach (ReadOnlySpan<byte> _ in new Fields(wanted, (byte)','))
            asked++;
        if (number == 0 || (!all && found < asked))
        {
            number++;
            failed++;
            Report(passed: false, number, "every suite that was asked for exists"u8, default);
        }
        PrintPlan(number);
        return failed == 0 ? 0 : 1;
    }

    /// <summary>Runs the suites of a folder, all or those that are wanted; those in <c>alone</c> want a machine of their own and are never part of all.</summary>
    private static void RunFolder(ReadOnlySpan<byte> folder, ref Names names, ReadOnlySpan<byte> wanted, Options options, ref int number, ref int failed, ref int found)
    {
        names.ReadFolder(folder);
        for (int i = 0; i < names.Count; i++)
        {
            if (!wanted.IsEmpty && !IsIn(names[i], wanted))
                continue;
            found++;
            Ledger.Begin();
            bool passed = RunOne(folder, names[i], options);
            Report(passed, ++number, names[i], default);
            bool even = Ledger.IsEven();
            Report(even, ++number, names[i], " loses nothing"u8);
            failed += (passed ? 0 : 1) + (even ? 0 : 1);
        }
    }

    /// <summary>How many suites the kernel has run, and how many of them failed; none when it says nothing.</summary>
    private static void KernelSuites(out int run, out int failed)
    {
        run = failed = 0;
        Span<byte> space = stackalloc byte[32];
        int length = Sys.ReadFile("/proc/sys/kernel/nanovm_selftest"u8, space);
        int field = 0;
        foreach (ReadOnlySpan<byte> number in new Fields(space.Slice(0, Math.Max(length, 0)), (byte)' '))
        {
            if (field++ == 0)
                run = Options.Number(number);
            else
                failed = Options.Number(number);
        }
        if (run == 0)
            Sys.Write(1, "KTAP version 1\n"u8);
    }

    private static bool IsIn(ReadOnlySpan<byte> name, ReadOnlySpan<byte> list)
    {
        foreach (ReadOnlySpan<byte> item in new Fields(list, (byte)','))
            if (item.SequenceEqual(name))
                return true;
        return false;
    }

    /// <summary>Runs one program, its output passed on two columns to the right. True when its report is whole, nothing failed and it ended with 0.</summary>
    private static bool RunOne(ReadOnlySpan<byte> folder, ReadOnlySpan<byte> name, Options options)
    {
        if (!Sys.Pipe(out int reader, out int writer))
            return false;
        int child = Children.Fork();
        if (child == 0)
        {
            Sys.UseAsStandardFiles(Sys.Open("/dev/null"u8, Sys.ReadWrite), writer, writer);
            Span<byte> space = stackalloc byte[LongestName + 16];
            var path = new Text(space);
            path.Append(folder);
            path.Append(name);
            Shell.Execute(path.Terminated(), path.Written, default, default, options);
        }
        Sys.Close(writer);
        var report = new KtapReport(name);
        if (child > 0)
            PassLines(reader, ref report);
        Sys.Close(reader);
        int status = child > 0 ? Children.WaitFor(child) : 1;
        return report.IsComplete && report.Failures == 0 && status == 0;
    }

    private static void PassLines(int reader, ref KtapReport report)
    {
        Span<byte> line = stackalloc byte[512];
        Span<byte> input = stackalloc byte[4096];
        int length = 0;
        while (Sys.Read(reader, input) is > 0 and int got)
        {
            foreach (byte b in input.Slice(0, got))
            {
                if (b != (byte)'\n' && length < line.Length)
                    line[length++] = b;
                if (b == (byte)'\n')
                {
                    report.Line(line.Slice(0, length));
                    length = 0;
                }
            }
        }
        if (length > 0)
            report.Line(line.Slice(0, length));
    }

    private static void Report(bool passed, int number, ReadOnlySpan<byte> name, ReadOnlySpan<byte> claim)
    {
        Span<byte> space = stackalloc byte[LongestName + 32];
        var line = new Text(space);
        line.Append(passed ? "ok "u8 : "not ok "u8);
        line.AppendDecimal(number);
        line.Append(" "u8);
        line.Append(name);
        line.Append(claim);
        line.Append("\n"u8);
        Sys.Write(1, line.Written);
    }

    private static void PrintPlan(int number)
    {
        Span<byte> space = stackalloc byte[32];
        var line = new Text(space);
        line.Append("1.."u8);
        line.AppendDecimal(number);
        line.Append("\n"u8);
        Sys.Write(1, line.Written);
    }
}
