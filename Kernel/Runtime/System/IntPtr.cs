using System.Diagnostics.CodeAnalysis;

namespace System;

/// <summary>The integer as wide as a pointer, <c>nint</c>: 64 bits here.</summary>
public readonly unsafe struct IntPtr : IEquatable<nint>, IComparable<nint>
{
    // A pointer, as the compiler expects of this type.
    private readonly void* _value;

    /// <summary>The null pointer.</summary>
    public static readonly nint Zero;

    /// <summary>Bytes in a pointer.</summary>
    public static int Size => 8;

    /// <summary>The largest value.</summary>
    public static nint MaxValue => unchecked((nint)long.MaxValue);

    /// <summary>The smallest value.</summary>
    public static nint MinValue => unchecked((nint)long.MinValue);

    /// <inheritdoc/>
    public bool Equals(nint other) => (long)_value == (long)other;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? other) => other is nint value && Equals(value);

    /// <inheritdoc/>
    public int CompareTo(nint other) => (long)_value < (long)other ? -1 : (long)_value > (long)other ? 1 : 0;

    /// <inheritdoc/>
    public override int GetHashCode() => (int)(long)_value ^ (int)((long)_value >> 32);
}
