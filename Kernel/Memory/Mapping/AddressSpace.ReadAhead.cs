using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Mapping;

/// <summary>Pages are read before they are asked for, many in one request, while the reader still works on what came before.</summary>
/// <remarks>
/// Linux: <c>mm/readahead.c</c>. The page where the window's second part begins is marked; who comes to it has the next window read.
/// <code>
///      |   window     |            next window             |
///      [ . . . . M . . ][ m . . . . . . . . . . . . . . . . ]
///                ^ touched: the next, larger window is started here, without waiting
/// </code>
/// </remarks>
internal abstract partial class AddressSpace
{
    /// <summary>The page, for a reader who wants <paramref name="wanted"/> pages from here on; takes a reference to the one.</summary>
    /// <returns>As <see cref="FindOrCreatePage"/>.</returns>
    public Result<Pfn> FindOrReadAhead(ulong index, ref ReadAheadState state, ulong wanted = 1)
    {
        Result<Pfn> found = FindPage(index);
        if (found.IsOk)
        {
            // Interesting enough to be asked for as a range, and already here: is it time for the next one?
            if (_cache.Frames[found.Value].TestAndClear(FrameFlags.Readahead))
                ReadAhead(ref state, index, wanted, isMark: true);
            return found;
        }

        ReadAhead(ref state, index, wanted, isMark: false);
        return FindOrCreatePage(index);
    }

    /// <summary>The page for a fault: what lies around it will be touched, too. Linux: <c>do_sync_mmap_readahead</c>, <c>do_async_mmap_readahead</c>.</summary>
    internal Result<Pfn> FindForFault(ulong index, ref ReadAheadState state, ReadAheadHint hint, out bool isMajor)
    {
        Result<Pfn> found = FindPage(index);
        isMajor = !found.IsOk;
        if (found.IsOk)
        {
            state.FaultHit();
            if (hint != ReadAheadHint.Random && _cache.Frames[found.Value].TestAndClear(FrameFlags.Readahead))
                ReadAhead(ref state, index, (ulong)ReadAheadState.Most, isMark: true);
            return found;
        }

        if (hint == ReadAheadHint.Sequential)
            ReadAhead(ref state, index, (ulong)ReadAheadState.Most, isMark: false);
        else if (hint != ReadAheadHint.Random && state.FaultMiss(index, out ulong start, out ulong mark))
            ReadPages(start, (ulong)ReadAheadState.Most, mark);
        return FindOrCreatePage(index);
    }

    /// <summary>Starts reading those pages of a range that are not in memory. Linux: <c>force_page_cache_readahead</c>.</summary>
    public void ReadAhead(ulong first, ulong count) => ReadPages(first, count, ulong.MaxValue);

    /// <summary>A transfer of pages that were read has ended. From the device's interrupt.</summary>
    internal void ReadFinished(ulong first, ReadOnlySpan<Pfn> pages, Errno error)
    {
        ulong end = SizeBytes;
        for (int i = 0; i < pages.Length; i++)
        {
            // What lies behind the end in the last block on the disk is nobody's business.
            ulong index = first + (ulong)i;
            if (error == Errno.None && index == end >> PageSize.Shift && (end & PageSize.Mask) != 0)
                DirectMap.Page(pages[i])[(int)(end & PageSize.Mask)..].Clear();
            FinishPage(pages[i], index, error);
            _cache.Frames.LetGoOfTransfer(pages[i]);
        }
    }

    private void ReadAhead(ref ReadAheadState state, ulong index, ulong wanted, bool isMark)
    {
        if (!state.Next(this, index, wanted, isMark))
            return;
        ReadPages(state.Start, state.Size, state.AsyncSize == 0 ? ulong.MaxValue : state.Start + state.Size - state.AsyncSize);
    }

    /// <summary>Starts reading what of a range is missing. A failure is told when the page is asked for by itself.</summary>
    /// <param name="mark">The page whose use asks for the next window.</param>
    /// <remarks>Linux: <c>page_cache_ra_unbounded</c>. Readahead gives way: it ends where there is no free transfer, or no frame without somebody's death.</remarks>
    private void ReadPages(ulong first, ulong count, ulong mark)
    {
        ulong pages = SizePages;
        if (first >= pages)
            return;
        ulong end = count > pages - first ? pages : first + count;
        ulong started = 0;
        PageTransfer? transfer = null;
        for (ulong index = first; index < end; index++)
        {
            Errno error = IsResident(index) ? Errno.EEXIST : Errno.None;
            Pfn page = Pfn.None;
            if (error == Errno.None && transfer is null)
            {
                transfer = _cache.Transfers.TryTake();
                if (transfer is null)
                    break;
                transfer.Begin(this, BlockDirection.Read, index);
            }

            if (error == Errno.None)
                error = InsertPage(index, out page, AllocationFlags.MayFail);
            if (error == Errno.None)
            {
                if (index == mark)
                    _cache.Frames[page].SetFlags(FrameFlags.Readahead);
                transfer!.Add(page);
                started++;
                if (!transfer.IsFull)
                    continue;
            }

            if (transfer is not null)
            {
                StartRead(transfer);
                transfer = null;
            }

            if (error is not (Errno.None or Errno.EEXIST))
                break;
        }

        if (transfer is not null)
            StartRead(transfer);
        _cache.CountReadAhead(started);
    }

    private void StartRead(PageTransfer transfer)
    {
        if (!transfer.Pages.IsEmpty)
            StartTransfer(transfer);
        transfer.End();
    }
}
