using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Structures;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Mapping;

/// <summary>What reclaim asks of a file's pages.</summary>
internal abstract partial class AddressSpace
{
    /// <summary>Whether any entry that maps the page was used since the last look. Linux: <c>page_referenced_file</c>. The page is locked.</summary>
    internal bool WasReferenced(Pfn page)
    {
        ulong index = _cache.Frames[page].Index;
        bool referenced = false;
        bool enabled = _areasLock.AcquireRaw();
        for (VmArea? area = _areas.FirstOverlap(index, index); area is not null; area = IntervalTree<VmArea, AreaTraits>.NextOverlap(area, index, index))
        {
            VirtAddr address = area.Start + ((index - area.PageOffset) << PageSize.Shift);
            if (!area.Mm.TryFindPte(address, out PageTable<Pte> table))
                continue;
            bool inner = area.Mm.PageTableLock.AcquireRaw();
            ref Pte entry = ref table[Pte.IndexOf(address)];
            if (entry.IsMapped() && !entry.IsSpecial && entry.Pfn == page)
            {
                referenced |= entry.IsAccessed || (area.Flags & VmFlags.Locked) != 0;
                entry = entry.WithoutAccessed();
            }

            area.Mm.PageTableLock.ReleaseRaw(inner);
        }

        _areasLock.ReleaseRaw(enabled);
        return referenced;
    }

    /// <summary>Takes a clean page that nobody else holds out of all address spaces and out of the cache.</summary>
    /// <returns>Whether it has gone. The caller has locked it and holds a reference, the last one then.</returns>
    internal bool TryRelease(Pfn page)
    {
        ref PageFrame frame = ref _cache.Frames[page];
        if (!IsHome(ref frame))
            return false;
        ulong index = frame.Index;
        if (frame.MapCount > 0)
            UnmapMappingRange(index, index, evenPrivateCopies: false);
        if (frame.MapCount != 0 || frame.ReferenceCount != 2 || frame.HasAny(FrameFlags.Dirty | FrameFlags.Writeback))
            return false;
        RemovePage(page, index);
        return true;
    }
}
