using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>Which area an address belongs to.</summary>
/// <remarks>Linux: <c>find_vma</c>, <c>find_vma_prev</c>, <c>find_vma_intersection</c>, <c>vmacache_find</c>. Holders of <see cref="MmapLock"/>, in either way.</remarks>
internal sealed partial class MmStruct
{
    /// <summary>The first area that ends above <paramref name="address"/>; it need not contain it. First the thread's cache, then the tree.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public VmArea? FindVma(VirtAddr address)
    {
        TaskMemory task = TaskMemory.Current;
        if (ReferenceEquals(task.Mm, this) && task.VmaCache.Sequence == VmaCacheSequence)
        {
            task.VmaCache.Lookups++;
            System.Statistics.Count(VmCounter.VmaCacheCalls);
            // The slot that the address hashes to first; a program that works in one place finds it there.
            VmArea? area = task.VmaCache.Slots[CacheSlot(address)];
            if (area is not null && address - area.Start < area.End - area.Start)
            {
                task.VmaCache.Hits++;
                System.Statistics.Count(VmCounter.VmaCacheHits);
                return area;
            }
        }

        return FindVmaSlow(task, address);
    }

    /// <summary>The area that contains <paramref name="address"/>, or null. Linux: <c>vma_lookup</c>.</summary>
    public VmArea? LookupVma(VirtAddr address)
        => FindVma(address) is { } area && area.Start <= address ? area : null;

    /// <summary>As <see cref="FindVma"/>, and the area before it (the last one when there is none above).</summary>
    public VmArea? FindVmaPrev(VirtAddr address, out VmArea? previous)
    {
        VmArea? area = FindVma(address);
        previous = area is null ? Areas.Last : area.Previous;
        return area;
    }

    /// <summary>The first area that shares an address with <paramref name="range"/>.</summary>
    public VmArea? FindVmaIntersection(PageRange range)
        => FindVma(range.Start) is { } area && area.Start < range.End ? area : null;

    /// <summary>All threads' caches are void from here on: an area was added, removed or resized. Linux: <c>vmacache_invalidate</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void InvalidateVmaCaches() => VmaCacheSequence++;

    // Hashed by the 2 MiB block, as Linux does: neighbouring pages share a slot, and code, heap, libraries and stack seldom do.
    private static int CacheSlot(VirtAddr address) => (int)(address.Value >> PageSize.LargeShift) & (VmaCache.Size - 1);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private VmArea? FindVmaSlow(TaskMemory task, VirtAddr address)
    {
        if (!ReferenceEquals(task.Mm, this))
            return Areas.FirstEndingAbove(address);

        ref VmaCache cache = ref task.VmaCache;
        int slot = CacheSlot(address);
        if (cache.Sequence != VmaCacheSequence)
        {
            cache.Slots = default;
            cache.Sequence = VmaCacheSequence;
            cache.Lookups++;
            System.Statistics.Count(VmCounter.VmaCacheCalls);
        }
        else
        {
            for (int i = 1; i < VmaCache.Size; i++)
            {
                VmArea? cached = cache.Slots[(slot + i) & (VmaCache.Size - 1)];
                if (cached is not null && cached.Contains(address))
                {
                    cache.Hits++;
                    System.Statistics.Count(VmCounter.VmaCacheHits);
                    return cached;
                }
            }
        }

        VmArea? area = Areas.FirstEndingAbove(address);
        if (area is not null && area.Start <= address)
            cache.Slots[slot] = area;       // only a hit is worth keeping: below the area another may come to be
        return area;
    }
}
