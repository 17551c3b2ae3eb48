using System;

namespace NanoVm.User.Suites;

/// <summary>What <c>/proc/self/smaps</c> says of the area around an address.</summary>
internal static unsafe class Smaps
{
    private const int BufferSize = 1 << 20;
    private static nint s_buffer;

    /// <summary>A field's number, such as that of <c>Rss:</c>; -1 when there is no such area or field.</summary>
    public static long Kilobytes(nint address, ReadOnlySpan<byte> name)
    {
        ReadOnlySpan<byte> line = Line(address, name);
        if (line.Length == 0)
            return -1;
        long number = 0;
        foreach (byte c in line)
        {
            if (c is >= (byte)'0' and <= (byte)'9')
                number = number * 10 + (c - '0');
        }
        return number;
    }

    /// <summary>Whether <c>VmFlags</c> has the two letters.</summary>
    public static bool HasFlags(nint address, ReadOnlySpan<byte> letters)
    {
        ReadOnlySpan<byte> line = Line(address, "VmFlags:"u8);
        for (int i = 0; i + 2 <= line.Length; i++)
        {
            if (line[i] == letters[0] && line[i + 1] == letters[1] && (i == 0 || line[i - 1] == (byte)' ') && (i + 2 == line.Length || line[i + 2] == (byte)' '))
                return true;
        }
        return false;
    }

    /// <summary>What stands behind a field's name.</summary>
    private static ReadOnlySpan<byte> Line(nint address, ReadOnlySpan<byte> name)
    {
        ReadOnlySpan<byte> text = ReadSmaps();
        bool inside = false;
        while (text.Length > 0)
        {
            int end = text.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = text.Slice(0, end);
            text = text.Slice(end + 1);
            if (line[0] is not (>= (byte)'A' and <= (byte)'Z'))
                inside = Covers(line, (ulong)address);
            else if (inside && line.StartsWith(name))
                return line.Slice(name.Length);
        }
        return default;
    }

    private static bool Covers(ReadOnlySpan<byte> line, ulong address)
    {
        int at = 0;
        ulong start = Hex(line, ref at);
        at++;
        return address >= start && address < Hex(line, ref at);
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

    private static ReadOnlySpan<byte> ReadSmaps()
    {
        if (s_buffer == 0)
            s_buffer = Linux.Mmap(0, BufferSize, Protection.ReadWrite, Map.SharedAnonymous);
        int file = Linux.Open("/proc/self/smaps"u8, 0);
        int length = 0;
        while (Linux.Read(file, (byte*)s_buffer + length, BufferSize - length) is > 0 and nint got)
            length += (int)got;
        Linux.Close(file);
        return new ReadOnlySpan<byte>((byte*)s_buffer, length);
    }
}
