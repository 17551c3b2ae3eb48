using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary><c>/proc/PID/vma_tree</c>: the red-black tree of the areas, lying on its left side, with the gaps. NanoVM's own.</summary>
/// <remarks>
/// Areas come in the order of their addresses, each as far to the right as it lies deep; "R" and "B" are the colours. "gap" is the free
/// room just below an area, "max" the largest gap in its subtree: what <c>UnmappedAreaTopdown</c> searches by.
/// The drawing of a line follows from the way up to the root, so it costs O(log areas) and can begin anywhere.
/// </remarks>
internal sealed class VmaTreeFile(TaskSystem system) : MemoryText(system, "vma_tree"u8, 0x100)
{
    /// <inheritdoc/>
    protected override void Show(Task task, MmStruct mm, ref TextWriter w, ref ProcCursor cursor)
    {
        if (cursor.Position == 0)
        {
            w.Decimal((ulong)mm.MapCount);
            w.Text(" areas, highest end "u8);
            w.Hex(mm.Areas.HighestEnd.Value);
            w.Text(", black height "u8);
            w.Decimal((ulong)BlackHeight(mm.Areas.Root));
            w.Byte((byte)'\n');
        }
        VmArea? area = cursor.Position == 0 ? mm.FirstArea : mm.FindVma(new VirtAddr(cursor.Position));
        for (; area is not null; area = area.Next)
        {
            int before = w.Length;
            Line(ref w, area);
            if (w.Overflowed)
            {
                w.Truncate(before);
                return;
            }
            cursor.Position = area.End.Value;
        }
        cursor.Ended = true;
    }

    private static int BlackHeight(VmArea? node)
    {
        int height = 0;
        for (; node is not null; node = node.TreeLinks.Left)
            height += node.TreeLinks.IsRed ? 0 : 1;
        return height;
    }

    private static void Line(ref TextWriter w, VmArea area)
    {
        // The way down to the area: bit i says whether the step from depth i to depth i + 1 goes right. A tree of 2^30 areas is
        // less than 62 deep.
        ulong path = 0;
        int depth = 0;
        for (VmArea node = area; node.TreeLinks.Parent is { } parent; node = parent)
        {
            path = path << 1 | (ReferenceEquals(parent.TreeLinks.Right, node) ? 1UL : 0);
            depth++;
        }
        // A bar goes past this line below an ancestor whose branch turns back over it: right after left, or left after right.
        for (int i = 0; i + 1 < depth; i++)
            w.Text((path >> i & 1) != (path >> (i + 1) & 1) ? "|   "u8 : "    "u8);
        if (depth > 0)
            w.Text((path >> (depth - 1) & 1) == 0 ? ",-- "u8 : "`-- "u8);
        w.Byte(area.TreeLinks.IsRed ? (byte)'R' : (byte)'B');
        w.Byte((byte)' ');
        w.Hex(area.Start.Value, 8);
        w.Byte((byte)'-');
        w.Hex(area.End.Value, 8);
        w.Byte((byte)' ');
        w.Byte(area.Has(VmFlags.Read) ? (byte)'r' : (byte)'-');
        w.Byte(area.Has(VmFlags.Write) ? (byte)'w' : (byte)'-');
        w.Byte(area.Has(VmFlags.Execute) ? (byte)'x' : (byte)'-');
        w.Byte(area.Has(VmFlags.MayShare) ? (byte)'s' : (byte)'p');
        w.Text("  gap "u8);
        Size(ref w, VmaIndex.GapBelow(area));
        w.Text("  max "u8);
        Size(ref w, area.SubtreeGap);
        int before = w.Length;
        w.Text("  "u8);
        MapsText.Name(ref w, area);
        if (w.Length == before + 2 && !w.Overflowed)
            w.Truncate(before);
        w.Byte((byte)'\n');
    }

    /// <summary>In the largest unit that it fills; "~" says that a part of one has been left out.</summary>
    private static void Size(ref TextWriter w, ulong bytes)
    {
        const ulong MostKilobytes = 10_000;             // up to there every kilobyte is shown
        ReadOnlySpan<byte> units = "KMGTP"u8;
        int unit = 0;
        ulong value = bytes >> 10, rest = 0;
        while (unit + 1 < units.Length && value >= 1024 && (rest != 0 || (value & 1023) == 0 || value >= MostKilobytes))
        {
            rest |= value & 1023;
            value >>= 10;
            unit++;
        }
        if (rest != 0)
            w.Byte((byte)'~');
        w.Decimal(value);
        w.Byte(units[unit]);
    }
}
