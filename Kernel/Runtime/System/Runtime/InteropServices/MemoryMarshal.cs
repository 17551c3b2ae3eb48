using System.Runtime.CompilerServices;

namespace System.Runtime.InteropServices;

/// <summary>Reinterpretation of spans and arrays.</summary>
public static unsafe class MemoryMarshal
{
    /// <summary>The first element; behind the end when there is none.</summary>
    public static ref T GetReference<T>(Span<T> span) => ref span._reference;

    /// <inheritdoc cref="GetReference{T}(Span{T})"/>
    public static ref T GetReference<T>(ReadOnlySpan<T> span) => ref span._reference;

    /// <summary>The first element of an array; behind the end when there is none.</summary>
    [Intrinsic]
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ref T GetArrayDataReference<T>(T[] array) =>
        ref Unsafe.As<byte, T>(ref Unsafe.As<RawArrayData>(array).Data);

    /// <summary>A span over <paramref name="length"/> elements. The caller vouches for them.</summary>
    public static Span<T> CreateSpan<T>(scoped ref T reference, int length) =>
        new(ref *(T*)Unsafe.AsPointer(ref reference), length);

    /// <summary>A read-only span over <paramref name="length"/> elements. The caller vouches for them.</summary>
    public static ReadOnlySpan<T> CreateReadOnlySpan<T>(scoped ref readonly T reference, int length) =>
        new(ref *(T*)Unsafe.AsPointer(ref Unsafe.AsRef(in reference)), length);

    /// <summary>The bytes up to the first zero.</summary>
    public static ReadOnlySpan<byte> CreateReadOnlySpanFromNullTerminated(byte* value)
    {
        if (value == null)
            return default;
        int length = 0;
        while (value[length] != 0)
            length++;
        return new ReadOnlySpan<byte>(value, length);
    }

    /// <summary>The bytes of the elements.</summary>
    public static Span<byte> AsBytes<T>(Span<T> span) where T : struct =>
        new(ref Unsafe.As<T, byte>(ref span._reference), checked(span.Length * Unsafe.SizeOf<T>()));

    /// <inheritdoc cref="AsBytes{T}(Span{T})"/>
    public static ReadOnlySpan<byte> AsBytes<T>(ReadOnlySpan<T> span) where T : struct =>
        new(ref Unsafe.As<T, byte>(ref span._reference), checked(span.Length * Unsafe.SizeOf<T>()));

    /// <summary>The same bytes as elements of another type; bytes that fill no element are left out.</summary>
    public static Span<TTo> Cast<TFrom, TTo>(Span<TFrom> span) where TFrom : struct where TTo : struct =>
        new(ref Unsafe.As<TFrom, TTo>(ref span._reference), CastLength<TFrom, TTo>(span.Length));

    /// <inheritdoc cref="Cast{TFrom, TTo}(Span{TFrom})"/>
    public static ReadOnlySpan<TTo> Cast<TFrom, TTo>(ReadOnlySpan<TFrom> span) where TFrom : struct where TTo : struct =>
        new(ref Unsafe.As<TFrom, TTo>(ref span._reference), CastLength<TFrom, TTo>(span.Length));

    /// <summary>Reads a structure from the start of the bytes.</summary>
    public static T Read<T>(ReadOnlySpan<byte> source) where T : struct
    {
        if (Unsafe.SizeOf<T>() > source.Length)
            ThrowHelper.ArgumentOutOfRange();
        return Unsafe.ReadUnaligned<T>(ref source._reference);
    }

    /// <summary>Reads a structure when there are enough bytes.</summary>
    public static bool TryRead<T>(ReadOnlySpan<byte> source, out T value) where T : struct
    {
        value = default;
        if (Unsafe.SizeOf<T>() > source.Length)
            return false;
        value = Unsafe.ReadUnaligned<T>(ref source._reference);
        return true;
    }

    /// <summary>Writes a structure to the start of the bytes.</summary>
    public static void Write<T>(Span<byte> destination, in T value) where T : struct
    {
        if (Unsafe.SizeOf<T>() > destination.Length)
            ThrowHelper.ArgumentOutOfRange();
        Unsafe.WriteUnaligned(ref destination._reference, value);
    }

    /// <summary>Takes the start of the bytes as a structure in place.</summary>
    public static ref T AsRef<T>(Span<byte> span) where T : struct
    {
        if (Unsafe.SizeOf<T>() > span.Length)
            ThrowHelper.ArgumentOutOfRange();
        return ref Unsafe.As<byte, T>(ref span._reference);
    }

    private static int CastLength<TFrom, TTo>(int length) =>
        (int)((ulong)(uint)length * (ulong)Unsafe.SizeOf<TFrom>() / (ulong)Unsafe.SizeOf<TTo>());
}
