using System;
using System.Runtime.CompilerServices;

namespace Internal.Runtime;

/// <summary>
/// Forms objects in memory that the caller owns: how object caches and the user programs' allocator make them. Nothing here
/// allocates.
/// </summary>
public static unsafe class RawObject
{
    /// <summary>Bytes that an object of class <typeparamref name="T"/> takes. A multiple of eight.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint SizeOf<T>() where T : class => MethodTable.Of<T>()->ObjectSize;

    /// <summary>Bytes that an array of <paramref name="length"/> elements takes. A multiple of eight.</summary>
    public static nuint SizeOfArray<T>(int length) =>
        (nuint)((16 + (ulong)(uint)length * (ulong)Unsafe.SizeOf<T>() + 7) & ~7UL);

    /// <summary>
    /// Turns zeroed memory into an object. No constructor runs and no field initializer takes effect: all fields are zero.
    /// </summary>
    /// <param name="memory">
    /// <see cref="SizeOf{T}"/> zeroed bytes, aligned to eight. They are the object until the caller gives them another use;
    /// nothing moves it and nothing collects it.
    /// </param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Form<T>(void* memory) where T : class
    {
        *(MethodTable**)memory = MethodTable.Of<T>();
        return Unsafe.As<nint, T>(ref Unsafe.AsRef<nint>(&memory));
    }

    /// <summary>Turns zeroed memory into an array of <paramref name="length"/> zero elements.</summary>
    /// <param name="memory"><see cref="SizeOfArray{T}"/> zeroed bytes, aligned to eight.</param>
    /// <param name="length">Number of elements; not negative.</param>
    public static T[] FormArray<T>(void* memory, int length)
    {
        *(MethodTable**)memory = MethodTable.Of<T[]>();
        ((int*)memory)[2] = length;
        return Unsafe.As<nint, T[]>(ref Unsafe.AsRef<nint>(&memory));
    }

    /// <summary>The memory an object lies in: what <see cref="Form{T}"/> was given.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AddressOf(object value) => *(void**)Unsafe.AsPointer(ref value);

    /// <summary>The object at an address that <see cref="AddressOf"/> gave.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T At<T>(void* memory) where T : class => Unsafe.As<nint, T>(ref Unsafe.AsRef<nint>(&memory));
}
