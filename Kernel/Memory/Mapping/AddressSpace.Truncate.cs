using System;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Mapping;

/// <summary>Pages leave the cache: the file got shorter, a hole was made in it, or it goes altogether.</summary>
internal abstract partial class AddressSpace
{
    /// <summary>Removes all that lies behind the new end, also from every address space, and clears the rest of the last page.</summary>
    /// <param name="sizeBytes">The new end, which <see cref="SizeBytes"/> says already: so no fault brings a page back.</param>
    /// <remarks>
    /// Linux: <c>truncate_pagecache</c>. A private copy of a page behind the end goes, too: a touch of it will be SIGBUS.
    /// <code>
    ///    [ page ][ page ][ pa:ge ][ page ][ page ]
    ///                       ^ new end
    ///    kept    kept      tail    removed removed
    ///                      cleared
    /// </code>
    /// </remarks>
    public void Truncate(ulong sizeBytes)
    {
        ulong first = PageCount.FromBytesRoundedUp(sizeBytes).Value;
        UnmapMappingRange(first, ulong.MaxValue, evenPrivateCopies: true);
        RemovePages(first, ulong.MaxValue);
        UnmapMappingRange(first, ulong.MaxValue, evenPrivateCopies: true);
        ClearPart(sizeBytes, sizeBytes & PageSize.Mask, PageSize.Bytes);
    }

    /// <summary>Makes the bytes from <paramref name="start"/> up to <paramref name="end"/> read as zeros and gives whole pages back.</summary>
    /// <remarks>Linux: <c>truncate_pagecache_range</c>, for <c>fallocate(PUNCH_HOLE)</c> and <c>MADV_REMOVE</c>. Private copies stay.</remarks>
    public void PunchHole(ulong start, ulong end)
    {
        if (start >= end)
            return;
        ulong first = PageCount.FromBytesRoundedUp(start).Value;
        ulong behind = end >> PageSize.Shift;
        if (first > behind)
        {
            // All inside one page.
            ClearPart(start, start & PageSize.Mask, end & PageSize.Mask);
            return;
        }

        if (first < behind)
        {
            UnmapMappingRange(first, behind - 1, evenPrivateCopies: false);
            RemovePages(first, behind - 1);
            UnmapMappingRange(first, behind - 1, evenPrivateCopies: false);
        }

        if ((start & PageSize.Mask) != 0)
            ClearPart(start, start & PageSize.Mask, PageSize.Bytes);
        if ((end & PageSize.Mask) != 0)
            ClearPart(end, 0, end & PageSize.Mask);
    }

    /// <summary>Gives all pages back: the last act before the object is freed. No area may map the file any more. May sleep.</summary>
    public void Evict()
    {
        RemovePages(0, ulong.MaxValue);
        LeaveSwappedFiles();
        FreePolicies();
        _cache.Remove(this);
        if (StoredPages != 0)
            Panic.Now("a page cache is freed with pages in it"u8);
    }

    /// <param name="onlyUnwritten">Only those that <see cref="ReservePage"/> made and nobody has used since.</param>
    private void RemovePages(ulong first, ulong last, bool onlyUnwritten = false)
    {
        ulong index = first;
        while (true)
        {
            bool enabled = _lock.AcquireRaw();
            if (!_pages.TryFind(ref index, last, out ulong entry))
            {
                _lock.ReleaseRaw(enabled);
                return;
            }

            bool done = true;
            if (!IsPage(entry))
            {
                if (!onlyUnwritten)
                    EraseSwapped(index);
                _lock.ReleaseRaw(enabled);
                if (!onlyUnwritten)
                    FreeSwapped(SwappedAt(entry));
            }
            else
            {
                Pfn page = PageOf(entry);
                _cache.Frames.Hold(page);
                _lock.ReleaseRaw(enabled);

                _cache.Locks.Lock(page);
                _cache.Locks.WaitWritten(page);
                // While we waited it may have gone to swap: then its place is looked at once more.
                if (!onlyUnwritten || !_cache.Frames[page].Has(FrameFlags.UpToDate))
                    done = RemovePage(page, index);
                _cache.Locks.Unlock(page);
                _cache.Frames.LetGo(page);
            }

            if (done && index++ == last)
                return;
        }
    }

    /// <summary>Clears bytes <paramref name="from"/> to <paramref name="to"/> of the page that holds <paramref name="position"/>, if there is one.</summary>
    private void ClearPart(ulong position, ulong from, ulong to)
    {
        if (from == 0 && to == PageSize.Bytes)
            return;
        if (!FindOrSwapIn(position >> PageSize.Shift).TryGet(out Pfn page, out _))
            return;
        DirectMap.Page(page).Slice((int)from, (int)(to - from)).Clear();
        MarkDirty(page);
        _cache.Frames.LetGo(page);
    }
}
