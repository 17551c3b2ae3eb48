using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Swap;

/// <summary>Pages come back.</summary>
internal sealed partial class SwapSystem
{
    /// <summary>Slots read at once: the one wanted and its neighbours, which were written at about the same time. Linux: <c>page-cluster</c>.</summary>
    private const int Cluster = 8;

    [InlineArray(Cluster)]
    private struct ClusterPages
    {
        private Pfn _first;
    }

    [InlineArray(Cluster)]
    private struct ClusterSegments
    {
        private BlockSegment _first;
    }

    /// <summary>The page of a slot, read when it is not in memory, with a reference and complete. Sleeps.</summary>
    /// <returns><see cref="Errno.ENOENT"/> when the slot is no longer used; <see cref="Errno.ENOMEM"/>, <see cref="Errno.EIO"/>.</returns>
    internal Result<Pfn> FindOrRead(SwapEntry entry, out bool hasWaited)
    {
        hasWaited = false;
        while (true)
        {
            if (TryFind(entry, out Pfn pfn))
            {
                if (_frames[pfn].TestAndClear(FrameFlags.Readahead))
                    _memory.Statistics.Count(VmCounter.SwapReadAheadHits);
                if (_frames[pfn].Has(FrameFlags.UpToDate))
                    return pfn;
                Locks.WaitUnlocked(pfn);
                if (_frames[pfn].Has(FrameFlags.UpToDate))
                    return pfn;
                _frames.LetGo(pfn);
                continue;                                    // who read it gave up: then it is ours to read
            }

            Errno error = ReadCluster(entry);
            hasWaited = true;
            if (error != Errno.None)
                return error;
        }
    }

    /// <summary>Reads the slot and those of its aligned neighbours that are used, not in memory, and without a gap.</summary>
    private Errno ReadCluster(SwapEntry entry)
    {
        if (_areas[entry.Area] is not { } area || entry.Slot >= (ulong)area.Uses.Length)
            return Errno.ENOENT;
        area.Readers++;
        int low = (int)entry.Slot & ~(Cluster - 1);
        Errno error = ReadSlots(area, (int)entry.Slot, low, Math.Min(low + Cluster, area.Uses.Length), out bool others);
        // What is wrong with a neighbour is no harm to who asked for this one.
        if (error == Errno.EIO && others)
            error = ReadSlots(area, (int)entry.Slot, (int)entry.Slot, (int)entry.Slot + 1, out _);
        area.Readers--;
        return error;
    }

    /// <param name="others">Whether any but the one wanted were read.</param>
    private Errno ReadSlots(SwapArea area, int wantedSlot, int low, int high, out bool others)
    {
        others = false;
        ClusterPages pages = default;
        ClusterSegments segments = default;
        // The one that matters comes first: who has begun to read others, and so locked them, must not wait for memory.
        if (_frames.Allocate(AllocationFlags.None, out Pfn wantedPage) != Errno.None)
            return IsUsed(area, wantedSlot) ? Errno.ENOMEM : Errno.ENOENT;
        int first = wantedSlot, count = 0;
        while (first > low && first > 1 && WantsRead(area, first - 1))
            first--;
        for (int slot = first; slot < high; slot++)
        {
            bool wanted = slot == wantedSlot;
            if (!WantsRead(area, slot) || !TryBeginRead(area, slot, wanted ? wantedPage : Pfn.None, out Pfn page))
            {
                if (slot < wantedSlot)
                {
                    // A gap before the one that matters: what was begun before it is given up.
                    EndRead(area, pages, count, Errno.EIO);
                    count = 0;
                    first = slot + 1;
                    continue;
                }

                if (!wanted)
                    break;
                // Somebody else reads it, or it is used no more, or there is no memory for its place in the cache.
                EndRead(area, pages, count, Errno.EIO);
                _frames.Put(wantedPage);
                return WantsRead(area, slot) ? Errno.ENOMEM : IsUsed(area, slot) ? Errno.None : Errno.ENOENT;
            }

            if (!wanted)
            {
                _frames[page].SetFlags(FrameFlags.Readahead);
                _memory.Statistics.Count(VmCounter.SwapReadAhead);
            }

            pages[count] = page;
            segments[count] = new BlockSegment(page.Address, (uint)PageSize.Bytes);
            count++;
        }

        Errno error = area.Read((ulong)first, ((ReadOnlySpan<BlockSegment>)segments)[..count]);
        others = count > 1;
        PagesIn += (ulong)count;
        EndRead(area, pages, count, error);
        return error;
    }

    private static bool IsUsed(SwapArea area, int slot) => area.Uses[slot] > 0;

    private bool WantsRead(SwapArea area, int slot)
    {
        bool enabled = _lock.AcquireRaw();
        bool wants = area.Uses[slot] > 0 && area.Cache.Load((ulong)slot) == 0;
        _lock.ReleaseRaw(enabled);
        return wants;
    }

    /// <summary>Enters a frame, locked and incomplete, into the cache: the one given, or a fresh one if there is plenty.</summary>
    private bool TryBeginRead(SwapArea area, int slot, Pfn given, out Pfn page)
    {
        page = given;
        if (given.IsNone && _frames.Allocate(AllocationFlags.NoReclaim, out page) != Errno.None)
            return false;
        _frames[page].SetFlags(FrameFlags.Locked | FrameFlags.SwapBacked | FrameFlags.Anonymous);
        bool enabled = _lock.AcquireRaw();
        bool added = area.Uses[slot] > 0 && area.Cache.Load((ulong)slot) == 0 && AddToCache(area, slot, page);
        _lock.ReleaseRaw(enabled);
        if (added)
        {
            _frames.HoldNew(page);
            return true;
        }

        _frames[page].Flags = FrameFlags.None;
        if (given.IsNone)
            _frames.Put(page);
        return false;
    }

    private void EndRead(SwapArea area, ClusterPages pages, int count, Errno error)
    {
        for (int i = 0; i < count; i++)
        {
            Pfn page = pages[i];
            if (error == Errno.None)
                _frames[page].SetFlags(FrameFlags.UpToDate);
            else
                RemoveFromCache(page);
            Locks.Unlock(page);
            if (error == Errno.None && !TryFreeCached(page))
                _frames.Lru.Add(page, LruKind.InactiveAnonymous);
            _frames.LetGo(page);
        }
    }
}
