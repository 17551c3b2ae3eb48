using System;
using System.Runtime.CompilerServices;

namespace NanoVm.User;

/// <summary>Text to a file descriptor, collected into few writes. Ends of lines do not flush; <see cref="Flush"/> does.</summary>
/// <remarks>
/// <c>Output.Standard.Write($"{count} pages at {address:x}\n")</c> writes numbers and texts without making a string:
/// the interpolated parts go to the writer one by one.
/// </remarks>
public sealed class Output(int descriptor)
{
    /// <summary>Standard output.</summary>
    public static readonly Output Standard = new(1);

    /// <summary>Standard error.</summary>
    public static readonly Output Error = new(2);

    private const int WriteCall = 1;
    private const int Interrupted = -4;

    private Buffer _buffer;
    private int _length;

    /// <summary>Writes bytes.</summary>
    public void Write(scoped ReadOnlySpan<byte> text)
    {
        while (text.Length > 0)
        {
            Span<byte> room = ((Span<byte>)_buffer).Slice(_length);
            int part = Math.Min(room.Length, text.Length);
            text.Slice(0, part).CopyTo(room);
            text = text.Slice(part);
            _length += part;
            if (_length == Buffer.Size)
                Flush();
        }
    }

    /// <summary>Writes a text of ASCII characters.</summary>
    public void Write(string text)
    {
        foreach (char c in text.AsSpan())
            WriteByte((byte)c);
    }

    /// <summary>Writes one byte.</summary>
    public void WriteByte(byte value)
    {
        ((Span<byte>)_buffer)[_length++] = value;
        if (_length == Buffer.Size)
            Flush();
    }

    /// <summary>Writes a number in decimal.</summary>
    public void Write(long value)
    {
        if (value < 0)
        {
            WriteByte((byte)'-');
            Write(0 - (ulong)value);
            return;
        }
        Write((ulong)value);
    }

    /// <inheritdoc cref="Write(long)"/>
    public void Write(ulong value) => WriteDigits(value, 10);

    /// <summary>Writes a number in hexadecimal, without prefix.</summary>
    public void WriteHex(ulong value) => WriteDigits(value, 16);

    /// <summary>Writes an interpolated text.</summary>
    public void Write([InterpolatedStringHandlerArgument("")] OutputText text)
    {
    }

    /// <summary>Gives everything to the kernel.</summary>
    public unsafe void Flush()
    {
        Span<byte> rest = ((Span<byte>)_buffer).Slice(0, _length);
        while (rest.Length > 0)
        {
            fixed (byte* start = rest)
            {
                nint written = Syscall.Call(WriteCall, descriptor, (nint)start, rest.Length);
                if (written == Interrupted)
                    continue;
                if (written <= 0)
                    break;      // nobody reads: what could be said about it would have to be written too
                rest = rest.Slice((int)written);
            }
        }
        _length = 0;
    }

    private void WriteDigits(ulong value, uint numberBase)
    {
        Span<byte> digits = stackalloc byte[20];
        int first = digits.Length;
        do
        {
            digits[--first] = "0123456789abcdef"u8[(int)(value % numberBase)];
            value /= numberBase;
        }
        while (value != 0);
        Write(digits.Slice(first));
    }

    [InlineArray(Size)]
    private struct Buffer
    {
        public const int Size = 1024;

        private byte _first;
    }
}

/// <summary>Receives the parts of an interpolated text and passes them on. Format <c>x</c> is hexadecimal.</summary>
[InterpolatedStringHandler]
public readonly ref struct OutputText
{
    private readonly Output _output;

    /// <summary>Called by compiled interpolations.</summary>
    public OutputText(int literalLength, int formattedCount, Output output) => _output = output;

    /// <summary>A part as written.</summary>
    public void AppendLiteral(string text) => _output.Write(text);

    /// <summary>A text.</summary>
    public void AppendFormatted(string text) => _output.Write(text);

    /// <summary>A text.</summary>
    public void AppendFormatted(scoped ReadOnlySpan<byte> text) => _output.Write(text);

    /// <summary>A number.</summary>
    public void AppendFormatted(long value) => _output.Write(value);

    /// <summary>A number.</summary>
    public void AppendFormatted(ulong value) => _output.Write(value);

    /// <summary>A number in hexadecimal.</summary>
    public void AppendFormatted(long value, string format) => _output.WriteHex((ulong)value);

    /// <summary>A number in hexadecimal.</summary>
    public void AppendFormatted(ulong value, string format) => _output.WriteHex(value);
}
