using System.Diagnostics.CodeAnalysis;

namespace System;

/// <summary>The signed integer of 32 bits, <c>int</c>.</summary>
public readonly struct Int32 : IEquatable<int>, IComparable<int>
{
    // The compiler reads and writes the bits itself; the field only gives the type its size.
    private readonly int _value;

    /// <summary>The largest value.</summary>
    public const int MaxValue = 2147483647;

    /// <summary>The smallest value.</summary>
    public const int MinValue = -2147483648;

    /// <inheritdoc/>
    public bool Equals(int other) => _value == other;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? other) => other is int value && value == _value;

    /// <inheritdoc/>
    public int CompareTo(int other) => _value < other ? -1 : _value > other ? 1 : 0;

    /// <inheritdoc/>
    public override int GetHashCode() => _value;
}
