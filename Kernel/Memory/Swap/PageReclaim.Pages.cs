using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Swap;

/// <summary>Decides about single pages, writes those that must be written, frees what can be freed.</summary>
/// <remarks>
/// Linux: <c>shrink_page_list</c>. Steps for each page; after each the page may turn out to be needed, and then joins a list again.
/// <code>
///   lock it ─► used since? ─► a slot (anonymous) ─► out of all page tables ─► written, if changed ─► out of its cache ─► free
///    tried      PageReferenced   TryAddToSwap          TryToUnmap              the only step that sleeps
/// </code>
/// While it is written anybody may touch the page: it is found in the swap cache then, has one user more when the write is done, and stays.
/// </remarks>
internal sealed partial class PageReclaim
{
    [InlineArray(Batch)]
    private struct Segments
    {
        private BlockSegment _first;
    }

    /// <summary>Whether a page that was used lately is left alone.</summary>
    private enum ReferencesCount : byte
    {
        No,
        Yes,
    }

    /// <summary>What becomes of a page.</summary>
    private enum Verdict : byte
    {
        /// <summary>Stays on the inactive list: it was used once.</summary>
        Keep,
        /// <summary>In use, or cannot go: to the active list.</summary>
        Activate,
        /// <summary>Nobody maps it: write it if need be, then free it.</summary>
        Evict,
        /// <summary>It has gone already: only the caller's reference is left.</summary>
        Gone,
    }

    /// <summary>Frees what can be freed of pages that are on no list; each has a reference, which goes. The others join lists again.</summary>
    /// <returns>How many pages are free now.</returns>
    private ulong ShrinkPages(ref Pages pages, int count, ReferencesCount references)
    {
        int evicted = 0;
        ulong freed = 0;
        for (int i = 0; i < count; i++)
        {
            Pfn pfn = pages[i];
            if (!_locks.TryLock(pfn))
            {
                _sawBusy = true;
                PutBack(pfn, Verdict.Keep);
                continue;
            }

            Verdict verdict = Judge(pfn, references);
            if (verdict == Verdict.Evict)
            {
                pages[evicted++] = pfn;
                continue;
            }

            _locks.Unlock(pfn);
            if (verdict == Verdict.Gone)
            {
                freed++;
                _frames.LetGo(pfn);
            }
            else
            {
                PutBack(pfn, verdict);
            }
        }

        WriteToSwap(ref pages, evicted);
        freed += FreeEvicted(ref pages, evicted);
        _stolen += freed;
        return freed;
    }

    private void PutBack(Pfn pfn, Verdict verdict)
    {
        ref PageFrame frame = ref _frames[pfn];
        bool active = verdict == Verdict.Activate;
        if (active)
            Statistics.Count(VmCounter.PgActivate);
        if ((frame.Flags & FrameFlags.SwapBacked) != 0)
            _lru.Add(pfn, active ? LruKind.ActiveAnonymous : LruKind.InactiveAnonymous);
        else
            _lru.Add(pfn, active ? LruKind.ActiveFile : LruKind.InactiveFile);
        _frames.LetGo(pfn);
    }

    /// <summary>The page is locked, and nothing here sleeps.</summary>
    private Verdict Judge(Pfn pfn, ReferencesCount references)
    {
        ref PageFrame frame = ref _frames[pfn];
        if (frame.MlockCount > 0)
        {
            Statistics.Count(VmCounter.UnevictableCulled);
            return Verdict.Keep;                            // which means the unevictable list
        }

        AddressSpace? file = FrameMapping.AddressSpaceOf(frame);
        bool onlyIfClean = false;
        if (references == ReferencesCount.Yes && WasUsed(pfn, file is { IsShmem: false }, out onlyIfClean) is var used and not Verdict.Evict)
            return used;
        if (file is null)
            return EvictAnonymous(pfn);
        if (file.IsShmem)
            return file.TrySwapOut(pfn) ? Verdict.Evict : Verdict.Activate;
        if (onlyIfClean && frame.HasAny(FrameFlags.Dirty | FrameFlags.Writeback))
            return Verdict.Keep;
        if (file.TryRelease(pfn))
            return Verdict.Gone;
        _sawBusy |= frame.HasAny(FrameFlags.Dirty | FrameFlags.Writeback);
        return Verdict.Activate;
    }

    /// <summary>Second chance. Linux: <c>page_check_references</c>.</summary>
    /// <remarks>
    /// Every page was used when it came; so one use since then only keeps it on the inactive list, a second look that finds it used again, or
    /// by several, makes it active. Code of programs becomes active at once.
    /// </remarks>
    private Verdict WasUsed(Pfn pfn, bool isFile, out bool onlyIfClean)
    {
        ref PageFrame frame = ref _frames[pfn];
        int entries = Rmap.PageReferenced(_frames, pfn, out VmFlags flags);
        bool before = frame.TestAndClear(FrameFlags.Referenced);
        onlyIfClean = before && isFile;
        if ((flags & VmFlags.Locked) != 0)
            return Verdict.Activate;
        if (entries == 0)
            return Verdict.Evict;
        frame.SetFlags(FrameFlags.Referenced);
        if (before || entries > 1 || (isFile && (flags & VmFlags.Execute) != 0))
            return Verdict.Activate;
        return Verdict.Keep;
    }

    private Verdict EvictAnonymous(Pfn pfn)
    {
        ref PageFrame frame = ref _frames[pfn];
        bool cached = frame.Has(FrameFlags.SwapCache);
        if (!cached && frame.MapCount == 0)
            return Verdict.Keep;                            // its last user is about to free it
        if (frame.MapCount > 0 && (frame.Mapping & PageFrame.MappingAnonymous) == 0)
            return Verdict.Activate;                        // a page of a file that became shorter while it was mapped
        if (frame.ReferenceCount > frame.MapCount + (cached ? 2 : 1))
        {
            // In somebody's hands, beside its entries, the swap cache and us. It could not be freed; and if a device writes to it, what comes
            // after the copy on the disk was made would be lost.
            _sawBusy = true;
            return Verdict.Keep;
        }

        if (!cached && !frame.Has(FrameFlags.SwapBacked))
        {
            if (DropLazilyFreed(pfn))
                return Verdict.Gone;
            frame.SetFlags(FrameFlags.SwapBacked);          // written since: a page as any other
            return Verdict.Activate;
        }

        if (!cached && !_swap.TryAddToSwap(pfn))
            return Verdict.Activate;
        if (Rmap.TryToUnmap(_frames, pfn))
            return Verdict.Evict;
        _swap.TryFreeCached(pfn, lockedByCaller: true);
        return Verdict.Activate;
    }

    private bool DropLazilyFreed(Pfn pfn)
    {
        ref PageFrame frame = ref _frames[pfn];
        if (Rmap.IsDirty(_frames, pfn))
            return false;
        Rmap.DropLazilyFreed(_frames, pfn);
        if (frame.MapCount != 0 || frame.ReferenceCount != 1)
            return false;
        Statistics.Count(VmCounter.PgLazyFreed);
        return true;
    }

    /// <summary>Writes those that the disk does not have yet, neighbours in one transfer. Sleeps; the pages are locked meanwhile.</summary>
    private void WriteToSwap(ref Pages pages, int count)
    {
        Segments segments = default;
        int at = 0;
        while (at < count)
        {
            if (!_frames[pages[at]].HasAny(FrameFlags.Dirty))
            {
                at++;
                continue;
            }

            int first = at, run = 0;
            var start = new SwapEntry(_frames[pages[first]].Private);
            while (at < count)
            {
                ref PageFrame frame = ref _frames[pages[at]];
                var entry = new SwapEntry(frame.Private);
                if (!frame.HasAny(FrameFlags.Dirty) || entry.Area != start.Area || entry.Slot != start.Slot + (ulong)run)
                    break;
                segments[run++] = new BlockSegment(pages[at].Address, (uint)PageSize.Bytes);
                at++;
            }

            Errno error = _swap.AreaOf(start).Write(start.Slot, ((ReadOnlySpan<BlockSegment>)segments)[..run]);
            _swap.PagesOut += (ulong)run;
            if (error != Errno.None)
                continue;                               // still marked as not on the disk: they stay
            for (int i = first; i < at; i++)
                _frames[pages[i]].ClearFlags(FrameFlags.Dirty);
        }
    }

    private ulong FreeEvicted(ref Pages pages, int count)
    {
        ulong freed = 0;
        for (int i = 0; i < count; i++)
        {
            Pfn pfn = pages[i];
            ref PageFrame frame = ref _frames[pfn];
            bool gone = _swap.TryFreeCached(pfn, lockedByCaller: true);
            if (!gone && frame.MapCount == 0 && frame.ReferenceCount == 2 && !frame.HasAny(FrameFlags.Dirty))
            {
                _swap.RemoveFromCache(pfn);
                gone = true;
            }

            bool last = gone && frame.ReferenceCount == 1;
            _locks.Unlock(pfn);
            if (last)
            {
                freed++;
                _frames.LetGo(pfn);
            }
            else
            {
                PutBack(pfn, Verdict.Activate);
            }
        }

        return freed;
    }
}
