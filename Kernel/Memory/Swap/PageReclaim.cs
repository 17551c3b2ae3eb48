using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Hal;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Swap;

/// <summary>Makes frames free: pages of files are dropped, anonymous pages are swapped out.</summary>
/// <remarks>
/// Linux: <c>mm/vmscan.c</c>. Called by an allocation that finds too little (direct reclaim) and by <c>kswapd</c>. One at a time: who comes
/// second waits for the first and tries to allocate again. A page that was used since it joined the inactive list gets a second chance on the
/// active one.
/// </remarks>
internal sealed class PageReclaim : ReclaimSource
{
    private const int Batch = 32;

    /// <summary>How long reclaim lets the flusher work before it looks again.</summary>
    private const ulong WritebackPatience = 10_000_000;

    [InlineArray(Batch)]
    private struct Pages
    {
        private Pfn _first;
    }

    [InlineArray(Batch)]
    private struct Segments
    {
        private BlockSegment _first;
    }

    private readonly MemorySystem _memory;
    private readonly FrameAllocator _frames;
    private readonly SwapSystem _swap;
    private readonly FrameLocks _locks;

    /// <summary>Held while reclaiming; outside all spin locks, inside any mm's lock.</summary>
    private Mutex _one;

    /// <summary>kswapd sleeps here.</summary>
    private WaitQueue _low;
    private bool _isLow;

    /// <summary>The last look found pages that are being written, or wait for it, or are in somebody's hands.</summary>
    private bool _sawBusy;

    /// <summary>Pages looked at and pages freed. <c>pgscan</c>, <c>pgsteal</c>.</summary>
    public ulong Scanned, Stolen;

    public PageReclaim(MemorySystem memory, PageCache cache, SwapSystem swap)
    {
        _memory = memory;
        _frames = memory.Frames;
        _swap = swap;
        _locks = cache.Locks;
    }

    /// <inheritdoc/>
    public override PageCount Reclaim(PageCount wanted)
    {
        // Under a spin lock nobody may sleep, before the first thread nobody can; and reclaim does not reclaim for itself.
        if (!Interrupts.AreEnabled || PerCpu.CurrentOrNull is not { MayUseReserve: false } self)
            return PageCount.Zero;
        ulong before = Stolen;
        _one.Lock();
        ulong freed = Stolen - before;                  // by the one we waited for
        if (freed == 0)
        {
            self.MayUseReserve = true;
            freed = Shrink(Math.Max(wanted.Value, Batch));
            self.MayUseReserve = false;
        }

        _one.Unlock();
        return new PageCount(freed);
    }

    /// <inheritdoc/>
    public override bool WaitForProgress()
    {
        // Their writer may need a lock that our caller holds: so wait a while, but not for it.
        if (!_sawBusy || !Interrupts.AreEnabled || PerCpu.CurrentOrNull is null)
            return false;
        WaitForWriteback();
        return true;
    }

    /// <inheritdoc/>
    public override void LowMemory()
    {
        if (_isLow)
            return;
        _isLow = true;
        _low.WakeAll();
    }

    /// <summary>kswapd: waits until memory is low, then frees until it is not.</summary>
    public void RunKswapd(KernelThread self)
    {
        self.MayUseReserve = true;
        while (true)
        {
            _low.PrepareToWait(self.WaitNode, ThreadState.Interruptible);
            if (!_isLow)
                PerCpu.Scheduler.Schedule();
            _low.FinishWait(self.WaitNode);
            while (IsBelowHigh())
            {
                _one.Lock();
                ulong freed = Shrink(Batch);
                _one.Unlock();
                if (freed == 0 && !_sawBusy)
                    break;
                if (freed == 0)
                    WaitForWriteback();
                PerCpu.Scheduler.CondResched();
            }

            _isLow = false;
        }
    }

    private void WaitForWriteback()
    {
        if (_memory.FlushThread is { } flusher)
            PerCpu.Scheduler.Wake(flusher);
        PerCpu.Current.State = ThreadState.Uninterruptible;
        PerCpu.Scheduler.ScheduleTimeout(Time.MonotonicNanoseconds + WritebackPatience);
    }

    private bool IsBelowHigh()
    {
        foreach (Zone zone in _frames.Zones)
        {
            if (zone.Managed.Value != 0 && zone.AllFreeFrames < zone.WatermarkHigh)
                return true;
        }

        return false;
    }

    /// <summary>Looks at pages until enough are free or all have been seen twice.</summary>
    private ulong Shrink(ulong wanted)
    {
        _sawBusy = false;
        LruLists lru = _frames.Lru;
        ulong freed = 0;
        ulong budget = 2 * (lru.Count(LruKind.InactiveAnonymous).Value + lru.Count(LruKind.ActiveAnonymous).Value
            + lru.Count(LruKind.InactiveFile).Value + lru.Count(LruKind.ActiveFile).Value) + Batch;
        while (freed < wanted && budget > 0)
        {
            Refill(LruKind.ActiveFile, LruKind.InactiveFile);
            Refill(LruKind.ActiveAnonymous, LruKind.InactiveAnonymous);
            ulong before = Scanned;
            freed += ShrinkFiles();
            if (freed < wanted && _swap.HasRoom)
                freed += ShrinkAnonymous();
            ulong seen = Scanned - before;
            if (seen == 0)
                break;
            budget -= Math.Min(budget, seen);
        }

        Stolen += freed;
        return freed;
    }

    /// <summary>Keeps the inactive list as long as the active one: its oldest pages lose their place.</summary>
    private void Refill(LruKind active, LruKind inactive)
    {
        LruLists lru = _frames.Lru;
        for (int i = 0; i < Batch && lru.Count(inactive).Value < lru.Count(active).Value; i++)
        {
            if (!lru.TryTakeLast(active, out Pfn pfn))
                return;
            lru.Add(pfn, inactive);
        }
    }

    // ---- pages of files -----------------------------------------------------------------------------------------------------------

    private ulong ShrinkFiles()
    {
        ulong freed = 0;
        for (int i = 0; i < Batch; i++)
        {
            if (!_frames.Lru.TryTakeLast(LruKind.InactiveFile, out Pfn pfn))
                break;
            Scanned++;
            if (!_frames.TryGet(pfn))
                continue;
            ref PageFrame frame = ref _frames[pfn];
            if (!_locks.TryLock(pfn))
            {
                _sawBusy = true;
                _frames.Lru.Add(pfn, LruKind.ActiveFile);
                _frames.Put(pfn);
                continue;
            }

            AddressSpace? mapping = FrameMapping.AddressSpaceOf(frame);
            if (mapping is not null)
            {
                bool used = frame.TestAndClear(FrameFlags.Referenced) | (frame.MapCount > 0 && mapping.WasReferenced(pfn));
                if (used)
                    _frames.Lru.Add(pfn, LruKind.ActiveFile);
                else if (mapping.TryRelease(pfn))
                    freed++;
                else
                {
                    _sawBusy |= frame.HasAny(FrameFlags.Dirty | FrameFlags.Writeback);
                    _frames.Lru.Add(pfn, LruKind.ActiveFile);
                }

            }

            _locks.Unlock(pfn);
            _frames.Put(pfn);
        }

        return freed;
    }

    // ---- anonymous pages ------------------------------------------------------------------------------------------------------------

    private ulong ShrinkAnonymous()
    {
        Pages pages = default;
        int count = 0;
        for (int i = 0; i < Batch; i++)
        {
            if (!_frames.Lru.TryTakeLast(LruKind.InactiveAnonymous, out Pfn pfn))
                break;
            Scanned++;
            if (_frames[pfn].Has(FrameFlags.Huge))
            {
                ShrinkHuge(pfn);
                continue;
            }

            if (!_frames.TryGet(pfn))
                continue;
            if (!_locks.TryLock(pfn))
            {
                _sawBusy = true;
            }
            else
            {
                if (TryPrepare(pfn))
                {
                    pages[count++] = pfn;
                    continue;
                }

                _locks.Unlock(pfn);
            }

            _frames.Lru.Add(pfn, LruKind.ActiveAnonymous);
            _frames.Put(pfn);
        }

        Write(pages, count);
        return Free(pages, count);
    }

    /// <summary>A huge page was taken off its list: back when it was used lately, else as 512 small ones, which are looked at one by one.</summary>
    private void ShrinkHuge(Pfn first)
    {
        if (AnonymousRmap.WasHugeReferenced(_memory, first))
        {
            _frames.Lru.Add(first, LruKind.ActiveAnonymous);
            return;
        }

        AnonymousRmap.SplitHuge(_memory, first);
        if (_frames[first].Has(FrameFlags.Huge))
            _frames.Lru.Add(first, LruKind.ActiveAnonymous);         // an entry that cannot be found just now: its area is on the move
    }

    /// <summary>Takes the page out of all address spaces, if it was not used lately and there is a slot for it.</summary>
    private bool TryPrepare(Pfn pfn)
    {
        ref PageFrame frame = ref _frames[pfn];
        if (FrameMapping.AddressSpaceOf(frame) is { } shared)
            return !frame.TestAndClear(FrameFlags.Referenced) && !(frame.MapCount > 0 && shared.WasReferenced(pfn)) && shared.TrySwapOut(pfn);
        bool cached = frame.Has(FrameFlags.SwapCache);
        if (frame.MapCount > 0 && ((frame.Mapping & PageFrame.MappingAnonymous) == 0 || AnonymousRmap.WasReferenced(_memory, pfn)))
            return false;
        if (!cached && (frame.MapCount == 0 || !_swap.TryAddToSwap(pfn)))
            return false;
        if (frame.MapCount > 0)
            AnonymousRmap.Unmap(_memory, pfn, new SwapEntry(frame.Private));
        if (frame.MapCount == 0)
            return true;
        _swap.TryFreeCached(pfn, lockedByCaller: true);
        return false;
    }

    /// <summary>Writes those that the disk does not have yet, neighbours in one transfer.</summary>
    private void Write(Pages pages, int count)
    {
        Segments segments = default;
        int at = 0;
        while (at < count)
        {
            if (!_frames[pages[at]].HasAny(FrameFlags.Dirty))
            {
                at++;
                continue;
            }

            int first = at, run = 0;
            var start = new SwapEntry(_frames[pages[first]].Private);
            while (at < count)
            {
                ref PageFrame frame = ref _frames[pages[at]];
                var entry = new SwapEntry(frame.Private);
                if (!frame.HasAny(FrameFlags.Dirty) || entry.Area != start.Area || entry.Slot != start.Slot + (ulong)run)
                    break;
                segments[run++] = new BlockSegment(pages[at].Address, (uint)PageSize.Bytes);
                at++;
            }

            Errno error = _swap.AreaOf(start).Write(start.Slot, ((ReadOnlySpan<BlockSegment>)segments)[..run]);
            _swap.PagesOut += (ulong)run;
            if (error != Errno.None)
                continue;                               // still marked as not on the disk: they stay
            for (int i = first; i < at; i++)
                _frames[pages[i]].ClearFlags(FrameFlags.Dirty);
        }
    }

    private ulong Free(Pages pages, int count)
    {
        ulong freed = 0;
        for (int i = 0; i < count; i++)
        {
            Pfn pfn = pages[i];
            ref PageFrame frame = ref _frames[pfn];
            bool gone = _swap.TryFreeCached(pfn, lockedByCaller: true);
            if (!gone && frame.MapCount == 0 && frame.ReferenceCount == 2 && !frame.HasAny(FrameFlags.Dirty))
            {
                _swap.RemoveFromCache(pfn);
                gone = true;
            }

            if (gone && frame.ReferenceCount == 1)
                freed++;
            else
                _frames.Lru.Add(pfn, LruKind.ActiveAnonymous);
            _locks.Unlock(pfn);
            _frames.Put(pfn);
        }

        return freed;
    }
}
