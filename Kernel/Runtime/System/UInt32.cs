using System.Diagnostics.CodeAnalysis;

namespace System;

/// <summary>The unsigned integer of 32 bits, <c>uint</c>.</summary>
public readonly struct UInt32 : IEquatable<uint>, IComparable<uint>
{
    // The compiler reads and writes the bits itself; the field only gives the type its size.
    private readonly uint _value;

    /// <summary>The largest value.</summary>
    public const uint MaxValue = 4294967295;

    /// <summary>The smallest value.</summary>
    public const uint MinValue = 0;

    /// <inheritdoc/>
    public bool Equals(uint other) => _value == other;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? other) => other is uint value && value == _value;

    /// <inheritdoc/>
    public int CompareTo(uint other) => _value < other ? -1 : _value > other ? 1 : 0;

    /// <inheritdoc/>
    public override int GetHashCode() => (int)_value;
}
