using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Hal;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Swap;

/// <summary>All swap areas: slots, their use counts, and the pages of swap that are in memory.</summary>
/// <remarks>
/// Linux: <c>mm/swapfile.c</c>, <c>mm/swap_state.c</c>. The swap cache is where a page on its way out and a fault on its way in meet: as
/// long as any page-table entry names a slot and the page is in memory, both are found under the slot. It holds one reference to the
/// frame and one use of the slot. The frame's <see cref="PageFrame.Private"/> is then the <see cref="SwapEntry"/>.
/// <code>
///   entries in page tables ──┐ Uses
///   swap cache ──────────────┴──► slot        swap cache ──reference──► frame ◄──reference── entries that map it
/// </code>
/// </remarks>
internal sealed partial class SwapSystem
{
    private readonly MemorySystem _memory;
    private readonly PageCache _cache;
    private readonly FrameAllocator _frames;
    private readonly ObjectCache<SwapArea> _objects;
    private readonly SwapArea?[] _areas = new SwapArea?[SwapEntry.MaximumAreas];

    /// <summary>Guards areas, use counts and caches. Inside the page-table locks.</summary>
    private SpinLock _lock;

    /// <summary>Serializes swapon and swapoff.</summary>
    private Mutex _changes;
    private int _lastPriority = -1;

    /// <summary>How many slots an area gives before it is another's turn: as many as are written together.</summary>
    private const int SlotsInTurn = 32;
    private ulong _turn;
    private ulong _cachedPages;

    public SwapSystem(MemorySystem memory, PageCache cache)
    {
        _memory = memory;
        _cache = cache;
        _frames = memory.Frames;
        _objects = new ObjectCache<SwapArea>(memory.Physical, "swap_info_struct"u8);
        cache.Swap = this;
    }

    /// <summary>Pages swapped out and in. <c>pswpout</c>, <c>pswpin</c>.</summary>
    public ulong PagesOut, PagesIn;

    /// <summary>Pages in the swap cache. SwapCached.</summary>
    public PageCount CachedPages => new(_cachedPages);

    /// <summary>Whether any slot is free.</summary>
    public bool HasRoom => _memory.FreeSwapPages != 0;

    /// <summary>An area for <c>/proc/swaps</c>, or null.</summary>
    public SwapArea? Area(int number) => _areas[number];

    internal FrameLocks Locks => _cache.Locks;

    // ---- slots ------------------------------------------------------------------------------------------------------------------

    /// <summary>Puts an anonymous page, which the caller has locked, into the swap cache under a fresh slot.</summary>
    /// <returns>False when there is no slot or no memory.</returns>
    internal bool TryAddToSwap(Pfn pfn)
    {
        if (_memory.Physical.Failures.ShouldFail(FailureKinds.Swap))
            return false;
        bool enabled = _lock.AcquireRaw();
        bool added = false;
        SwapArea? area = BestArea();
        if (area is not null && area.TryTake(out int slot))
        {
            added = AddToCache(area, slot, pfn);
            if (added)
            {
                _frames[pfn].SetFlags(FrameFlags.Dirty);         // not yet on the disk
                _memory.FreeSwapPages--;
            }
            else
            {
                area.Return(slot);
            }
        }

        _lock.ReleaseRaw(enabled);
        return added;
    }

    /// <summary>A page-table entry more, or (<paramref name="change"/> −1) one less, names the slot.</summary>
    internal void ChangeUses(SwapEntry entry, int change)
    {
        bool enabled = _lock.AcquireRaw();
        SwapArea area = AreaOf(entry);
        int slot = (int)entry.Slot;
        if (area.Uses[slot] <= 0)
            Panic.Now("a swap slot is used that is free"u8);
        Pfn orphan = Pfn.None;
        if ((area.Uses[slot] += change) == 0)
            FreeSlot(area, slot);
        else if (change < 0 && area.Uses[slot] == 1)
            orphan = CachedPage(area, entry.Slot);
        if (!orphan.IsNone)
            _frames.Hold(orphan);
        _lock.ReleaseRaw(enabled);
        if (orphan.IsNone)
            return;
        TryFreeCached(orphan);
        _frames.LetGo(orphan);
    }

    /// <summary>Takes a page out of the swap cache when no entry names its slot any more and nobody works on it. Linux: <c>try_to_free_swap</c>.</summary>
    /// <returns>Whether the page is out of the cache.</returns>
    internal bool TryFreeCached(Pfn pfn, bool lockedByCaller = false)
    {
        bool enabled = _lock.AcquireRaw();
        ref PageFrame frame = ref _frames[pfn];
        bool removed = false;
        if (frame.Has(FrameFlags.SwapCache) && (lockedByCaller || !frame.HasAny(FrameFlags.Locked)) && !frame.HasAny(FrameFlags.Writeback))
        {
            var entry = new SwapEntry(frame.Private);
            SwapArea area = AreaOf(entry);
            if (area.Uses[(int)entry.Slot] == 1)
            {
                RemoveFromCacheLocked(area, pfn, entry);
                removed = true;
            }
        }

        _lock.ReleaseRaw(enabled);
        if (removed)
            _frames.Put(pfn);
        return removed;
    }

    /// <summary>Takes a page out of the swap cache whose content the slot has: entries go on naming the slot. The caller has locked it.</summary>
    internal void RemoveFromCache(Pfn pfn)
    {
        bool enabled = _lock.AcquireRaw();
        var entry = new SwapEntry(_frames[pfn].Private);
        RemoveFromCacheLocked(AreaOf(entry), pfn, entry);
        _lock.ReleaseRaw(enabled);
        _frames.Put(pfn);
    }

    /// <summary>The page of a slot if it is in memory; takes a reference.</summary>
    internal bool TryFind(SwapEntry entry, out Pfn pfn)
    {
        bool enabled = _lock.AcquireRaw();
        pfn = _areas[entry.Area] is { } area && entry.Slot < (ulong)area.Uses.Length ? CachedPage(area, entry.Slot) : Pfn.None;
        if (!pfn.IsNone)
            _frames.Hold(pfn);
        _lock.ReleaseRaw(enabled);
        return !pfn.IsNone;
    }

    /// <summary>How many page-table entries name the slot. Linux: <c>swp_swapcount</c>.</summary>
    internal int UsersOf(SwapEntry entry)
    {
        bool enabled = _lock.AcquireRaw();
        SwapArea area = AreaOf(entry);
        int users = area.Uses[(int)entry.Slot] - (CachedPage(area, entry.Slot).IsNone ? 0 : 1);
        _lock.ReleaseRaw(enabled);
        return users;
    }

    /// <summary>Whether the page of a slot is in memory and complete, for <c>mincore</c>.</summary>
    internal bool IsResident(SwapEntry entry)
    {
        if (!TryFind(entry, out Pfn pfn))
            return false;
        bool resident = _frames[pfn].Has(FrameFlags.UpToDate);
        _frames.LetGo(pfn);
        return resident;
    }

    /// <summary>Uses of a page's slot beyond the cache's own.</summary>
    internal int OtherUses(Pfn pfn)
    {
        bool enabled = _lock.AcquireRaw();
        var entry = new SwapEntry(_frames[pfn].Private);
        int uses = AreaOf(entry).Uses[(int)entry.Slot] - 1;
        _lock.ReleaseRaw(enabled);
        return uses;
    }

    internal SwapArea AreaOf(SwapEntry entry)
    {
        if (_areas[entry.Area] is { } area && entry.Slot < (ulong)area.Uses.Length)
            return area;
        Panic.Now("a page-table entry names swap that is not there"u8);
        return null!;
    }

    /// <summary>The area for the next slot: of those with the highest priority each gives some in turn. Linux: <c>get_swap_pages</c>.</summary>
    private SwapArea? BestArea()
    {
        SwapArea? best = null;
        foreach (SwapArea? area in _areas)
        {
            if (area is { Free: > 0, Ending: false }
                && (best is null || area.Priority > best.Priority || (area.Priority == best.Priority && area.Turn < best.Turn)))
                best = area;
        }

        if (best is not null && ++best.Given % SlotsInTurn == 0)
            best.Turn = ++_turn;
        return best;
    }

    private static Pfn CachedPage(SwapArea area, ulong slot)
    {
        ulong stored = area.Cache.Load(slot);
        return stored == 0 ? Pfn.None : new Pfn(stored - 1);
    }

    private bool AddToCache(SwapArea area, int slot, Pfn pfn)
    {
        if (area.Cache.Store((ulong)slot, pfn.Value + 1) != Errno.None)
            return false;
        area.Uses[slot]++;
        ref PageFrame frame = ref _frames[pfn];
        frame.Private = (nuint)new SwapEntry(area.Number, (ulong)slot).Value;
        frame.SetFlags(FrameFlags.SwapCache);
        _frames.Get(pfn);
        _cachedPages++;
        return true;
    }

    private void RemoveFromCacheLocked(SwapArea area, Pfn pfn, SwapEntry entry)
    {
        area.Cache.Erase(entry.Slot);
        ref PageFrame frame = ref _frames[pfn];
        frame.ClearFlags(FrameFlags.SwapCache | FrameFlags.Dirty);
        frame.Private = 0;
        _cachedPages--;
        if (--area.Uses[(int)entry.Slot] == 0)
            FreeSlot(area, (int)entry.Slot);
    }

    private void FreeSlot(SwapArea area, int slot)
    {
        area.Return(slot);
        if (!area.Ending)
            _memory.FreeSwapPages++;
    }
}
