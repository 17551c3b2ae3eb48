using System;
using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Swap;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Check;

/// <summary>Checks all of memory at once: every structure against itself, and all of them against each other.</summary>
/// <remarks>
/// "memfsck". What is proved, and where:
/// <code>
///   free lists, slabs, vmalloc, reclaim lists         PhysicalMemory.Check, each structure its own
///   list, tree, gaps and counts of each mm's areas;   MmStruct.Validate
///     each entry lies in an area that allows it
///   each table hangs in one place                     PageTableCheck
///   each entry is found from its page                 ReverseMapCheck
///   each page cache agrees with its frames            AddressSpace.Check, once for each that has a page
///   each frame: free or used, never both; references  FrameCheck, against what the walks have counted
///     and map counts are those that were found
///   each slot of swap has the uses that were found    SwapSystem.Check
///   the pool of huge pages                            HugePool.Check, FrameCheck
///   the kernel's tables: W^X, nothing for users       KernelTableCheck
/// </code>
/// O(frames + mapped pages). It needs no memory: what it counts in are <see cref="PageFrame.Found"/>, <see cref="MemorySystem.FoundHuge"/> and
/// <see cref="SwapArea.Found"/>. Nothing else runs meanwhile, for it never sleeps. An address space whose lock a sleeping thread holds for writing
/// cannot be looked at: then frames and slots may be used oftener than is seen, and only too few uses are errors.
/// </remarks>
internal static class MemoryCheck
{
    /// <summary>Checks; what is wrong is in <paramref name="report"/>.</summary>
    public static void Run(MemorySystem system, ref MemoryReport report)
    {
        Forget(system);
        system.Physical.Check(ref report);
        for (MmStruct mm = system.InitMm; mm.NextMm is { } next; mm = next)
        {
            if (!report.Unless(ReferenceEquals(next.PreviousMm, mm), "the list of address spaces is broken"u8))
                break;
            CheckAddressSpace(next, ref report);
        }

        KernelTableCheck.Run(system, ref report);
        FrameCheck.Run(system, ref report);
        system.Swap?.Check(ref report);
        system.Hugetlb.Pool.Check(ref report);
    }

    private static void Forget(MemorySystem system)
    {
        FrameAllocator frames = system.Frames;
        for (int i = 0; i < frames.RamRangeCount; i++)
        {
            frames.RamRange(i, out Pfn first, out Pfn end);
            for (Pfn pfn = first; pfn < end; pfn += 1)
                frames[pfn].Found = 0;
        }

        system.FoundHuge.AsSpan().Clear();
        for (int i = 0; system.Swap is not null && i < SwapEntry.MaximumAreas; i++)
        {
            if (system.Swap.Area(i) is { } area)
                area.Found.AsSpan().Clear();
        }
    }

    private static void CheckAddressSpace(MmStruct mm, ref MemoryReport report)
    {
        if (!mm.MmapLock.TryReadLock())
        {
            report.BusyAddressSpaces++;
            return;
        }

        if (PageTableCheck.Run(mm, ref report))
            CheckAreas(mm, ref report);
        else
            report.BusyAddressSpaces++;
        mm.MmapLock.ReadUnlock();
    }

    private static void CheckAreas(MmStruct mm, ref MemoryReport report)
    {
        report.AddressSpaces++;
        if (mm.Validate() is { Length: > 0 } broken)
            report.Fail(broken, Pfn.None);
        if (!mm.Areas.Validate())
            return;
        FrameAllocator frames = mm.System.Frames;
        for (VmArea? area = mm.Areas.First; area is not null; area = area.Next)
        {
            ReverseMapCheck.Area(area, ref report);
            var walk = new PteTableWalk(mm, area.Range, HugeVisit.Look);
            while (walk.MoveNext())
            {
                if (walk.IsHuge)
                {
                    CheckHuge(area, walk.Start, walk.Huge.Entry, ref report);
                    continue;
                }

                for (int i = walk.FirstIndex; i <= walk.LastIndex; i++)
                {
                    Pte entry = walk.Table[i];
                    if (entry.IsSwap())
                        CountSlot(area, entry, ref report);
                    if (!entry.IsMapped() || entry.IsSpecial)
                        continue;
                    report.MappedPages++;
                    if (!report.Unless(frames.IsRam(entry.Pfn), "mm: an entry maps what is no RAM"u8, entry.Pfn))
                        continue;
                    frames[entry.Pfn].Found++;
                    ReverseMapCheck.Entry(area, walk.AddressOf(i), entry.Pfn, ref report);
                }
            }
        }
    }

    private static void CheckHuge(VmArea area, VirtAddr start, Pmd entry, ref MemoryReport report)
    {
        if (!report.Unless(area.Mm.System.Frames.IsRam(entry.Pfn), "an entry maps what is no RAM"u8, entry.Pfn) || entry.Has(PteFlags.Special))
            return;
        report.MappedPages += FrameAllocator.HugeFrames;
        area.Mm.System.FoundHuge[(int)(entry.Pfn.Value >> FrameAllocator.HugeOrder)]++;
        if (!entry.IsFromPool)                  // whose pages nobody looks for by their frames
            ReverseMapCheck.Entry(area, start, entry.Pfn, ref report);
    }

    private static void CountSlot(VmArea area, Pte entry, ref MemoryReport report)
    {
        var slot = new SwapEntry(entry);
        if (slot.Slot == 0)
            return;                             // no page at all: only the mark of userfaultfd
        SwapArea? swap = slot.Area < SwapEntry.MaximumAreas ? area.Mm.System.Swap?.Area(slot.Area) : null;
        if (report.Unless(swap is not null && slot.Slot < (ulong)swap.Found.Length, "an entry names swap that is not there"u8))
            swap!.Found[(int)slot.Slot]++;
    }
}
