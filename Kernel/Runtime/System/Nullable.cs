using System.Diagnostics.CodeAnalysis;

namespace System;

/// <summary>A value or none, <c>T?</c>.</summary>
public struct Nullable<T> where T : struct
{
    // The compiler boxes and unboxes by these two names and this order.
    private readonly bool hasValue;
    internal T value;

    /// <summary>Holds <paramref name="value"/>.</summary>
    public Nullable(T value)
    {
        this.value = value;
        hasValue = true;
    }

    /// <summary>True when there is a value.</summary>
    public readonly bool HasValue => hasValue;

    /// <summary>The value; it is a programming error to ask for it when there is none.</summary>
    public readonly T Value
    {
        get
        {
            if (!hasValue)
                ThrowHelper.NoValue();
            return value;
        }
    }

    /// <summary>The value, or all zeros.</summary>
    public readonly T GetValueOrDefault() => value;

    /// <summary>The value, or <paramref name="other"/>.</summary>
    public readonly T GetValueOrDefault(T other) => hasValue ? value : other;

    /// <summary>Wraps a value.</summary>
    public static implicit operator Nullable<T>(T value) => new Nullable<T>(value);

    /// <summary>Takes the value out.</summary>
    public static explicit operator T(Nullable<T> value)
    {
        if (!value.hasValue)
            ThrowHelper.NoValue();
        return value.value;
    }
}
