using System;
using System.Runtime.CompilerServices;

namespace Internal.Runtime;

/// <summary>A type at run time, as <c>ilc</c> lays it out; the first word of every object points to one.</summary>
/// <remarks>
/// <code>
///  0  flags (32 bits; the lower half is the element size of arrays and strings)
///  4  base size: bytes of an object without array elements, with one word in front
///  8  base type, or the element type of an array
/// 16  number of virtual methods (16 bits)
/// 18  number of interfaces (16 bits)
/// 20  hash code
/// 24  virtual methods, then interfaces
/// </code>
/// </remarks>
public unsafe struct MethodTable
{
    private const uint KindMask = 0x00030000;
    private const uint KindCanonical = 0x00000000;
    private const uint KindParameterized = 0x00020000;
    private const int WordInFront = 8;

    // An array's base size: the word in front, the method table, the length.
    private const int ArrayBaseSize = 24;

    private readonly uint _flags;
    private readonly uint _baseSize;
    private readonly MethodTable* _relatedType;
    private readonly ushort _numVtableSlots;
    private readonly ushort _numInterfaces;
    private readonly uint _hashCode;

    /// <summary>The type <typeparamref name="T"/>, known when the code is compiled.</summary>
    [Intrinsic]
    public static MethodTable* Of<T>() => Of<T>();

    /// <summary>Bytes of an object, the word in front included; round up to eight.</summary>
    public uint BaseSize => _baseSize;

    /// <summary>Bytes of one element of an array or string.</summary>
    public ushort ComponentSize => (int)_flags < 0 ? (ushort)_flags : (ushort)0;

    /// <summary>Bytes an object takes from its method table on.</summary>
    public uint ObjectSize => _baseSize - WordInFront;

    /// <summary>Bytes of the value in a box.</summary>
    internal uint ValueTypeSize => _baseSize - 2 * WordInFront - ((_flags >> 21) & 7);

    /// <summary>True for arrays and pointers, whose related type is their element.</summary>
    internal bool IsParameterized => (_flags & KindMask) == KindParameterized;

    /// <summary>True for arrays.</summary>
    internal bool IsArray => IsParameterized && _baseSize >= ArrayBaseSize;

    /// <summary>The element type of an array.</summary>
    internal MethodTable* ElementType => _relatedType;

    /// <summary>The class this one derives from, or null. Not for arrays.</summary>
    internal MethodTable* BaseType => (_flags & KindMask) == KindCanonical ? _relatedType : null;

    /// <summary>Number of interfaces.</summary>
    internal int InterfaceCount => _numInterfaces;

    /// <summary>The interface at <paramref name="index"/>.</summary>
    internal MethodTable* Interface(int index)
    {
        fixed (MethodTable* self = &this)
            return ((MethodTable**)((byte*)self + sizeof(MethodTable) + _numVtableSlots * sizeof(nint)))[index];
    }
}
