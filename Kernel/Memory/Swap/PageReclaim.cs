using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Swap;

/// <summary>Makes frames free: pages of files are dropped, anonymous pages are swapped out.</summary>
/// <remarks>
/// Linux: <c>mm/vmscan.c</c>. Called by an allocation that finds too little (direct reclaim) and by <c>kswapd</c>. One at a time: who comes
/// second waits for the first and, if that one freed something, tries to allocate again. This file says when and how much is looked at;
/// <c>.Lists</c> moves pages between the lists; <c>.Pages</c> decides about single pages and frees them.
/// <code>
///   priority 12   look at 1/4096 of each list     A page that is not freed now joins a list again, so each
///   priority 11   look at 1/2048                  round looks at others. Rounds end when enough is free.
///      …                                          At priority 0 all pages are looked at, and once more:
///   priority 0    look at all, twice              who was kept because it was used once is not kept again.
/// </code>
/// While it works the thread may use the reserve of frames: what it needs for a moment (a node of the swap cache) makes more free than it takes.
/// </remarks>
internal sealed partial class PageReclaim : ReclaimSource
{
    private const int Batch = 32;

    /// <summary>Linux: <c>DEF_PRIORITY</c>.</summary>
    private const int FirstPriority = 12;

    /// <summary>How long reclaim lets the flusher work before it looks again.</summary>
    private const ulong WritebackPatience = 10_000_000;

    private readonly MemorySystem _memory;
    private readonly FrameAllocator _frames;
    private readonly LruLists _lru;
    private readonly SwapSystem _swap;
    private readonly FrameLocks _locks;

    /// <summary>Held while reclaiming, and guards all below; outside all spin locks, inside any mm's lock. Page locks are only tried inside it.</summary>
    private Mutex _one;

    /// <summary>It is kswapd that holds it.</summary>
    private bool _isBackground;

    /// <summary>The last look found pages that are being written, or wait for it, or are in somebody's hands.</summary>
    private bool _sawBusy;

    /// <summary>Pages freed since boot.</summary>
    private ulong _stolen;

    /// <summary>kswapd sleeps here.</summary>
    private WaitQueue _low;
    private bool _isLow;

    /// <summary>Caches of objects; the chain is built at boot.</summary>
    private ObjectShrinker? _shrinkers;

    /// <summary>How much anonymous pages are chosen before pages of files: 0 to 200. Linux: <c>vm.swappiness</c>.</summary>
    public int Swappiness = 60;

    public PageReclaim(MemorySystem memory, PageCache cache, SwapSystem swap)
    {
        _memory = memory;
        _frames = memory.Frames;
        _lru = memory.Frames.Lru;
        _swap = swap;
        _locks = cache.Locks;
    }

    private VmStat Statistics => _memory.Statistics;

    /// <summary>Adds a cache that kswapd shall shrink; at boot.</summary>
    public void Add(ObjectShrinker shrinker)
    {
        shrinker.Next = _shrinkers;
        _shrinkers = shrinker;
    }

    /// <inheritdoc/>
    public override PageCount Reclaim(PageCount wanted)
    {
        // Under a spin lock nobody may sleep, before the first thread nobody can; and reclaim does not reclaim for itself.
        if (!Interrupts.AreEnabled || PerCpu.CurrentOrNull is not { MayUseReserve: false })
            return PageCount.Zero;
        Statistics.Count(VmCounter.AllocationStalls);
        ulong before = _stolen;
        Enter(background: false);
        ulong freed = _stolen - before;                 // by the one we waited for
        if (freed == 0)
            freed = Shrink(Math.Max(wanted.Value, Batch));
        Leave();
        return new PageCount(freed);
    }

    /// <inheritdoc/>
    public override bool WaitForProgress()
    {
        // Their writer, and kswapd with a cache of objects, may need a lock that our caller holds: so wait a while, but not for them.
        if (!(_sawBusy || HasObjectsToFree()) || !Interrupts.AreEnabled || PerCpu.CurrentOrNull is null)
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

    /// <summary>kswapd: waits until memory is low, then frees until it is not. Linux: <c>kswapd</c>, <c>balance_pgdat</c>.</summary>
    public void RunKswapd(KernelThread self)
    {
        while (true)
        {
            _low.PrepareToWait(self.WaitNode, ThreadState.Interruptible);
            if (!_isLow)
                PerCpu.Scheduler.Schedule();
            _low.FinishWait(self.WaitNode);
            Statistics.Count(VmCounter.KswapdRuns);
            while (IsBelowHigh())
            {
                Enter(background: true);
                ulong freed = Shrink(Batch);
                Leave();
                bool shrunk = ShrinkCaches(freed);
                if (freed == 0 && !_sawBusy && !shrunk)
                    break;
                if (freed == 0 && !shrunk)
                    WaitForWriteback();
                PerCpu.Scheduler.CondResched();
            }

            _isLow = false;
        }
    }

    /// <summary>Caches of objects give back twice the share that pages did; a quarter when no page could be freed. Object caches give back their empty blocks.</summary>
    /// <remarks>Linux: <c>shrink_slab</c>, <c>do_shrink_slab</c>. Holds no lock: a cache may have to write before it can free.</remarks>
    /// <returns>Whether any object went.</returns>
    private bool ShrinkCaches(ulong freedPages)
    {
        int freed = 0;
        ulong pages = freedPages + _lru.Count(LruKind.ActiveAnonymous).Value + _lru.Count(LruKind.InactiveAnonymous).Value
            + _lru.Count(LruKind.ActiveFile).Value + _lru.Count(LruKind.InactiveFile).Value;
        for (ObjectShrinker? shrinker = _shrinkers; shrinker is not null; shrinker = shrinker.Next)
        {
            ulong objects = (ulong)shrinker.Count;
            ulong share = freedPages == 0 ? (objects + 3) / 4 : 2 * objects * freedPages / pages;
            ulong owed = Math.Min(shrinker.Owed + share, objects);
            shrinker.Owed = owed;
            if (owed == 0 || (owed < Batch && owed < objects))
                continue;
            shrinker.Owed = 0;
            freed += shrinker.Shrink((int)owed);
        }

        if (freed != 0)
            _ = _memory.Physical.Shrink();
        return freed != 0;
    }

    private bool HasObjectsToFree()
    {
        for (ObjectShrinker? shrinker = _shrinkers; shrinker is not null; shrinker = shrinker.Next)
        {
            if (shrinker.Count != 0)
                return true;
        }

        return false;
    }

    private void Enter(bool background)
    {
        _one.Lock();
        _isBackground = background;
        PerCpu.Current.MayUseReserve = true;
    }

    private void Leave()
    {
        PerCpu.Current.MayUseReserve = false;
        _one.Unlock();
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

    /// <summary>Frees <paramref name="wanted"/> pages, or what can be freed. Linux: <c>do_try_to_free_pages</c>.</summary>
    private ulong Shrink(ulong wanted)
    {
        _sawBusy = false;
        ulong freed = 0;
        for (int priority = FirstPriority; priority >= 0 && freed < wanted; priority--)
            freed += ShrinkLists(priority, wanted - freed);
        if (freed == 0)
            freed = ShrinkLists(0, wanted);
        return freed;
    }

    /// <summary>One round over all lists. Linux: <c>shrink_lruvec</c>.</summary>
    private ulong ShrinkLists(int priority, ulong wanted)
    {
        ChooseShares(out ulong anonymousShare, out ulong fileShare);
        ulong shares = anonymousShare + fileShare;
        ulong activeAnonymous = Portion(LruKind.ActiveAnonymous, anonymousShare);
        ulong inactiveAnonymous = Portion(LruKind.InactiveAnonymous, anonymousShare);
        ulong activeFile = Portion(LruKind.ActiveFile, fileShare);
        ulong inactiveFile = Portion(LruKind.InactiveFile, fileShare);

        ulong freed = 0;
        while ((inactiveAnonymous | activeFile | inactiveFile) != 0 && freed < wanted)
        {
            freed += ShrinkInactive(LruKind.InactiveAnonymous, Next(ref inactiveAnonymous));
            ShrinkActiveIfLow(LruKind.ActiveAnonymous, LruKind.InactiveAnonymous, Next(ref activeAnonymous));
            freed += ShrinkInactive(LruKind.InactiveFile, Next(ref inactiveFile));
            ShrinkActiveIfLow(LruKind.ActiveFile, LruKind.InactiveFile, Next(ref activeFile));
        }

        // Also without need, so that pages age while there is time to see who is used.
        if (anonymousShare != 0)
            ShrinkActiveIfLow(LruKind.ActiveAnonymous, LruKind.InactiveAnonymous, Batch);
        return freed;

        ulong Portion(LruKind kind, ulong share)
        {
            ulong pages = _lru.Count(kind).Value >> priority;
            // At the end nothing is spared; before, each kind pays as it is worth.
            return share == 0 ? 0 : priority == 0 ? pages : pages * share / shares;
        }

        static ulong Next(ref ulong left)
        {
            ulong now = Math.Min(left, Batch);
            left -= now;
            return now;
        }
    }

    /// <summary>How much to look at anonymous pages and at pages of files, as numbers to be compared. Linux: <c>get_scan_count</c>.</summary>
    /// <remarks>By <see cref="Swappiness"/>, and by what the last looks cost: a list whose pages keep being used, or must be written, is looked at less.</remarks>
    private void ChooseShares(out ulong anonymous, out ulong file)
    {
        // Pages whose slot has their content already can go even when no slot is free.
        bool maySwap = _swap.HasRoom || _swap.CachedPages.Value != 0;
        ulong files = _lru.Count(LruKind.InactiveFile).Value + _lru.Count(LruKind.ActiveFile).Value;
        anonymous = 0;
        file = 1;
        if (!maySwap)
            return;
        if (Swappiness == 0 && files > _frames.ReservedFrames.Value)
            return;
        if (files + _frames.FreeFrames.Value <= _frames.ReservedFrames.Value)
        {
            // The few pages of files are those that run just now.
            anonymous = 1;
            file = _lru.Count(LruKind.InactiveAnonymous).Value == 0 ? 1UL : 0;
            return;
        }

        ulong cost = _anonymousCost + _fileCost;
        anonymous = (ulong)Swappiness * (cost + 1) / (cost + _anonymousCost + 1) + 1;
        file = (ulong)(200 - Swappiness) * (cost + 1) / (cost + _fileCost + 1) + 1;
    }
}
