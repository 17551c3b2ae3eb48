using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Check;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Hugetlb;

/// <summary>The huge pages of one file, and the promises that the pool made for it.</summary>
/// <remarks>
/// Linux: the page cache and <c>resv_map</c> of a hugetlbfs inode. Of <see cref="AddressSpace"/> it has the tree of areas; the pages are its own,
/// by number of 2 MiB. Private mappings promise for themselves: <see cref="HugeReservation"/>.
/// </remarks>
internal abstract class HugeSpace : AddressSpace
{
    /// <summary>In the array: no page yet, but one is promised.</summary>
    private const ulong Promised = 1;

    private HugePool _pool = null!;
    private SpinLock _hugeLock;

    /// <summary>By number of 2 MiB: nothing, <see cref="Promised"/>, or a page. Guarded by <see cref="_hugeLock"/>.</summary>
    private XArray _huge;

    /// <summary>Pages that the file has. Guarded by <see cref="_hugeLock"/>.</summary>
    public ulong HugePages { get; private set; }

    public HugePool Pool => _pool;

    /// <summary>Pages are not filled by anybody.</summary>
    public override Errno ReadPage(Pfn page, ulong index) => Errno.EIO;

    protected void Initialize(PageCache cache, HugePool pool)
    {
        Initialize(cache);
        _pool = pool;
        _huge.Initialize(cache.Nodes);
    }

    /// <summary>Gives all pages and promises back: the last act before the object is freed.</summary>
    public new void Evict()
    {
        Remove(0, ulong.MaxValue, evenPrivateCopies: true);
        base.Evict();
    }

    /// <summary>The page with number <paramref name="index"/>, held by the caller: it may leave the file meanwhile, but is nobody else's before <c>LetGo</c>.</summary>
    public bool TryHold(ulong index, out Pfn page)
    {
        bool enabled = _hugeLock.AcquireRaw();
        page = PageOf(_huge.Load(index));
        if (!page.IsNone)
            Cache.Frames.Hold(page);
        _hugeLock.ReleaseRaw(enabled);
        return !page.IsNone;
    }

    /// <summary>Counts the file's uses of pages, in <see cref="Virtual.MemorySystem.FoundHuge"/>, and the promises made for it.</summary>
    internal override void Check(ref MemoryReport report)
    {
        base.Check(ref report);
        ulong errors = report.Errors, pages = 0, index = 0;
        ulong entries = _huge.Check(ref report);
        bool isSound = report.Errors == errors;
        bool enabled = _hugeLock.AcquireRaw();
        while (isSound && _huge.TryFind(ref index, ulong.MaxValue, out ulong entry))
        {
            Pfn page = PageOf(entry);
            if (page.IsNone)
                report.HugePromises++;
            else if (report.Unless(Cache.Frames.IsRam(page) && Cache.Frames[page].Has(FrameFlags.HugePool), "a file has a huge page that is none of the pool"u8, page))
                Cache.System!.FoundHuge[(int)(page.Value >> FrameAllocator.HugeOrder)]++;
            pages += page.IsNone ? 0UL : 1;
            entries--;
            index++;
        }

        _hugeLock.ReleaseRaw(enabled);
        report.Unless(!isSound || (pages == HugePages && entries == 0), "a file counts its huge pages wrong"u8);
    }

    /// <summary>The page with number <paramref name="index"/>, with one more use for the caller, who must not sleep before he gives it back or keeps it.</summary>
    public bool TryFind(ulong index, out Pfn page)
    {
        bool enabled = _hugeLock.AcquireRaw();
        ulong entry = _huge.Load(index);
        page = PageOf(entry);
        if (!page.IsNone)
            _pool.AddUse(page);
        _hugeLock.ReleaseRaw(enabled);
        return !page.IsNone;
    }

    /// <summary>The page with number <paramref name="index"/>, made of zeros when there is none, with one more use for the caller.</summary>
    /// <returns><see cref="Errno.ENOSPC"/>: the pool has none; <see cref="Errno.ENOMEM"/>.</returns>
    public Result<Pfn> FindOrCreate(ulong index)
    {
        if (TryFind(index, out Pfn page))
            return page;
        ulong before = _huge.Load(index);
        bool isPromised = before == Promised;
        Errno error = _pool.Allocate(isPromised, out page);
        if (error != Errno.None)
            return error;
        HugePool.Clear(page);
        bool enabled = _hugeLock.AcquireRaw();
        error = _huge.Store(index, (page.Value << 1) + 2);
        if (error == Errno.None)
        {
            HugePages++;
            _pool.AddUse(page);
        }

        _hugeLock.ReleaseRaw(enabled);
        if (error == Errno.None)
            return page;
        _pool.RemoveUse(page);                  // it was not promised, or its place in the array would be there
        return error;
    }

    /// <summary>Promises the pages of a shared mapping, as far as they are neither there nor promised already. Linux: <c>hugetlb_reserve_pages</c>.</summary>
    /// <returns><see cref="Errno.ENOMEM"/>; promises that could be noted before stay with the file.</returns>
    public Errno Reserve(ulong first, ulong end)
    {
        ulong missing = 0;
        for (ulong index = first; index < end; index++)
        {
            missing += _huge.Load(index) == 0 ? 1UL : 0;
            if (missing > _pool.Free - _pool.Reserved + (_pool.Overcommit > _pool.Surplus ? _pool.Overcommit - _pool.Surplus : 0))
                return Errno.ENOMEM;
        }

        Errno error = _pool.Reserve(missing);
        if (error != Errno.None)
            return error;
        ulong stored = 0;
        for (ulong index = first; index < end && error == Errno.None; index++)
        {
            if (_huge.Load(index) != 0)
                continue;
            bool enabled = _hugeLock.AcquireRaw();
            error = _huge.Store(index, Promised);
            _hugeLock.ReleaseRaw(enabled);
            if (error == Errno.None)
                stored++;
        }

        if (error != Errno.None)
            _pool.Unreserve(missing - stored);
        return error;
    }

    /// <summary>Takes pages and promises from <paramref name="first"/> on out of the file and of all address spaces. Linux: <c>remove_inode_hugepages</c>.</summary>
    /// <param name="evenPrivateCopies">The file ends there; else it gets a hole, which leaves programs' own copies.</param>
    public void Remove(ulong first, ulong end, bool evenPrivateCopies)
    {
        const int pagesShift = PageSize.LargeShift - PageSize.Shift;
        ulong lastSmall = end >= ulong.MaxValue >> pagesShift ? ulong.MaxValue : (end << pagesShift) - 1;
        UnmapMappingRange(first << pagesShift, lastSmall, evenPrivateCopies);
        ulong index = first;
        while (index < end)
        {
            bool enabled = _hugeLock.AcquireRaw();
            bool found = _huge.TryFind(ref index, end - 1, out ulong entry);
            if (found)
            {
                _huge.Erase(index);
                if (entry != Promised)
                    HugePages--;
            }

            _hugeLock.ReleaseRaw(enabled);
            if (!found)
                return;
            if (entry == Promised)
                _pool.Unreserve(1);
            else
                _pool.RemoveUse(PageOf(entry));
            index++;
        }
    }

    /// <summary>Other private mappings lose their entry for a page that the one which reserved it needs. Linux: <c>unmap_ref_private</c>.</summary>
    /// <remarks>A child of a fork that touches it again finds no page, and gets SIGBUS: better than the parent, who was promised one.</remarks>
    internal void UnmapFromOthers(VmArea owner, ulong firstSmallPage)
    {
        bool enabled = LockAreas();
        while (FirstBorrower(owner, firstSmallPage) is { } area)
        {
            VirtAddr block = area.Start + ((firstSmallPage - area.PageOffset) << PageSize.Shift);
            var batch = new TlbBatch(area.Mm);
            area.Mm.UnmapPages(area, new PageRange(block, block + PageSize.LargeBytes), ref batch);
            batch.Finish();
        }

        UnlockAreas(enabled);
    }

    private VmArea? FirstBorrower(VmArea owner, ulong firstSmallPage)
    {
        for (VmArea? area = FirstArea(firstSmallPage); area is not null; area = NextArea(area, firstSmallPage))
        {
            VirtAddr block = area.Start + ((firstSmallPage - area.PageOffset) << PageSize.Shift);
            if (!ReferenceEquals(area, owner) && (area.Flags & VmFlags.MayShare) == 0 && area.PrivateData is not HugeReservation
                && area.Mm.ReadPte(block).IsMapped())
                return area;
        }

        return null;
    }

    private static Pfn PageOf(ulong entry) => entry <= Promised ? Pfn.None : new Pfn((entry - 2) >> 1);
}
