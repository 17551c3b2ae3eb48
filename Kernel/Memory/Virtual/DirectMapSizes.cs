using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>How much of RAM the kernel's direct map maps by pages of which size: what a TLB miss of the kernel costs. Kilobytes.</summary>
/// <remarks>Linux: <c>arch_report_meminfo</c>. Read from the tables themselves, which never change after boot.</remarks>
internal struct DirectMapSizes
{
    public ulong Small;
    public ulong Large;
    public ulong Huge;

    /// <summary>Counts them. O(tables of the direct map): one a gibibyte, and one for each 2 MiB that have small pages.</summary>
    public static DirectMapSizes Of(MemorySystem memory)
    {
        var sizes = default(DirectMapSizes);
        ulong end = KernelLayout.DirectMap + memory.Frames.EndFrame.Address.Value;
        sizes.Count(memory.InitMm.Root, memory.PagingLevels - 1, KernelLayout.DirectMap, end);
        return sizes;
    }

    /// <param name="below">Levels of tables below this one.</param>
    private void Count(Pfn table, int below, ulong start, ulong end)
    {
        var entries = new PageTable<Pmd>(table);                // all levels have one format
        int shift = PageSize.Shift + 9 * below;
        ulong next;
        for (ulong at = start; at < end; at = next)
        {
            // The last entry of the highest table ends where the address space does, at 2^64.
            next = ((at >> shift) + 1) << shift;
            if (next > end || next == 0)
                next = end;
            Pmd entry = entries[(int)(at >> shift) & (PageSize.TableEntries - 1)];
            if (!entry.IsPresent)
                continue;
            if (below != 0 && !entry.Has(PteFlags.Huge))
            {
                Count(entry.Pfn, below - 1, at, next);
                continue;
            }

            ulong kilobytes = 1UL << (shift - 10);
            if (below == 0)
                Small += kilobytes;
            else if (below == 1)
                Large += kilobytes;
            else
                Huge += kilobytes;
        }
    }
}
