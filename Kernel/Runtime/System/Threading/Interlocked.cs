using System.Runtime.CompilerServices;

namespace System.Threading;

/// <summary>Atomic operations on memory, each a full barrier. The compiler replaces the calls by <c>lock</c> instructions.</summary>
/// <remarks>A body that calls itself is how the core library says "always expanded".</remarks>
public static class Interlocked
{
    /// <summary>Writes <paramref name="value"/> when <paramref name="location"/> holds <paramref name="comparand"/>; returns what it held.</summary>
    [Intrinsic]
    public static int CompareExchange(ref int location, int value, int comparand) =>
        CompareExchange(ref location, value, comparand);

    /// <summary>Writes <paramref name="value"/> and returns what was there.</summary>
    [Intrinsic]
    public static int Exchange(ref int location, int value) => Exchange(ref location, value);

    /// <summary>Adds and returns what was there before.</summary>
    [Intrinsic]
    public static int ExchangeAdd(ref int location, int value) => ExchangeAdd(ref location, value);

    /// <summary>Adds and returns the sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Add(ref int location, int value) => ExchangeAdd(ref location, value) + value;

    /// <summary>Adds one and returns the sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Increment(ref int location) => ExchangeAdd(ref location, 1) + 1;

    /// <summary>Subtracts one and returns the difference.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Decrement(ref int location) => ExchangeAdd(ref location, -1) - 1;

    /// <summary>Clears the bits that <paramref name="value"/> lacks and returns what was there.</summary>
    [Intrinsic]
    public static int And(ref int location, int value)
    {
        int current = location;
        while (true)
        {
            int seen = CompareExchange(ref location, current & value, current);
            if (seen == current)
                return seen;
            current = seen;
        }
    }

    /// <summary>Sets the bits of <paramref name="value"/> and returns what was there.</summary>
    [Intrinsic]
    public static int Or(ref int location, int value)
    {
        int current = location;
        while (true)
        {
            int seen = CompareExchange(ref location, current | value, current);
            if (seen == current)
                return seen;
            current = seen;
        }
    }

    /// <summary>Writes <paramref name="value"/> when <paramref name="location"/> holds <paramref name="comparand"/>; returns what it held.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint CompareExchange(ref uint location, uint value, uint comparand) =>
        (uint)CompareExchange(ref Unsafe.As<uint, int>(ref location), (int)value, (int)comparand);

    /// <summary>Writes <paramref name="value"/> and returns what was there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Exchange(ref uint location, uint value) =>
        (uint)Exchange(ref Unsafe.As<uint, int>(ref location), (int)value);

    /// <summary>Adds and returns the sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Add(ref uint location, uint value) =>
        (uint)Add(ref Unsafe.As<uint, int>(ref location), (int)value);

    /// <summary>Adds one and returns the sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Increment(ref uint location) => (uint)Increment(ref Unsafe.As<uint, int>(ref location));

    /// <summary>Subtracts one and returns the difference.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Decrement(ref uint location) => (uint)Decrement(ref Unsafe.As<uint, int>(ref location));

    /// <summary>Clears the bits that <paramref name="value"/> lacks and returns what was there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint And(ref uint location, uint value) => (uint)And(ref Unsafe.As<uint, int>(ref location), (int)value);

    /// <summary>Sets the bits of <paramref name="value"/> and returns what was there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Or(ref uint location, uint value) => (uint)Or(ref Unsafe.As<uint, int>(ref location), (int)value);

    /// <summary>Writes <paramref name="value"/> when <paramref name="location"/> holds <paramref name="comparand"/>; returns what it held.</summary>
    [Intrinsic]
    public static long CompareExchange(ref long location, long value, long comparand) =>
        CompareExchange(ref location, value, comparand);

    /// <summary>Writes <paramref name="value"/> and returns what was there.</summary>
    [Intrinsic]
    public static long Exchange(ref long location, long value) => Exchange(ref location, value);

    /// <summary>Adds and returns what was there before.</summary>
    [Intrinsic]
    public static long ExchangeAdd(ref long location, long value) => ExchangeAdd(ref location, value);

    /// <summary>Adds and returns the sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Add(ref long location, long value) => ExchangeAdd(ref location, value) + value;

    /// <summary>Adds one and returns the sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Increment(ref long location) => ExchangeAdd(ref location, 1) + 1;

    /// <summary>Subtracts one and returns the difference.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Decrement(ref long location) => ExchangeAdd(ref location, -1) - 1;

    /// <summary>Clears the bits that <paramref name="value"/> lacks and returns what was there.</summary>
    [Intrinsic]
    public static long And(ref long location, long value)
    {
        long current = location;
        while (true)
        {
            long seen = CompareExchange(ref location, current & value, current);
            if (seen == current)
                return seen;
            current = seen;
        }
    }

    /// <summary>Sets the bits of <paramref name="value"/> and returns what was there.</summary>
    [Intrinsic]
    public static long Or(ref long location, long value)
    {
        long current = location;
        while (true)
        {
            long seen = CompareExchange(ref location, current | value, current);
            if (seen == current)
                return seen;
            current = seen;
        }
    }

    /// <summary>Writes <paramref name="value"/> when <paramref name="location"/> holds <paramref name="comparand"/>; returns what it held.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong CompareExchange(ref ulong location, ulong value, ulong comparand) =>
        (ulong)CompareExchange(ref Unsafe.As<ulong, long>(ref location), (long)value, (long)comparand);

    /// <summary>Writes <paramref name="value"/> and returns what was there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Exchange(ref ulong location, ulong value) =>
        (ulong)Exchange(ref Unsafe.As<ulong, long>(ref location), (long)value);

    /// <summary>Adds and returns the sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Add(ref ulong location, ulong value) =>
        (ulong)Add(ref Unsafe.As<ulong, long>(ref location), (long)value);

    /// <summary>Adds one and returns the sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Increment(ref ulong location) => (ulong)Increment(ref Unsafe.As<ulong, long>(ref location));

    /// <summary>Subtracts one and returns the difference.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Decrement(ref ulong location) => (ulong)Decrement(ref Unsafe.As<ulong, long>(ref location));

    /// <summary>Clears the bits that <paramref name="value"/> lacks and returns what was there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong And(ref ulong location, ulong value) => (ulong)And(ref Unsafe.As<ulong, long>(ref location), (long)value);

    /// <summary>Sets the bits of <paramref name="value"/> and returns what was there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Or(ref ulong location, ulong value) => (ulong)Or(ref Unsafe.As<ulong, long>(ref location), (long)value);

    /// <summary>Writes <paramref name="value"/> when <paramref name="location"/> holds <paramref name="comparand"/>; returns what it held.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint CompareExchange(ref nint location, nint value, nint comparand) =>
        (nint)CompareExchange(ref Unsafe.As<nint, long>(ref location), (long)value, (long)comparand);

    /// <summary>Writes <paramref name="value"/> and returns what was there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Exchange(ref nint location, nint value) =>
        (nint)Exchange(ref Unsafe.As<nint, long>(ref location), (long)value);

    /// <summary>Adds and returns the sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Add(ref nint location, nint value) =>
        (nint)Add(ref Unsafe.As<nint, long>(ref location), (long)value);

    /// <summary>Adds one and returns the sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Increment(ref nint location) => (nint)Increment(ref Unsafe.As<nint, long>(ref location));

    /// <summary>Subtracts one and returns the difference.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Decrement(ref nint location) => (nint)Decrement(ref Unsafe.As<nint, long>(ref location));

    /// <summary>Clears the bits that <paramref name="value"/> lacks and returns what was there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint And(ref nint location, nint value) => (nint)And(ref Unsafe.As<nint, long>(ref location), (long)value);

    /// <summary>Sets the bits of <paramref name="value"/> and returns what was there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Or(ref nint location, nint value) => (nint)Or(ref Unsafe.As<nint, long>(ref location), (long)value);

    /// <summary>Writes <paramref name="value"/> when <paramref name="location"/> holds <paramref name="comparand"/>; returns what it held.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint CompareExchange(ref nuint location, nuint value, nuint comparand) =>
        (nuint)CompareExchange(ref Unsafe.As<nuint, long>(ref location), (long)value, (long)comparand);

    /// <summary>Writes <paramref name="value"/> and returns what was there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint Exchange(ref nuint location, nuint value) =>
        (nuint)Exchange(ref Unsafe.As<nuint, long>(ref location), (long)value);

    /// <summary>Adds and returns the sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint Add(ref nuint location, nuint value) =>
        (nuint)Add(ref Unsafe.As<nuint, long>(ref location), (long)value);

    /// <summary>Adds one and returns the sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint Increment(ref nuint location) => (nuint)Increment(ref Unsafe.As<nuint, long>(ref location));

    /// <summary>Subtracts one and returns the difference.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint Decrement(ref nuint location) => (nuint)Decrement(ref Unsafe.As<nuint, long>(ref location));

    /// <summary>Clears the bits that <paramref name="value"/> lacks and returns what was there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint And(ref nuint location, nuint value) => (nuint)And(ref Unsafe.As<nuint, long>(ref location), (long)value);

    /// <summary>Sets the bits of <paramref name="value"/> and returns what was there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint Or(ref nuint location, nuint value) => (nuint)Or(ref Unsafe.As<nuint, long>(ref location), (long)value);

    /// <summary>Writes a reference when <paramref name="location"/> holds <paramref name="comparand"/>; returns what it held.</summary>
    /// <remarks>A reference is an address that nothing moves, so it is compared as a number.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T CompareExchange<T>(ref T location, T value, T comparand) where T : class?
    {
        long seen = CompareExchange(
            ref Unsafe.As<T, long>(ref location), Unsafe.As<T, long>(ref value), Unsafe.As<T, long>(ref comparand));
        return Unsafe.As<long, T>(ref seen);
    }

    /// <summary>Writes a reference and returns what was there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Exchange<T>(ref T location, T value) where T : class?
    {
        long seen = Exchange(ref Unsafe.As<T, long>(ref location), Unsafe.As<T, long>(ref value));
        return Unsafe.As<long, T>(ref seen);
    }

    /// <summary>No memory access moves over it.</summary>
    [Intrinsic]
    public static void MemoryBarrier() => MemoryBarrier();
}
