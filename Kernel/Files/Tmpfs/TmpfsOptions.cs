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

    private bool Take(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, ulong totalPages)
    {
        ulong number;
        if (key.SequenceEqual("size"u8))
        {
            if (!value.IsEmpty && value[^1] == (byte)'%')
            {
                if (!TryNumber(value[..^1], 10, out number) || number > 1000)
                    return false;
                Blocks = totalPages * number / 100;
                return true;
            }
            if (!TrySize(value, out number))
                return false;
            Blocks = number > ulong.MaxValue - PageSize.Mask ? ulong.MaxValue / PageSize.Bytes : (number + PageSize.Mask) / PageSize.Bytes;
            return true;
        }
        if (key.SequenceEqual("nr_blocks"u8))
            return TrySize(value, out Blocks);
        if (key.SequenceEqual("nr_inodes"u8))
            return TrySize(value, out Inodes);
        if (key.SequenceEqual("mode"u8))
        {
            if (!TryNumber(value, 8, out number))
                return false;
            Mode = (uint)number & FileMode.PermissionMask;
            return true;
        }
        if (key.SequenceEqual("uid"u8))
        {
            if (!TryNumber(value, 10, out number) || number >= uint.MaxValue)
                return false;
            Uid = (uint)number;
            return true;
        }
        if (key.SequenceEqual("gid"u8))
        {
            if (!TryNumber(value, 10, out number) || number >= uint.MaxValue)
                return false;
            Gid = (uint)number;
            return true;
        }
        // Known and without meaning here.
        return key.SequenceEqual("huge"u8) || key.SequenceEqual("mpol"u8) || key.SequenceEqual("inode64"u8) || key.SequenceEqual("inode32"u8);
    }

    // Linux: memparse: a number with k, m, g, t, p, e.
    private static bool TrySize(ReadOnlySpan<byte> text, out ulong value)
    {
        value = 0;
        if (text.IsEmpty)
            return false;
        int shift = (text[^1] | 0x20) switch
        {
            'k' => 10,
            'm' => 20,
            'g' => 30,
            't' => 40,
            'p' => 50,
            'e' => 60,
            _ => 0,
        };
        if (!TryNumber(shift == 0 ? text : text[..^1], 10, out value) || (shift != 0 && value >> (64 - shift) != 0))
            return false;
        value <<= shift;
        return true;
    }

    private static bool TryNumber(ReadOnlySpan<byte> text, uint radix, out ulong value)
    {
        value = 0;
        if (text.IsEmpty || text.Length > 18)
            return false;
        foreach (byte b in text)
        {
            uint digit = (uint)(b - '0');
            if (digit >= radix)
                return false;
            value = value * radix + digit;
        }
        return true;
    }
}
