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
///   each entry is found from its page                 ReverseMapCheck
///   each page cache agrees with its frames            AddressSpace.Check, once for each that has a page
///   each frame: free or used, never both; references  FrameCheck, against what the walks have counted
///     and map counts are those that were found
///   each slot of swap has the uses that were found    SwapSystem.Check
///   the kernel's tables: W^X, nothing for users       KernelTableCheck
/// </code>
/// O(frames + mapped pages); nothing else runs meanwhile, for it never sleeps. An address space whose lock a sleeping thread holds for writing
/// cannot be looked at: then frames and slots may be used oftener than is seen, and only too few uses are errors.
/// </remarks>
internal static class MemoryCheck
{
    /// <returns><see cref="Errno.ENOMEM"/> when there is no room to count in; findings are in <paramref name="report"/>.</returns>
    public static Errno Run(MemorySystem system, ref MemoryReport report)
    {
        FrameAllocator frames = system.Frames;
        KernelArrays arrays = system.Physical.Arrays;
        uint[]? small = arrays.Allocate<uint>((int)frames.EndFrame.Value);
        uint[]? huge = arrays.Allocate<uint>((int)(frames.EndFrame.Value >> FrameAllocator.HugeOrder) + 1);
        int[]?[]? slots = arrays.Allocate<int[]?>(SwapEntry.MaximumAreas);
        Errno error = Errno.ENOMEM;
        if (small is not null && huge is not null && slots is not null && HaveRoom(system, slots))
        {
            var seen = new SeenUses { Small = small, Huge = huge, Slots = slots };
            Run(system, seen, ref report);
            error = Errno.None;
        }

        for (int i = 0; slots is not null && i < slots.Length; i++)
            arrays.Free(slots[i]);
        arrays.Free(slots);
        arrays.Free(huge);
        arrays.Free(small);
        return error;
    }

    private static bool HaveRoom(MemorySystem system, int[]?[] slots)
    {
        for (int i = 0; system.Swap is not null && i < slots.Length; i++)
        {
            if (system.Swap.Area(i) is { } area && (slots[i] = system.Physical.Arrays.Allocate<int>(area.Uses.Length)) is null)
                return false;
        }

        return true;
    }

    private static void Run(MemorySystem system, in SeenUses seen, ref MemoryReport report)
    {
        system.Physical.Check(ref report);
        for (MmStruct? mm = system.InitMm.NextMm; mm is not null; mm = mm.NextMm)
            CheckAddressSpace(mm, seen, ref report);
        FrameCheck.Run(system.Frames, seen, ref report);
        system.Swap?.Check(seen.Slots, ref report);
#if NANOVM_KERNEL
        KernelTableCheck.Run(system, ref report);
#endif
    }

    private static void CheckAddressSpace(MmStruct mm, in SeenUses seen, ref MemoryReport report)
    {
        if (!mm.MmapLock.TryReadLock())
        {
            report.BusyAddressSpaces++;
            return;
        }

        report.AddressSpaces++;
        if (mm.Validate() is { Length: > 0 } broken)
            report.Fail(broken, Pfn.None);
        FrameAllocator frames = mm.System.Frames;
        for (VmArea? area = mm.Areas.First; area is not null; area = area.Next)
        {
            ReverseMapCheck.Area(area, ref report);
            var walk = new PteTableWalk(mm, area.Range, HugeVisit.Look);
            while (walk.MoveNext())
            {
                if (walk.IsHuge)
                {
                    CheckHuge(area, walk.Start, walk.Huge.Entry, seen, ref report);
                    continue;
                }

                for (int i = walk.FirstIndex; i <= walk.LastIndex; i++)
                {
                    Pte entry = walk.Table[i];
                    if (entry.IsSwap())
                        CountSlot(entry, seen, ref report);
                    if (!entry.IsMapped() || entry.IsSpecial)
                        continue;
                    report.MappedPages++;
                    if (!report.Unless(frames.IsRam(entry.Pfn), "an entry maps what is no RAM"u8, entry.Pfn))
                        continue;
                    seen.Small[(int)entry.Pfn.Value]++;
                    ReverseMapCheck.Entry(area, walk.AddressOf(i), entry.Pfn, ref report);
                }
            }
        }

        mm.MmapLock.ReadUnlock();
    }

    private static void CheckHuge(VmArea area, VirtAddr start, Pmd entry, in SeenUses seen, ref MemoryReport report)
    {
        if (!report.Unless(area.Mm.System.Frames.IsRam(entry.Pfn), "an entry maps what is no RAM"u8, entry.Pfn) || entry.Has(PteFlags.Special))
            return;
        report.MappedPages += FrameAllocator.HugeFrames;
        seen.Huge[(int)(entry.Pfn.Value >> FrameAllocator.HugeOrder)]++;
        if (!entry.IsFromPool)                  // whose pages nobody looks for by their frames
            ReverseMapCheck.Entry(area, start, entry.Pfn, ref report);
    }

    private static void CountSlot(Pte entry, in SeenUses seen, ref MemoryReport report)
    {
        var slot = new SwapEntry(entry);
        if (slot.Slot == 0)
            return;                             // no page at all: only the mark of userfaultfd
        int[]? uses = slot.Area < seen.Slots.Length ? seen.Slots[slot.Area] : null;
        if (report.Unless(uses is not null && slot.Slot < (ulong)uses.Length, "an entry names swap that is not there"u8))
            uses![(int)slot.Slot]++;
    }
}

/// <summary>What the walks over address spaces have found, by frame, by huge page and by slot of swap.</summary>
internal ref struct SeenUses
{
    /// <summary>Small entries that map the frame.</summary>
    public uint[] Small;

    /// <summary>Entries of 2 MiB, by the number of the huge page.</summary>
    public uint[] Huge;

    /// <summary>Entries that name a slot, by area; null where there is no area.</summary>
    public int[]?[] Slots;
}
