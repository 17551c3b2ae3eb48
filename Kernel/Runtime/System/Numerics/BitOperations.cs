using System.Runtime.CompilerServices;

namespace System.Numerics;

/// <summary>Operations on the bits of integers; the compiler turns most of them into one instruction.</summary>
public static class BitOperations
{
    /// <summary>True for a positive number with exactly one bit set.</summary>
    public static bool IsPow2(uint value) => (value & (value - 1)) == 0 && value != 0;

    /// <inheritdoc cref="IsPow2(uint)"/>
    public static bool IsPow2(ulong value) => (value & (value - 1)) == 0 && value != 0;

    /// <inheritdoc cref="IsPow2(uint)"/>
    public static bool IsPow2(int value) => (value & (value - 1)) == 0 && value > 0;

    /// <inheritdoc cref="IsPow2(uint)"/>
    public static bool IsPow2(long value) => (value & (value - 1)) == 0 && value > 0;

    /// <summary>The next power of two that is not less; zero for zero and when it does not fit.</summary>
    public static uint RoundUpToPowerOf2(uint value) => value == 0 ? 0 : (uint)(0x1_0000_0000UL >> LeadingZeroCount(value - 1));

    /// <inheritdoc cref="RoundUpToPowerOf2(uint)"/>
    public static ulong RoundUpToPowerOf2(ulong value)
    {
        if (value <= 1)
            return value;
        int shift = 64 - LeadingZeroCount(value - 1);
        return shift == 64 ? 0 : 1UL << shift;
    }

    /// <summary>Number of zero bits above the highest one; the width for zero.</summary>
    [Intrinsic]
    public static int LeadingZeroCount(uint value) => value == 0 ? 32 : 31 - Log2(value);

    /// <inheritdoc cref="LeadingZeroCount(uint)"/>
    [Intrinsic]
    public static int LeadingZeroCount(ulong value) => value == 0 ? 64 : 63 - Log2(value);

    /// <summary>Number of zero bits below the lowest one; the width for zero.</summary>
    [Intrinsic]
    public static int TrailingZeroCount(int value) => TrailingZeroCount((uint)value);

    /// <inheritdoc cref="TrailingZeroCount(int)"/>
    [Intrinsic]
    public static int TrailingZeroCount(uint value) => value == 0 ? 32 : Log2(value & (0 - value));

    /// <inheritdoc cref="TrailingZeroCount(int)"/>
    [Intrinsic]
    public static int TrailingZeroCount(long value) => TrailingZeroCount((ulong)value);

    /// <inheritdoc cref="TrailingZeroCount(int)"/>
    [Intrinsic]
    public static int TrailingZeroCount(ulong value) => value == 0 ? 64 : Log2(value & (0 - value));

    /// <summary>The position of the highest bit that is set; zero for zero.</summary>
    [Intrinsic]
    public static int Log2(uint value) => Log2((ulong)value);

    /// <inheritdoc cref="Log2(uint)"/>
    [Intrinsic]
    public static int Log2(ulong value)
    {
        int result = 0;
        for (int step = 32; step != 0; step >>= 1)
        {
            if (value >> step != 0)
            {
                value >>= step;
                result += step;
            }
        }
        return result;
    }

    /// <summary>Number of bits that are set.</summary>
    [Intrinsic]
    public static int PopCount(uint value) => PopCount((ulong)value);

    /// <inheritdoc cref="PopCount(uint)"/>
    [Intrinsic]
    public static int PopCount(ulong value)
    {
        value -= (value >> 1) & 0x5555_5555_5555_5555;
        value = (value & 0x3333_3333_3333_3333) + ((value >> 2) & 0x3333_3333_3333_3333);
        value = (value + (value >> 4)) & 0x0F0F_0F0F_0F0F_0F0F;
        return (int)((value * 0x0101_0101_0101_0101) >> 56);
    }

    /// <summary>Moves bits up; those that leave come in below.</summary>
    [Intrinsic]
    public static uint RotateLeft(uint value, int offset) => value << offset | value >> (32 - offset);

    /// <inheritdoc cref="RotateLeft(uint, int)"/>
    [Intrinsic]
    public static ulong RotateLeft(ulong value, int offset) => value << offset | value >> (64 - offset);

    /// <summary>Moves bits down; those that leave come in above.</summary>
    [Intrinsic]
    public static uint RotateRight(uint value, int offset) => value >> offset | value << (32 - offset);

    /// <inheritdoc cref="RotateRight(uint, int)"/>
    [Intrinsic]
    public static ulong RotateRight(ulong value, int offset) => value >> offset | value << (64 - offset);
}
