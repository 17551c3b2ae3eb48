using System;
using System.Runtime;
using System.Runtime.CompilerServices;

namespace Internal.Runtime;

/// <summary>What <c>new</c> compiles to. The memory comes from the program: see <see cref="RuntimeAllocate"/>.</summary>
/// <remarks>
/// The kernel allows <c>new</c> only while statics are formed at start and panics afterwards (its objects come from typed
/// caches through <see cref="RawObject"/>); user programs have an allocator that never frees.
/// </remarks>
internal static unsafe class Allocation
{
    [RuntimeExport("RhpNewFast")]
    internal static void* NewFast(MethodTable* type) => NewObject(type);

    [RuntimeExport("RhpNewFinalizable")]
    internal static void* NewFinalizable(MethodTable* type) => NewObject(type);

    [RuntimeExport("RhpNewArrayFast")]
    internal static void* NewArrayFast(MethodTable* type, nint length) => NewArray(type, length);

    [RuntimeExport("RhpNewPtrArrayFast")]
    internal static void* NewPointerArrayFast(MethodTable* type, nint length) => NewArray(type, length);

    [RuntimeExport("RhNewArray")]
    internal static void* NewArraySlow(MethodTable* type, nint length) => NewArray(type, length);

    [RuntimeExport("RhNewString")]
    internal static void* NewString(MethodTable* type, nint length) => NewArray(type, length);

    // A "throw" that the language compiler generated.
    [RuntimeExport("RhpThrowEx")]
    internal static void Throw(Exception exception) => ThrowHelper.Panic(exception.Message);

    /// <summary>An object with all fields zero.</summary>
    internal static void* NewObject(MethodTable* type)
    {
        void* memory = RuntimeAllocate(type->ObjectSize);
        *(MethodTable**)memory = type;
        return memory;
    }

    private static void* NewArray(MethodTable* type, nint length)
    {
        if ((nuint)length > int.MaxValue)
            ThrowHelper.Overflow();
        // The base size counts the word in front of the object, and of a string also the zero behind it.
        nuint size = (type->ObjectSize + (nuint)length * type->ComponentSize + 7) & ~(nuint)7;
        void* memory = RuntimeAllocate(size);
        *(MethodTable**)memory = type;
        ((int*)memory)[2] = (int)length;
        return memory;
    }

    /// <summary>Supplied by the program: that many zeroed bytes, aligned to eight. Never returns null.</summary>
    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "RuntimeAllocate")]
    private static extern void* RuntimeAllocate(nuint size);
}
