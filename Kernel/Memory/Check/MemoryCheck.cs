using System;
using NanoVm.Core;
using NanoVm.Memory.Hugetlb;
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
///   each page cache agrees with its frames            AddressSpace.Check
///   each frame: free or used, never both; references  FrameCheck, against what the walks have counted
///     and map counts are those that were found
///   the sums: pages mapped, cached, dirty, locked,    SumCheck
///     promised, held by threads and transfers
///   each slot of swap has the uses that were found    SwapSystem.Check
///   the pool of huge pages, and what it has promised  HugePool.Check, HugeSpace.Check, FrameCheck
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
        system.CheckRun++;
        Forget(system);
        system.Physical.Check(ref report);
        for (MmStruct mm = system.InitMm; mm.NextMm is { } next; mm = next)
        {
            if (!report.Unless(ReferenceEquals(next.PreviousMm, mm), "the list of address spaces is broken"u8))
                break;
            CheckAddressSpace(next, ref report);
        }

        if (report.BusyAddressSpaces == 0 && report.Errors == 0)
        {
            for (MmStruct? mm = system.InitMm.NextMm; mm is not null; mm = mm.NextMm)
                ReverseMapCheck.Counts(mm, ref report);
        }

        for (AddressSpace? mapping = system.PageCache?.FirstMapping; mapping is not null; mapping = mapping.NextMapping)
            mapping.Check(ref report);
        KernelTableCheck.Run(system, ref report);
        FrameCheck.Run(system, ref report);
        system.Swap?.Check(ref report);
        system.Hugetlb.Pool.Check(ref report);
        SumCheck.Run(system, ref report);
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
        for (AddressSpace? mapping = system.PageCache?.FirstMapping; mapping is not null; mapping = mapping.NextMapping)
            mapping.FoundAreas = 0;
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
        report.TablePages += mm.PageTablePages;
        if (mm.Validate() is { Length: > 0 } broken)
            report.Fail(broken, Pfn.None);
        if (!mm.Areas.Validate())
            return;
        for (VmArea? area = mm.Areas.First; area is not null; area = area.Next)
        {
            ReverseMapCheck.Area(area, ref report);
            report.HugePromises += HugeReservation.CountPromises(area);
            if ((area.Flags & VmFlags.Account) != 0)
                report.CommittedPages += area.Pages.Value;
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
                    if (!walk.Table[i].IsNone)
                        CheckEntry(area, walk.AddressOf(i), walk.Table[i], ref report);
                }
            }
        }
    }

    private static void CheckEntry(VmArea area, VirtAddr address, Pte entry, ref MemoryReport report)
    {
        MemorySystem system = area.Mm.System;
        report.Unless(!entry.Has(PteFlags.UserfaultWriteProtect) || (area.Flags & VmFlags.UserfaultWriteProtect) != 0,
            "an entry is marked for a userfaultfd that does not watch its area"u8);
        report.Unless(!entry.Has(PteFlags.UserfaultWriteProtect) || !entry.IsMapped() || !entry.IsWritable, "an entry that a userfaultfd watches is writable"u8);
        if (entry.IsSwap())
        {
            CountSlot(area, entry, ref report);
            return;
        }

        if (entry.IsSpecial)
        {
            bool isZero = entry.Pfn == system.ZeroPage && !entry.IsWritable;
            report.Unless(isZero || (area.Flags & VmFlags.PfnMap) != 0, "a special entry maps neither zeros nor a device"u8, entry.Pfn);
            return;
        }

        report.MappedPages++;
        if (!report.Unless(system.Frames.IsRam(entry.Pfn), "mm: an entry maps what is no RAM"u8, entry.Pfn))
            return;
        if ((area.Flags & VmFlags.Locked) != 0)
            report.LockedEntries++;
        system.Frames[entry.Pfn].Found++;
        ReverseMapCheck.Entry(area, address, entry.Pfn, ref report);
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
        if (!report.Unless(slot.Slot != 0 && slot == new SwapEntry(slot.Area, slot.Slot), "an entry that maps nothing is none of swap"u8))
            return;
        SwapArea? swap = slot.Area < SwapEntry.MaximumAreas ? area.Mm.System.Swap?.Area(slot.Area) : null;
        if (report.Unless(swap is not null && slot.Slot < (ulong)swap.Found.Length, "an entry names swap that is not there"u8))
            swap!.Found[(int)slot.Slot]++;
    }
}
