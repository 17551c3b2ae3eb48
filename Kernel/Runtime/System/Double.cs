namespace System;

/// <summary>The floating-point type <c>double</c>. The kernel computes with integers only; user programs may use it.</summary>
public readonly struct Double
{
    private readonly double _value;
}
