namespace System;

/// <summary>A position counted from the start or, with <c>^</c>, from the end.</summary>
public readonly struct Index
{
    // Negative (complement) values count from the end.
    private readonly int _value;

    /// <summary>The position <paramref name="value"/>, counted from the end when <paramref name="fromEnd"/>.</summary>
    public Index(int value, bool fromEnd = false) => _value = fromEnd ? ~value : value;

    /// <summary>The distance from the end it is counted from.</summary>
    public int Value => _value < 0 ? ~_value : _value;

    /// <summary>True when counted from the end.</summary>
    public bool IsFromEnd => _value < 0;

    /// <summary>The position from the start in something of the given length.</summary>
    public int GetOffset(int length) => _value < 0 ? length - ~_value : _value;

    /// <summary>A position counted from the start.</summary>
    public static implicit operator Index(int value) => new(value);

    /// <summary>The first position.</summary>
    public static Index Start => new(0);

    /// <summary>Behind the last position.</summary>
    public static Index End => new(0, true);
}
