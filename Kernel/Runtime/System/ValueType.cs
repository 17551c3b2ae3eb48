namespace System;

/// <summary>The base of all structures.</summary>
public abstract class ValueType
{
    /// <summary>Structures are compared through <see cref="IEquatable{T}"/>; boxed ones are never equal.</summary>
    public override bool Equals(object? other) => false;

    /// <inheritdoc/>
    public override int GetHashCode() => 0;
}
