using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Check;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Mapping;

/// <summary>The page cache of one file, and all areas that map the file.</summary>
/// <remarks>
/// Linux: <c>struct address_space</c>. Lecture 004, "page cache". A derived class is a file system's way to fill a page
/// (<see cref="ReadPage"/>); tmpfs and shared anonymous memory have their only copy here. Each page in the cache holds one reference
/// to its frame, whose <see cref="PageFrame.Mapping"/> and <see cref="PageFrame.Index"/> lead back. Memory comes zeroed:
/// call <see cref="Initialize"/> first and <see cref="Evict"/> last.
/// </remarks>
internal abstract partial class AddressSpace
{
    private PageCache _cache = null!;

    /// <summary>Guarded by <see cref="_lock"/>.</summary>
    private XArray _pages;
    private SpinLock _lock;

    /// <summary>Pages in memory; under the lock. Linux: <c>nrpages</c>.</summary>
    public ulong PageTotal { get; private set; }

    /// <summary>The machine's page cache that this one is part of.</summary>
    public PageCache Cache => _cache;

    /// <summary>Where the file ends, in bytes. Pages behind the end exist only for moments. Linux: <c>i_size</c>.</summary>
    public abstract ulong SizeBytes { get; }

    /// <summary>Whether the pages have no other home than memory and swap (tmpfs, shared anonymous memory).</summary>
    public virtual bool IsShmem => false;

    /// <summary>Swap has the file's blocks on the disk: nobody else may change them. Linux: <c>S_SWAPFILE</c>.</summary>
    public bool IsSwapFile;

    /// <summary>Fills a frame, which is all zeros and locked, with the file's page <paramref name="index"/>. May sleep.</summary>
    /// <returns><see cref="Errno.None"/>, or why it could not be read (<see cref="Errno.EIO"/>): then the page leaves the cache.</returns>
    public abstract Errno ReadPage(Pfn page, ulong index);

    /// <summary>
    /// Asked before a page joins the cache: a file system with limits takes it from its quota. Linux: <c>shmem_acct_block</c>.
    /// </summary>
    /// <returns><see cref="Errno.ENOSPC"/> when there is no room.</returns>
    protected virtual Errno ChargePage() => Errno.None;

    /// <summary>A page that was charged has left the cache.</summary>
    protected virtual void UnchargePage()
    {
    }

    /// <summary>The pages that the file has, up to its end.</summary>
    public ulong SizePages => PageCount.FromBytesRoundedUp(SizeBytes).Value;

    /// <summary>Neighbours in the list of all page caches; owned by <see cref="PageCache"/>.</summary>
    internal AddressSpace? NextMapping, PreviousMapping;

    public void Initialize(PageCache cache)
    {
        _cache = cache;
        _pages.Initialize(cache.Nodes);
        cache.Add(this);
    }

    /// <summary>The page if it is in memory and complete; takes a reference. Never sleeps.</summary>
    /// <returns><see cref="Errno.ENOENT"/> when it is not.</returns>
    public Result<Pfn> FindPage(ulong index)
    {
        bool enabled = _lock.AcquireRaw();
        ulong entry = _pages.Load(index);
        if (!IsPage(entry))
        {
            _lock.ReleaseRaw(enabled);
            return Errno.ENOENT;
        }

        Pfn page = PageOf(entry);
        _cache.Frames.Hold(page);
        _lock.ReleaseRaw(enabled);
        ref PageFrame frame = ref _cache.Frames[page];
        if (frame.Has(FrameFlags.UpToDate))
        {
            _cache.Frames.Lru.MarkAccessed(page);
            return page;
        }

        _cache.Frames.LetGo(page);
        return Errno.ENOENT;
    }

    /// <summary>The page, read from the file or from swap if it is not in memory; takes a reference. May sleep.</summary>
    /// <returns><see cref="Errno.ENOMEM"/>, <see cref="Errno.ENOSPC"/> or what <see cref="ReadPage"/> says. The file's end is not looked at.</returns>
    public Result<Pfn> FindOrCreatePage(ulong index) => FindOrCreatePage(index, out _);

    /// <inheritdoc cref="FindOrCreatePage(ulong)"/>
    /// <param name="hasSwapped">Whether a disk had to be waited for because the page was swapped out.</param>
    public Result<Pfn> FindOrCreatePage(ulong index, out bool hasSwapped)
    {
        hasSwapped = false;
        while (true)
        {
            bool enabled = _lock.AcquireRaw();
            ulong entry = _pages.Load(index);
            if (entry == 0)
            {
                _lock.ReleaseRaw(enabled);
                Result<Pfn> created = CreatePage(index);
                if (created.Error == Errno.EEXIST)
                    continue;
                return created;
            }

            if (!IsPage(entry))
            {
                _lock.ReleaseRaw(enabled);
                Errno error = SwapIn(index, SwappedAt(entry), ref hasSwapped);
                if (error != Errno.None)
                    return error;
                continue;
            }

            Pfn page = PageOf(entry);
            _cache.Frames.Hold(page);
            _lock.ReleaseRaw(enabled);
            if (_cache.Frames[page].Has(FrameFlags.UpToDate))
                return page;

            // Someone reads it just now. If that fails the page is gone, and we try for ourselves.
            _cache.Locks.WaitUnlocked(page);
            if (_cache.Frames[page].Has(FrameFlags.UpToDate))
                return page;
            if (IsShmem && Holds(page, index))
            {
                // Room that fallocate took: zeros, and from now on content.
                _cache.Frames[page].SetFlags(FrameFlags.UpToDate);
                return page;
            }

            _cache.Frames.LetGo(page);
        }
    }

    /// <summary>Says that the content of a page was changed. The caller holds a reference. Linux: <c>set_page_dirty</c>.</summary>
    public void MarkDirty(Pfn page)
    {
        ref PageFrame frame = ref _cache.Frames[page];
        if (frame.TestAndSet(FrameFlags.Dirty) || IsShmem)
            return;
        bool enabled = _lock.AcquireRaw();
        bool first = false;
        if (IsHome(ref frame))
        {
            first = !_pages.IsMarked(XArrayMark.Dirty);
            _pages.SetMark(frame.Index, XArrayMark.Dirty);
            _cache.CountDirty(1);
        }

        _lock.ReleaseRaw(enabled);
        if (first)
            BecameDirty();
    }

    /// <summary>Whether the frame is in this cache at its index still: to be asked under the page-table lock before it is mapped.</summary>
    /// <remarks>
    /// Truncation first unmaps, then takes the page out, then unmaps again: an entry that was set after a positive answer is found by the
    /// second pass. So no page lock is needed while a fault is under way.
    /// </remarks>
    public bool Holds(Pfn page, ulong index)
    {
        ref PageFrame frame = ref _cache.Frames[page];
        return IsHome(ref frame) && frame.Index == index;
    }

    /// <summary>Whether the page is in memory, for <c>mincore</c>.</summary>
    public bool IsResident(ulong index)
    {
        bool enabled = _lock.AcquireRaw();
        ulong entry = _pages.Load(index);
        bool resident = IsPage(entry) && _cache.Frames[PageOf(entry)].Has(FrameFlags.UpToDate);
        _lock.ReleaseRaw(enabled);
        return resident || (entry != 0 && !IsPage(entry) && _cache.Swap!.IsResident(SwappedAt(entry)));
    }

    /// <summary>Takes a frame, puts it into the cache locked, and has it filled.</summary>
    /// <returns><see cref="Errno.EEXIST"/> when another was faster.</returns>
    private Result<Pfn> CreatePage(ulong index)
    {
        Errno error = InsertPage(index, out Pfn page);
        if (error != Errno.None)
            return error;
        if (!IsShmem)
            _cache.CountReadWaited();
        error = ReadPage(page, index);
        FinishPage(page, index, error);
        if (error == Errno.None)
            return page;
        _cache.Frames.LetGo(page);
        return error;
    }

    /// <summary>Takes a frame and puts it into the cache, locked and not filled yet. The caller gets a reference.</summary>
    private unsafe Errno InsertPage(ulong index, out Pfn page, AllocationFlags more = AllocationFlags.None)
    {
        page = Pfn.None;
        Errno error = ChargePage();
        if (error != Errno.None)
            return error;
        error = _cache.Frames.Allocate(AllocationFlags.Zeroed | more, out page);
        if (error != Errno.None)
        {
            UnchargePage();
            return error;
        }

        ref PageFrame frame = ref _cache.Frames[page];
        frame.Mapping = (nuint)ObjectFactory.AddressOf(this);
        frame.Index = index;
        frame.Flags = FrameFlags.PageCache | FrameFlags.Locked | (IsShmem ? FrameFlags.SwapBacked : FrameFlags.None);

        bool enabled = _lock.AcquireRaw();
        error = _pages.Load(index) != 0 ? Errno.EEXIST : _pages.Store(index, EntryOf(page));
        if (error == Errno.None)
        {
            _cache.Frames.Get(page);            // the cache's own
            _cache.Frames.HoldNew(page);
            PageTotal++;
        }

        _lock.ReleaseRaw(enabled);
        if (error != Errno.None)
        {
            frame.Flags = FrameFlags.None;
            frame.Mapping = 0;
            _cache.Frames.Put(page);
            UnchargePage();
            return error;
        }

        _cache.CountPages(IsShmem, 1);
        return Errno.None;
    }

    /// <summary>A page has been filled, or could not be: then it leaves the cache. Unlocks it; the caller keeps his reference.</summary>
    private void FinishPage(Pfn page, ulong index, Errno error)
    {
        if (error != Errno.None)
        {
            RemovePage(page, index);
            _cache.Locks.Unlock(page);
            return;
        }

        _cache.Frames[page].SetFlags(FrameFlags.UpToDate);
        _cache.Frames.Lru.Add(page, IsShmem ? LruKind.InactiveAnonymous : LruKind.InactiveFile);
        _cache.Locks.Unlock(page);
    }

    /// <summary>Takes a page out of the cache. The caller holds a reference and the page's lock.</summary>
    /// <returns>False when it was not there any more.</returns>
    private bool RemovePage(Pfn page, ulong index)
    {
        ref PageFrame frame = ref _cache.Frames[page];
        bool enabled = _lock.AcquireRaw();
        bool removed = _pages.Load(index) == EntryOf(page);
        if (removed)
        {
            _pages.Erase(index);
            PageTotal--;
            frame.Mapping = 0;
        }

        _lock.ReleaseRaw(enabled);
        if (!removed)
            return false;

        bool wasDirty = frame.TestAndClear(FrameFlags.Dirty);
        if (wasDirty && !IsShmem)
            _cache.CountCancelled();
        frame.ClearFlags(FrameFlags.PageCache);              // not SwapBacked: that says on which reclaim list it is
        _cache.CountPages(IsShmem, -1);
        UnchargePage();
        _cache.Frames.Put(page);
        return true;
    }

    private unsafe bool IsHome(ref PageFrame frame) => frame.Mapping == (nuint)ObjectFactory.AddressOf(this);

    // An entry is a frame number plus one, for frame 0 exists and 0 means "no entry"; or, with bit 63, where the page is in swap.
    private static ulong EntryOf(Pfn page) => page.Value + 1;

    private static Pfn PageOf(ulong entry) => new(entry - 1);
}
