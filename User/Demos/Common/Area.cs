using System;
using NanoVm.User.Suites;

namespace NanoVm.User.Demos;

/// <summary>What the kernel says of the memory area around an address.</summary>
internal static class Area
{
    /// <summary>Prints the area's line of <c>/proc/self/maps</c>, or that there is none.</summary>
    public static void ShowLine(nint address)
    {
        ReadOnlySpan<byte> text = KernelFile.Read("/proc/self/maps"u8);
        while (KernelFile.NextLine(ref text, out ReadOnlySpan<byte> line))
        {
            if (Covers(line, address))
            {
                Output.Standard.Write($"    {line}\n");
                return;
            }
        }
        Output.Standard.Write($"    no area holds {address:x}\n");
    }

    /// <summary>A field of the area in <c>/proc/self/smaps</c>, in KiB; -1 when there is no such area.</summary>
    public static long Field(nint address, ReadOnlySpan<byte> name)
    {
        ReadOnlySpan<byte> text = KernelFile.Read("/proc/self/smaps"u8);
        bool inside = false;
        while (KernelFile.NextLine(ref text, out ReadOnlySpan<byte> line))
        {
            if (IsHeader(line))
                inside = Covers(line, address);
            else if (inside && line.StartsWith(name))
                return KernelFile.Field(line, name);
        }
        return -1;
    }

    /// <summary>The frame that the page is in, by <c>/proc/self/pagemap</c>; 0 when it is in none, or when one may not know.</summary>
    public static unsafe ulong Frame(nint address)
    {
        int file = Linux.Open("/proc/self/pagemap"u8, 0);
        ulong entry = 0;
        Linux.PositionedRead(file, &entry, sizeof(ulong), address / Linux.Page * sizeof(ulong));
        Linux.Close(file);
        return (entry & 1ul << 63) != 0 ? entry & ((1ul << 55) - 1) : 0;
    }

    private static bool IsHeader(ReadOnlySpan<byte> line) => line.Length > 0 && line[0] is not (>= (byte)'A' and <= (byte)'Z');

    private static bool Covers(ReadOnlySpan<byte> line, nint address)
    {
        int at = 0;
        ulong start = Hex(line, ref at);
        at++;
        ulong end = Hex(line, ref at);
        return (ulong)address >= start && (ulong)address < end;
    }

    private static ulong Hex(ReadOnlySpan<byte> line, ref int at)
    {
        ulong value = 0;
        for (; at < line.Length; at++)
        {
            int c = line[at];
            int digit = c is >= '0' and <= '9' ? c - '0' : c is >= 'a' and <= 'f' ? c - 'a' + 10 : -1;
            if (digit < 0)
                break;
            value = value << 4 | (uint)digit;
        }
        return value;
    }
}
