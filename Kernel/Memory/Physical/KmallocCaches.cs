using System.Numerics;
using NanoVm.Core;

namespace NanoVm.Memory.Physical;

/// <summary>Untyped kernel memory of any size, physically contiguous.</summary>
/// <remarks>
/// Linux: <c>kzalloc</c>. Sizes up to <see cref="LargestCached"/> come from object caches whose sizes are the powers of two and 96 and
/// 192; larger ones are blocks of frames. The size is said again when memory is freed, which saves a lookup.
/// </remarks>
internal sealed unsafe class KmallocCaches
{
    /// <summary>The largest size that has a cache.</summary>
    public const int LargestCached = 8192;

    private const int SmallestShift = 4;

    /// <summary>By log2 of the size, from 16 bytes.</summary>
    private readonly SlabCache[] _powers = new SlabCache[10];

    private readonly SlabCache _cache96;
    private readonly SlabCache _cache192;
    private readonly FrameAllocator _frames;
    private readonly FailureInjection _failures;

    internal KmallocCaches(PhysicalMemory memory)
    {
        _frames = memory.Frames;
        _failures = memory.Failures;
        _powers[0] = memory.CreateSlabCache(FailureKinds.Bytes, "kmalloc-16"u8, 16, 16);
        _powers[1] = memory.CreateSlabCache(FailureKinds.Bytes, "kmalloc-32"u8, 32, 32);
        _powers[2] = memory.CreateSlabCache(FailureKinds.Bytes, "kmalloc-64"u8, 64, 64);
        _cache96 = memory.CreateSlabCache(FailureKinds.Bytes, "kmalloc-96"u8, 96, 32);
        _powers[3] = memory.CreateSlabCache(FailureKinds.Bytes, "kmalloc-128"u8, 128, 64);
        _cache192 = memory.CreateSlabCache(FailureKinds.Bytes, "kmalloc-192"u8, 192, 64);
        _powers[4] = memory.CreateSlabCache(FailureKinds.Bytes, "kmalloc-256"u8, 256, 64);
        _powers[5] = memory.CreateSlabCache(FailureKinds.Bytes, "kmalloc-512"u8, 512, 64);
        _powers[6] = memory.CreateSlabCache(FailureKinds.Bytes, "kmalloc-1k"u8, 1024, 64);
        _powers[7] = memory.CreateSlabCache(FailureKinds.Bytes, "kmalloc-2k"u8, 2048, 64);
        _powers[8] = memory.CreateSlabCache(FailureKinds.Bytes, "kmalloc-4k"u8, 4096, 64);
        _powers[9] = memory.CreateSlabCache(FailureKinds.Bytes, "kmalloc-8k"u8, 8192, 64);
    }

    /// <summary>Takes at least <paramref name="bytes"/> bytes, all zero, aligned to 64 from 128 bytes up, else to 16.</summary>
    /// <returns>Null when there is no memory, or none in one piece.</returns>
    public void* Allocate(nuint bytes, AllocationFlags flags = AllocationFlags.None)
    {
        if (bytes <= LargestCached)
            return CacheFor(bytes).Allocate(flags);
        if (_failures.ShouldFail(FailureKinds.Bytes))
            return null;
        int order = OrderFor(bytes);
        if (order > FrameTable.MaxOrder || _frames.Allocate(order, flags | AllocationFlags.Zeroed, out Pfn pfn) != Errno.None)
            return null;
        return DirectMap.Pointer(pfn);
    }

    /// <summary>Gives memory back.</summary>
    /// <param name="memory">What <see cref="Allocate"/> returned.</param>
    /// <param name="bytes">What it was asked for.</param>
    public void Free(void* memory, nuint bytes)
    {
        if (bytes <= LargestCached)
            CacheFor(bytes).Free(memory);
        else
            _frames.Put(DirectMap.PhysicalOf(memory).Pfn);
    }

    private SlabCache CacheFor(nuint bytes)
    {
        if (bytes > 64 && bytes <= 96)
            return _cache96;
        if (bytes > 128 && bytes <= 192)
            return _cache192;
        if (bytes <= 1 << SmallestShift)
            return _powers[0];
        return _powers[BitOperations.Log2((ulong)bytes - 1) + 1 - SmallestShift];
    }

    internal static int OrderFor(nuint bytes)
    {
        ulong pages = PageCount.FromBytesRoundedUp(bytes).Value;
        return pages <= 1 ? 0 : BitOperations.Log2(pages - 1) + 1;
    }
}
