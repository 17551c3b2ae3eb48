using System;
using NanoVm.Core;

namespace NanoVm.Memory.Physical;

/// <summary>Freed areas are unmapped many at a time, for the price of one flush of the TLB.</summary>
/// <remarks>
/// Linux: <c>free_vmap_area_noflush</c>, <c>__purge_vmap_area_lazy</c>. A translation that the processor has kept must never lead to a frame with a new
/// owner, so the order is: entries, flush, frames. To flush for every kernel stack that goes would cost more than all the rest of its end.
/// <code>
///   Free    [ A ] [ B ] [ C ]     marked, still mapped, their frames still taken; O(1)
///   Purge    clear all their entries ─► one flush ─► free all frames, tables and addresses
/// </code>
/// Purged when more than a 256th of memory waits so, and when memory is short. Linux frees the frames before the flush and
/// trusts the kernel not to use them; here they wait, and so use after free hits the old frame and harms nobody. In a debug build nothing waits: it faults.
/// </remarks>
internal sealed partial class Vmalloc
{
    /// <summary>Bounds of that share.</summary>
    private const ulong FewestPages = 64;
    private const ulong MostPages = 8192;

    /// <summary>So many may wait. A test sets it.</summary>
    internal ulong MostUnpurged;

    /// <summary>Areas that wait, linked by <see cref="VmallocArea.NextUnpurged"/>; their pages. Guarded by <see cref="_lock"/>.</summary>
    private VmallocArea? _unpurged;
    private ulong _unpurgedPages;

    /// <summary>How often areas were unmapped together.</summary>
    public ulong Purges { get; private set; }

    /// <summary>Pages that wait to be unmapped.</summary>
    public PageCount UnpurgedPages => new(_unpurgedPages);

    private static ulong UsualMostUnpurged(PageCount memory)
    {
#if NANOVM_DEBUG
        return 0;
#else
        return Math.Clamp(memory.Value / 256, FewestPages, MostPages);
#endif
    }

    /// <summary>The area waits from now on. Holds <see cref="_lock"/>.</summary>
    private void AddUnpurged(VmallocArea area, PageCount mapped)
    {
        area.Use = VmallocUse.Unpurged;
        area.NextUnpurged = _unpurged;
        _unpurged = area;
        _unpurgedPages += mapped.Value;
        _usedPages -= mapped.Value;
    }

    /// <summary>Unmaps all that waits.</summary>
    /// <returns>The frames that came free.</returns>
    /// <remarks>Never sleeps or allocates. O(pages that wait + areas that wait · log areas).</remarks>
    public PageCount Purge()
    {
        bool enabled = _lock.AcquireRaw();
        VmallocArea? areas = _unpurged;
        _unpurged = null;
        _unpurgedPages = 0;
        uint frames = PageFrame.NoLink;
        for (VmallocArea? area = areas; area is not null; area = area.NextUnpurged)
            frames = ClearEntries(area, frames);
        if (areas is not null)
        {
            Tlb.FlushGlobal();
            Purges++;
        }

        for (VmallocArea? area = areas; area is not null; area = area.NextUnpurged)
            ReleaseTables(area.Start, area.End);
        _lock.ReleaseRaw(enabled);

        while (areas is not null)
        {
            VmallocArea? next = areas.NextUnpurged;
            areas.NextUnpurged = null;
            MakeFree(areas);
            areas = next;
        }

        return FreeFrames(frames);
    }

    /// <summary>Takes an area's pages out of the tables; their frames are put before <paramref name="frames"/>.</summary>
    private uint ClearEntries(VmallocArea area, uint frames)
    {
        VirtAddr end = area.End - PageSize.Bytes;
        for (VirtAddr page = area.Start; page < end; page += PageSize.Bytes)
        {
            Pfn frame = _tables.Unmap(page);
            if (frame.IsNone)
                break;                                      // one that could not be mapped whole
            _frames[frame].Next = frames;
            frames = (uint)frame.Value;
        }

        return frames;
    }

    private PageCount FreeFrames(uint frames)
    {
        ulong count = 0;
        while (frames != PageFrame.NoLink)
        {
            var frame = new Pfn(frames);
            frames = _frames[frame].Next;
            _frames[frame].Next = 0;
            _frames[frame].Flags &= ~FrameFlags.Vmalloc;
            _frames.Put(frame);
            count++;
        }

        return new PageCount(count);
    }
}
