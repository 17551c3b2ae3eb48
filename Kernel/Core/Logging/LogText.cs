using System;
using System.Runtime.CompilerServices;

namespace NanoVm.Core;

/// <summary>Builds a message from an interpolated string; the compiler writes the calls.</summary>
[InterpolatedStringHandler]
internal unsafe ref struct LogText
{
    public const int Capacity = 256;

    private fixed byte _bytes[Capacity];
    private int _length;

    public LogText(int literalLength, int formattedCount)
    {
        _length = 0;
    }

    /// <summary>What was written so far; valid as long as this struct stays where it is.</summary>
    public ReadOnlySpan<byte> Written
    {
        get
        {
            fixed (byte* bytes = _bytes)
                return new ReadOnlySpan<byte>(bytes, _length);
        }
    }

    public void AppendLiteral(string text)
    {
        foreach (char character in text.AsSpan())
            Append((byte)character);
    }

    /// <summary>Text from anywhere, programs' names too: a control character becomes a question mark, so that nobody can forge a line.</summary>
    public void AppendFormatted(scoped ReadOnlySpan<byte> text)
    {
        foreach (byte character in text)
            Append(character is < 0x20 or 0x7f ? (byte)'?' : character);
    }

    public void AppendFormatted(Span<byte> text) => AppendFormatted((ReadOnlySpan<byte>)text);

    public void AppendFormatted(byte[] text) => AppendFormatted((ReadOnlySpan<byte>)text);

    public void AppendFormatted(string text) => AppendLiteral(text);

    public void AppendFormatted(bool value) => AppendFormatted(value ? "true"u8 : "false"u8);

    public void AppendFormatted(ulong value) => Number(value, 10, 1);

    public void AppendFormatted(uint value) => Number(value, 10, 1);

    public void AppendFormatted(long value)
    {
        if (value < 0)
            Append((byte)'-');
        Number(value < 0 ? 0 - (ulong)value : (ulong)value, 10, 1);
    }

    public void AppendFormatted(int value) => AppendFormatted((long)value);

    /// <param name="format"><c>x</c>: hexadecimal; <c>x8</c>: with at least so many digits.</param>
    public void AppendFormatted(ulong value, string format)
    {
        if (format.Length == 0 || format[0] != 'x')
        {
            Number(value, 10, 1);
            return;
        }
        int digits = 0;
        for (int i = 1; i < format.Length; i++)
            digits = digits * 10 + (format[i] - '0');
        Number(value, 16, digits);
    }

    public void AppendFormatted(uint value, string format) => AppendFormatted((ulong)value, format);

    public void AppendFormatted(int value, string format) => AppendFormatted((ulong)(uint)value, format);

    public void AppendFormatted(long value, string format) => AppendFormatted((ulong)value, format);

    public void AppendFormatted(VirtAddr address) => Number(address.Value, 16, 16);

    public void AppendFormatted(PhysAddr address)
    {
        AppendFormatted("0x"u8);
        Number(address.Value, 16, 1);
    }

    public void AppendFormatted(Pfn pfn)
    {
        AppendFormatted("0x"u8);
        Number(pfn.Value, 16, 1);
    }

    public void AppendFormatted(PageCount count) => Number(count.Value, 10, 1);

    public void AppendFormatted(Errno error) => AppendFormatted((int)error);

    private void Append(byte character)
    {
        if (_length < Capacity)
            _bytes[_length++] = character;
    }

    private void Number(ulong value, uint numberBase, int digits)
    {
        byte* reversed = stackalloc byte[20];
        int count = 0;
        while (value != 0 || count < digits)
        {
            reversed[count++] = "0123456789abcdef"u8[(int)(value % numberBase)];
            value /= numberBase;
            if (count == 20)
                break;
        }
        if (count == 0)
            reversed[count++] = (byte)'0';
        while (count > 0)
            Append(reversed[--count]);
    }
}
