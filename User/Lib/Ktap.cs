using System;
using System.Runtime.CompilerServices;

namespace NanoVm.User;

/// <summary>A test: a name that is a sentence, and a method that calls <see cref="Ktap.Check"/>.</summary>
public readonly unsafe struct TestCase(string name, delegate*<void> body)
{
    /// <summary>What is tested; no spaces at the ends, no <c>#</c>.</summary>
    public readonly string Name = name;

    /// <summary>The test.</summary>
    public readonly delegate*<void> Body = body;
}

/// <summary>Runs tests and reports them in KTAP (kernel.org, "The Kernel Test Anything Protocol").</summary>
public static unsafe class Ktap
{
    private static bool s_failed;
    private static string? s_skipped;
    private static int s_depth;

    /// <summary>Runs all cases of a program and returns the status to end it with: 0 when all held, otherwise 1.</summary>
    public static int Run(params scoped ReadOnlySpan<TestCase> cases)
    {
        Output output = Output.Standard;
        output.Write("KTAP version 1\n"u8);
        bool good = RunCases(cases);
        output.Flush();
        return good ? 0 : 1;
    }

    /// <summary>Runs cases as parts of the case that is running; it fails when one of them does.</summary>
    public static void Children(params scoped ReadOnlySpan<TestCase> cases)
    {
        bool failedBefore = s_failed;
        Output output = Output.Standard;
        s_depth++;
        Indent();
        output.Write("KTAP version 1\n"u8);
        bool good = RunCases(cases);
        output.Flush();
        s_depth--;
        s_failed = failedBefore | !good;
        s_skipped = null;
    }

    /// <summary>The running case fails when the condition is false; the report shows its text and line. The case goes on.</summary>
    /// <returns>The condition, so that a case can stop where going on makes no sense.</returns>
    public static bool Check(
        bool condition,
        [CallerArgumentExpression(nameof(condition))] string? text = null,
        [CallerLineNumber] int line = 0)
    {
        if (!condition)
        {
            Fail();
            Output.Standard.Write($"line {line}: {text ?? ""} is false\n");
            Output.Standard.Flush();
        }
        return condition;
    }

    /// <summary>The running case fails when the two differ; the report shows both numbers.</summary>
    public static bool Equal(
        long expected,
        long actual,
        [CallerArgumentExpression(nameof(actual))] string? text = null,
        [CallerLineNumber] int line = 0)
    {
        if (expected != actual)
        {
            Fail();
            Output.Standard.Write($"line {line}: {text ?? ""} is {actual}, expected {expected}\n");
            Output.Standard.Flush();
        }
        return expected == actual;
    }

    /// <summary>The running case fails when the two texts differ; the report shows both.</summary>
    public static bool Same(scoped ReadOnlySpan<byte> expected, scoped ReadOnlySpan<byte> actual, string what, [CallerLineNumber] int line = 0)
    {
        bool same = expected.SequenceEqual(actual);
        if (!same)
        {
            Fail();
            Output.Standard.Write($"line {line}: {what}: {actual}, expected {expected}\n");
            Output.Standard.Flush();
        }
        return same;
    }

    /// <summary>The running case counts as skipped, with a reason.</summary>
    public static void Skip(string reason) => s_skipped = reason;

    private static bool RunCases(scoped ReadOnlySpan<TestCase> cases)
    {
        Output output = Output.Standard;
        bool good = true;
        Indent();
        output.Write($"1..{cases.Length}\n");
        for (int i = 0; i < cases.Length; i++)
        {
            s_failed = false;
            s_skipped = null;
            output.Flush();     // before the case: it may fork, end the process or print itself
            cases[i].Body();
            good &= !s_failed;
            Indent();
            output.Write(s_failed ? "not ok "u8 : "ok "u8);
            output.Write($"{i + 1} {cases[i].Name}");
            if (s_skipped is not null && !s_failed)
                output.Write($" # SKIP {s_skipped}");
            output.Write("\n"u8);
        }
        return good;
    }

    // The case has failed; what follows on the line says why.
    private static void Fail()
    {
        s_failed = true;
        Indent();
        Output.Standard.Write("# "u8);
    }

    private static void Indent()
    {
        for (int i = 0; i < s_depth; i++)
            Output.Standard.Write("  "u8);
    }
}
