using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace System;

/// <summary>The base of all arrays. Memory: method table, length (32 bits, then 32 unused), elements.</summary>
public abstract class Array
{
    // The compiler reads the length here; an array's elements follow in RawArrayData.
    private int _numComponents;

    /// <summary>Number of elements.</summary>
    public int Length => _numComponents;

    /// <summary>Sets <paramref name="length"/> elements from <paramref name="index"/> on to zero.</summary>
    public static void Clear<T>(T[] array, int index, int length) => new Span<T>(array, index, length).Clear();

    /// <summary>Copies the first <paramref name="length"/> elements; the ranges may overlap.</summary>
    public static void Copy<T>(T[] source, T[] destination, int length) =>
        new ReadOnlySpan<T>(source, 0, length).CopyTo(destination);
}

/// <summary>The type the compiler takes the members of every <c>T[]</c> from.</summary>
internal class Array<T> : Array
{
}

/// <summary>The layout of an array: used to reach its elements.</summary>
internal sealed class RawArrayData
{
    public uint Length;
    public uint Padding;
    public byte Data;
}
