using System;

namespace NanoVm;

/// <summary>What <see cref="CommandLineWords.Judge"/> says of one word.</summary>
internal enum CommandLineWord
{
    /// <summary>Somebody reads it.</summary>
    Good,
    /// <summary>Known, but its value is none that it can have: it has no effect.</summary>
    Wrong,
    /// <summary>Nobody here knows it; a program may.</summary>
    Unknown,
}

/// <summary>All words of the kernel's command line, the kernel's and those that init reads: a word without effect does not pass in silence.</summary>
/// <remarks>Linux: <c>parse_args</c>, <c>print_unknown_bootoptions</c>.</remarks>
internal static class CommandLineWords
{
    private const int MostDigits = 5;

    /// <summary>Judges a word; for what its value means in full, ask whoever reads it (<c>fail=</c> has a message of its own).</summary>
    /// <param name="word">Not empty, without blanks.</param>
    public static CommandLineWord Judge(ReadOnlySpan<byte> word)
    {
        int equals = word.IndexOf((byte)'=');
        if (equals < 0)
            return IsWordAlone(word) ? CommandLineWord.Good : TakesText(word) || TakesNumber(word) ? CommandLineWord.Wrong : CommandLineWord.Unknown;
        ReadOnlySpan<byte> name = word[..equals];
        ReadOnlySpan<byte> value = word[(equals + 1)..];
        if (TakesNumber(name))
            return IsNumber(value) ? CommandLineWord.Good : CommandLineWord.Wrong;
        if (TakesText(name))
            return IsText(name, value) ? CommandLineWord.Good : CommandLineWord.Wrong;
        return IsWordAlone(name) ? CommandLineWord.Wrong : CommandLineWord.Unknown;
    }

    private static bool IsWordAlone(ReadOnlySpan<byte> name) => name.SequenceEqual("norandmaps"u8) || name.SequenceEqual("la57"u8)
        || name.SequenceEqual("trace-calls"u8) || name.SequenceEqual("no-input"u8) || name.SequenceEqual("mark-output"u8);

    private static bool TakesNumber(ReadOnlySpan<byte> name)
        => name.SequenceEqual("hugepages"u8) || name.SequenceEqual("rows"u8) || name.SequenceEqual("cols"u8);

    private static bool TakesText(ReadOnlySpan<byte> name) => name.SequenceEqual("test"u8) || name.SequenceEqual("init"u8)
        || name.SequenceEqual("fail"u8) || name.SequenceEqual("trace-calls"u8) || name.SequenceEqual("transparent_hugepage"u8)
        || name.SequenceEqual("vdso"u8) || name.SequenceEqual("term"u8) || name.SequenceEqual("disk"u8) || name.SequenceEqual("swap"u8);

    private static bool IsText(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        if (name.SequenceEqual("transparent_hugepage"u8))
            return value.SequenceEqual("always"u8) || value.SequenceEqual("madvise"u8) || value.SequenceEqual("never"u8);
        if (name.SequenceEqual("vdso"u8))
            return value.SequenceEqual("0"u8) || value.SequenceEqual("1"u8);
        return !value.IsEmpty;
    }

    /// <summary>0 to 65535.</summary>
    private static bool IsNumber(ReadOnlySpan<byte> value)
    {
        int number = 0;
        foreach (byte digit in value)
        {
            if (digit is < (byte)'0' or > (byte)'9')
                return false;
            number = number * 10 + digit - '0';
        }

        return value.Length is > 0 and <= MostDigits && number <= ushort.MaxValue;
    }
}
