using System;

namespace NanoVm.User.Cost;

/// <summary>Measurements of one thing, and the middle one of them: a timer's tick in one of them does not count.</summary>
internal static unsafe class Samples
{
    /// <summary>How many a measurement takes at most.</summary>
    public const int Most = 256;

    private static Values s_values;
    private static int s_count;
    private static ulong s_begun;

    /// <summary>What reading the clock twice costs; taken off each measurement.</summary>
    private static ulong s_overhead;

    /// <summary>Forgets what was measured.</summary>
    public static void Start() => s_count = 0;

    /// <summary>Measures the clock itself.</summary>
    public static void Calibrate()
    {
        s_overhead = 0;
        Start();
        for (int i = 0; i < 64; i++)
        {
            Begin();
            End();
        }
        s_overhead = Median();
    }

    /// <summary>What follows is measured.</summary>
    public static void Begin() => s_begun = Clock.Now();

    /// <summary>What came since <see cref="Begin"/> was done <paramref name="times"/> times.</summary>
    public static void End(int times = 1)
    {
        ulong all = Clock.Now() - s_begun;
        ((Span<ulong>)s_values)[s_count++] = (all > s_overhead ? all - s_overhead : 0) / (ulong)times;
    }

    /// <summary>Prints the middle one. A line is "cost", the number and what it is of.</summary>
    public static void Print(string name, string among = "")
    {
        Output.Standard.Write($"cost {Median()} {name}{among}\n");
        Output.Standard.Flush();
    }

    private static ulong Median()
    {
        Span<ulong> values = ((Span<ulong>)s_values).Slice(0, s_count);
        for (int i = 1; i < values.Length; i++)
        {
            ulong value = values[i];
            int to = i;
            for (; to > 0 && values[to - 1] > value; to--)
                values[to] = values[to - 1];
            values[to] = value;
        }
        return values[values.Length / 2];
    }

    [System.Runtime.CompilerServices.InlineArray(Most)]
    private struct Values
    {
        private ulong _first;
    }
}
