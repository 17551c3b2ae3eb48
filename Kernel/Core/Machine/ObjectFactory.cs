using System.Runtime.CompilerServices;
using Internal.Runtime;

namespace NanoVm.Core;

/// <summary>Makes objects and arrays in memory that an object cache owns. No constructor runs: all fields are zero.</summary>
/// <remarks>Part of the edge that Kernel.Tests/Machine replaces: there, a table beside the memory holds the references.</remarks>
internal static unsafe class ObjectFactory
{
    /// <summary>Bytes one object takes, a multiple of eight.</summary>
    public static nuint SizeOf<T>() where T : class => RawObject.SizeOf<T>();

    /// <summary>Makes an object in zeroed memory aligned to eight.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Create<T>(void* zeroedMemory) where T : class => RawObject.Form<T>(zeroedMemory);

    /// <summary>Bytes an array of <paramref name="length"/> elements takes, a multiple of eight.</summary>
    public static nuint ArraySizeOf<T>(int length) => RawObject.SizeOfArray<T>(length);

    public static T[] CreateArray<T>(void* zeroedMemory, int length) => RawObject.FormArray<T>(zeroedMemory, length);

    /// <summary>The memory that <see cref="Create{T}"/> or <see cref="CreateArray{T}"/> was given.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AddressOf(object value) => RawObject.AddressOf(value);

    /// <summary>The object at an address that <see cref="AddressOf"/> gave; the type is not checked.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T FromAddress<T>(void* address) where T : class => RawObject.At<T>(address);

    /// <summary>Says that the memory will get another use. Nothing to do here; the host forgets the object.</summary>
    public static void Release(object value)
    {
    }
}
