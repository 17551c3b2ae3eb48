using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Memory.Physical;

/// <summary>Objects of one class, allocated fallibly and freed explicitly: how the kernel does without a garbage collector.</summary>
/// <remarks>
/// Linux: <c>kmem_cache_alloc</c>, <c>kmem_cache_free</c>. An object comes with all fields zero: neither constructors nor field
/// initializers run, so classes have an <c>Initialize</c>. Any number of caches, each made once at boot.
/// </remarks>
internal sealed unsafe class ObjectCache<T>
    where T : class
{
    private readonly SlabCache _slabs;

    /// <param name="memory">The machine's memory.</param>
    /// <param name="name">A literal: it is not copied. Linux's name for the same thing where there is one.</param>
    public ObjectCache(PhysicalMemory memory, ReadOnlySpan<byte> name)
    {
        _slabs = memory.CreateSlabCache(FailureKinds.Objects, name, ObjectFactory.SizeOf<T>(), 8);
    }

    /// <summary>The memory below, with its statistics.</summary>
    public SlabCache Slabs => _slabs;

    /// <summary>Objects in use.</summary>
    public ulong Count => _slabs.ActiveObjects;

    /// <summary>A new object, all fields zero.</summary>
    /// <returns>Null when there is no memory.</returns>
    public T? Allocate(AllocationFlags flags = AllocationFlags.None)
    {
        void* memory = _slabs.Allocate(flags);
        return memory is null ? null : ObjectFactory.Create<T>(memory);
    }

    /// <summary>Gives an object back. Nobody may use it any more.</summary>
    public void Free(T item)
    {
        void* memory = ObjectFactory.AddressOf(item);
#if NANOVM_KERNEL
        // A free object has no type: this catches a double free in every build, before it can hurt.
        if (*(nuint*)memory == 0)
            FreedTwice();
#endif
        ObjectFactory.Release(item);
        _slabs.Free(memory);
    }

    /// <summary>Panics unless the cache is sound.</summary>
    public void Validate() => _slabs.Validate();

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FreedTwice() => Panic.Now("an object is freed twice"u8);
}
