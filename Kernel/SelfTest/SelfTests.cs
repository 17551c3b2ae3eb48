using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Check;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.SelfTest;

/// <summary>Runs the kernel's suites and prints KTAP on the terminal's line.</summary>
/// <remarks>
/// <c>test=all</c> or <c>test=a,b</c> on the command line. Each suite is one top-level test; the numbering goes on in init, which runs the
/// user suites and prints the plan. After each case all of memory is checked and a ledger compared: a case may lose no frame.
/// </remarks>
internal sealed class SelfTests
{
    private readonly Uart16550 _line;
    private readonly MemorySystem _memory;
    private readonly TestSuite[] _suites;
    private readonly TestContext _context = new();

    public SelfTests(Uart16550 line, MemorySystem memory, PageCache cache, TimerQueue timers, in CpuFeatures features)
    {
        _line = line;
        _memory = memory;
        _suites =
        [
            new ProcessorSuite(memory.Physical, timers, features),
            new HardeningSuite(memory, features),
            new StructureSuite(),
            new PhysicalSuite(memory.Physical),
            new MappingSuite(cache),
            new MemoryCheckSuite(memory, cache),
            new FilesSuite(cache, memory.Hugetlb),
            new OverflowSuite(),
        ];
    }

    /// <summary>Suites that ran, and those of them that failed.</summary>
    public int Ran { get; private set; }
    public int Failed { get; private set; }

    /// <summary>Runs those suites that <paramref name="chosen"/> (the value of <c>test=</c>) names.</summary>
    public void Run(ReadOnlySpan<byte> chosen)
    {
        if (chosen.IsEmpty)
            return;
        Print("KTAP version 1\n"u8);
        foreach (TestSuite suite in _suites)
        {
            if (IsChosen(chosen, suite))
                Run(suite);
        }

        _line.Drain();
    }

    private void Run(TestSuite suite)
    {
        Print("  KTAP version 1\n  # Subtest: "u8);
        Print(suite.Name);
        Print("\n  1.."u8);
        Print(suite.Count);
        Print("\n"u8);

        bool failed = false;
        for (int number = 0; number < suite.Count; number++)
        {
            _memory.Physical.Shrink();
            ulong free = _memory.Frames.FreeFrames.Value;
            _context.Begin();
            suite.Run(number, _context);
            MemoryReport report = default;
            MemoryCheck.Run(_memory, ref report);
            _context.Check(report.Errors == 0, report.FirstError);
            _memory.Physical.Shrink();
            _context.Check(_memory.Frames.FreeFrames.Value == free, "all frames came back"u8);
            failed |= _context.Failed;
            Print(_context.Failed ? "  not ok "u8 : "  ok "u8);
            Print(number + 1);
            Print(" "u8);
            Print(suite.CaseName(number));
            Print("\n"u8);
            if (_context.Failed)
            {
                Print("  # expected: "u8);
                Print(_context.Reason);
                Print("\n"u8);
            }
        }

        Ran++;
        if (failed)
            Failed++;
        Print(failed ? "not ok "u8 : "ok "u8);
        Print(Ran);
        Print(" "u8);
        Print(suite.Name);
        Print("\n"u8);
    }

    private static bool IsChosen(ReadOnlySpan<byte> chosen, TestSuite suite)
    {
        while (!chosen.IsEmpty)
        {
            int comma = chosen.IndexOf((byte)',');
            ReadOnlySpan<byte> word = comma < 0 ? chosen : chosen[..comma];
            if (word.SequenceEqual(suite.Name) || (word.SequenceEqual("all"u8) && !suite.EndsTheMachine))
                return true;
            chosen = comma < 0 ? default : chosen[(comma + 1)..];
        }

        return false;
    }

    private void Print(int number)
    {
        Span<byte> digits = stackalloc byte[12];
        var writer = new TextWriter(digits);
        writer.Decimal((ulong)number);
        Print(digits[..writer.Length]);
    }

    private void Print(ReadOnlySpan<byte> text)
    {
        while (!text.IsEmpty)
        {
            int taken = _line.Write(text);
            text = text[taken..];
            if (!text.IsEmpty)
                _line.Drain();
        }
    }
}
