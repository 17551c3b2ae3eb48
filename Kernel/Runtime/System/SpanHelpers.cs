using System.Runtime;
using System.Runtime.CompilerServices;

namespace System;

/// <summary>Filling, copying and comparing memory. The compiler calls the first three itself for large structures.</summary>
internal static unsafe class SpanHelpers
{
    /// <summary>Copies bytes; the two may overlap. The compiler knows it by this name.</summary>
    internal static void Memmove(ref byte destination, ref byte source, nuint byteCount) =>
        MoveBytes(Unsafe.AsPointer(ref destination), Unsafe.AsPointer(ref source), byteCount);

    /// <summary>Sets bytes to zero. The compiler knows it by this name.</summary>
    internal static void ClearWithoutReferences(ref byte destination, nuint byteCount) =>
        FillBytes(Unsafe.AsPointer(ref destination), 0, byteCount);

    /// <summary>Sets bytes to a value. The compiler knows it by this name.</summary>
    internal static void Fill(ref byte destination, byte value, nuint byteCount) =>
        FillBytes(Unsafe.AsPointer(ref destination), value, byteCount);

    /// <summary>Copies <paramref name="count"/> elements; the two may overlap. References need no barrier: nothing collects them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Move<T>(ref T destination, ref T source, nuint count) =>
        MoveBytes(Unsafe.AsPointer(ref destination), Unsafe.AsPointer(ref source), count * (nuint)Unsafe.SizeOf<T>());

    /// <summary>True when the two ranges hold the same bytes.</summary>
    internal static bool SequenceEqual(ref byte left, ref byte right, nuint byteCount)
    {
        nuint i = 0;
        for (; i + 8 <= byteCount; i += 8)
        {
            if (Unsafe.ReadUnaligned<ulong>(ref Unsafe.AddByteOffset(ref left, i))
                != Unsafe.ReadUnaligned<ulong>(ref Unsafe.AddByteOffset(ref right, i)))
                return false;
        }
        for (; i < byteCount; i++)
        {
            if (Unsafe.AddByteOffset(ref left, i) != Unsafe.AddByteOffset(ref right, i))
                return false;
        }
        return true;
    }

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "memmove")]
    private static extern void* MoveBytes(void* destination, void* source, nuint byteCount);

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "memset")]
    private static extern void* FillBytes(void* destination, int value, nuint byteCount);
}
