namespace System;

/// <summary>The floating-point type <c>float</c>. The kernel computes with integers only; user programs may use it.</summary>
public readonly struct Single
{
    private readonly float _value;
}
