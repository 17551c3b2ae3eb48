using System.Diagnostics.CodeAnalysis;

namespace System;

/// <summary>The unsigned integer of 64 bits, <c>ulong</c>.</summary>
public readonly struct UInt64 : IEquatable<ulong>, IComparable<ulong>
{
    // The compiler reads and writes the bits itself; the field only gives the type its size.
    private readonly ulong _value;

    /// <summary>The largest value.</summary>
    public const ulong MaxValue = 18446744073709551615;

    /// <summary>The smallest value.</summary>
    public const ulong MinValue = 0;

    /// <inheritdoc/>
    public bool Equals(ulong other) => _value == other;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? other) => other is ulong value && value == _value;

    /// <inheritdoc/>
    public int CompareTo(ulong other) => _value < other ? -1 : _value > other ? 1 : 0;

    /// <inheritdoc/>
    public override int GetHashCode() => (int)_value ^ (int)(_value >> 32);
}
