using System;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites;

/// <summary>What the kernel's own files say about this process.</summary>
internal static unsafe class Proc
{
    private const int BufferSize = 1 << 20;
    private static nint s_buffer;

    /// <summary>Makes the buffer that reading needs, so that reading changes nothing any more.</summary>
    /// <remarks>Shared and there: a child's reading copies no page, no count of anonymous memory changes.</remarks>
    public static void Prepare()
    {
        if (s_buffer == 0)
            s_buffer = Mmap(0, BufferSize, Protection.ReadWrite, Map.SharedAnonymous | Map.Populate);
    }

    /// <summary>A whole file, as far as a megabyte; it is overwritten by the next one.</summary>
    public static ReadOnlySpan<byte> ReadAll(ReadOnlySpan<byte> path)
    {
        Prepare();
        int file = Open(path, 0);
        if (file < 0)
            return default;
        int length = 0;
        while (true)
        {
            nint got = Linux.Read(file, (byte*)s_buffer + length, BufferSize - length);
            if (got <= 0)
                break;
            length += (int)got;
        }
        Close(file);
        return new ReadOnlySpan<byte>((byte*)s_buffer, length);
    }

    /// <summary>The number behind <c>Name:</c> in a file such as <c>/proc/self/status</c>; -1 when there is no such line.</summary>
    public static long Field(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name) => Number(Line(ReadAll(path), name));

    /// <summary>A field of <c>/proc/self/status</c>, as <c>VmRSS</c>, in KiB.</summary>
    public static long Status(ReadOnlySpan<byte> name) => Field("/proc/self/status"u8, name);

    /// <summary>A field of the area that holds the address in <c>/proc/self/smaps</c>, in KiB; -1 when there is no such area.</summary>
    public static long Smaps(nint address, ReadOnlySpan<byte> name) => Number(Line(Entry(address), name));

    /// <summary>Whether the area that holds the address has the two-letter flag in its <c>VmFlags</c>.</summary>
    public static bool HasFlag(nint address, ReadOnlySpan<byte> flag)
    {
        ReadOnlySpan<byte> flags = Line(Entry(address), "VmFlags"u8);
        for (int i = 0; i + 2 <= flags.Length; i++)
        {
            if (flags.Slice(i, 2).SequenceEqual(flag) && (i == 0 || flags[i - 1] == ' ') && (i + 2 == flags.Length || flags[i + 2] == ' '))
                return true;
        }
        return false;
    }

    /// <summary>The text of the area's <c>VmFlags</c> without soft-dirty, which tells of the past, and without spaces at the ends.</summary>
    public static ReadOnlySpan<byte> Flags(nint address)
    {
        ReadOnlySpan<byte> flags = Line(Entry(address), "VmFlags"u8);
        byte* kept = (byte*)s_buffer + BufferSize / 2;      // the other half of the buffer is not used by now
        int length = 0;
        for (int i = 0; i + 3 <= flags.Length; i += 3)
        {
            ReadOnlySpan<byte> flag = flags.Slice(i, 3);    // each has a space before it
            if (flag.SequenceEqual(" sd"u8))
                continue;
            flag.CopyTo(new Span<byte>(kept + length, 3));
            length += 3;
        }
        return length == 0 ? default : new ReadOnlySpan<byte>(kept + 1, length - 1);
    }

    /// <summary>The page's entry in <c>/proc/self/pagemap</c>.</summary>
    public static ulong PageMap(nint address)
    {
        int file = Open("/proc/self/pagemap"u8, 0);
        ulong entry = 0;
        PositionedRead(file, &entry, 8, address / Page * 8);
        Close(file);
        return entry;
    }

    /// <summary>Writes a text into a file of the kernel; what the call says.</summary>
    public static nint Put(ReadOnlySpan<byte> path, ReadOnlySpan<byte> text)
    {
        int file = Open(path, 1);
        if (file < 0)
            return file;
        nint result;
        fixed (byte* t = text)
            result = Linux.Write(file, t, text.Length);
        Close(file);
        return result;
    }

    /// <summary>Minor faults of this process so far.</summary>
    public static long MinorFaults()
    {
        long* usage = stackalloc long[18];
        ResourceUsage(0, usage);
        return usage[8];
    }

    /// <summary>The part of smaps from the head line of the area that holds the address.</summary>
    private static ReadOnlySpan<byte> Entry(nint address)
    {
        ReadOnlySpan<byte> text = ReadAll("/proc/self/smaps"u8);
        bool found = false;
        ReadOnlySpan<byte> begin = default;
        while (text.Length > 0)
        {
            int end = text.IndexOf((byte)'\n');
            if (end < 0)
                break;
            ReadOnlySpan<byte> line = text.Slice(0, end);
            if (IsHead(line, out nint first, out nint last))
            {
                if (found)
                    return begin.Slice(0, begin.Length - text.Length);
                if (address >= first && address < last)
                {
                    found = true;
                    begin = text;
                }
            }
            text = text.Slice(end + 1);
        }
        return begin;
    }

    private static bool IsHead(ReadOnlySpan<byte> line, out nint first, out nint last)
    {
        int at = 0;
        last = 0;
        first = Areas.Hex(line, ref at);
        if (at == 0 || at >= line.Length || line[at] != '-')
            return false;
        at++;
        last = Areas.Hex(line, ref at);
        return true;
    }

    /// <summary>What stands behind <c>name:</c> on its line; empty when there is none.</summary>
    public static ReadOnlySpan<byte> Line(ReadOnlySpan<byte> text, ReadOnlySpan<byte> name)
    {
        while (text.Length > 0)
        {
            int end = text.IndexOf((byte)'\n');
            if (end < 0)
                end = text.Length;
            ReadOnlySpan<byte> line = text.Slice(0, end);
            if (line.Length > name.Length && line[name.Length] == ':' && line.StartsWith(name))
                return line.Slice(name.Length + 1);
            text = end < text.Length ? text.Slice(end + 1) : default;
        }
        return default;
    }

    /// <summary>The first decimal number in a text; -1 when there is none.</summary>
    public static long Number(ReadOnlySpan<byte> text)
    {
        int at = 0;
        while (at < text.Length && text[at] is < (byte)'0' or > (byte)'9')
            at++;
        if (at == text.Length)
            return -1;
        long value = 0;
        for (; at < text.Length && text[at] is >= (byte)'0' and <= (byte)'9'; at++)
            value = value * 10 + text[at] - '0';
        return value;
    }
}
