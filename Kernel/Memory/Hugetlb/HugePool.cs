using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Check;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Hugetlb;

/// <summary>Pages of 2 MiB that are set aside for who asks for them by name: <c>MAP_HUGETLB</c>, <c>SHM_HUGETLB</c>, <c>MFD_HUGETLB</c>, hugetlbfs.</summary>
/// <remarks>
/// Linux: <c>struct hstate</c>, <c>mm/hugetlb.c</c>. Unlike a transparent huge page one of the pool is never split, swapped or counted as resident.
/// A mapping reserves its pages when it is made, so that no touch of it can fail for want of them.
/// <code>
///   Total  =  Free + in use                        Reserved ≤ Free: promised to mappings, not yet touched
///   Total  =  what nr_hugepages asks for + Surplus Surplus ≤ nr_overcommit_hugepages: made on demand, freed when no longer used
/// </code>
/// The figures change only in code that does not sleep, and one processor does not preempt the kernel: that is their guard.
/// A page's first frame counts in <see cref="PageFrame.UseCount"/> the entries that map it and its place in a file; in
/// <see cref="PageFrame.ReferenceCount"/> the pool, and whoever works on it.
/// </remarks>
internal sealed class HugePool(FrameAllocator frames)
{
    private readonly FrameAllocator _frames = frames;

    /// <summary>Guards the list of free pages and its count. Innermost.</summary>
    private SpinLock _lock;

    /// <summary>Free pages, linked by their first frames. Guarded by <see cref="_lock"/>.</summary>
    private uint _first = PageFrame.NoLink;

    /// <summary>All pages. <c>HugePages_Total</c>, <c>nr_hugepages</c>.</summary>
    public ulong Total;

    /// <summary>Pages in nobody's hands. <c>HugePages_Free</c>.</summary>
    public ulong Free;

    /// <summary>Free pages that mappings were promised. <c>HugePages_Rsvd</c>.</summary>
    public ulong Reserved;

    /// <summary>Pages beyond what was asked for, which go when they are free. <c>HugePages_Surp</c>.</summary>
    public ulong Surplus;

    /// <summary>The most <see cref="Surplus"/> may be. <c>nr_overcommit_hugepages</c>.</summary>
    public ulong Overcommit;

    /// <summary>Who is in this group may make System V segments of huge pages. <c>hugetlb_shm_group</c>.</summary>
    public uint SegmentGroup;

    /// <summary>Makes the pool <paramref name="wanted"/> pages large, as far as there are frames in a piece and pages in use allow. Linux: <c>set_max_huge_pages</c>.</summary>
    public void SetSize(ulong wanted)
    {
        // What exists beyond the wish and was made on demand is asked for now.
        while (Surplus != 0 && wanted > Total - Surplus)
            Surplus--;
        while (wanted > Total - Surplus && TryGrow())
        {
        }

        // Free pages go, but none that was promised; those in use become surplus, and go when they are given back.
        while (wanted < Total - Surplus && Free > Reserved && TryTakeFree(out Pfn page))
            Release(page);
        while (wanted < Total - Surplus)
            Surplus++;
    }

    /// <summary>Promises <paramref name="pages"/> pages. Linux: <c>hugetlb_acct_memory</c>.</summary>
    /// <returns><see cref="Errno.ENOMEM"/> when neither free nor surplus pages cover it; nothing is promised then.</returns>
    public Errno Reserve(ulong pages)
    {
        while (Free - Reserved < pages)
        {
            if (Surplus < Overcommit && TryGrow())
            {
                Surplus++;
                continue;
            }

            TrimSurplus();
            return Errno.ENOMEM;
        }

        Reserved += pages;
        return Errno.None;
    }

    /// <summary>Gives promises back that were not used.</summary>
    public void Unreserve(ulong pages)
    {
        Reserved -= pages;
        TrimSurplus();
    }

    /// <summary>Takes a page, not zeroed, with one use.</summary>
    /// <param name="isReserved">One of those that the caller was promised; that promise is used up.</param>
    /// <returns><see cref="Errno.ENOSPC"/>: none is left that is not promised to others. The access ends in SIGBUS.</returns>
    public Errno Allocate(bool isReserved, out Pfn page)
    {
        page = Pfn.None;
        if (!isReserved && Free == Reserved)
        {
            if (Surplus >= Overcommit || !TryGrow())
                return Errno.ENOSPC;
            Surplus++;
        }

        if (!TryTakeFree(out page))
            return Errno.ENOSPC;
        if (isReserved)
            Reserved--;
        _frames[page].UseCount = 1;
        return Errno.None;
    }

    /// <summary>One more entry, or a file, has the page.</summary>
    public void AddUse(Pfn page) => _frames[page].UseCount++;

    /// <summary>One less; the last one gives the page back to the pool.</summary>
    public void RemoveUse(Pfn page)
    {
        ref PageFrame frame = ref _frames[page];
        if (--frame.UseCount != 0)
            return;
        frame.ClearFlags(FrameFlags.Anonymous);
        if (Surplus > 0)
        {
            Surplus--;
            Release(page);
            return;
        }

        PutFree(page);
    }

    /// <summary>Zeroes a page before anybody can see it. Linux: <c>clear_huge_page</c>.</summary>
    public static void Clear(Pfn page)
    {
        for (ulong i = 0; i < FrameAllocator.HugeFrames; i++)
            DirectMap.ZeroPage(page + i);
    }

    /// <summary>Checks the list of free pages and the counts; <c>FrameCheck</c> has counted all pages that there are.</summary>
    internal void Check(ref MemoryReport report)
    {
        bool enabled = _lock.AcquireRaw();
        ulong free = 0;
        for (uint at = _first; at != PageFrame.NoLink; at = _frames[new Pfn(at)].Next)
        {
            var page = new Pfn(at);
            if (!report.Unless(free < Free && _frames.IsRam(page) && _frames[page].Has(FrameFlags.HugePool) && _frames[page].UseCount == 0,
                "the pool's list of free huge pages is broken"u8, page))
                break;
            free++;
        }

        report.Unless(free == Free && report.PoolPages == Total, "the pool counts its huge pages wrong"u8);
        report.Unless(Reserved <= Free && Surplus <= Total, "the pool has promised more huge pages than it has"u8);
        report.Unless(report.HugePromises == Reserved || (report.HugePromises < Reserved && report.BusyAddressSpaces != 0),
            "the pool's promises are not those of its files and mappings"u8);
        _lock.ReleaseRaw(enabled);
    }

    private bool TryGrow()
    {
        _frames.DrainPerCpu();
        const AllocationFlags flags = AllocationFlags.Compound | AllocationFlags.NoReclaim;
        if (_frames.Allocate(FrameAllocator.HugeOrder, flags, out Pfn page) != Errno.None)
            return false;
        _frames[page].SetFlags(FrameFlags.HugePool);
        Total++;
        PutFree(page);
        return true;
    }

    /// <summary>Leaves the pool: its frames are ordinary ones, as soon as nobody works on them.</summary>
    private void Release(Pfn page)
    {
        Total--;
        _frames[page].ClearFlags(FrameFlags.HugePool);
        _frames.Put(page);
    }

    /// <summary>Frees surplus pages that no promise needs any more. Linux: <c>return_unused_surplus_pages</c>.</summary>
    private void TrimSurplus()
    {
        while (Surplus > 0 && Free > Reserved && TryTakeFree(out Pfn page))
        {
            Surplus--;
            Release(page);
        }
    }

    private void PutFree(Pfn page)
    {
        bool enabled = _lock.AcquireRaw();
        _frames[page].Next = _first;
        _first = (uint)page.Value;
        Free++;
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>The first free page on which nobody works any more, who found it when it was mapped.</summary>
    private bool TryTakeFree(out Pfn page)
    {
        bool enabled = _lock.AcquireRaw();
        uint previous = PageFrame.NoLink;
        uint at = _first;
        while (at != PageFrame.NoLink && _frames[new Pfn(at)].ReferenceCount != 1)
        {
            previous = at;
            at = _frames[new Pfn(at)].Next;
        }

        page = Pfn.None;
        if (at != PageFrame.NoLink)
        {
            page = new Pfn(at);
            ref PageFrame frame = ref _frames[page];
            if (previous == PageFrame.NoLink)
                _first = frame.Next;
            else
                _frames[new Pfn(previous)].Next = frame.Next;
            frame.Next = 0;
            Free--;
        }

        _lock.ReleaseRaw(enabled);
        return at != PageFrame.NoLink;
    }
}
