using System;

namespace NanoVm.User.Init;

/// <summary>A short text put together in memory of the caller's. What does not fit is cut off.</summary>
internal ref struct Text
{
    private readonly Span<byte> _space;
    private int _length;

    /// <param name="space">At least one byte; the last one is kept for the zero of <see cref="Terminated"/>.</param>
    public Text(Span<byte> space)
    {
        _space = space;
        _length = 0;
    }

    public void Append(scoped ReadOnlySpan<byte> text)
    {
        int fits = Math.Min(text.Length, _space.Length - 1 - _length);
        text.Slice(0, fits).CopyTo(_space.Slice(_length));
        _length += fits;
    }

    public void AppendDecimal(int number)
    {
        Span<byte> digits = stackalloc byte[12];
        Append(Decimal(number, digits));
    }

    public readonly ReadOnlySpan<byte> Written => _space.Slice(0, _length);

    /// <summary>The text; a zero byte follows it in memory, as system calls want their paths.</summary>
    public readonly Span<byte> Terminated()
    {
        _space[_length] = 0;
        return _space.Slice(0, _length);
    }

    /// <summary>The decimal digits of a number that is not negative, at the end of <paramref name="space"/>.</summary>
    public static ReadOnlySpan<byte> Decimal(int number, Span<byte> space)
    {
        int at = space.Length;
        do
        {
            space[--at] = (byte)('0' + number % 10);
            number /= 10;
        }
        while (number > 0 && at > 0);
        return space.Slice(at);
    }
}
