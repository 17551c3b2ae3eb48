using NanoVm.Core;

namespace NanoVm.Memory.Physical;

/// <summary>Arrays of the kernel, allocated fallibly and freed explicitly; of values or of references.</summary>
/// <remarks>Linux: <c>kvcalloc</c>. Small ones come from <see cref="KmallocCaches"/>, large ones from <see cref="Vmalloc"/>: any length works while there are frames.</remarks>
internal sealed unsafe class KernelArrays
{
    // Two blocks of this size fit a slab of the largest cache well; above, single frames are easier to find than a block.
    private const nuint LargestContiguous = KmallocCaches.LargestCached;

    private readonly KmallocCaches _kmalloc;
    private readonly Vmalloc _vmalloc;
    private readonly FailureInjection _failures;

    internal KernelArrays(PhysicalMemory memory)
    {
        _kmalloc = memory.Kmalloc;
        _vmalloc = memory.Vmalloc;
        _failures = memory.Failures;
    }

    /// <summary>A new array, all elements zero.</summary>
    /// <param name="length">Elements.</param>
    /// <returns>Null when there is no memory or the length is negative.</returns>
    public T[]? Allocate<T>(int length)
    {
        if (length < 0 || _failures.ShouldFail(FailureKinds.Arrays))
            return null;
        nuint bytes = ObjectFactory.ArraySizeOf<T>(length);
        void* memory;
        if (bytes <= LargestContiguous)
        {
            memory = _kmalloc.Allocate(bytes);
            if (memory is null)
                return null;
        }
        else
        {
            if (_vmalloc.Allocate(PageCount.FromBytesRoundedUp(bytes), VmallocUse.Array, out VirtAddr address) != Errno.None)
                return null;
            memory = (void*)address.Value;
        }

        return ObjectFactory.CreateArray<T>(memory, length);
    }

    /// <summary>Gives an array back. Null is no error.</summary>
    public void Free<T>(T[]? array)
    {
        if (array is null)
            return;
        nuint bytes = ObjectFactory.ArraySizeOf<T>(array.Length);
        void* memory = ObjectFactory.AddressOf(array);
        ObjectFactory.Release(array);
        if (bytes <= LargestContiguous)
            _kmalloc.Free(memory, bytes);
        else
            _vmalloc.Free(new VirtAddr((ulong)memory));
    }

    /// <summary>Replaces an array by a longer one with the same beginning.</summary>
    /// <returns>Whether there was memory; else <paramref name="array"/> is as before.</returns>
    public bool TryGrow<T>(ref T[] array, int length)
    {
        T[]? larger = Allocate<T>(length);
        if (larger is null)
            return false;
        for (int i = 0; i < array.Length; i++)
            larger[i] = array[i];
        T[] old = array;
        array = larger;
        Free(old);
        return true;
    }
}
