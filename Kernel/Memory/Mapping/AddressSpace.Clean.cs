using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Mapping;

/// <summary>Pages leave the cache that nobody needs, or that the disk is written below. Only of files of a disk: shared memory has entries that are no pages.</summary>
internal abstract partial class AddressSpace
{
    /// <summary>Drops clean pages that nobody maps or holds, from <paramref name="first"/> to <paramref name="last"/>. Linux: <c>invalidate_mapping_pages</c>.</summary>
    /// <returns>How many went.</returns>
    public ulong DropClean(ulong first, ulong last)
    {
        ulong dropped = 0;
        ulong index = first;
        while (TryGetNext(ref index, last, out Pfn page))
        {
            ref PageFrame frame = ref _cache.Frames[page];
            if (!frame.HasAny(FrameFlags.Dirty | FrameFlags.Writeback) && frame.MapCount == 0 && frame.ReferenceCount == 2 && _cache.Locks.TryLock(page))
            {
                RemovePage(page, index);
                _cache.Locks.Unlock(page);
                dropped++;
            }

            _cache.Frames.LetGo(page);
            if (index++ == last)
                break;
        }

        return dropped;
    }

    /// <summary>Removes the pages of a range that the disk is written below: also from all address spaces, where a touch reads them again.</summary>
    /// <returns>EBUSY when one stays because it was made dirty again.</returns>
    /// <remarks>Linux: <c>invalidate_inode_pages2_range</c>.</remarks>
    public Errno Invalidate(ulong first, ulong last)
    {
        Errno result = Errno.None;
        ulong index = first;
        while (TryGetNext(ref index, last, out Pfn page))
        {
            ref PageFrame frame = ref _cache.Frames[page];
            _cache.Locks.Lock(page);
            _cache.Locks.WaitWritten(page);
            if (frame.MapCount > 0)
                UnmapMappingRange(index, index, evenPrivateCopies: false);
            if (frame.Has(FrameFlags.Dirty))
                result = Errno.EBUSY;
            else
                RemovePage(page, index);
            _cache.Locks.Unlock(page);
            _cache.Frames.LetGo(page);
            if (index++ == last)
                break;
        }

        return result;
    }

    // The next page in memory, with a reference.
    private bool TryGetNext(ref ulong index, ulong last, out Pfn page)
    {
        bool enabled = _lock.AcquireRaw();
        bool found = _pages.TryFind(ref index, last, out ulong entry);
        page = found ? PageOf(entry) : Pfn.None;
        if (found)
            _cache.Frames.Hold(page);
        _lock.ReleaseRaw(enabled);
        return found;
    }
}
