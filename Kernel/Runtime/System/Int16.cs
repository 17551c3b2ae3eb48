using System.Diagnostics.CodeAnalysis;

namespace System;

/// <summary>The signed integer of 16 bits, <c>short</c>.</summary>
public readonly struct Int16 : IEquatable<short>, IComparable<short>
{
    // The compiler reads and writes the bits itself; the field only gives the type its size.
    private readonly short _value;

    /// <summary>The largest value.</summary>
    public const short MaxValue = 32767;

    /// <summary>The smallest value.</summary>
    public const short MinValue = -32768;

    /// <inheritdoc/>
    public bool Equals(short other) => _value == other;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? other) => other is short value && value == _value;

    /// <inheritdoc/>
    public int CompareTo(short other) => _value < other ? -1 : _value > other ? 1 : 0;

    /// <inheritdoc/>
    public override int GetHashCode() => (int)_value;
}
