using System;
using NanoVm.Core;
using NanoVm.Core.Boot;
using NanoVm.Memory.Check;

namespace NanoVm.Memory.Physical;

/// <summary>The memory of one machine: the root from which all allocators hang.</summary>
internal sealed class PhysicalMemory
{
    /// <summary>RAM, frame by frame.</summary>
    public readonly FrameAllocator Frames;

    /// <summary>Untyped memory in one piece.</summary>
    public readonly KmallocCaches Kmalloc;

    /// <summary>Virtually contiguous memory, and device mappings.</summary>
    public readonly Vmalloc Vmalloc;

    /// <summary>Arrays.</summary>
    public readonly KernelArrays Arrays;

    /// <summary>Makes a chosen allocation fail; for tests.</summary>
    public readonly FailureInjection Failures = new();

    private ushort _cacheNumbers;

    /// <summary>All object caches, newest first; see <see cref="SlabCache.Next"/>.</summary>
    public SlabCache? FirstCache { get; private set; }

    /// <param name="boot">RAM and what is taken of it; may not be used afterwards.</param>
    /// <param name="table">Descriptors, zeroed, for every block of 4 MiB that holds RAM.</param>
    /// <param name="kernelRoot">The top-level page table whose kernel half all address spaces share.</param>
    /// <param name="processors">How many processors there can be.</param>
    public PhysicalMemory(BootMemory boot, FrameTable table, Pfn kernelRoot, int processors = 1)
    {
        Frames = new FrameAllocator(boot, table, processors, Failures);
        Kmalloc = new KmallocCaches(this);
        Vmalloc = new Vmalloc(this, kernelRoot);
        Arrays = new KernelArrays(this);
        Frames.AddReclaimSource(new SlabReclaim(this));
    }

    /// <summary>Frames that object caches hold. Slab.</summary>
    public PageCount SlabFrames
    {
        get
        {
            PageCount frames = PageCount.Zero;
            for (SlabCache? cache = FirstCache; cache is not null; cache = cache.Next)
                frames += cache.Frames;
            return frames;
        }
    }

    /// <summary>Gives freed vmalloc areas, all empty slabs and this processor's single frames back, so that ledgers are comparable. Also for <c>drop_caches</c>.</summary>
    public PageCount Shrink()
    {
        PageCount freed = Vmalloc.Purge();
        for (SlabCache? cache = FirstCache; cache is not null; cache = cache.Next)
            freed += cache.Shrink();
        Frames.DrainPerCpu();
        return freed;
    }

    /// <summary>Panics unless every allocator is sound.</summary>
    public void Validate()
    {
        MemoryReport report = default;
        Check(ref report);
        report.PanicIfBroken();
    }

    /// <summary>Checks every allocator.</summary>
    internal void Check(ref MemoryReport report)
    {
        Frames.Check(ref report);
        Frames.Lru.Check(Frames, ref report);
        for (SlabCache? cache = FirstCache; cache is not null; cache = cache.Next)
            cache.Check(ref report);
        Vmalloc.Check(ref report);
    }

    /// <summary>Makes an object cache; at boot only, caches live as long as the machine.</summary>
    internal SlabCache CreateSlabCache(FailureKinds kind, ReadOnlySpan<byte> name, nuint size, int alignment)
    {
        var cache = new SlabCache(Frames, Failures, kind, ++_cacheNumbers, name, size, alignment)
        {
            Next = FirstCache,
        };
        FirstCache = cache;
        return cache;
    }

    private sealed class SlabReclaim(PhysicalMemory memory) : ReclaimSource
    {
        public override PageCount Reclaim(PageCount wanted)
        {
            PageCount freed = memory.Vmalloc.Purge();
            for (SlabCache? cache = memory.FirstCache; cache is not null && freed < wanted; cache = cache.Next)
                freed += cache.Shrink();
            return freed;
        }
    }
}
