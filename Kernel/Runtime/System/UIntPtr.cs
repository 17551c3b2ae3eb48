using System.Diagnostics.CodeAnalysis;

namespace System;

/// <summary>The integer as wide as a pointer, <c>nuint</c>: 64 bits here.</summary>
public readonly unsafe struct UIntPtr : IEquatable<nuint>, IComparable<nuint>
{
    // A pointer, as the compiler expects of this type.
    private readonly void* _value;

    /// <summary>The null pointer.</summary>
    public static readonly nuint Zero;

    /// <summary>Bytes in a pointer.</summary>
    public static int Size => 8;

    /// <summary>The largest value.</summary>
    public static nuint MaxValue => unchecked((nuint)ulong.MaxValue);

    /// <summary>The smallest value.</summary>
    public static nuint MinValue => unchecked((nuint)ulong.MinValue);

    /// <inheritdoc/>
    public bool Equals(nuint other) => (ulong)_value == (ulong)other;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? other) => other is nuint value && Equals(value);

    /// <inheritdoc/>
    public int CompareTo(nuint other) => (ulong)_value < (ulong)other ? -1 : (ulong)_value > (ulong)other ? 1 : 0;

    /// <inheritdoc/>
    public override int GetHashCode() => (int)(ulong)_value ^ (int)((ulong)_value >> 32);
}
