using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Swap;

/// <summary>Forgets all pages of files that can be read again and that nobody maps: <c>/proc/sys/vm/drop_caches</c>.</summary>
/// <remarks>Linux: <c>drop_pagecache_sb</c>, <c>invalidate_mapping_pages</c>. Dirty, locked and mapped pages stay. Cost: O(pages of files).</remarks>
internal static class DropCaches
{
    /// <summary>Drops what can be dropped.</summary>
    /// <returns>How many pages went.</returns>
    public static PageCount Run(MemorySystem system)
    {
        FrameLocks locks = system.Swap!.Locks;
        ulong dropped = DropList(system.Frames, locks, LruKind.InactiveFile);
        return new PageCount(dropped + DropList(system.Frames, locks, LruKind.ActiveFile));
    }

    private static ulong DropList(FrameAllocator frames, FrameLocks locks, LruKind kind)
    {
        ulong dropped = 0;
        // What stays joins at the head, so the length at the start is how many there are to look at.
        for (ulong left = frames.Lru.Count(kind).Value; left > 0 && frames.Lru.TryTakeLast(kind, out Pfn pfn); left--)
        {
            if (!frames.TryHold(pfn))
                continue;
            bool gone = false;
            if (locks.TryLock(pfn))
            {
                ref PageFrame frame = ref frames[pfn];
                gone = frame.MapCount == 0 && FrameMapping.AddressSpaceOf(frame) is { } mapping && mapping.TryRelease(pfn);
                locks.Unlock(pfn);
            }

            if (gone)
                dropped++;
            else
                frames.Lru.Add(pfn, kind);
            frames.LetGo(pfn);
        }

        return dropped;
    }
}
