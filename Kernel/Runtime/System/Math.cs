using System.Runtime.CompilerServices;

namespace System;

/// <summary>Small functions on integers.</summary>
public static class Math
{
    /// <summary>The smaller of two.</summary>
    public static byte Min(byte left, byte right) => left < right ? left : right;

    /// <summary>The larger of two.</summary>
    public static byte Max(byte left, byte right) => left > right ? left : right;

    /// <summary>The value nearest to <paramref name="value"/> from <paramref name="min"/> to <paramref name="max"/>.</summary>
    public static byte Clamp(byte value, byte min, byte max) => value < min ? min : value > max ? max : value;

    /// <summary>The smaller of two.</summary>
    public static sbyte Min(sbyte left, sbyte right) => left < right ? left : right;

    /// <summary>The larger of two.</summary>
    public static sbyte Max(sbyte left, sbyte right) => left > right ? left : right;

    /// <summary>The value nearest to <paramref name="value"/> from <paramref name="min"/> to <paramref name="max"/>.</summary>
    public static sbyte Clamp(sbyte value, sbyte min, sbyte max) => value < min ? min : value > max ? max : value;

    /// <summary>The smaller of two.</summary>
    public static short Min(short left, short right) => left < right ? left : right;

    /// <summary>The larger of two.</summary>
    public static short Max(short left, short right) => left > right ? left : right;

    /// <summary>The value nearest to <paramref name="value"/> from <paramref name="min"/> to <paramref name="max"/>.</summary>
    public static short Clamp(short value, short min, short max) => value < min ? min : value > max ? max : value;

    /// <summary>The smaller of two.</summary>
    public static ushort Min(ushort left, ushort right) => left < right ? left : right;

    /// <summary>The larger of two.</summary>
    public static ushort Max(ushort left, ushort right) => left > right ? left : right;

    /// <summary>The value nearest to <paramref name="value"/> from <paramref name="min"/> to <paramref name="max"/>.</summary>
    public static ushort Clamp(ushort value, ushort min, ushort max) => value < min ? min : value > max ? max : value;

    /// <summary>The smaller of two.</summary>
    public static int Min(int left, int right) => left < right ? left : right;

    /// <summary>The larger of two.</summary>
    public static int Max(int left, int right) => left > right ? left : right;

    /// <summary>The value nearest to <paramref name="value"/> from <paramref name="min"/> to <paramref name="max"/>.</summary>
    public static int Clamp(int value, int min, int max) => value < min ? min : value > max ? max : value;

    /// <summary>The smaller of two.</summary>
    public static uint Min(uint left, uint right) => left < right ? left : right;

    /// <summary>The larger of two.</summary>
    public static uint Max(uint left, uint right) => left > right ? left : right;

    /// <summary>The value nearest to <paramref name="value"/> from <paramref name="min"/> to <paramref name="max"/>.</summary>
    public static uint Clamp(uint value, uint min, uint max) => value < min ? min : value > max ? max : value;

    /// <summary>The smaller of two.</summary>
    public static long Min(long left, long right) => left < right ? left : right;

    /// <summary>The larger of two.</summary>
    public static long Max(long left, long right) => left > right ? left : right;

    /// <summary>The value nearest to <paramref name="value"/> from <paramref name="min"/> to <paramref name="max"/>.</summary>
    public static long Clamp(long value, long min, long max) => value < min ? min : value > max ? max : value;

    /// <summary>The smaller of two.</summary>
    public static ulong Min(ulong left, ulong right) => left < right ? left : right;

    /// <summary>The larger of two.</summary>
    public static ulong Max(ulong left, ulong right) => left > right ? left : right;

    /// <summary>The value nearest to <paramref name="value"/> from <paramref name="min"/> to <paramref name="max"/>.</summary>
    public static ulong Clamp(ulong value, ulong min, ulong max) => value < min ? min : value > max ? max : value;

    /// <summary>The smaller of two.</summary>
    public static nint Min(nint left, nint right) => left < right ? left : right;

    /// <summary>The larger of two.</summary>
    public static nint Max(nint left, nint right) => left > right ? left : right;

    /// <summary>The value nearest to <paramref name="value"/> from <paramref name="min"/> to <paramref name="max"/>.</summary>
    public static nint Clamp(nint value, nint min, nint max) => value < min ? min : value > max ? max : value;

    /// <summary>The smaller of two.</summary>
    public static nuint Min(nuint left, nuint right) => left < right ? left : right;

    /// <summary>The larger of two.</summary>
    public static nuint Max(nuint left, nuint right) => left > right ? left : right;

    /// <summary>The value nearest to <paramref name="value"/> from <paramref name="min"/> to <paramref name="max"/>.</summary>
    public static nuint Clamp(nuint value, nuint min, nuint max) => value < min ? min : value > max ? max : value;

    /// <summary>The distance from zero.</summary>
    public static int Abs(int value) => value < 0 ? -value : value;

    /// <inheritdoc cref="Abs(int)"/>
    public static long Abs(long value) => value < 0 ? -value : value;

    /// <summary>The quotient and the remainder of one division.</summary>
    public static (ulong Quotient, ulong Remainder) DivRem(ulong left, ulong right)
    {
        ulong quotient = left / right;
        return (quotient, left - quotient * right);
    }

    /// <summary>The full product of two 32-bit numbers.</summary>
    public static ulong BigMul(uint left, uint right) => (ulong)left * right;

    /// <summary>The full product of two 64-bit numbers: returns the high half.</summary>
    public static ulong BigMul(ulong left, ulong right, out ulong low)
    {
        // Schoolbook multiplication of 32-bit halves: a middle sum cannot exceed 64 bits.
        ulong leftLow = (uint)left, leftHigh = left >> 32, rightLow = (uint)right, rightHigh = right >> 32;
        ulong bottom = leftLow * rightLow;
        ulong middle = leftHigh * rightLow + (bottom >> 32);
        ulong cross = leftLow * rightHigh + (uint)middle;
        low = cross << 32 | (uint)bottom;
        return leftHigh * rightHigh + (middle >> 32) + (cross >> 32);
    }

    // Conversions of floating-point values under "checked" and unsigned conversions: the compiler looks for them here.
    internal static int ConvertToInt32Checked(double value) => (int)value;
    internal static uint ConvertToUInt32Checked(double value) => (uint)value;
    internal static long ConvertToInt64Checked(double value) => (long)value;
    internal static ulong ConvertToUInt64Checked(double value) => (ulong)value;

    // Multiplication under "checked": the processor has no instruction for these two.
    internal static long MultiplyChecked(long left, long right)
    {
        long product = left * right;
        if (left != 0 && (product / left != right || (left == -1 && right == long.MinValue)))
            ThrowHelper.Overflow();
        return product;
    }

    internal static ulong MultiplyChecked(ulong left, ulong right)
    {
        if (BigMul(left, right, out ulong low) != 0)
            ThrowHelper.Overflow();
        return low;
    }
}
