using System.Runtime.CompilerServices;

namespace System.Threading;

/// <summary>
/// Accesses that the compiler neither removes nor moves: no later access is moved before a read, no earlier one after a write.
/// </summary>
public static class Volatile
{
    /// <summary>Reads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Read(ref readonly bool location) =>
        Unsafe.As<bool, VolatileBoolean>(ref Unsafe.AsRef(in location)).Value;

    /// <summary>Writes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(ref bool location, bool value) => Unsafe.As<bool, VolatileBoolean>(ref location).Value = value;

    /// <summary>Reads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte Read(ref readonly byte location) =>
        Unsafe.As<byte, VolatileByte>(ref Unsafe.AsRef(in location)).Value;

    /// <summary>Writes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(ref byte location, byte value) => Unsafe.As<byte, VolatileByte>(ref location).Value = value;

    /// <summary>Reads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static sbyte Read(ref readonly sbyte location) =>
        Unsafe.As<sbyte, VolatileSbyte>(ref Unsafe.AsRef(in location)).Value;

    /// <summary>Writes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(ref sbyte location, sbyte value) => Unsafe.As<sbyte, VolatileSbyte>(ref location).Value = value;

    /// <summary>Reads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static short Read(ref readonly short location) =>
        Unsafe.As<short, VolatileShort>(ref Unsafe.AsRef(in location)).Value;

    /// <summary>Writes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(ref short location, short value) => Unsafe.As<short, VolatileShort>(ref location).Value = value;

    /// <summary>Reads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort Read(ref readonly ushort location) =>
        Unsafe.As<ushort, VolatileUshort>(ref Unsafe.AsRef(in location)).Value;

    /// <summary>Writes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(ref ushort location, ushort value) => Unsafe.As<ushort, VolatileUshort>(ref location).Value = value;

    /// <summary>Reads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Read(ref readonly int location) =>
        Unsafe.As<int, VolatileInt>(ref Unsafe.AsRef(in location)).Value;

    /// <summary>Writes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(ref int location, int value) => Unsafe.As<int, VolatileInt>(ref location).Value = value;

    /// <summary>Reads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Read(ref readonly uint location) =>
        Unsafe.As<uint, VolatileUint>(ref Unsafe.AsRef(in location)).Value;

    /// <summary>Writes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(ref uint location, uint value) => Unsafe.As<uint, VolatileUint>(ref location).Value = value;

    /// <summary>Reads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Read(ref readonly long location) =>
        Unsafe.As<long, VolatileNInt>(ref Unsafe.AsRef(in location)).Value;

    /// <summary>Writes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(ref long location, long value) => Unsafe.As<long, VolatileNInt>(ref location).Value = (nint)value;

    /// <summary>Reads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Read(ref readonly ulong location) =>
        Unsafe.As<ulong, VolatileNUInt>(ref Unsafe.AsRef(in location)).Value;

    /// <summary>Writes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(ref ulong location, ulong value) => Unsafe.As<ulong, VolatileNUInt>(ref location).Value = (nuint)value;

    /// <summary>Reads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Read(ref readonly nint location) =>
        Unsafe.As<nint, VolatileNInt>(ref Unsafe.AsRef(in location)).Value;

    /// <summary>Writes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(ref nint location, nint value) => Unsafe.As<nint, VolatileNInt>(ref location).Value = value;

    /// <summary>Reads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint Read(ref readonly nuint location) =>
        Unsafe.As<nuint, VolatileNUInt>(ref Unsafe.AsRef(in location)).Value;

    /// <summary>Writes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(ref nuint location, nuint value) => Unsafe.As<nuint, VolatileNUInt>(ref location).Value = value;

    /// <summary>Reads a reference.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Read<T>(ref readonly T location) where T : class? =>
        Unsafe.As<T>(Unsafe.As<T, VolatileObject>(ref Unsafe.AsRef(in location)).Value)!;

    /// <summary>Writes a reference.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write<T>(ref T location, T value) where T : class? =>
        Unsafe.As<T, VolatileObject>(ref location).Value = value;

    private struct VolatileObject
    {
        public volatile object? Value;
    }

    private struct VolatileBoolean
    {
        public volatile bool Value;
    }

    private struct VolatileByte
    {
        public volatile byte Value;
    }

    private struct VolatileSbyte
    {
        public volatile sbyte Value;
    }

    private struct VolatileShort
    {
        public volatile short Value;
    }

    private struct VolatileUshort
    {
        public volatile ushort Value;
    }

    private struct VolatileInt
    {
        public volatile int Value;
    }

    private struct VolatileUint
    {
        public volatile uint Value;
    }

    private struct VolatileNInt
    {
        public volatile nint Value;
    }

    private struct VolatileNUInt
    {
        public volatile nuint Value;
    }

}
