using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Mapping;

/// <summary>Pages of shared memory that a program brings itself, when it answers page faults.</summary>
internal abstract partial class AddressSpace
{
    /// <summary>Whether something is there for <paramref name="index"/>: a page in memory, or one in swap.</summary>
    internal bool IsOccupied(ulong index)
    {
        bool enabled = _lock.AcquireRaw();
        ulong entry = _pages.Load(index);
        _lock.ReleaseRaw(enabled);
        return entry != 0;
    }

    /// <summary>Makes <paramref name="page"/>, which is filled, the page <paramref name="index"/>. The caller keeps his reference. Shared memory only.</summary>
    /// <returns>EEXIST: there is one; ENOMEM, also where a quota is used up. Linux: <c>shmem_add_to_page_cache</c>.</returns>
    /// <remarks>Never sleeps.</remarks>
    internal unsafe Errno Adopt(ulong index, Pfn page)
    {
        if (ChargePage() != Errno.None)
            return Errno.ENOMEM;
        ref PageFrame frame = ref _cache.Frames[page];
        frame.Mapping = (nuint)ObjectFactory.AddressOf(this);
        frame.Index = index;
        frame.Flags = FrameFlags.PageCache | FrameFlags.SwapBacked | FrameFlags.UpToDate | FrameFlags.Dirty;

        bool enabled = _lock.AcquireRaw();
        Errno error = _pages.Load(index) != 0 ? Errno.EEXIST : _pages.Store(index, EntryOf(page));
        if (error == Errno.None)
        {
            _cache.Frames.Get(page);            // the cache's own
            PageTotal++;
        }

        _lock.ReleaseRaw(enabled);
        if (error != Errno.None)
        {
            frame.Flags = FrameFlags.None;
            frame.Mapping = 0;
            UnchargePage();
            return error;
        }

        _cache.CountPages(IsShmem, 1);
        _cache.Frames.Lru.Add(page, LruKind.InactiveAnonymous);
        return Errno.None;
    }
}
