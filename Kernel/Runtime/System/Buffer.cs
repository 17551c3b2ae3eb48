using System.Runtime.CompilerServices;

namespace System;

/// <summary>Copies of raw memory.</summary>
public static unsafe class Buffer
{
    /// <summary>Copies <paramref name="byteCount"/> bytes; the two may overlap and must both be of that length.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void MemoryCopy(void* source, void* destination, ulong byteCount) =>
        SpanHelpers.Memmove(ref *(byte*)destination, ref *(byte*)source, (nuint)byteCount);

    /// <summary>Called by the compiler for copies of structures that hold references.</summary>
    internal static void BulkMoveWithWriteBarrier(ref byte destination, ref byte source, nuint byteCount) =>
        SpanHelpers.Memmove(ref destination, ref source, byteCount);

    /// <summary>Called by the compiler for copies of unknown length.</summary>
    internal static void Memmove(ref byte destination, ref byte source, nuint byteCount) =>
        SpanHelpers.Memmove(ref destination, ref source, byteCount);
}
