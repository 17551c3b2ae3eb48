using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Check;

/// <summary>The tables of an address space: each entry above the last level names a table, and each table hangs in one place.</summary>
/// <remarks>The first look at an address space: all others follow these entries wherever they lead.</remarks>
internal static class PageTableCheck
{
    /// <summary>Tables below one of the first level that all processors have.</summary>
    private const int LevelsBelow = 3;

    /// <returns>Whether the tables can be walked.</returns>
    public static bool Run(MmStruct mm, ref MemoryReport report)
    {
        FrameAllocator frames = mm.System.Frames;
        int levels = mm.System.PagingLevels == 5 ? LevelsBelow + 1 : LevelsBelow;
        return report.Unless(frames.IsRam(mm.Root) && frames[mm.Root].ReferenceCount > 0, "an address space has no table to begin with"u8, mm.Root)
            && Below(frames, mm.Root, KernelLayout.FirstKernelSlot, levels, ref report);
    }

    private static bool Below(FrameAllocator frames, Pfn table, int slots, int levels, ref MemoryReport report)
    {
        bool good = true;
        var entries = new PageTable<Pmd>(table);
        for (int i = 0; i < slots; i++)
        {
            Pmd entry = entries[i];
            if (!(levels == 1 ? entry.IsTable : entry.IsPresent))
                continue;
            Pfn next = entry.Pfn;
            if (!IsTable(frames, next, ref report))
                good = false;
            else if (levels > 1)
                good &= Below(frames, next, PageSize.TableEntries, levels - 1, ref report);
        }

        // Those put by for splitting huge pages hang from the frame of the table that the huge pages stand in.
        nuint put = levels == 1 ? frames[table].Private : 0;
        while (put != 0 && good)
        {
            good = IsTable(frames, new Pfn(put), ref report);
            put = good ? frames[new Pfn(put)].Private : 0;
        }

        return good;
    }

    private static bool IsTable(FrameAllocator frames, Pfn pfn, ref MemoryReport report)
        => report.Unless(frames.IsRam(pfn) && frames[pfn].Has(FrameFlags.PageTable), "an entry names what is no page table"u8, pfn)
            && report.Unless(frames[pfn].Found++ == 0, "a page table hangs in two places"u8, pfn);
}
