using System;

namespace NanoVm.User.Init;

/// <summary>One suite's report while it is passed on: what was planned, what came, what failed.</summary>
internal ref struct KtapReport
{
    private readonly ReadOnlySpan<byte> _name;
    private int _lines, _planned, _results;

    public KtapReport(ReadOnlySpan<byte> name)
    {
        _name = name;
        _planned = -1;
    }

    /// <summary>Results that say <c>not ok</c>.</summary>
    public int Failures { get; private set; }

    /// <summary>Whether there was a plan and exactly as many results.</summary>
    public readonly bool IsComplete => _planned > 0 && _planned == _results;

    /// <summary>Prints the line nested, and counts it. The suite's name follows its first line when that is KTAP's version.</summary>
    public void Line(scoped ReadOnlySpan<byte> line)
    {
        bool isVersion = line.StartsWith("KTAP version"u8);
        if (_lines++ == 0)
        {
            if (!isVersion)
                Print("KTAP version 1"u8, default);
            else
                Print(line, default);
            Print("# Subtest: "u8, _name);
            if (isVersion)
                return;
        }
        Print(line, default);
        if (line.StartsWith("1.."u8))
            _planned = Options.Number(line.Slice(3));
        else if (line.StartsWith("ok "u8))
            _results++;
        else if (line.StartsWith("not ok "u8))
        {
            _results++;
            Failures++;
        }
    }

    private static void Print(scoped ReadOnlySpan<byte> first, scoped ReadOnlySpan<byte> second)
    {
        Sys.Write(1, "  "u8);
        Sys.Write(1, first);
        Sys.Write(1, second);
        Sys.Write(1, "\n"u8);
    }
}
