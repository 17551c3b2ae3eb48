using System;

namespace NanoVm.Core;

/// <summary>Writes text as bytes into a buffer that somebody else owns: the text of <c>/proc</c>, of paths, of messages.</summary>
/// <remarks>
/// Linux: <c>seq_file</c>'s buffer. What does not fit is dropped and <see cref="Overflowed"/> says so: the owner takes the
/// text back to a <see cref="Length"/> that it remembered, hands that much out, or comes again with a larger buffer. So no
/// writer of text ever has to think about memory.
/// </remarks>
internal ref struct TextWriter
{
    private readonly Span<byte> _buffer;
    private int _length;
    private bool _overflowed;

    /// <summary>Starts at the beginning of <paramref name="buffer"/>.</summary>
    public TextWriter(Span<byte> buffer)
    {
        _buffer = buffer;
        _length = 0;
        _overflowed = false;
    }

    /// <summary>Bytes written.</summary>
    public readonly int Length => _length;

    /// <summary>Something did not fit.</summary>
    public readonly bool Overflowed => _overflowed;

    /// <summary>What has been written.</summary>
    public readonly ReadOnlySpan<byte> Written => _buffer.Slice(0, _length);

    /// <summary>Goes back to a length remembered before; an overflow since then is forgotten.</summary>
    public void Truncate(int length)
    {
        _length = length;
        _overflowed = false;
    }

    /// <summary>Writes the bytes as they are.</summary>
    public void Text(scoped ReadOnlySpan<byte> text)
    {
        if (text.Length > _buffer.Length - _length)
        {
            _overflowed = true;
            return;
        }
        text.CopyTo(_buffer.Slice(_length));
        _length += text.Length;
    }

    /// <summary>Writes one byte.</summary>
    public void Byte(byte value)
    {
        if (_length == _buffer.Length)
        {
            _overflowed = true;
            return;
        }
        _buffer[_length++] = value;
    }

    /// <summary>Writes <paramref name="value"/> <paramref name="count"/> times; nothing for a count below one.</summary>
    public void Repeat(byte value, int count)
    {
        for (; count > 0; count--)
            Byte(value);
    }

    /// <summary>Writes the text and fills with spaces on its right up to <paramref name="width"/>.</summary>
    public void Left(scoped ReadOnlySpan<byte> text, int width)
    {
        Text(text);
        Repeat((byte)' ', width - text.Length);
    }

    /// <summary>Writes the text with spaces on its left up to <paramref name="width"/>.</summary>
    public void Right(scoped ReadOnlySpan<byte> text, int width)
    {
        Repeat((byte)' ', width - text.Length);
        Text(text);
    }

    /// <summary>Writes a number in decimal, on the right of <paramref name="width"/> columns filled with <paramref name="fill"/>.</summary>
    public void Decimal(ulong value, int width = 0, byte fill = (byte)' ')
    {
        // Files of /proc are columns of small numbers, most of them 0: no copy through a buffer of digits.
        int digits = 1;
        for (ulong rest = value; rest >= 10; rest /= 10)
            digits++;
        int columns = Math.Max(width, digits);
        if (columns > _buffer.Length - _length)
        {
            _overflowed = true;
            return;
        }

        Span<byte> field = _buffer.Slice(_length, columns);
        int at = columns;
        for (; at > columns - digits; value /= 10)
            field[--at] = (byte)('0' + (int)(value % 10));
        while (at > 0)
            field[--at] = fill;
        _length += columns;
    }

    /// <summary>Writes a signed number in decimal, padded with spaces.</summary>
    public void Signed(long value, int width = 0)
    {
        if (value >= 0)
        {
            Decimal((ulong)value, width);
            return;
        }
        ulong magnitude = 0UL - (ulong)value;
        int digits = 1;
        for (ulong rest = magnitude; rest >= 10; rest /= 10)
            digits++;
        Repeat((byte)' ', width - digits - 1);
        Byte((byte)'-');
        Decimal(magnitude);
    }

    /// <summary>Writes a number in lower-case hexadecimal with at least <paramref name="digits"/> digits, zeros in front.</summary>
    public void Hex(ulong value, int digits = 1)
    {
        Power(value, 4, digits);
    }

    /// <summary>Writes a number in octal with at least <paramref name="digits"/> digits, zeros in front.</summary>
    public void Octal(ulong value, int digits = 1)
    {
        Power(value, 3, digits);
    }

    /// <summary>Fills with spaces up to <paramref name="column"/> columns after <paramref name="start"/>, a remembered length.</summary>
    /// <remarks>Writes nothing when the text is there already; the caller who needs a separator writes it.</remarks>
    public void PadTo(int start, int column)
    {
        Repeat((byte)' ', column - (_length - start));
    }

    /// <summary>Writes a path, with backslash, octal for each byte that would break a line or column apart.</summary>
    /// <remarks>Linux: <c>mangle_path</c> with the set of <paramref name="special"/> bytes.</remarks>
    public void Escaped(scoped ReadOnlySpan<byte> path, scoped ReadOnlySpan<byte> special)
    {
        for (int i = 0; i < path.Length; i++)
        {
            byte b = path[i];
            if (special.IndexOf(b) < 0)
            {
                Byte(b);
                continue;
            }
            Byte((byte)'\\');
            Octal(b, 3);
        }
    }

    private void Power(ulong value, int shift, int digits)
    {
        Span<byte> text = stackalloc byte[24];
        int at = text.Length;
        ulong mask = (1UL << shift) - 1;
        do
        {
            int digit = (int)(value & mask);
            text[--at] = (byte)(digit < 10 ? '0' + digit : 'a' - 10 + digit);
            value >>= shift;
        }
        while (value != 0);
        Repeat((byte)'0', digits - (text.Length - at));
        Text(text.Slice(at));
    }
}
