using System;

namespace NanoVm.Core;

/// <summary>What can be made to fail: which allocator was asked, or that user memory or a disk was to be reached.</summary>
/// <remarks>
/// One request may be asked for twice: an array is <see cref="Arrays"/> and then <see cref="Bytes"/>, a page-table page <see cref="Tables"/> and
/// then <see cref="Frames"/>. Failing either is a different place in the code.
/// </remarks>
[Flags]
internal enum FailureKinds : ushort
{
    None = 0,

    /// <summary>A block of the frame allocator.</summary>
    Frames = 1,

    /// <summary>An object of a typed cache.</summary>
    Objects = 2,

    /// <summary>Untyped memory in one piece.</summary>
    Bytes = 4,

    Arrays = 8,
    Vmalloc = 16,

    /// <summary>A page of a user page table.</summary>
    Tables = 32,

    /// <summary>A slot of swap.</summary>
    Swap = 64,

    /// <summary>A copy from or to user memory: nothing of it is copied.</summary>
    Copies = 128,

    /// <summary>A transfer of a disk: EIO, and nothing is moved.</summary>
    Io = 256,

    /// <summary>All that says "no memory". What is counted where nothing else is said.</summary>
    Allocations = Frames | Objects | Bytes | Arrays | Vmalloc | Tables | Swap,

    All = Allocations | Copies | Io,
}

/// <summary>The kinds as words, for the command line and <c>/proc/PID/fail-kinds</c>.</summary>
internal static class FailureWords
{
    private const int Words = 11;

    /// <summary>Takes words separated by commas: <c>alloc</c>, or <c>frame,table</c>.</summary>
    /// <returns>False when one is unknown or there is none.</returns>
    public static bool TryParse(ReadOnlySpan<byte> text, out FailureKinds kinds)
    {
        kinds = FailureKinds.None;
        while (true)
        {
            int comma = text.IndexOf((byte)',');
            FailureKinds one = Find(comma < 0 ? text : text[..comma]);
            if (one == FailureKinds.None)
                return false;
            kinds |= one;
            if (comma < 0)
                return true;
            text = text[(comma + 1)..];
        }
    }

    /// <summary>Takes <c>KINDS:N</c>, or <c>KINDS:N+</c> for the Nth and all after it: what <c>fail=</c> says.</summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out FailureKinds kinds, out ulong number, out bool repeat)
    {
        kinds = FailureKinds.None;
        number = 0;
        repeat = false;
        int colon = text.IndexOf((byte)':');
        if (colon < 0 || !TryParse(text[..colon], out kinds))
            return false;
        text = text[(colon + 1)..];
        if (!text.IsEmpty && text[^1] == (byte)'+')
        {
            repeat = true;
            text = text[..^1];
        }

        if (text.IsEmpty || text.Length > 18)
            return false;
        foreach (byte digit in text)
        {
            if (digit is < (byte)'0' or > (byte)'9')
                return false;
            number = number * 10 + digit - '0';
        }

        return number != 0;
    }

    /// <summary>Writes the shortest list of words for the kinds.</summary>
    public static void Write(ref TextWriter text, FailureKinds kinds)
    {
        bool first = true;
        for (int i = 0; i < Words && kinds != FailureKinds.None; i++)
        {
            ReadOnlySpan<byte> word = Word(i, out FailureKinds kind);
            if ((kinds & kind) != kind)
                continue;
            if (!first)
                text.Byte((byte)',');
            text.Text(word);
            kinds &= ~kind;
            first = false;
        }
    }

    private static FailureKinds Find(ReadOnlySpan<byte> word)
    {
        for (int i = 0; i < Words; i++)
        {
            if (Word(i, out FailureKinds kind).SequenceEqual(word))
                return kind;
        }

        return FailureKinds.None;
    }

    /// <summary>The words, those for many kinds first.</summary>
    private static ReadOnlySpan<byte> Word(int number, out FailureKinds kind)
    {
        switch (number)
        {
            case 0:
                kind = FailureKinds.All;
                return "all"u8;
            case 1:
                kind = FailureKinds.Allocations;
                return "alloc"u8;
            case 2:
                kind = FailureKinds.Frames;
                return "frame"u8;
            case 3:
                kind = FailureKinds.Objects;
                return "object"u8;
            case 4:
                kind = FailureKinds.Bytes;
                return "bytes"u8;
            case 5:
                kind = FailureKinds.Arrays;
                return "array"u8;
            case 6:
                kind = FailureKinds.Vmalloc;
                return "vmalloc"u8;
            case 7:
                kind = FailureKinds.Tables;
                return "table"u8;
            case 8:
                kind = FailureKinds.Swap;
                return "swap"u8;
            case 9:
                kind = FailureKinds.Copies;
                return "copy"u8;
            default:
                kind = FailureKinds.Io;
                return "io"u8;
        }
    }
}
