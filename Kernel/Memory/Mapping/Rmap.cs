using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Swap;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Mapping;

/// <summary>What is asked of all entries that map a page, and done to them.</summary>
/// <remarks>Linux: <c>mm/rmap.c</c>. Lecture 002, "Reverse mapping". The caller has locked the page. Nothing here sleeps.</remarks>
internal static class Rmap
{
    /// <summary>How many entries were used since the last look, which this look ends. Linux: <c>page_referenced</c>.</summary>
    /// <param name="flags">The flags of all areas that have the page: Locked says that it must stay, Execute that it is code.</param>
    /// <remarks>The TLB is not flushed: an entry that is used from there comes to light at a later look.</remarks>
    public static int PageReferenced(FrameAllocator frames, Pfn page, out VmFlags flags)
    {
        flags = VmFlags.None;
        int referenced = 0;
        if (frames[page].MapCount == 0)
            return 0;
        using var walk = new RmapWalk(frames, page);
        while (walk.MoveNext())
        {
            flags |= walk.Area.Flags;
            ref Pte entry = ref walk.Entry;
            if (entry.IsAccessed)
                referenced++;
            entry = entry.WithoutAccessed();
        }

        return referenced;
    }

    /// <summary>Takes the page out of every address space: an anonymous one leaves its slot in the entry, one of a file nothing. Linux: <c>try_to_unmap</c>.</summary>
    /// <returns>Whether nobody maps it any more; not when an area has it locked.</returns>
    /// <remarks>
    /// Each entry first, its TLB second, the page's reference last. What the entry knew of the page (written, soft-dirty, watched for writes) is
    /// kept in the page or in the entry. An anonymous page is in the swap cache.
    /// </remarks>
    public static bool TryToUnmap(FrameAllocator frames, Pfn page)
    {
        ref PageFrame frame = ref frames[page];
        if (frame.MapCount == 0)
            return true;
        using var walk = new RmapWalk(frames, page);
        while (walk.MoveNext())
        {
            if ((walk.Area.Flags & VmFlags.Locked) == 0)
                walk.Area.Mm.TakeEntry(ref walk.Entry, walk.Address, page);
        }

        return frame.MapCount == 0;
    }

    /// <summary>Whether a program wrote to the page since it said that it does not need it: see <see cref="DropLazilyFreed"/>.</summary>
    public static bool IsDirty(FrameAllocator frames, Pfn page)
    {
        using var walk = new RmapWalk(frames, page);
        while (walk.MoveNext())
        {
            if (walk.Entry.IsDirty)
                return true;
        }

        return false;
    }

    /// <summary>Forgets a page that nobody needs (MADV_FREE) and nobody wrote to since: its next touch finds zeros. Linux: the lazyfree part of <c>try_to_unmap_one</c>.</summary>
    public static void DropLazilyFreed(FrameAllocator frames, Pfn page)
    {
        using var walk = new RmapWalk(frames, page);
        while (walk.MoveNext())
        {
            if ((walk.Area.Flags & VmFlags.Locked) == 0)
                walk.Area.Mm.DropEntry(ref walk.Entry, walk.Address, page);
        }
    }

    /// <summary>Makes every entry through which the page could be written read-only and clean: the next write will fault and say so. Linux: <c>page_mkclean</c>.</summary>
    /// <returns>How many there were.</returns>
    /// <remarks>Called before a page of a file is written to its disk. What was written before is in the page; what is written after is noticed.</remarks>
    public static int PageMkclean(FrameAllocator frames, Pfn page)
    {
        int cleaned = 0;
        if (frames[page].MapCount == 0)
            return 0;
        using var walk = new RmapWalk(frames, page);
        while (walk.MoveNext())
        {
            ref Pte entry = ref walk.Entry;
            if (!entry.IsDirty && !entry.IsWritable)
                continue;
            entry = entry.Without(PteFlags.Dirty | PteFlags.Writable);
            TlbBatch.FlushPage(walk.Area.Mm, walk.Address);
            cleaned++;
        }

        return cleaned;
    }

    /// <summary>As <see cref="PageReferenced"/>, for a page of 2 MiB.</summary>
    /// <param name="first">Its first frame.</param>
    public static int HugeReferenced(FrameAllocator frames, Pfn first, out VmFlags flags)
    {
        flags = VmFlags.None;
        int referenced = 0;
        using var walk = new RmapWalk(frames, first);
        while (walk.MoveNextArea())
        {
            if (!IsHugeAt(walk.Area, walk.Address, first, out PmdPlace place))
                continue;
            flags |= walk.Area.Flags;
            if (place.Entry.IsAccessed)
                referenced++;
            place.Entry = place.Entry.Without(PteFlags.Accessed);
        }

        return referenced;
    }

    /// <summary>Splits every entry that maps a page of 2 MiB whole: then it is 512 small pages, each on the lists by itself.</summary>
    /// <remarks>Linux: <c>split_huge_page</c>. Needs no memory, and cannot fail: each entry has its table by.</remarks>
    /// <returns>Whether it is split.</returns>
    public static bool SplitHugePage(FrameAllocator frames, Pfn first)
    {
        using var walk = new RmapWalk(frames, first);
        while (frames[first].Has(FrameFlags.Huge) && walk.MoveNextArea())
        {
            if (IsHugeAt(walk.Area, walk.Address, first, out PmdPlace place))
                walk.Area.Mm.SplitHuge(place, walk.Address);
        }

        return !frames[first].Has(FrameFlags.Huge);
    }

    private static bool IsHugeAt(VmArea area, VirtAddr block, Pfn first, out PmdPlace place) =>
        area.Mm.TryFindPmd(block, out place) && place.Entry.IsHuge && place.Entry.Pfn == first;
}
