using System;
using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Swap;

namespace NanoVm.Memory.Mapping;

/// <summary>Pages of shared memory go to swap and come back.</summary>
/// <remarks>
/// Linux: <c>shmem_writepage</c>, <c>shmem_swapin_folio</c>. Such a page has no other home than its place in the array. That place says where
/// the page is, and only it: no page table ever names the slot, so a slot of shared memory has one user beside the swap cache.
/// <code>
///   in memory          [ frame ]                        PageCache
///   on its way out     [ slot  ]──► swap cache ──► frame     SwapCache, not mapped, being written
///   out                [ slot  ]──► disk
///   on its way in      [ slot  ]──► swap cache ──► frame     SwapCache, being read; then its place is the frame again
/// </code>
/// What needs no memory may change the array whenever it likes: an entry is replaced in place, and that never fails.
/// </remarks>
internal abstract partial class AddressSpace
{
    /// <summary>Marks an entry of the array that says where the page is in swap. Linux: a value entry.</summary>
    private const ulong SwappedBit = 1UL << 63;

    /// <summary>Pages in swap; under the lock. Linux: <c>shmem_inode_info.swapped</c>.</summary>
    public ulong SwappedPages { get; private set; }

    /// <summary>Pages that the file has, wherever they are: what <c>st_blocks</c> and a mount's limit count.</summary>
    public ulong StoredPages => PageTotal + SwappedPages;

    /// <summary>The pages stay in memory (<c>SHM_LOCK</c>). Linux: <c>AS_UNEVICTABLE</c>.</summary>
    public bool IsUnevictable;

    /// <summary>Neighbours in the list of files that have pages in swap; owned by <see cref="SwapSystem"/>.</summary>
    internal AddressSpace? NextSwapped, PreviousSwapped;
    internal bool IsOnSwappedList;

    /// <summary>Those who walk over the list and are at this file: it cannot be freed meanwhile.</summary>
    internal int SwappedWalkers;

    /// <summary>The page if the file has one, from swap if it is there; takes a reference. May sleep.</summary>
    /// <returns><see cref="Errno.ENOENT"/> for a hole and for room that was never written, <see cref="Errno.ENOMEM"/>, <see cref="Errno.EIO"/>.</returns>
    public Result<Pfn> FindOrSwapIn(ulong index)
    {
        bool hasSwapped = false;
        while (true)
        {
            bool enabled = _lock.AcquireRaw();
            ulong entry = _pages.Load(index);
            _lock.ReleaseRaw(enabled);
            if (entry == 0 || IsPage(entry))
                return FindPage(index);
            Errno error = SwapIn(index, SwappedAt(entry), ref hasSwapped);
            if (error != Errno.None)
                return error;
        }
    }

    /// <summary>Finds the next page with content from <paramref name="index"/> to <paramref name="last"/>, in memory or swap: for <c>SEEK_DATA</c>.</summary>
    /// <remarks>Linux: <c>mapping_seek_hole_data</c>. Room that <c>fallocate</c> took and nobody has written is a hole.</remarks>
    public bool TryNextData(ref ulong index, ulong last)
    {
        bool enabled = _lock.AcquireRaw();
        bool found = false;
        while (_pages.TryFind(ref index, last, out ulong entry))
        {
            found = HasContent(entry);
            if (found || index++ == last)
                break;
        }

        _lock.ReleaseRaw(enabled);
        return found;
    }

    /// <summary>The first index from <paramref name="index"/> on that has no content, or the one behind <paramref name="last"/>: for <c>SEEK_HOLE</c>.</summary>
    public ulong NextHole(ulong index, ulong last)
    {
        bool enabled = _lock.AcquireRaw();
        while (index <= last && HasContent(_pages.Load(index)))
            index++;
        _lock.ReleaseRaw(enabled);
        return index;
    }

    /// <summary>How many of the pages <paramref name="first"/> to <paramref name="last"/> exist, in memory or swap. O(pages that exist).</summary>
    public ulong CountStored(ulong first, ulong last) => Count(first, last, onlySwapped: false);

    /// <summary>How many of the pages <paramref name="first"/> to <paramref name="last"/> are in swap. Linux: <c>shmem_partial_swap_usage</c>.</summary>
    public ulong CountSwapped(ulong first, ulong last) => SwappedPages == 0 ? 0 : Count(first, last, onlySwapped: true);

    /// <summary>Whether the page is in swap.</summary>
    public bool IsSwapped(ulong index)
    {
        bool enabled = _lock.AcquireRaw();
        ulong entry = _pages.Load(index);
        _lock.ReleaseRaw(enabled);
        return entry != 0 && !IsPage(entry);
    }

    /// <summary>Takes room for a page without giving it content: it reads as zeros, and the file's limit counts it. May sleep.</summary>
    /// <remarks>Linux: <c>shmem_get_folio(SGP_FALLOC)</c>.</remarks>
    public Errno ReservePage(ulong index)
    {
        bool enabled = _lock.AcquireRaw();
        ulong entry = _pages.Load(index);
        _lock.ReleaseRaw(enabled);
        if (entry != 0)
            return Errno.None;
        // Who asks for more than there is shall hear so; nobody is killed for it.
        Errno error = InsertPage(index, out Pfn page, AllocationFlags.MayFail);
        if (error == Errno.EEXIST)
            return Errno.None;
        if (error != Errno.None)
            return error;
        _cache.Frames.Lru.Add(page, LruKind.InactiveAnonymous);
        _cache.Locks.Unlock(page);
        _cache.Frames.LetGo(page);
        return Errno.None;
    }

    /// <summary>Gives back room that <see cref="ReservePage"/> took and nobody has used.</summary>
    public void UnreservePages(ulong first, ulong last) => RemovePages(first, last, onlyUnwritten: true);

    /// <summary>Brings back the pages of a range while memory is free: they will be needed. Linux: <c>force_shm_swapin_readahead</c>.</summary>
    public void SwapInRange(ulong first, ulong last)
    {
        bool hasSwapped = false;
        ulong index = first;
        while (_cache.Frames.HasRoomForReadAhead && TryNextSwapped(ref index, last, -1, out SwapEntry slot))
        {
            if (SwapIn(index, slot, ref hasSwapped) != Errno.None || index++ == last)
                return;
        }
    }

    /// <summary>Brings back all pages that are in swap area <paramref name="area"/>. Linux: <c>shmem_unuse_inode</c>. Sleeps.</summary>
    internal Errno BringBackSwapped(int area)
    {
        bool hasSwapped = false;
        ulong index = 0;
        while (TryNextSwapped(ref index, ulong.MaxValue, area, out SwapEntry slot))
        {
            if (TaskSignalled)
                return Errno.EINTR;
            Errno error = SwapIn(index, slot, ref hasSwapped);
            if (error != Errno.None)
                return error;
        }

        return Errno.None;
    }

    /// <summary>Takes a page that nobody else holds out of all address spaces and leaves its slot in its place.</summary>
    /// <returns>Whether it is in the swap cache now, dirty, to be written. The caller has locked it and holds a reference.</returns>
    internal bool TrySwapOut(Pfn page)
    {
        ref PageFrame frame = ref _cache.Frames[page];
        if (!IsShmem || IsUnevictable || !IsHome(ref frame) || _cache.Swap is not { HasRoom: true } swap)
            return false;
        ulong index = frame.Index;
        if (!Rmap.TryToUnmap(_cache.Frames, page) || frame.ReferenceCount != 2 || !swap.TryAddToSwap(page))
            return false;

        // From here on nothing can fail.
        frame.SetFlags(FrameFlags.UpToDate);
        var slot = new SwapEntry(frame.Private);
        swap.ChangeUses(slot, 1);
        bool enabled = _lock.AcquireRaw();
        _pages.Store(index, slot.Value | SwappedBit);
        PageTotal--;
        SwappedPages++;
        frame.Mapping = 0;
        frame.ClearFlags(FrameFlags.PageCache);
        _lock.ReleaseRaw(enabled);
        _cache.CountPages(isShmem: true, -1);
        _cache.Frames.Put(page);
        swap.AddSwappedFile(this);
        return true;
    }

    /// <summary>Brings a page back to its place. May sleep.</summary>
    /// <returns>None also when the place holds something else by now: look again. <see cref="Errno.ENOMEM"/>, <see cref="Errno.EIO"/>.</returns>
    private unsafe Errno SwapIn(ulong index, SwapEntry slot, ref bool hasSwapped)
    {
        SwapSystem swap = _cache.Swap!;
        Result<Pfn> found = swap.FindOrRead(slot, out bool hasWaited);
        hasSwapped |= hasWaited;
        if (!found.TryGet(out Pfn page, out Errno error))
            return error == Errno.ENOENT ? Errno.None : error;

        _cache.Locks.Lock(page);
        _cache.Locks.WaitWritten(page);
        ref PageFrame frame = ref _cache.Frames[page];
        bool mine = frame.Has(FrameFlags.SwapCache) && frame.Private == (nuint)slot.Value;
        bool enabled = _lock.AcquireRaw();
        mine = mine && _pages.Load(index) == (slot.Value | SwappedBit);
        if (mine)
        {
            _cache.Frames.Get(page);
            _pages.Store(index, EntryOf(page));
            PageTotal++;
            SwappedPages--;
            frame.ClearFlags(FrameFlags.Anonymous);
            frame.SetFlags(FrameFlags.PageCache | FrameFlags.SwapBacked);
            frame.Mapping = (nuint)ObjectFactory.AddressOf(this);
            frame.Index = index;
        }

        _lock.ReleaseRaw(enabled);
        if (mine)
        {
            // The slot's last user: with the page in its place again nothing needs the copy on the disk.
            swap.ChangeUses(slot, -1);
            swap.TryFreeCached(page, lockedByCaller: true);
            frame.SetFlags(FrameFlags.Dirty | FrameFlags.Referenced);
            _cache.CountPages(isShmem: true, 1);
            _cache.Frames.Lru.Add(page, LruKind.InactiveAnonymous);
        }

        _cache.Locks.Unlock(page);
        _cache.Frames.LetGo(page);
        return Errno.None;
    }

    /// <summary>Counts the slots that the file names in <see cref="SwapArea.Found"/>; for memfsck.</summary>
    internal void CountSwappedSlots(SwapArea?[] areas, ref Check.MemoryReport report)
    {
        ulong index = 0;
        while (TryNextSwapped(ref index, ulong.MaxValue, -1, out SwapEntry slot))
        {
            SwapArea? area = slot.Area < areas.Length ? areas[slot.Area] : null;
            if (report.Unless(area is not null && slot.Slot < (ulong)area.Found.Length, "a file names swap that is not there"u8))
                area!.Found[(int)slot.Slot]++;
            if (index++ == ulong.MaxValue)
                break;
        }
    }

    /// <summary>The next entry that names a slot, of one area or (−1) of any.</summary>
    private bool TryNextSwapped(ref ulong index, ulong last, int area, out SwapEntry slot)
    {
        slot = default;
        bool found = false;
        bool enabled = _lock.AcquireRaw();
        while (!found && SwappedPages != 0 && _pages.TryFind(ref index, last, out ulong entry))
        {
            slot = SwappedAt(entry);
            found = !IsPage(entry) && (area < 0 || slot.Area == area);
            if (!found && index++ == last)
                break;
        }

        _lock.ReleaseRaw(enabled);
        return found;
    }

    private ulong Count(ulong first, ulong last, bool onlySwapped)
    {
        ulong count = 0;
        ulong index = first;
        bool enabled = _lock.AcquireRaw();
        while (_pages.TryFind(ref index, last, out ulong entry))
        {
            if (!onlySwapped || !IsPage(entry))
                count++;
            if (index++ == last)
                break;
        }

        _lock.ReleaseRaw(enabled);
        return count;
    }

    /// <summary>Under the lock: the page at <paramref name="index"/>, which is in swap, is no part of the file any more.</summary>
    private void EraseSwapped(ulong index)
    {
        _pages.Erase(index);
        SwappedPages--;
    }

    private void FreeSwapped(SwapEntry slot)
    {
        _cache.Swap!.ChangeUses(slot, -1);
        UnchargePage();
    }

    private void LeaveSwappedFiles()
    {
        if (IsOnSwappedList)
            _cache.Swap!.RemoveSwappedFile(this);
    }

    private bool HasContent(ulong entry) => entry != 0 && (!IsPage(entry) || _cache.Frames[PageOf(entry)].Has(FrameFlags.UpToDate));

    private static bool TaskSignalled => Virtual.TaskMemory.Current.SignalPending;

    private static bool IsPage(ulong entry) => entry != 0 && (entry & SwappedBit) == 0;

    private static SwapEntry SwappedAt(ulong entry) => new(entry & ~SwappedBit);
}
