using System.Diagnostics.CodeAnalysis;

namespace System;

/// <summary>The signed integer of 8 bits, <c>sbyte</c>.</summary>
public readonly struct SByte : IEquatable<sbyte>, IComparable<sbyte>
{
    // The compiler reads and writes the bits itself; the field only gives the type its size.
    private readonly sbyte _value;

    /// <summary>The largest value.</summary>
    public const sbyte MaxValue = 127;

    /// <summary>The smallest value.</summary>
    public const sbyte MinValue = -128;

    /// <inheritdoc/>
    public bool Equals(sbyte other) => _value == other;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? other) => other is sbyte value && value == _value;

    /// <inheritdoc/>
    public int CompareTo(sbyte other) => _value < other ? -1 : _value > other ? 1 : 0;

    /// <inheritdoc/>
    public override int GetHashCode() => (int)_value;
}
