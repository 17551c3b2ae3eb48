using System;

namespace NanoVm.SelfTest;

/// <summary>A kernel stack that overflows meets its guard page, and the machine ends with a report instead of writing on.</summary>
internal sealed class OverflowSuite : TestSuite
{
    public override ReadOnlySpan<byte> Name => "overflow"u8;

    public override int Count => 1;

    public override bool EndsTheMachine => true;

    public override ReadOnlySpan<byte> CaseName(int number) => "The_machine_should_have_ended"u8;

    public override void Run(int number, TestContext test)
    {
        Attempts.Overflow();
        test.Check(false, "a double fault on a stack of its own"u8);
    }
}
