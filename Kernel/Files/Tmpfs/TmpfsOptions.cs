using System;
using NanoVm.Core;

namespace NanoVm.Files.Tmpfs;

/// <summary>What <c>mount -o</c> says to a tmpfs. Linux: <c>shmem_options</c>; man 5 tmpfs.</summary>
internal struct TmpfsOptions
{
    /// <summary>Pages that files may take; 0: as much as there is.</summary>
    public ulong Blocks;

    /// <summary>Inodes that may exist; 0: no limit.</summary>
    public ulong Inodes;
    public uint Mode;
    public uint Uid;
    public uint Gid;

    /// <summary>Reads "size=50%,mode=755,…". Unknown words are EINVAL.</summary>
    /// <param name="totalPages">For a size in percent.</param>
    public Errno Parse(ReadOnlySpan<byte> text, ulong totalPages)
    {
        while (!text.IsEmpty)
        {
            int comma = text.IndexOf((byte)',');
            ReadOnlySpan<byte> word = comma < 0 ? text : text[..comma];
            text = comma < 0 ? default : text[(comma + 1)..];
            if (word.IsEmpty)
                continue;
            int equals = word.IndexOf((byte)'=');
            ReadOnlySpan<byte> key = equals < 0 ? word : word[..equals];
            ReadOnlySpan<byte> value = equals < 0 ? default : word[(equals + 1)..];
            if (!Take(key, value, totalPages))
                return Errno.EINVAL;
        }
        return Errno.None;
    }

    /// <summary>What <c>huge=</c> says. Linux: <c>SHMEM_HUGE_*</c>.</summary>
    public TmpfsHuge Huge;

    /// <summary>Numbers of inodes fit into 32 bits (<c>inode32</c>).</summary>
    public bool HasShortNumbers;

    internal static ReadOnlySpan<byte> HugeWord(TmpfsHuge huge) => huge switch
    {
        TmpfsHuge.Always => "always"u8,
        TmpfsHuge.WithinSize => "within_size"u8,
        TmpfsHuge.Advise => "advise"u8,
        _ => "never"u8,
    };

    private bool Take(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, ulong totalPages)
    {
        ulong number;
        if (key.SequenceEqual("size"u8))
        {
            if (!TrySize(ref value, out number))
                return false;
            if (value.SequenceEqual("%"u8))
            {
                Blocks = totalPages * number / 100;
                return true;
            }
            Blocks = number > ulong.MaxValue - PageSize.Mask ? ulong.MaxValue / PageSize.Bytes : (number + PageSize.Mask) / PageSize.Bytes;
            return value.IsEmpty;
        }
        if (key.SequenceEqual("nr_blocks"u8))
            return TrySize(ref value, out Blocks) && value.IsEmpty;
        if (key.SequenceEqual("nr_inodes"u8))
            return TrySize(ref value, out Inodes) && value.IsEmpty;
        if (key.SequenceEqual("mode"u8))
        {
            if (!TryNumber(ref value, 8, out number) || !value.IsEmpty || number > uint.MaxValue)
                return false;
            Mode = (uint)number & FileMode.PermissionMask;
            return true;
        }
        if (key.SequenceEqual("uid"u8))
            return TryIdentity(value, ref Uid);
        if (key.SequenceEqual("gid"u8))
            return TryIdentity(value, ref Gid);
        if (key.SequenceEqual("huge"u8))
        {
            for (TmpfsHuge huge = TmpfsHuge.Never; huge <= TmpfsHuge.Advise; huge++)
            {
                if (!value.SequenceEqual(HugeWord(huge)))
                    continue;
                Huge = huge;
                return true;
            }
            return false;
        }
        if (key.SequenceEqual("inode64"u8) || key.SequenceEqual("inode32"u8))
        {
            HasShortNumbers = key[^1] == (byte)'2';
            return value.IsEmpty;
        }
        return key.SequenceEqual("mpol"u8);                  // one node of memory: no policy matters
    }

    private static bool TryIdentity(ReadOnlySpan<byte> value, ref uint identity)
    {
        if (!TryNumber(ref value, 0, out ulong number) || !value.IsEmpty || number >= uint.MaxValue)
            return false;
        identity = (uint)number;
        return true;
    }

    // Linux: memparse: a number with k, m, g, t, p, e. What follows is left in the text.
    private static bool TrySize(ref ReadOnlySpan<byte> text, out ulong value)
    {
        if (!TryNumber(ref text, 0, out value))
            return false;
        int shift = text.IsEmpty ? 0 : (text[0] | 0x20) switch
        {
            'k' => 10,
            'm' => 20,
            'g' => 30,
            't' => 40,
            'p' => 50,
            'e' => 60,
            _ => 0,
        };
        if (shift == 0)
            return true;
        text = text[1..];
        value <<= shift;
        return true;
    }

    // Linux: simple_strtoull: with radix 0 the number says itself that it is octal or hexadecimal.
    private static bool TryNumber(ref ReadOnlySpan<byte> text, uint radix, out ulong value)
    {
        value = 0;
        if (radix == 0)
        {
            bool isHex = text.Length > 2 && text[0] == (byte)'0' && (text[1] | 0x20) == (byte)'x' && Digit(text[2]) < 16;
            radix = isHex ? 16u : !text.IsEmpty && text[0] == (byte)'0' ? 8u : 10u;
            if (isHex)
                text = text[2..];
        }
        int length = 0;
        for (; length < text.Length && Digit(text[length]) < radix; length++)
            value = value * radix + Digit(text[length]);
        text = text[length..];
        return length > 0;
    }

    private static uint Digit(byte b) => b is >= (byte)'0' and <= (byte)'9' ? (uint)(b - '0') : (b | 0x20) is >= 'a' and <= 'f' ? (uint)((b | 0x20) - 'a' + 10) : 16;
}

/// <summary>When a tmpfs would use large pages. It is kept and shown; pages are small.</summary>
internal enum TmpfsHuge : byte
{
    Never,
    Always,
    WithinSize,
    Advise,
}
