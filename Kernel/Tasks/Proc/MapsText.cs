using System;
using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary>The line of an area in <c>maps</c> and <c>smaps</c>.</summary>
internal static class MapsText
{
    /// <summary>The column behind which names begin. Linux: <c>seq_setwidth(25 + sizeof(void *) * 6 - 1)</c>.</summary>
    private const int NameColumn = 72;

    /// <summary>Writes the line. Linux: <c>show_map_vma</c>. Holds <see cref="MmStruct.MmapLock"/>.</summary>
    public static void Line(ref TextWriter w, VmArea area)
    {
        int start = w.Length;
        w.Hex(area.Start.Value, 8);
        w.Byte((byte)'-');
        w.Hex(area.End.Value, 8);
        w.Byte((byte)' ');
        w.Byte(area.Has(VmFlags.Read) ? (byte)'r' : (byte)'-');
        w.Byte(area.Has(VmFlags.Write) ? (byte)'w' : (byte)'-');
        w.Byte(area.Has(VmFlags.Execute) ? (byte)'x' : (byte)'-');
        w.Byte(area.Has(VmFlags.MayShare) ? (byte)'s' : (byte)'p');
        w.Byte((byte)' ');
        if (area.File is { } file)
        {
            w.Hex(area.PageOffset << PageSize.Shift, 8);
            w.Byte((byte)' ');
            w.Hex(Files.DeviceNumber.Major(file.Device), 2);
            w.Byte((byte)':');
            w.Hex(Files.DeviceNumber.Minor(file.Device), 2);
            w.Byte((byte)' ');
            w.Decimal(file.InodeNumber);
        }
        else
        {
            w.Text("00000000 00:00 0"u8);
        }
        w.Byte((byte)' ');
        Name(ref w, area, start);
        w.Byte((byte)'\n');
    }

    /// <summary>The line of the vsyscall page, which can be executed and nothing else.</summary>
    public static void GateLine(ref TextWriter w)
    {
        int start = w.Length;
        w.Hex(UserSpace.Vsyscall);
        w.Byte((byte)'-');
        w.Hex(UserSpace.Vsyscall + PageSize.Bytes);
        w.Text(" --xp 00000000 00:00 0 "u8);
        Pad(ref w, start);
        w.Text("[vsyscall]\n"u8);
    }

    private static void Name(ref TextWriter w, VmArea area, int start)
    {
        int before = w.Length;
        Pad(ref w, start);
        int name = w.Length;
        Name(ref w, area);
        // Where the text ends with the room for it, a name is not missing: the whole line comes again at the start of the next piece.
        if (w.Length == name && !w.Overflowed)
            w.Truncate(before);
    }

    /// <summary>What an area is called: its file's path, <c>[heap]</c>, <c>[vdso]</c> …; nothing for nameless memory.</summary>
    public static void Name(ref TextWriter w, VmArea area)
    {
        if (area.File is { } file)
        {
            int path = w.Length;
            file.WritePath(ref w);
            PathEscape.InPlace(ref w, path, "\n"u8);
            return;
        }
        ReadOnlySpan<byte> name = area.Operations is { } operations ? operations.NameOf(area) : default;
        if (name.IsEmpty)
            name = area.IsInitialHeap ? "[heap]"u8 : area.IsInitialStack ? "[stack]"u8 : default;
        w.Text(name);
    }

    private static void Pad(ref TextWriter w, int start)
    {
        w.PadTo(start, NameColumn);
        w.Byte((byte)' ');
    }
}
