using System;

namespace NanoVm.User.Fuzz;

/// <summary>The stream's text, in shared memory: whoever acts adds to it.</summary>
internal unsafe struct Writer
{
    private const int Size = 60_000;

    private int _length;
    /// <summary>Not 0: the text is only counted and mixed into <see cref="Sum"/>, not printed.</summary>
    public int OnlySum;
    public ulong Sum;
    private fixed byte _text[Size];

    public void Put(ReadOnlySpan<byte> text)
    {
        if (text.Length > Size - _length)
            Flush();
        fixed (byte* to = _text)
            text.CopyTo(new Span<byte>(to + _length, Size - _length));
        _length += text.Length;
    }

    public void Put(char c) => Put([(byte)c]);

    public void Number(long value)
    {
        if (value < 0)
            Put('-');
        Digits(value < 0 ? 0 - (ulong)value : (ulong)value, 10);
    }

    public void Hex(ulong value) => Digits(value, 16);

    /// <summary>A space and a number.</summary>
    public void Argument(long value)
    {
        Put(' ');
        Number(value);
    }

    /// <summary>An address: pages and bytes from the start of the arena or of the heap.</summary>
    public void Address(nint address)
    {
        nint heap = address - Arena.BreakStart;
        bool isHeap = heap is >= 0 and < 1 << 26;
        nint place = isHeap ? heap : address - Arena.Address(0);
        if (place is < -(1 << 26) or > 1 << 26)
        {
            Put("elsewhere"u8);
            return;
        }
        Put(isHeap ? 'h' : '@');
        Number(place >> 12);
        if ((place & 4095) != 0)
        {
            Put('.');
            Hex((ulong)place & 4095);
        }
    }

    /// <summary>What a call has returned: an error's name, or a number.</summary>
    public void Result(nint result)
    {
        Put(" = "u8);
        ReadOnlySpan<byte> name = result switch
        {
            -1 => "EPERM"u8,
            -3 => "ESRCH"u8,
            -9 => "EBADF"u8,
            -11 => "EAGAIN"u8,
            -12 => "ENOMEM"u8,
            -13 => "EACCES"u8,
            -14 => "EFAULT"u8,
            -16 => "EBUSY"u8,
            -17 => "EEXIST"u8,
            -19 => "ENODEV"u8,
            -22 => "EINVAL"u8,
            -26 => "ETXTBSY"u8,
            -27 => "EFBIG"u8,
            -28 => "ENOSPC"u8,
            -38 => "ENOSYS"u8,
            -75 => "EOVERFLOW"u8,
            -95 => "EOPNOTSUPP"u8,
            _ => default,
        };
        if (name.Length > 0)
            Put(name);
        else
            Number(result);
    }

    /// <summary>What a call has returned: an error, or an address.</summary>
    public void Place(nint result)
    {
        if (Suites.Linux.IsError(result))
        {
            Result(result);
            return;
        }
        Put(" = "u8);
        Address(result);
    }

    /// <summary>Prints what there is, or mixes it into the sum.</summary>
    public void Flush()
    {
        fixed (byte* text = _text)
        {
            if (OnlySum != 0)
            {
                Sum = Mix(Sum, new ReadOnlySpan<byte>(text, _length));
            }
            else
            {
                for (int done = 0; done < _length;)
                {
                    nint written = Suites.Linux.Write(1, text + done, _length - done);
                    if (written <= 0)
                        break;
                    done += (int)written;
                }
            }
        }
        _length = 0;
    }

    /// <summary>A sum in which every byte and its place count (FNV-1a).</summary>
    public static ulong Mix(ulong sum, ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes)
            sum = (sum ^ b) * 0x100_0000_01b3;
        return sum;
    }

    private void Digits(ulong value, uint numberBase)
    {
        byte* digits = stackalloc byte[20];
        int first = 20;
        do
        {
            digits[--first] = "0123456789abcdef"u8[(int)(value % numberBase)];
            value /= numberBase;
        }
        while (value != 0);
        Put(new ReadOnlySpan<byte>(digits + first, 20 - first));
    }
}
