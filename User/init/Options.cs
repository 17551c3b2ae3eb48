using System;

namespace NanoVm.User.Init;

/// <summary>What run-qemu.sh asks of init on the kernel's command line: words of the form <c>name</c> or <c>name=value</c>.</summary>
/// <remarks>
/// Words of init: <c>rows= cols= term=</c> (the terminal at the other end), <c>no-input</c> (nobody types there), <c>mark-output</c>,
/// <c>disk=N:MOUNT</c>, <c>swap=N</c>, <c>test=all</c> or <c>test=NAME,NAME</c>. All others are the kernel's.
/// </remarks>
internal readonly ref struct Options
{
    private readonly ReadOnlySpan<byte> _line;

    /// <param name="line">The text of <c>/proc/cmdline</c>, which has to outlive this.</param>
    public Options(ReadOnlySpan<byte> line) => _line = line;

    /// <summary>Whether the word stands on the line by itself.</summary>
    public bool Has(ReadOnlySpan<byte> name)
    {
        foreach (ReadOnlySpan<byte> word in Words)
            if (word.SequenceEqual(name))
                return true;
        return false;
    }

    /// <summary>The value after <c>name=</c>; the last such word counts. Empty when there is none.</summary>
    public ReadOnlySpan<byte> Value(ReadOnlySpan<byte> name)
    {
        ReadOnlySpan<byte> value = default;
        foreach (ReadOnlySpan<byte> word in Words)
            if (TryValue(word, name, out ReadOnlySpan<byte> found))
                value = found;
        return value;
    }

    /// <summary>The words, for options that may stand more than once.</summary>
    public Fields Words => new(_line, (byte)' ');

    /// <summary>Takes <c>name=value</c> apart.</summary>
    public static bool TryValue(ReadOnlySpan<byte> word, ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (word.Length <= name.Length || word[name.Length] != (byte)'=' || !word.Slice(0, name.Length).SequenceEqual(name))
            return false;
        value = word.Slice(name.Length + 1);
        return true;
    }

    /// <summary>A decimal number from 0 to 9999; 0 for anything else.</summary>
    public static int Number(ReadOnlySpan<byte> text)
    {
        if (text.Length is 0 or > 4)
            return 0;
        int number = 0;
        foreach (byte digit in text)
        {
            if (digit is < (byte)'0' or > (byte)'9')
                return 0;
            number = number * 10 + (digit - '0');
        }
        return number;
    }
}

/// <summary>The non-empty fields of a text between separators, under <c>foreach</c>. A line end separates too.</summary>
internal ref struct Fields
{
    private ReadOnlySpan<byte> _rest;
    private readonly byte _separator;

    public Fields(ReadOnlySpan<byte> text, byte separator)
    {
        _rest = text;
        _separator = separator;
        Current = default;
    }

    public ReadOnlySpan<byte> Current { get; private set; }

    public readonly Fields GetEnumerator() => this;

    public bool MoveNext()
    {
        int start = 0;
        while (start < _rest.Length && IsSeparator(_rest[start]))
            start++;
        int end = start;
        while (end < _rest.Length && !IsSeparator(_rest[end]))
            end++;
        Current = _rest.Slice(start, end - start);
        _rest = _rest.Slice(end);
        return end > start;
    }

    private readonly bool IsSeparator(byte b) => b == _separator || b == (byte)'\n';
}
