using System.Diagnostics.CodeAnalysis;

namespace System;

/// <summary>One UTF-16 code unit, <c>char</c>.</summary>
public readonly struct Char : IEquatable<char>, IComparable<char>
{
    private readonly char _value;

    /// <summary>The largest value.</summary>
    public const char MaxValue = (char)0xFFFF;

    /// <summary>The smallest value.</summary>
    public const char MinValue = (char)0;

    /// <summary>True for the ten digits of ASCII.</summary>
    public static bool IsAsciiDigit(char c) => (uint)(c - '0') <= 9;

    /// <summary>True for the letters of ASCII.</summary>
    public static bool IsAsciiLetter(char c) => (uint)((c | 0x20) - 'a') <= 'z' - 'a';

    /// <inheritdoc/>
    public bool Equals(char other) => _value == other;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? other) => other is char value && value == _value;

    /// <inheritdoc/>
    public int CompareTo(char other) => _value - other;

    /// <inheritdoc/>
    public override int GetHashCode() => _value;
}
