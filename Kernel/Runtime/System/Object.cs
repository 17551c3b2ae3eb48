using System.Runtime.CompilerServices;
using Internal.Runtime;

namespace System;

/// <summary>The root of all classes: one word in front of the fields that points to the type's method table.</summary>
/// <remarks>
/// The word before it (the "header" of full .NET) is not used, but the compiler counts it in <see cref="MethodTable.BaseSize"/>.
/// </remarks>
public unsafe class Object
{
    // The compiler lays out every object behind this word and knows the field by this name.
    internal MethodTable* m_pEEType;

    /// <summary>Forms the part of an object that every class has: nothing.</summary>
    public Object()
    {
    }

#pragma warning disable CA1821 // The compiler asks for a finalizer slot in the root class; nothing ever calls it.
    ~Object()
    {
    }
#pragma warning restore CA1821

    /// <summary>True when both are one object.</summary>
    public static bool ReferenceEquals(object? left, object? right) => left == right;

    /// <summary>Compares by identity unless a class says otherwise.</summary>
    public virtual bool Equals(object? other) => this == other;

    /// <summary>A number equal for equal objects.</summary>
    public virtual int GetHashCode() => 0;

    /// <summary>A name for people. Formatting goes through writers, not through strings, so there is only one.</summary>
    public virtual string ToString() => nameof(Object);

    /// <summary>The type of this object.</summary>
    internal MethodTable* GetMethodTable() => m_pEEType;

    /// <summary>The first byte of the fields.</summary>
    internal ref byte GetRawData() => ref Unsafe.As<RawData>(this).Data;
}

/// <summary>A class whose only field is where every class has its first one.</summary>
internal sealed class RawData
{
    public byte Data;
}
