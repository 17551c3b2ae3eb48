using System;

namespace NanoVm.User.Suites;

/// <summary>This process's memory areas as <c>/proc/self/maps</c> shows them.</summary>
internal static unsafe class Areas
{
    /// <summary>One line of the file.</summary>
    public struct Area
    {
        public nint Start, End, Offset;
        /// <summary>The four letters, the first in the lowest byte.</summary>
        public uint Rights;
    }

    public const uint ReadWritePrivate = 'r' | 'w' << 8 | '-' << 16 | (uint)'p' << 24;
    public const uint ReadOnlyPrivate = 'r' | '-' << 8 | '-' << 16 | (uint)'p' << 24;
    public const uint NonePrivate = '-' | '-' << 8 | '-' << 16 | (uint)'p' << 24;
    public const uint ReadWriteShared = 'r' | 'w' << 8 | '-' << 16 | (uint)'s' << 24;

    private const int BufferSize = 1 << 20;
    private static nint s_buffer;

    /// <summary>Collects the areas that overlap a range.</summary>
    /// <returns>How many there are, also when they do not all fit.</returns>
    public static int In(nint start, nint bytes, Span<Area> found)
    {
        int count = 0;
        ReadOnlySpan<byte> text = ReadMaps();
        while (text.Length > 0)
        {
            int end = text.IndexOf((byte)'\n');
            Area area = Parse(text.Slice(0, end));
            text = text.Slice(end + 1);
            if (area.End <= start || area.Start >= start + bytes)
                continue;
            if (count < found.Length)
                found[count] = area;
            count++;
        }
        return count;
    }

    /// <summary>The number of areas that overlap a range.</summary>
    public static int Count(nint start, nint bytes) => In(start, bytes, default);

    /// <summary>The area whose line ends with the name, such as <c>[heap]</c>; all zero when there is none.</summary>
    public static Area Named(ReadOnlySpan<byte> name)
    {
        ReadOnlySpan<byte> text = ReadMaps();
        while (text.Length > 0)
        {
            int end = text.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = text.Slice(0, end);
            text = text.Slice(end + 1);
            if (line.Length > name.Length && line.Slice(line.Length - name.Length).SequenceEqual(name))
                return Parse(line);
        }
        return default;
    }

    /// <summary>Makes the buffer that looking needs. It is an area too: made before the first look, looking changes nothing.</summary>
    public static void Prepare()
    {
        if (s_buffer == 0)
            s_buffer = Linux.Mmap(0, BufferSize, Protection.ReadWrite, Map.SharedAnonymous);
    }

    private static ReadOnlySpan<byte> ReadMaps()
    {
        Prepare();
        int file = Linux.Open("/proc/self/maps"u8, 0);
        int length = 0;
        while (true)
        {
            nint got = Linux.Read(file, (byte*)s_buffer + length, BufferSize - length);
            if (got <= 0)
                break;
            length += (int)got;
        }
        Linux.Close(file);
        return new ReadOnlySpan<byte>((byte*)s_buffer, length);
    }

    private static Area Parse(ReadOnlySpan<byte> line)
    {
        Area area = default;
        int at = 0;
        area.Start = Hex(line, ref at);
        at++;
        area.End = Hex(line, ref at);
        at++;
        area.Rights = (uint)(line[at] | line[at + 1] << 8 | line[at + 2] << 16 | line[at + 3] << 24);
        at += 5;
        area.Offset = Hex(line, ref at);
        return area;
    }

    public static nint Hex(ReadOnlySpan<byte> line, ref int at)
    {
        nint value = 0;
        while (at < line.Length)
        {
            int c = line[at];
            int digit = c is >= '0' and <= '9' ? c - '0' : c is >= 'a' and <= 'f' ? c - 'a' + 10 : -1;
            if (digit < 0)
                break;
            value = value << 4 | (nint)digit;
            at++;
        }
        return value;
    }
}
