using System.Diagnostics;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>Checks an address space against itself: what must hold whenever the lock is free.</summary>
internal sealed partial class MmStruct
{
    /// <summary>Runs <see cref="Validate"/> in debug builds; holders of <see cref="MmapLock"/>.</summary>
    [Conditional("NANOVM_DEBUG")]
    internal void ValidateInDebug()
    {
        if (Validate() is { Length: > 0 } broken)
            Panic.Now(broken);
    }

    /// <summary>Checks list, tree, gaps, counts, and every page-table entry against its area.</summary>
    /// <returns>What is broken; empty when all holds.</returns>
    public global::System.ReadOnlySpan<byte> Validate()
    {
        if (!Areas.Validate())
            return "mm: list and tree of areas do not agree"u8;
        ulong total = 0, data = 0, executable = 0, stack = 0, locked = 0;
        ulong anonymous = 0, file = 0, shmem = 0, mapped = 0, swapped = 0, huge = 0, pool = 0;
        for (VmArea? area = Areas.First; area is not null; area = area.Next)
        {
            if (!ReferenceEquals(area.Mm, this) || area.End > TaskSize)
                return "mm: an area belongs elsewhere"u8;
            ulong pages = area.Pages.Value;
            total += pages;
            if (area.Flags.IsExecutable())
                executable += pages;
            else if (area.Flags.IsStack())
                stack += pages;
            else if (area.Flags.IsData())
                data += pages;
            if ((area.Flags & VmFlags.Locked) != 0)
                locked += pages;

            var walk = new PteTableWalk(this, area.Range, HugeVisit.Look);
            while (walk.MoveNext())
            {
                if (walk.IsHuge)
                {
                    if (CheckHuge(area, walk.Huge.Entry, walk.End - walk.Start, ref anonymous, ref huge, ref pool) is { Length: > 0 } broken)
                        return broken;
                    continue;
                }

                for (int i = walk.FirstIndex; i <= walk.LastIndex; i++)
                {
                    Pte entry = walk.Table[i];
                    if (entry.IsSwap())
                        swapped++;
                    if (!entry.IsMapped())
                        continue;
                    mapped++;
                    if (!RightsFit(area, entry))
                        return "mm: an entry allows what its area forbids"u8;
                    if (entry.IsSpecial)
                        continue;
                    if (!System.Frames.IsRam(entry.Pfn))
                        return "mm: an entry maps what is no RAM"u8;
                    ref PageFrame frame = ref System.Frames[entry.Pfn];
                    if (frame.MapCount <= 0 || frame.ReferenceCount < frame.MapCount)
                        return "mm: a mapped frame is not counted"u8;
                    if (frame.IsAnonymous)
                        anonymous++;
                    else if ((frame.Flags & FrameFlags.SwapBacked) != 0)
                        shmem++;
                    else
                        file++;
                    if (frame.IsAnonymous && area.AnonVma is null)
                        return "mm: an anonymous page in an area without anon_vma"u8;
                    if (frame.IsAnonymous && entry.IsWritable && frame.MapCount != 1)
                        return "mm: a shared anonymous page is writable"u8;
                }
            }
        }

        if (total != TotalVm || data != DataVm || executable != ExecVm || stack != StackVm || locked != LockedVm)
            return "mm: the totals of pages are wrong"u8;
        if (anonymous != AnonymousPages || file != FilePages || shmem != ShmemPages)
            return "mm: the resident counts are wrong"u8;
        if (swapped != SwapEntries)
            return "mm: the count of pages in swap is wrong"u8;
        if (huge != HugeEntries || pool != HugetlbPages)
            return "mm: the count of huge pages is wrong"u8;
        if (CountEntries(out ulong tables) != mapped + huge + pool)
            return "mm: a page is mapped outside every area"u8;
        return tables != PageTablePages ? "mm: the count of page tables is wrong"u8 : default;
    }

    private global::System.ReadOnlySpan<byte> CheckHuge(VmArea area, Pmd entry, ulong bytes, scoped ref ulong anonymous, scoped ref ulong huge, scoped ref ulong pool)
    {
        if (bytes != PageSize.LargeBytes)
            return "mm: a huge page belongs to two areas"u8;
        if (!RightsFit(area, entry.ToPte(0)))
            return "mm: a huge page allows what its area forbids"u8;
        if (entry.IsFromPool != ((area.Flags & VmFlags.HugeTlb) != 0))
            return "mm: a huge page of the pool in an area of another kind"u8;
        if (entry.IsFromPool)
        {
            pool++;
            return System.Frames[entry.Pfn].UseCount > 0 ? default : "mm: a huge page of the pool is not counted"u8;
        }

        huge++;
        if (entry.Has(PteFlags.Special))
            return entry.IsWritable ? "mm: the huge page of zeros is writable"u8 : default;
        anonymous += FrameAllocator.HugeFrames;
        if (area.AnonVma is null)
            return "mm: a huge page in an area without anon_vma"u8;
        int uses = System.Frames[entry.Pfn].UseCount;
        if (uses <= 0 || (entry.IsWritable && uses != 1))
            return "mm: a shared huge page is writable, or not counted"u8;
        for (ulong i = 0; i < FrameAllocator.HugeFrames; i++)
        {
            ref PageFrame frame = ref System.Frames[entry.Pfn + i];
            if (!frame.Has(FrameFlags.Huge) || !frame.IsAnonymous || frame.MapCount < 1 || frame.ReferenceCount < frame.MapCount)
                return "mm: a frame of a huge page is not counted"u8;
            if (entry.IsWritable && frame.MapCount != 1)
                return "mm: a frame of a writable huge page is shared"u8;
        }

        return default;
    }

    private static bool RightsFit(VmArea area, Pte entry)
    {
        if (!entry.IsPresent)
            return (area.Flags & VmFlags.AccessMask) == 0;
        if (!entry.IsUser || (area.Flags & VmFlags.AccessMask) == 0)
            return false;
        if (entry.IsWritable && (area.Flags & VmFlags.Write) == 0)
            return false;
        return entry.IsNoExecute == ((area.Flags & VmFlags.Execute) == 0);
    }

    /// <summary>Counts the entries that map something in the whole user half, and the tables, those put by included.</summary>
    private ulong CountEntries(out ulong tables)
    {
        tables = 1;
        if (System.PagingLevels != 5)
            return CountP4ds(Root, KernelLayout.FirstKernelSlot, ref tables);
        ulong count = 0;
        var top = new PageTable<Pgd>(Root);
        for (int i = 0; i < KernelLayout.FirstKernelSlot; i++)
        {
            if (!top[i].IsPresent)
                continue;
            tables++;
            count += CountP4ds(top[i].Pfn, PageSize.TableEntries, ref tables);
        }

        return count;
    }

    private ulong CountP4ds(Pfn table, int slots, ref ulong tables)
    {
        ulong count = 0;
        var p4ds = new PageTable<P4d>(table);
        for (int i = 0; i < slots; i++)
        {
            if (!p4ds[i].IsPresent)
                continue;
            tables++;
            var puds = new PageTable<Pud>(p4ds[i].Pfn);
            for (int j = 0; j < PageSize.TableEntries; j++)
            {
                if (!puds[j].IsPresent)
                    continue;
                tables++;
                for (nuint put = System.Frames[puds[j].Pfn].Private; put != 0; put = System.Frames[new Pfn(put)].Private)
                    tables++;
                var pmds = new PageTable<Pmd>(puds[j].Pfn);
                for (int k = 0; k < PageSize.TableEntries; k++)
                {
                    if (pmds[k].IsHuge)
                        count++;
                    if (!pmds[k].IsTable)
                        continue;
                    tables++;
                    var ptes = new PageTable<Pte>(pmds[k].Pfn);
                    for (int l = 0; l < PageSize.TableEntries; l++)
                        count += ptes[l].IsMapped() ? 1UL : 0;
                }
            }
        }

        return count;
    }
}
