using System;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Mapping;

/// <summary>How far ahead one reader is worth reading. Linux: <c>file_ra_state</c>.</summary>
/// <remarks>A reader that comes where the last window ended gets a window twice as long; one that jumps gets single pages again.</remarks>
internal struct ReadAheadState
{
    private const int FirstWindow = 4;

    private ulong _next;
    private int _window;

    /// <summary>What the reader has said of himself (<c>posix_fadvise</c>, <c>madvise</c>).</summary>
    public ReadAheadHint Hint;

    /// <summary>How many pages to read for a miss at <paramref name="index"/>.</summary>
    internal int PagesFor(ulong index, int most)
    {
        _window = Hint switch
        {
            ReadAheadHint.Random => 1,
            ReadAheadHint.Sequential => most,
            _ when index == _next || index == 0 => Math.Clamp(_window * 2, FirstWindow, most),
            _ => 1,
        };
        _next = index + (ulong)_window;
        return _window;
    }
}

internal enum ReadAheadHint : byte
{
    Normal,
    Sequential,
    Random,
}

/// <summary>Several pages in one transfer, because the next ones will be wanted too.</summary>
internal abstract partial class AddressSpace
{
    /// <summary>How far ahead faults of mappings read; a hint that all of them share.</summary>
    public ReadAheadState FaultAhead;

    /// <summary>Fills frames of pages that follow each other; all are zeros and locked. Sleeps.</summary>
    protected virtual Errno ReadRun(ulong first, ReadOnlySpan<Pfn> pages) => Errno.EIO;

    /// <summary>The page, and with it some that a reader who goes on like this will want next; takes a reference to the one.</summary>
    /// <returns>As <see cref="FindOrCreatePage"/>.</returns>
    public Result<Pfn> FindOrReadAhead(ulong index, ref ReadAheadState state)
    {
        Result<Pfn> found = FindPage(index);
        if (found.IsOk)
            return found;
        ulong left = SizePages > index ? SizePages - index : 0;
        int count = (int)Math.Min((ulong)state.PagesFor(index, MaximumRun), left);
        if (count > 1)
            ReadAhead(index, count);
        return FindOrCreatePage(index);
    }

    /// <summary>Reads pages that are not in memory, up to the first that is. A failure is told when the page is asked for by itself.</summary>
    /// <remarks>Linux: <c>page_cache_ra_unbounded</c>.</remarks>
    public void ReadAhead(ulong first, int count)
    {
        PageRun run = default;
        int taken = 0;
        while (taken < Math.Min(count, MaximumRun) && InsertPage(first + (ulong)taken, out Pfn page) == Errno.None)
            run[taken++] = page;
        if (taken == 0)
            return;
        Errno error = ReadRun(first, ((ReadOnlySpan<Pfn>)run)[..taken]);
        for (int i = 0; i < taken; i++)
        {
            FinishPage(run[i], first + (ulong)i, error);
            _cache.Frames.Put(run[i]);
        }
    }
}
