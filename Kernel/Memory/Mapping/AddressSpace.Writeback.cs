using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Mapping;

/// <summary>Dirty pages go to their disk.</summary>
internal abstract partial class AddressSpace
{
    /// <summary>How many pages one call of <see cref="WriteRun"/> gets at most.</summary>
    protected const int MaximumRun = 32;

    [InlineArray(MaximumRun)]
    private struct PageRun
    {
        private Pfn _first;
    }

    /// <summary>The first failure of a write since it was last asked for. Linux: <c>AS_EIO</c>.</summary>
    private Errno _writeError;

    /// <summary>Writes pages that follow each other in the file. Each has a reference and is marked as under writeback. Sleeps.</summary>
    /// <param name="first">The index of the first page.</param>
    protected virtual Errno WriteRun(ulong first, ReadOnlySpan<Pfn> pages) => Errno.EIO;

    /// <summary>A shared mapping is about to write the page: the file system finds room for it. Linux: <c>page_mkwrite</c>.</summary>
    /// <returns><see cref="Errno.ENOSPC"/> and the like become SIGBUS.</returns>
    public virtual Errno PrepareSharedWrite(ulong index) => Errno.None;

    /// <summary>Writes all dirty pages from <paramref name="first"/> to <paramref name="last"/> and waits for them. Linux: <c>filemap_write_and_wait_range</c>.</summary>
    /// <returns>The first failure since the last call; the pages that failed count as clean, as in Linux.</returns>
    /// <remarks>
    /// Mappings are taken away first, so that the next write through one faults and marks the page dirty again. Linux write-protects
    /// instead (<c>page_mkclean</c>); the effect is the same.
    /// </remarks>
    public Errno WriteDirtyPages(ulong first, ulong last)
    {
        ulong index = first;
        PageRun run = default;
        while (TryTakeDirty(ref index, last, out Pfn page))
        {
            ulong start = index;
            int count = 0;
            run[count++] = page;
            // What follows without a gap goes with it.
            while (count < MaximumRun && index < last)
            {
                ulong next = index + 1;
                if (!TryTakeDirty(ref next, index + 1, out page))
                    break;
                index = next;
                run[count++] = page;
            }

            Errno error = WriteRun(start, ((ReadOnlySpan<Pfn>)run)[..count]);
            if (error != Errno.None && _writeError == Errno.None)
                _writeError = error;
            for (int i = 0; i < count; i++)
            {
                _cache.Locks.EndWriteback(run[i]);
                _cache.Frames.Put(run[i]);
            }

            if (index++ == last)
                break;
        }

        Errno result = _writeError;
        _writeError = Errno.None;
        return result;
    }

    /// <summary>Whether any page waits to be written.</summary>
    public bool HasDirtyPages => _pages.IsMarked(XArrayMark.Dirty);

    // Finds the next dirty page, makes it clean, and marks it as being written. The caller gets a reference.
    private bool TryTakeDirty(ref ulong index, ulong last, out Pfn page)
    {
        while (true)
        {
            bool enabled = _lock.AcquireRaw();
            bool found = _pages.TryFindMarked(ref index, last, XArrayMark.Dirty, out ulong entry);
            page = found ? PageOf(entry) : Pfn.None;
            if (found)
                _cache.Frames.Get(page);
            _lock.ReleaseRaw(enabled);
            if (!found)
                return false;

            _cache.Locks.Lock(page);
            _cache.Locks.WaitWritten(page);
            if (Holds(page, index) && AreaCount > 0)
                UnmapMappingRange(index, index, evenPrivateCopies: false);
            bool taken = ClearDirty(page, index);
            _cache.Locks.Unlock(page);
            if (taken)
                return true;
            _cache.Frames.Put(page);
            if (index++ == last)
                return false;
        }
    }

    private bool ClearDirty(Pfn page, ulong index)
    {
        ref PageFrame frame = ref _cache.Frames[page];
        bool enabled = _lock.AcquireRaw();
        bool taken = IsHome(ref frame) && frame.Index == index && frame.TestAndClear(FrameFlags.Dirty);
        if (taken)
        {
            _pages.ClearMark(index, XArrayMark.Dirty);
            _cache.CountDirty(-1);
            frame.SetFlags(FrameFlags.Writeback);
        }

        _lock.ReleaseRaw(enabled);
        return taken;
    }
}
