using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>Advice for reclaim: these pages are not needed any more, or not soon.</summary>
/// <remarks>
/// Linux: <c>madvise_free_pte_range</c>, <c>madvise_cold_or_pageout_pte_range</c>. Only pages that nobody else maps: one program does not speak for
/// another.
/// <code>
///   MADV_FREE      content may go whenever the frame is needed; a write takes that back       anonymous memory
///   MADV_COLD      to the inactive list, as if never used                                     any memory
///   MADV_PAGEOUT   out now: to swap, or, when clean, dropped from the file's cache            any memory; a file's if one might write it
/// </code>
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Pages that leave at once.</summary>
    private const int PageOutBatch = 32;

    [InlineArray(PageOutBatch)]
    private struct IsolatedPages
    {
        private Pfn _first;
    }

    /// <summary>Clean entries, and no slot in swap, tell reclaim that a page was not written since.</summary>
    private void FreeLazily(PageRange range)
    {
        var batch = new TlbBatch(this);
        var walk = new PteTableWalk(this, range);
        while (walk.MoveNext())
        {
            bool enabled = PageTableLock.AcquireRaw();
            if (walk.IsHuge)
            {
                ref Pmd huge = ref walk.Huge.Entry;
                if (!huge.Has(PteFlags.Special) && System.Frames[huge.Pfn].UseCount == 1)
                {
                    huge = huge.Without(PteFlags.Accessed | PteFlags.Dirty);
                    batch.NoteChange(walk.Start);
                }

                PageTableLock.ReleaseRaw(enabled);
                continue;
            }

            for (int i = walk.FirstIndex; i <= walk.LastIndex; i++)
            {
                Pte entry = walk.Table[i];
                if (entry.IsSwap())
                {
                    walk.Table[i] = default;
                    System.FreeSwapEntry(this, entry);
                    continue;
                }

                if (!entry.IsMapped() || entry.IsSpecial || System.Frames[entry.Pfn].MapCount != 1)
                    continue;
                ref PageFrame frame = ref System.Frames[entry.Pfn];
                if (!frame.IsAnonymous || (frame.Has(FrameFlags.SwapCache) && !System.Swap!.TryFreeCached(entry.Pfn)))
                    continue;                               // others still need its slot
                walk.Table[i] = entry.Without(PteFlags.Accessed | PteFlags.Dirty);
                batch.NoteChange(walk.AddressOf(i));
                if (System.Frames.Lru.MakeLazyFree(entry.Pfn))
                    System.Statistics.Count(VmCounter.PgLazyFree);
            }

            PageTableLock.ReleaseRaw(enabled);
        }

        batch.Finish();
    }

    /// <returns><see cref="Errno.EINVAL"/> for memory that does not come and go.</returns>
    /// <remarks>Holds <see cref="MmapLock"/> for reading. PAGEOUT sleeps while pages are written.</remarks>
    private Errno CoolPages(VmArea area, PageRange range, bool pageOut)
    {
        if ((area.Flags & (VmFlags.PfnMap | VmFlags.Locked | VmFlags.HugeTlb)) != 0)
            return Errno.EINVAL;
        // Who could not write a file must not learn from the time a read takes whether others use it.
        if (pageOut && area.File is { MayTellResidency: false })
            return Errno.None;

        IsolatedPages pages = default;
        int count = 0;
        var walk = new PteTableWalk(this, range);
        while (walk.MoveNext())
        {
            if (walk.IsHuge)
            {
                CoolHuge(area, walk.Huge, new PageRange(walk.Start, walk.End), pageOut);
                continue;
            }

            int index = walk.FirstIndex;
            while (index <= walk.LastIndex)
            {
                index = CoolTable(ref walk, index, pageOut, ref pages, ref count);
                if (count == PageOutBatch)
                    PageOut(ref pages, ref count);
            }

            PerCpu.Scheduler.CondResched();
        }

        PageOut(ref pages, ref count);
        return Errno.None;
    }

    /// <summary>A page of 2 MiB: as a whole when it only gets cold, in small ones when it leaves.</summary>
    private void CoolHuge(VmArea area, PmdPlace place, PageRange range, bool pageOut)
    {
        bool enabled = PageTableLock.AcquireRaw();
        Pmd entry = place.Entry;
        bool alone = entry.IsHuge && !entry.Has(PteFlags.Special) && System.Frames[entry.Pfn].UseCount == 1;
        if (alone)
            place.Entry = entry.Without(PteFlags.Accessed);
        PageTableLock.ReleaseRaw(enabled);
        if (!alone)
            return;
        TlbBatch.FlushPage(this, range.Start);
        if (!pageOut)
        {
            System.Frames.Lru.Move(entry.Pfn, LruKind.InactiveAnonymous);
            return;
        }

        SplitHuge(place, range.Start);
        CoolPages(area, range, pageOut);
    }

    /// <summary>Makes the entries of one table from <paramref name="index"/> on look unused, until so many pages are taken off their lists as leave at once.</summary>
    /// <returns>The index to go on at.</returns>
    private int CoolTable(ref PteTableWalk walk, int index, bool pageOut, ref IsolatedPages pages, ref int count)
    {
        LruLists lru = System.Frames.Lru;
        var batch = new TlbBatch(this);
        bool enabled = PageTableLock.AcquireRaw();
        for (; index <= walk.LastIndex && count < PageOutBatch; index++)
        {
            Pte entry = walk.Table[index];
            if (!entry.IsMapped() || entry.IsSpecial)
                continue;
            ref PageFrame frame = ref System.Frames[entry.Pfn];
            if (frame.MapCount != 1)
                continue;
            if (entry.IsAccessed)
            {
                walk.Table[index] = entry.WithoutAccessed();
                batch.NoteChange(walk.AddressOf(index));
            }

            frame.ClearFlags(FrameFlags.Referenced);
            if (!pageOut)
            {
                bool anonymous = (frame.Flags & FrameFlags.SwapBacked) != 0;
                if ((frame.Flags & FrameFlags.Active) != 0 && lru.Move(entry.Pfn, anonymous ? LruKind.InactiveAnonymous : LruKind.InactiveFile))
                    System.Statistics.Count(VmCounter.PgDeactivate);
            }
            else if ((frame.Flags & FrameFlags.Unevictable) == 0 && lru.Remove(entry.Pfn))
            {
                System.Frames.Hold(entry.Pfn);
                pages[count++] = entry.Pfn;
            }
        }

        PageTableLock.ReleaseRaw(enabled);
        batch.Finish();
        return index;
    }

    private void PageOut(ref IsolatedPages pages, ref int count)
    {
        if (count != 0)
            System.Reclaim!.ReclaimIsolated(((ReadOnlySpan<Pfn>)pages)[..count]);
        count = 0;
    }
}
