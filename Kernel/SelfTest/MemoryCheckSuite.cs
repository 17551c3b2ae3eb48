using System;
using NanoVm.Core;
using NanoVm.Memory.Check;
using NanoVm.Memory.Virtual;

namespace NanoVm.SelfTest;

/// <summary>All of memory is in order when the machine has just been built.</summary>
internal sealed class MemoryCheckSuite(MemorySystem memory) : TestSuite
{
    private readonly MemorySystem _memory = memory;

    public override ReadOnlySpan<byte> Name => "memfsck"u8;

    public override int Count => 1;

    public override ReadOnlySpan<byte> CaseName(int number) => "Every_frame_and_every_address_space_is_in_order"u8;

    public override void Run(int number, TestContext test)
    {
        MemoryReport report = default;
        test.Check(MemoryCheck.Run(_memory, ref report) == Errno.None, "there is room to count in"u8);
        if (report.Errors != 0)
            test.Check(false, report.FirstError);
        ulong frames = report.Free + report.Reserved + report.Slab + report.PageTable + report.Vmalloc + report.Anonymous + report.Cached + report.Kernel;
        test.Check(frames != 0, "there are frames"u8);
    }
}
