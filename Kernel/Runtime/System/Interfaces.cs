namespace System;

/// <summary>Can be compared with another value for equality, without boxing.</summary>
public interface IEquatable<T> where T : allows ref struct
{
    /// <summary>True when both are equal.</summary>
    bool Equals(T? other);
}

/// <summary>Has an order.</summary>
public interface IComparable<in T> where T : allows ref struct
{
    /// <summary>Negative when this comes before <paramref name="other"/>, zero when equal, positive when after.</summary>
    int CompareTo(T? other);
}

/// <summary>Holds something that must be given back; <c>using</c> calls it.</summary>
public interface IDisposable
{
    /// <summary>Gives it back.</summary>
    void Dispose();
}
