using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Swap;

/// <summary>From an anonymous page to all entries that map it.</summary>
/// <remarks>
/// Linux: <c>rmap_walk_anon</c>, <c>try_to_unmap</c>, <c>page_referenced</c>. Lecture 002, "Reverse mapping". The page names an
/// <see cref="AnonVma"/>, that knows every area that may have it, and the page's index says where in each. The caller has locked the
/// page, and it is mapped: so the AnonVma exists. Never sleeps: neither areas nor tables can change under the walk.
/// </remarks>
internal static unsafe class AnonymousRmap
{
    /// <summary>Whether any entry was used since the last look. An area with locked pages counts as using them for ever.</summary>
    public static bool WasReferenced(MemorySystem memory, Pfn pfn)
    {
        bool referenced = false;
        ref PageFrame frame = ref memory.Frames[pfn];
        for (AnonVmaChain? chain = ChainsOf(frame); chain is not null; chain = chain.NextOfAnon)
        {
            VmArea area = chain.Area;
            if (!TryAddress(area, frame.Index, out VirtAddr address) || !area.Mm.TryFindPte(address, out PageTable<Pte> table))
                continue;
            bool enabled = area.Mm.PageTableLock.AcquireRaw();
            ref Pte entry = ref table[Pte.IndexOf(address)];
            if (IsFor(entry, pfn))
            {
                // The TLB is not flushed: an entry that is still used from there comes to light at the next look.
                referenced |= entry.IsAccessed || (area.Flags & VmFlags.Locked) != 0;
                entry = entry.WithoutAccessed();
            }

            area.Mm.PageTableLock.ReleaseRaw(enabled);
        }

        return referenced;
    }

    /// <summary>Makes every entry that maps the page name its slot instead.</summary>
    public static void Unmap(MemorySystem memory, Pfn pfn, SwapEntry slot)
    {
        ref PageFrame frame = ref memory.Frames[pfn];
        AnonVmaChain? chain = ChainsOf(frame);
        while (chain is not null && frame.MapCount > 0)
        {
            VmArea area = chain.Area;
            chain = chain.NextOfAnon;
            if (TryAddress(area, frame.Index, out VirtAddr address) && (area.Flags & VmFlags.Locked) == 0)
                area.Mm.SwapOutEntry(address, pfn, slot);
        }
    }

    /// <summary>Whether any entry of a huge page was used since the last look.</summary>
    public static bool WasHugeReferenced(MemorySystem memory, Pfn first)
    {
        bool referenced = false;
        ref PageFrame frame = ref memory.Frames[first];
        for (AnonVmaChain? chain = ChainsOf(frame); chain is not null; chain = chain.NextOfAnon)
        {
            if (!TryFindHuge(chain.Area, first, frame.Index, out PmdPlace place, out _))
                continue;
            referenced |= place.Entry.IsAccessed || (chain.Area.Flags & VmFlags.Locked) != 0;
            place.Entry = place.Entry.Without(PteFlags.Accessed);
        }

        return referenced;
    }

    /// <summary>Splits every entry that maps a huge page whole: then it is 512 small pages, each on the lists by itself.</summary>
    /// <remarks>Linux: <c>split_huge_page</c>. Needs no memory, and cannot fail: each entry has its table by.</remarks>
    public static void SplitHuge(MemorySystem memory, Pfn first)
    {
        ref PageFrame frame = ref memory.Frames[first];
        AnonVmaChain? chain = ChainsOf(frame);
        ulong index = frame.Index;
        while (chain is not null && frame.Has(FrameFlags.Huge))
        {
            VmArea area = chain.Area;
            chain = chain.NextOfAnon;
            if (TryFindHuge(area, first, index, out PmdPlace place, out VirtAddr block))
                area.Mm.SplitHuge(place, block);
        }
    }

    private static bool TryFindHuge(VmArea area, Pfn first, ulong index, out PmdPlace place, out VirtAddr block)
    {
        place = default;
        return TryAddress(area, index, out block) && area.Mm.TryFindPmd(block, out place) && place.Entry.IsHuge && place.Entry.Pfn == first;
    }

    internal static bool IsFor(Pte entry, Pfn pfn) => entry.IsMapped() && !entry.IsSpecial && entry.Pfn == pfn;

    private static AnonVmaChain? ChainsOf(in PageFrame frame) =>
        ObjectFactory.FromAddress<AnonVma>((void*)(frame.Mapping & ~PageFrame.MappingAnonymous)).Chains;

    private static bool TryAddress(VmArea area, ulong index, out VirtAddr address)
    {
        ulong page = index - area.PageOffset;
        address = area.Start + (page << PageSize.Shift);
        return index >= area.PageOffset && page < area.Pages.Value;
    }
}
