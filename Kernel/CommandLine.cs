using System;

namespace NanoVm;

/// <summary>Words of the kernel's command line, separated by blanks: <c>word</c> or <c>name=value</c>.</summary>
internal static class CommandLine
{
    /// <summary>The line has the word <paramref name="name"/>.</summary>
    public static bool Has(ReadOnlySpan<byte> line, ReadOnlySpan<byte> name)
    {
        while (TryNext(ref line, out ReadOnlySpan<byte> word))
        {
            if (word.SequenceEqual(name))
                return true;
        }
        return false;
    }

    /// <summary>What stands behind <c>name=</c>, the last time it is said; empty when it is not.</summary>
    public static ReadOnlySpan<byte> ValueOf(ReadOnlySpan<byte> line, ReadOnlySpan<byte> name)
    {
        ReadOnlySpan<byte> value = default;
        while (TryNext(ref line, out ReadOnlySpan<byte> word))
        {
            if (word.Length > name.Length && word[name.Length] == (byte)'=' && word[..name.Length].SequenceEqual(name))
                value = word[(name.Length + 1)..];
        }
        return value;
    }

    /// <summary>Takes the next word off the line; false when there is none.</summary>
    public static bool TryNext(scoped ref ReadOnlySpan<byte> line, out ReadOnlySpan<byte> word)
    {
        while (!line.IsEmpty && line[0] == (byte)' ')
            line = line[1..];
        int end = line.IndexOf((byte)' ');
        word = end < 0 ? line : line[..end];
        line = line[word.Length..];
        return !word.IsEmpty;
    }
}
