using System;
using NanoVm.Core;
using NanoVm.Memory.Swap;

namespace NanoVm.Files.Proc.Machine;

/// <summary><c>/proc/swaps</c>.</summary>
internal sealed class SwapsFile(MachineFiles machine) : ProcPage("swaps"u8)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        w.Text("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"u8);
        if (_machine.Memory.Swap is not { } swap)
            return Errno.None;
        for (int i = 0; i < SwapEntry.MaximumAreas; i++)
        {
            if (swap.Area(i) is not { } area)
                continue;
            int line = w.Length;
            area.File.WritePath(ref w);
            w.Repeat((byte)' ', Math.Max(1, 40 - (w.Length - line)));
            w.Text(area.File.IsDisk ? "partition\t"u8 : "file\t\t"u8);
            Number(ref w, area.Slots * 4);
            Number(ref w, area.Used * 4);
            w.Signed(area.Priority);
            w.Byte((byte)'\n');
        }

        return Errno.None;
    }

    // Linux: a number of few digits is followed by two tabs, so that columns stand below each other.
    private static void Number(ref TextWriter w, ulong value)
    {
        w.Decimal(value);
        w.Text(value < 10_000_000 ? "\t\t"u8 : "\t"u8);
    }
}
