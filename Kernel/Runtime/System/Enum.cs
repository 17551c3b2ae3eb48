using System.Runtime.CompilerServices;

namespace System;

/// <summary>The base of all enumerations.</summary>
public abstract class Enum : ValueType
{
    /// <summary>True when every bit of <paramref name="flag"/> is set. The compiler expands the call: nothing is boxed.</summary>
    [Intrinsic]
    public bool HasFlag(Enum flag)
    {
        // Only reached when the call could not be expanded; both are boxes of one type with at most eight bytes of data.
        ulong own = ReadBox(this);
        ulong other = ReadBox(flag);
        return (own & other) == other;
    }

    private static unsafe ulong ReadBox(object box)
    {
        ref byte data = ref box.GetRawData();
        return box.GetMethodTable()->ValueTypeSize switch
        {
            1 => data,
            2 => Unsafe.ReadUnaligned<ushort>(ref data),
            4 => Unsafe.ReadUnaligned<uint>(ref data),
            _ => Unsafe.ReadUnaligned<ulong>(ref data),
        };
    }
}
