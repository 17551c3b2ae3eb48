using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace System;

/// <summary>A constant text in UTF-16. Strings are literals of the program; none is ever made at run time.</summary>
public sealed class String : IEquatable<string>
{
    // The compiler writes literals in this layout: the length, the characters, a zero.
    private readonly int _stringLength;
    private char _firstChar;

    /// <summary>The text without characters.</summary>
    [Intrinsic]
    public static readonly string Empty = "";

    /// <summary>Number of UTF-16 code units.</summary>
    public int Length
    {
        [Intrinsic]
        get => _stringLength;
    }

    /// <summary>The code unit at <paramref name="index"/>.</summary>
    public char this[int index]
    {
        [Intrinsic]
        get
        {
            if ((uint)index >= (uint)_stringLength)
                ThrowHelper.IndexOutOfRange();
            return Unsafe.Add(ref _firstChar, index);
        }
    }

    /// <summary>The first character, to be pinned by <c>fixed</c>.</summary>
    public ref readonly char GetPinnableReference() => ref _firstChar;

    /// <summary>True for a missing or empty text.</summary>
    public static bool IsNullOrEmpty([NotNullWhen(false)] string? value) => value is null || value.Length == 0;

    /// <inheritdoc/>
    public bool Equals(string? other) => Equals(this, other);

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? other) => Equals(this, Unsafe.As<string>(other as string));

    /// <summary>True when both texts have the same code units.</summary>
    public static bool Equals(string? left, string? right)
    {
        if (ReferenceEquals(left, right))
            return true;
        return left is not null && right is not null && left.AsSpan().SequenceEqual(right.AsSpan());
    }

    /// <summary>True when both texts have the same code units.</summary>
    public static bool operator ==(string? left, string? right) => Equals(left, right);

    /// <summary>True when the texts differ.</summary>
    public static bool operator !=(string? left, string? right) => !Equals(left, right);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        uint hash = 2166136261; // FNV-1a
        foreach (char c in this.AsSpan())
            hash = (hash ^ c) * 16777619;
        return (int)hash;
    }

    /// <inheritdoc/>
    public override string ToString() => this;

    /// <summary>A view of the characters.</summary>
    public static implicit operator ReadOnlySpan<char>(string? value) =>
        value.AsSpan();
}
