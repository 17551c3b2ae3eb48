using System.Diagnostics.CodeAnalysis;

namespace System;

/// <summary>The unsigned integer of 8 bits, <c>byte</c>.</summary>
public readonly struct Byte : IEquatable<byte>, IComparable<byte>
{
    // The compiler reads and writes the bits itself; the field only gives the type its size.
    private readonly byte _value;

    /// <summary>The largest value.</summary>
    public const byte MaxValue = 255;

    /// <summary>The smallest value.</summary>
    public const byte MinValue = 0;

    /// <inheritdoc/>
    public bool Equals(byte other) => _value == other;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? other) => other is byte value && value == _value;

    /// <inheritdoc/>
    public int CompareTo(byte other) => _value < other ? -1 : _value > other ? 1 : 0;

    /// <inheritdoc/>
    public override int GetHashCode() => (int)_value;
}
