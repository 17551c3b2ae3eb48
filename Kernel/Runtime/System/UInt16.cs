using System.Diagnostics.CodeAnalysis;

namespace System;

/// <summary>The unsigned integer of 16 bits, <c>ushort</c>.</summary>
public readonly struct UInt16 : IEquatable<ushort>, IComparable<ushort>
{
    // The compiler reads and writes the bits itself; the field only gives the type its size.
    private readonly ushort _value;

    /// <summary>The largest value.</summary>
    public const ushort MaxValue = 65535;

    /// <summary>The smallest value.</summary>
    public const ushort MinValue = 0;

    /// <inheritdoc/>
    public bool Equals(ushort other) => _value == other;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? other) => other is ushort value && value == _value;

    /// <inheritdoc/>
    public int CompareTo(ushort other) => _value < other ? -1 : _value > other ? 1 : 0;

    /// <inheritdoc/>
    public override int GetHashCode() => (int)_value;
}
