using System.Diagnostics.CodeAnalysis;

namespace System;

/// <summary>The truth value, <c>bool</c>.</summary>
public readonly struct Boolean : IEquatable<bool>
{
    private readonly bool _value;

    /// <inheritdoc/>
    public bool Equals(bool other) => _value == other;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? other) => other is bool value && value == _value;

    /// <inheritdoc/>
    public override int GetHashCode() => _value ? 1 : 0;
}
