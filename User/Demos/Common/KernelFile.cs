using System;
using NanoVm.User.Suites;

namespace NanoVm.User.Demos;

/// <summary>Reads the kernel's own files into memory that is mapped once, before the first look, so that looking changes nothing.</summary>
internal static unsafe class KernelFile
{
    private const int Size = 256 * 1024;

    private static nint s_memory;

    /// <summary>Maps and touches the memory for looking. Call it before the experiment begins.</summary>
    public static void Prepare()
    {
        // Shared, so that it never becomes one area with the private memory of an experiment.
        s_memory = Linux.Mmap(0, Size, Protection.ReadWrite, Map.SharedAnonymous);
        for (int i = 0; i < Size; i += Linux.Page)
            ((byte*)s_memory)[i] = 1;
        Read("/proc/self/smaps"u8);
        Usage.MinorFaults();
    }

    /// <summary>A file's text; empty when there is none. The next call overwrites it.</summary>
    public static ReadOnlySpan<byte> Read(ReadOnlySpan<byte> path)
    {
        int file = Linux.Open(path, 0);
        if (file < 0)
            return default;
        int length = 0;
        while (length < Size && Linux.Read(file, (byte*)s_memory + length, Size - length) is > 0 and nint got)
            length += (int)got;
        Linux.Close(file);
        return new ReadOnlySpan<byte>((byte*)s_memory, length);
    }

    /// <summary>Takes the next line, without its end, off a text.</summary>
    public static bool NextLine(ref ReadOnlySpan<byte> text, out ReadOnlySpan<byte> line)
    {
        line = default;
        if (text.Length == 0)
            return false;
        int end = text.IndexOf((byte)'\n');
        line = end < 0 ? text : text.Slice(0, end);
        text = end < 0 ? default : text.Slice(end + 1);
        return true;
    }

    /// <summary>The number behind a field's name, such as <c>Rss:</c>; -1 when the text has no such line.</summary>
    public static long Field(ReadOnlySpan<byte> text, ReadOnlySpan<byte> name)
    {
        while (NextLine(ref text, out ReadOnlySpan<byte> line))
        {
            if (line.StartsWith(name))
                return Number(line.Slice(name.Length));
        }
        return -1;
    }

    private static long Number(ReadOnlySpan<byte> text)
    {
        long number = 0;
        foreach (byte c in text)
        {
            if (c is >= (byte)'0' and <= (byte)'9')
                number = number * 10 + (c - '0');
            else if (number > 0)
                break;
        }
        return number;
    }
}
