using System.Diagnostics.CodeAnalysis;

namespace System;

/// <summary>The signed integer of 64 bits, <c>long</c>.</summary>
public readonly struct Int64 : IEquatable<long>, IComparable<long>
{
    // The compiler reads and writes the bits itself; the field only gives the type its size.
    private readonly long _value;

    /// <summary>The largest value.</summary>
    public const long MaxValue = 9223372036854775807;

    /// <summary>The smallest value.</summary>
    public const long MinValue = -9223372036854775808;

    /// <inheritdoc/>
    public bool Equals(long other) => _value == other;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? other) => other is long value && value == _value;

    /// <inheritdoc/>
    public int CompareTo(long other) => _value < other ? -1 : _value > other ? 1 : 0;

    /// <inheritdoc/>
    public override int GetHashCode() => (int)_value ^ (int)(_value >> 32);
}
