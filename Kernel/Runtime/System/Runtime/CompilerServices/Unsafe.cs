using System.Diagnostics.CodeAnalysis;

namespace System.Runtime.CompilerServices;

/// <summary>Pointer arithmetic and reinterpretation without checks. The compiler replaces every call marked intrinsic.</summary>
public static unsafe class Unsafe
{
    /// <summary>The address of what <paramref name="value"/> refers to.</summary>
    [Intrinsic]
    public static void* AsPointer<T>(ref T value) where T : allows ref struct => throw null!;

    /// <summary>Bytes of a <typeparamref name="T"/>.</summary>
    [Intrinsic]
    public static int SizeOf<T>() where T : allows ref struct => throw null!;

    /// <summary>Takes an object as a <typeparamref name="T"/> without a check.</summary>
    [Intrinsic]
    [return: NotNullIfNotNull(nameof(value))]
    public static T? As<T>(object? value) where T : class? => throw null!;

    /// <summary>Takes a reference to one type as a reference to another.</summary>
    [Intrinsic]
    public static ref TTo As<TFrom, TTo>(ref TFrom source) where TFrom : allows ref struct where TTo : allows ref struct =>
        throw null!;

    /// <summary>The reference <paramref name="elementOffset"/> elements further.</summary>
    [Intrinsic]
    public static ref T Add<T>(ref T source, int elementOffset) where T : allows ref struct => throw null!;

    /// <inheritdoc cref="Add{T}(ref T, int)"/>
    [Intrinsic]
    public static ref T Add<T>(ref T source, nint elementOffset) where T : allows ref struct => throw null!;

    /// <inheritdoc cref="Add{T}(ref T, int)"/>
    [Intrinsic]
    public static ref T Add<T>(ref T source, nuint elementOffset) where T : allows ref struct => throw null!;

    /// <summary>The reference <paramref name="byteOffset"/> bytes further.</summary>
    [Intrinsic]
    public static ref T AddByteOffset<T>(ref T source, nuint byteOffset) where T : allows ref struct => throw null!;

    /// <inheritdoc cref="AddByteOffset{T}(ref T, nuint)"/>
    [Intrinsic]
    public static ref T AddByteOffset<T>(ref T source, nint byteOffset) where T : allows ref struct => throw null!;

    /// <summary>Bytes from <paramref name="origin"/> to <paramref name="target"/>.</summary>
    [Intrinsic]
    public static nint ByteOffset<T>(ref readonly T origin, ref readonly T target) where T : allows ref struct => throw null!;

    /// <summary>True when both refer to the same place.</summary>
    [Intrinsic]
    public static bool AreSame<T>(ref readonly T left, ref readonly T right) where T : allows ref struct => throw null!;

    /// <summary>The bits of <paramref name="source"/> as another type of the same size.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TTo BitCast<TFrom, TTo>(TFrom source) where TFrom : struct where TTo : struct
    {
        if (SizeOf<TFrom>() != SizeOf<TTo>())
            ThrowHelper.InvalidCast();
        return ReadUnaligned<TTo>(ref As<TFrom, byte>(ref source));
    }

    /// <summary>Reads from an address of any alignment.</summary>
    [Intrinsic]
    public static T ReadUnaligned<T>(void* source) where T : allows ref struct => throw null!;

    /// <inheritdoc cref="ReadUnaligned{T}(void*)"/>
    [Intrinsic]
    public static T ReadUnaligned<T>(ref readonly byte source) where T : allows ref struct => throw null!;

    /// <summary>Writes to an address of any alignment.</summary>
    [Intrinsic]
    public static void WriteUnaligned<T>(void* destination, T value) where T : allows ref struct => throw null!;

    /// <inheritdoc cref="WriteUnaligned{T}(void*, T)"/>
    [Intrinsic]
    public static void WriteUnaligned<T>(ref byte destination, T value) where T : allows ref struct => throw null!;

    /// <summary>A reference to what is at an address.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ref T AsRef<T>(void* source) where T : allows ref struct => ref *(T*)source;

    /// <summary>A reference that may be written through, made of one that may not.</summary>
    [Intrinsic]
    public static ref T AsRef<T>(scoped ref readonly T source) where T : allows ref struct => throw null!;

    /// <summary>A reference to nothing.</summary>
    [Intrinsic]
    public static ref T NullRef<T>() where T : allows ref struct => throw null!;

    /// <summary>True for a reference to nothing.</summary>
    [Intrinsic]
    public static bool IsNullRef<T>(ref readonly T source) where T : allows ref struct => throw null!;

    /// <summary>Leaves a variable as it is, where the language asks for an assignment.</summary>
    [Intrinsic]
    public static void SkipInit<T>(out T value) where T : allows ref struct => throw null!;

    /// <summary>Sets bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void InitBlockUnaligned(ref byte start, byte value, uint byteCount) =>
        SpanHelpers.Fill(ref start, value, byteCount);

    /// <summary>Copies bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void CopyBlockUnaligned(ref byte destination, ref readonly byte source, uint byteCount) =>
        SpanHelpers.Memmove(ref destination, ref AsRef(in source), byteCount);
}
