using System;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace NanoVm.Files.Ext2;

/// <summary>The bitmaps of ext2: bit n is bit n % 8 of byte n / 8.</summary>
internal static class Ext2Bitmap
{
    /// <summary>The first zero bit in [from, end), or −1. Looks at 64 bits at a time.</summary>
    public static int FindZero(ReadOnlySpan<byte> bitmap, uint from, uint end)
    {
        uint bit = from;
        while (bit < end)
        {
            // Bitmaps are whole blocks, so the eight bytes around a bit are always there.
            uint word = bit & ~63u;
            ulong free = ~Unsafe.ReadUnaligned<ulong>(in bitmap.Slice((int)(word >> 3), 8)[0]) & (ulong.MaxValue << (int)(bit & 63));
            if (free != 0)
            {
                uint found = word + (uint)BitOperations.TrailingZeroCount(free);
                return found < end ? (int)found : -1;
            }
            bit = word + 64;
        }
        return -1;
    }

    public static bool Has(ReadOnlySpan<byte> bitmap, uint bit) => (bitmap[(int)(bit >> 3)] & (1 << (int)(bit & 7))) != 0;
    public static void Set(Span<byte> bitmap, uint bit) => bitmap[(int)(bit >> 3)] |= (byte)(1 << (int)(bit & 7));
    public static void Clear(Span<byte> bitmap, uint bit) => bitmap[(int)(bit >> 3)] &= (byte)~(1 << (int)(bit & 7));
}
