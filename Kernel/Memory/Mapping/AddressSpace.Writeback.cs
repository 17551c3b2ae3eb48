using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Mapping;

/// <summary>Dirty pages go to their disk.</summary>
/// <remarks>
/// Linux: <c>write_cache_pages</c>, <c>filemap_write_and_wait_range</c>. A page on its way is marked in three steps:
/// <code>
///   dirty ──(to write)──► writeback ──► clean        "to write" is what a sync found dirty when it began: what becomes dirty
///     ▲                       │                       behind it does not keep the sync going for ever
///     └──── written to again ─┘
/// </code>
/// </remarks>
internal abstract partial class AddressSpace
{
    /// <summary>Failures of writing this file's pages. Linux: <c>wb_err</c>.</summary>
    public ErrorSequence WriteErrors;

    /// <summary>How often writing has failed: who compares knows whether what he started went well.</summary>
    public ulong WriteFailures { get; private set; }

    /// <summary>Starts the requests of a run: <see cref="PageTransfer.Start"/> for each part that lies together on the disk. May sleep.</summary>
    protected virtual void StartTransfer(PageTransfer transfer) => transfer.Fail(Errno.EIO);

    /// <summary>A shared mapping is about to write the page: the file system finds room for it. Linux: <c>page_mkwrite</c>.</summary>
    /// <returns><see cref="Errno.ENOSPC"/> and the like become SIGBUS.</returns>
    public virtual Errno PrepareSharedWrite(ulong index) => Errno.None;

    /// <summary>A store brought a page into a shared mapping of a file that need not hear of it before: its times change. Linux: <c>file_update_time</c>.</summary>
    public virtual void WrittenByMapping()
    {
    }

    /// <summary>The first page of a clean file became dirty. Never sleeps.</summary>
    protected virtual void BecameDirty()
    {
    }

    /// <summary>Writing has failed. Also from interrupts.</summary>
    protected virtual void WriteFailed(Errno error)
    {
        WriteFailures++;
        WriteErrors.Record(error);
    }

    /// <summary>Writes all pages from <paramref name="first"/> to <paramref name="last"/> that are dirty now, and waits for those and others under way.</summary>
    /// <remarks>Failures are in <see cref="WriteErrors"/>; pages that failed count as clean, as in Linux.</remarks>
    public void WriteAndWait(ulong first, ulong last)
    {
        StartWriteback(first, last, ulong.MaxValue);
        WaitWriteback(first, last);
    }

    /// <summary>Starts writing pages that are dirty now.</summary>
    /// <param name="most">How many at most.</param>
    /// <returns>How many were started. Does not wait for them, but may for a place in the device's queue.</returns>
    public ulong StartWriteback(ulong first, ulong last, ulong most)
    {
        if (!HasDirtyPages)
            return 0;
        TagToWrite(first, last);
        ulong started = 0;
        ulong index = first;
        while (started < most && TryTakeDirty(ref index, last, mayWait: true, out Pfn page))
        {
            PageTransfer transfer = _cache.Transfers.Take();
            transfer.Begin(this, BlockDirection.Write, index);
            transfer.Add(page);
            started++;
            // What follows without a gap goes with it, unless somebody works on it: nobody may wait for us while we wait for him.
            while (!transfer.IsFull && index < last && started < most)
            {
                ulong next = index + 1;
                if (!TryTakeDirty(ref next, index + 1, mayWait: false, out page))
                    break;
                index = next;
                transfer.Add(page);
                started++;
            }

            StartTransfer(transfer);
            transfer.End();
            PerCpu.Scheduler.CondResched();
            if (index++ == last)
                break;
        }

        return started;
    }

    /// <summary>Waits until no page of the range is being written. Linux: <c>filemap_fdatawait_range</c>.</summary>
    public void WaitWriteback(ulong first, ulong last)
    {
        ulong index = first;
        while (true)
        {
            bool enabled = _lock.AcquireRaw();
            if (!_pages.TryFindMarked(ref index, last, XArrayMark.Writeback, out ulong entry))
            {
                _lock.ReleaseRaw(enabled);
                return;
            }

            Pfn page = PageOf(entry);
            _cache.Frames.Hold(page);
            _lock.ReleaseRaw(enabled);
            _cache.Locks.WaitWritten(page);
            _cache.Frames.LetGo(page);
            if (index++ == last)
                return;
        }
    }

    /// <summary>
    /// Holds a task back that makes pages dirty faster than the disk takes them: it writes some of this file, or waits for others. Holds no page's
    /// lock. Who is killed goes on at once: it will make nothing dirty any more. Linux: <c>balance_dirty_pages</c>.
    /// </summary>
    public void BalanceDirty()
    {
        const ulong Batch = 256;
        const ulong Pause = 10_000_000;
        if (!_cache.IsAboveBackground)
            return;
        _cache.WakeFlusher();
        while (_cache.IsAboveLimit && !PerCpu.Current.FatalSignalPending)
        {
            if (StartWriteback(0, ulong.MaxValue, Batch) != 0)
                continue;
            PerCpu.Current.State = ThreadState.Uninterruptible;
            PerCpu.Scheduler.ScheduleTimeout(Time.MonotonicNanoseconds + Pause);
            if (_cache.Flusher is null)
                return;
            _cache.WakeFlusher();
        }
    }

    /// <summary>Whether any page waits to be written.</summary>
    public bool HasDirtyPages => _pages.IsMarked(XArrayMark.Dirty);

    /// <summary>Whether any page is being written.</summary>
    public bool IsUnderWriteback => _pages.IsMarked(XArrayMark.Writeback);

    /// <summary>A transfer of dirty pages has ended. From the device's interrupt.</summary>
    internal void WriteFinished(ulong first, ReadOnlySpan<Pfn> pages, Errno error)
    {
        PageCache cache = _cache;
        if (error != Errno.None)
            WriteFailed(error);
        for (int i = 0; i < pages.Length; i++)
        {
            // A page under writeback does not leave the cache: its index is what it was.
            PageWritten(pages[i], error);
            bool enabled = _lock.AcquireRaw();
            _pages.ClearMark(first + (ulong)i, XArrayMark.Writeback);
            _lock.ReleaseRaw(enabled);
            cache.CountWriteback(-1);
            // The last act: with its last page the file may go.
            cache.Locks.EndWriteback(pages[i]);
            cache.Frames.LetGoOfTransfer(pages[i]);
        }
    }

    /// <summary>One page of a transfer, still under writeback. From the device's interrupt.</summary>
    protected virtual void PageWritten(Pfn page, Errno error)
    {
    }

    private void TagToWrite(ulong first, ulong last)
    {
        const int Batch = 256;
        ulong index = first;
        while (true)
        {
            bool enabled = _lock.AcquireRaw();
            bool found = true;
            bool ended = false;
            for (int i = 0; i < Batch && !ended; i++)
            {
                found = _pages.TryFindMarked(ref index, last, XArrayMark.Dirty, out _);
                if (!found)
                    break;
                _pages.SetMark(index, XArrayMark.ToWrite);
                ended = index++ == last;
            }

            _lock.ReleaseRaw(enabled);
            if (!found || ended)
                return;
        }
    }

    // Finds the next page that a sync has to write, makes it clean, and marks it as being written. The caller gets a reference.
    private bool TryTakeDirty(ref ulong index, ulong last, bool mayWait, out Pfn page)
    {
        while (true)
        {
            bool enabled = _lock.AcquireRaw();
            bool found = _pages.TryFindMarked(ref index, last, XArrayMark.ToWrite, out ulong entry);
            page = found ? PageOf(entry) : Pfn.None;
            if (found)
                _cache.Frames.Hold(page);
            _lock.ReleaseRaw(enabled);
            if (!found)
                return false;

            if (mayWait)
            {
                _cache.Locks.Lock(page);
                _cache.Locks.WaitWritten(page);
            }
            else if (_cache.Frames[page].HasAny(FrameFlags.Writeback) || !_cache.Locks.TryLock(page))
            {
                _cache.Frames.LetGo(page);
                return false;
            }

            // Write-protected first: a program's next store faults and makes the page dirty again.
            if (Holds(page, index))
                Rmap.PageMkclean(_cache.Frames, page);
            bool taken = ClearDirty(page, index);
            _cache.Locks.Unlock(page);
            if (taken)
                return true;
            _cache.Frames.LetGo(page);
            if (index++ == last)
                return false;
        }
    }

    private bool ClearDirty(Pfn page, ulong index)
    {
        ref PageFrame frame = ref _cache.Frames[page];
        bool enabled = _lock.AcquireRaw();
        bool isHome = IsHome(ref frame) && frame.Index == index;
        bool taken = isHome && frame.TestAndClear(FrameFlags.Dirty);
        if (isHome)
            _pages.ClearMark(index, XArrayMark.ToWrite);
        if (taken)
        {
            _pages.ClearMark(index, XArrayMark.Dirty);
            _pages.SetMark(index, XArrayMark.Writeback);
            _cache.CountDirty(-1);
            _cache.CountWriteback(1);
            frame.SetFlags(FrameFlags.Writeback);
        }

        _lock.ReleaseRaw(enabled);
        return taken;
    }
}
