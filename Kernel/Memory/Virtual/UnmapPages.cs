using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>Takes pages out of an address space: their entries, their counts, and in the end their tables.</summary>
/// <remarks>Linux: <c>zap_page_range</c>, <c>unmap_vmas</c>, <c>free_pgtables</c>. Cost: O(tables in range + pages present).</remarks>
internal sealed partial class MmStruct
{
    /// <summary>Unmaps the pages of <paramref name="range"/>, which lies in <paramref name="area"/>. Never fails.</summary>
    /// <remarks><see cref="MmapLock"/> is held in some way, or the area's file lock by a truncation.</remarks>
    /// <param name="keepPrivateCopies">Leaves anonymous pages: a hole is made in the file, and a program's own copies are not the file's.</param>
    internal void UnmapPages(VmArea area, PageRange range, ref TlbBatch batch, bool keepPrivateCopies = false)
    {
        NotePeakRss();
        var walk = new PteTableWalk(this, range);
        while (walk.MoveNext())
        {
            if (walk.IsHuge)
            {
                if (walk.Huge.Entry.IsFromPool)
                    UnmapHugetlb(walk.Huge, walk.Start, keepPrivateCopies, ref batch);
                else
                    UnmapHuge(walk.Huge, walk.Start, ref batch);
                continue;
            }

            bool enabled = PageTableLock.AcquireRaw();
            PageTable<Pte> table = walk.Table;
            VirtAddr address = walk.Start;
            int last = walk.LastIndex;
            for (int i = walk.FirstIndex; i <= last; i++, address += PageSize.Bytes)
            {
                Pte entry = table[i];
                if (entry.IsNone)
                    continue;
                if (keepPrivateCopies && (!entry.IsMapped() || (!entry.IsSpecial && System.Frames[entry.Pfn].IsAnonymous)))
                    continue;
                table[i] = default;
                if (!entry.IsMapped())
                    System.FreeSwapEntry(this, entry);
                else if (entry.IsSpecial)
                    batch.NoteChange(address);          // the zero page, device memory: nobody counts them
                else
                    RemoveMappedPage(area, entry, address, ref batch);
            }

            PageTableLock.ReleaseRaw(enabled);
        }
    }

    /// <summary>The books for a page whose entry was just cleared. Linux: the body of <c>zap_pte_range</c>.</summary>
    private void RemoveMappedPage(VmArea area, Pte entry, VirtAddr address, ref TlbBatch batch)
    {
        Pfn pfn = entry.Pfn;
        ref PageFrame frame = ref System.Frames[pfn];
        if (frame.IsAnonymous)
        {
            AnonymousPages--;
        }
        else
        {
            if (entry.IsDirty)
                System.MarkFileFrameDirty(ref frame, pfn);
            if ((frame.Flags & FrameFlags.SwapBacked) != 0)
                ShmemPages--;
            else
                FilePages--;
        }

        if ((area.Flags & VmFlags.Locked) != 0)
            System.UnlockPage(pfn);
        System.RemoveMapping(ref frame);
        batch.RemovePage(address, pfn);
    }

    /// <summary>Frees the tables that serve only <paramref name="hole"/>, after the pages of <paramref name="range"/> inside it are gone.</summary>
    /// <param name="range">What was unmapped.</param>
    /// <param name="hole">From the end of the area before to the start of the area after: whatever lies in it has no area.</param>
    /// <remarks>Holds <see cref="MmapLock"/> for writing. Linux: <c>free_pgtables</c> with its floor and ceiling.</remarks>
    internal void FreePageTables(PageRange range, PageRange hole, ref TlbBatch batch)
    {
        // A table goes only when all that it covers lies in the hole; the smallest covers 2 MiB.
        VirtAddr firstWhole = new((hole.Start.Value + PageSize.LargeBytes - 1) & ~(PageSize.LargeBytes - 1));
        if (firstWhole + PageSize.LargeBytes > hole.End)
            return;

        if (System.PagingLevels == 5)
        {
            FreeTopTables(range, hole, ref batch);
            return;
        }

        FreeP4dTables(Root, range, hole, ref batch);
    }

    private void FreeTopTables(PageRange range, PageRange hole, ref TlbBatch batch)
    {
        var top = new PageTable<Pgd>(Root);
        const ulong covers = 1UL << 48;
        for (VirtAddr block = range.Start.AlignDown(covers); block < range.End; block += covers)
        {
            ref Pgd entry = ref top[TopIndexOf(block)];
            if (!entry.IsPresent)
                continue;
            FreeP4dTables(entry.Pfn, range.Intersect(new PageRange(block, block + covers)), hole, ref batch);
            if (block >= hole.Start && block + covers <= hole.End)
            {
                Pfn table = entry.Pfn;
                entry = default;
                TableFreed(block, table, ref batch);
            }
        }
    }

    private void FreeP4dTables(Pfn table, PageRange range, PageRange hole, ref TlbBatch batch)
    {
        var p4ds = new PageTable<P4d>(table);
        const ulong covers = 1UL << 39;
        for (VirtAddr block = range.Start.AlignDown(covers); block < range.End; block += covers)
        {
            ref P4d entry = ref p4ds[P4d.IndexOf(block)];
            if (!entry.IsPresent)
                continue;
            FreePudTables(entry.Pfn, range.Intersect(new PageRange(block, block + covers)), hole, ref batch);
            if (block >= hole.Start && block + covers <= hole.End)
            {
                Pfn child = entry.Pfn;
                entry = default;
                TableFreed(block, child, ref batch);
            }
        }
    }

    private void FreePudTables(Pfn table, PageRange range, PageRange hole, ref TlbBatch batch)
    {
        var puds = new PageTable<Pud>(table);
        for (VirtAddr block = range.Start.AlignDown(PageSize.HugeBytes); block < range.End; block += PageSize.HugeBytes)
        {
            ref Pud entry = ref puds[Pud.IndexOf(block)];
            if (!entry.IsPresent)
                continue;
            FreePmdTables(entry.Pfn, range.Intersect(new PageRange(block, block + PageSize.HugeBytes)), hole, ref batch);
            if (block >= hole.Start && block + PageSize.HugeBytes <= hole.End)
            {
                Pfn child = entry.Pfn;
                entry = default;
                TableFreed(block, child, ref batch);
            }
        }
    }

    private void FreePmdTables(Pfn table, PageRange range, PageRange hole, ref TlbBatch batch)
    {
        var pmds = new PageTable<Pmd>(table);
        for (VirtAddr block = range.Start.AlignDown(PageSize.LargeBytes); block < range.End; block += PageSize.LargeBytes)
        {
            if (block < hole.Start || block + PageSize.LargeBytes > hole.End)
                continue;
            ref Pmd entry = ref pmds[Pmd.IndexOf(block)];
            if (!entry.IsPresent)
                continue;
            Pfn child = entry.Pfn;
            entry = default;
            TableFreed(block, child, ref batch);
        }
    }

    private void TableFreed(VirtAddr block, Pfn table, ref TlbBatch batch)
    {
        System.Frames[table].Flags &= ~FrameFlags.PageTable;
        PageTablePages--;
        System.PageTablePages--;
        System.Statistics.Count(VmCounter.PageTablesFreed);
        batch.RemoveTable(block, table);
    }
}
