using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Check;

/// <summary>Every frame of RAM: is it free or used and never both, and do its counts say what the walks have found?</summary>
/// <remarks>
/// One pass in the order of frame numbers: a block's first frame comes before the others, so two borders are enough to know whether a frame
/// lies inside a free or a used block.
/// <code>
///   references = entries that map it + 1 in a page cache + 1 in the swap cache + who works on it just now (<see cref="PageFrame.Holds"/>);
///                1 and those who work on it, for what belongs to the kernel and for a page of the pool
///   map count  = small entries (+ 1 for the huge page that it is a part of)
/// </code>
/// </remarks>
internal static class FrameCheck
{
    public static void Run(MemorySystem system, ref MemoryReport report)
    {
        FrameAllocator frames = system.Frames;
        ulong listed = 0;
        for (int i = 0; i < frames.RamRangeCount; i++)
        {
            frames.RamRange(i, out Pfn first, out Pfn end);
            Pfn freeEnd = first, usedEnd = first;
            bool usedIsSlab = false;
            for (Pfn pfn = first; pfn < end; pfn += 1)
            {
                ref PageFrame frame = ref frames[pfn];
                if (frame.Has(FrameFlags.Buddy))
                    freeEnd = pfn + (1UL << frame.Order);
                else if (frame.ReferenceCount > 0 && !frame.Has(FrameFlags.Tail) && pfn + (1UL << frame.Order) > usedEnd)
                {
                    usedEnd = pfn + (1UL << frame.Order);
                    usedIsSlab = frame.Has(FrameFlags.Slab);
                }

                if (frame.Has(FrameFlags.Lru))
                    listed++;
                bool isFree = pfn < freeEnd || frame.Has(FrameFlags.PerCpuFree);
                bool isUsed = pfn < usedEnd || frame.Has(FrameFlags.Reserved);
                report.Unless(!(isFree && isUsed), "a frame is both free and used"u8, pfn);
                report.Unless(isFree || isUsed, "a frame is neither free nor used"u8, pfn);
                if (isFree)
                {
                    report.Free++;
                    report.Unless(frame.ReferenceCount == 0 && frame.MapCount == 0 && frame.Found == 0, "a free frame is mapped or held"u8, pfn);
                }
                else if (frame.ReferenceCount == 0)
                {
                    if (usedIsSlab)
                        report.Slab++;
                    else
                        report.Kernel++;
                    report.Unless(frame.Found == 0, "an inner frame of the kernel's is mapped"u8, pfn);
                }
                else
                {
                    CheckUsed(system, pfn, ref report);
                }
            }
        }

        report.Unless(listed == report.ListedFrames, "a frame says that it is on a reclaim list, and is on none"u8);
    }

    /// <summary>A page of the pool is used by the entries that map it and by the file that has it; one that a program has for itself by one entry, or by those of a fork.</summary>
    private static void CheckPoolPage(MemorySystem system, Pfn pfn, ref MemoryReport report)
    {
        ref PageFrame frame = ref system.Frames[pfn];
        report.PoolPages++;
        uint found = system.FoundHuge[(int)(pfn.Value >> FrameAllocator.HugeOrder)];
        uint counted = (uint)frame.UseCount;
        if (counted < found || (counted != found && report.BusyAddressSpaces == 0))
            report.Fail("a huge page of the pool is not used as often as it is found"u8, pfn);
        report.HeldReferences += (ulong)frame.Holds;
        report.Unless(frame.ReferenceCount == 1 + frame.Holds, "a huge page of the pool has references that nobody holds"u8, pfn);
    }

    /// <summary>Every reference has a holder that is known.</summary>
    private static void CheckReferences(in PageFrame frame, Pfn pfn, ref MemoryReport report)
    {
        if (frame.MapCount > 0)
        {
            if (frame.IsAnonymous)
                report.MappedAnonymous++;
            else
                report.MappedOthers++;
        }

        if (frame.MlockCount > 0)
        {
            report.LockedPages++;
            report.Locks += (ulong)frame.MlockCount;
        }

        report.Unless(frame.Holds >= frame.Pins, "a frame is pinned by devices that do not hold it"u8, pfn);
        report.HeldReferences += (ulong)frame.Holds;
        if (frame.Has(FrameFlags.Reserved))
            return;
        if (frame.HasAny(FrameFlags.Slab | FrameFlags.PageTable | FrameFlags.Vmalloc))
        {
            report.Unless(frame.ReferenceCount == 1 && frame.MapCount == 0 && frame.Holds == 0, "a frame of the kernel's own is held twice or mapped"u8, pfn);
            return;
        }

        int holders = frame.MapCount + frame.Holds + (frame.Has(FrameFlags.PageCache) ? 1 : 0) + (frame.Has(FrameFlags.SwapCache) ? 1 : 0);
        // Without any mark it is the kernel's own: a buffer, the zero page, the vDSO that programs map. Its owner has a reference.
        if ((frame.Flags & ~FrameFlags.Head) == 0)
            holders++;
        report.Unless(frame.ReferenceCount >= holders, "a frame has fewer references than holders"u8, pfn);
        report.Unless(frame.ReferenceCount <= holders, "a frame has references that nobody holds"u8, pfn);
    }

    private static void CheckUsed(MemorySystem system, Pfn pfn, ref MemoryReport report)
    {
        ref PageFrame frame = ref system.Frames[pfn];
        if (frame.Has(FrameFlags.PageTable | FrameFlags.Vmalloc))
            report.Fail("a frame is a page table and in vmalloc space"u8, pfn);
        if (frame.HasAny(FrameFlags.PageTable | FrameFlags.Vmalloc))
        {
            if (frame.Found == 0 && report.BusyAddressSpaces == 0)
                report.Fail(frame.Has(FrameFlags.PageTable) ? "a page table hangs nowhere"u8 : "a frame of vmalloc space is not mapped there"u8, pfn);
            frame.Found = 0;
        }

        uint mapped = frame.Found;
        if (frame.Has(FrameFlags.Huge))
        {
            mapped++;                           // the huge page's own mapping of each of its frames
            uint entries = system.FoundHuge[(int)(pfn.Value >> FrameAllocator.HugeOrder)];
            if (FrameAllocator.FirstOfHuge(pfn) == pfn && ((uint)frame.UseCount < entries || ((uint)frame.UseCount != entries && report.BusyAddressSpaces == 0)))
                report.Fail("a huge page's count is not the number of entries that map it"u8, pfn);
        }

        bool inPool = frame.Has(FrameFlags.HugePool);
        if (inPool)
            CheckPoolPage(system, pfn, ref report);
        if (!inPool && ((uint)frame.MapCount < mapped || ((uint)frame.MapCount != mapped && report.BusyAddressSpaces == 0)))
            report.Fail("a frame's map count is not the number of entries that map it"u8, pfn);
        if (!frame.Has(FrameFlags.Tail) && !inPool)
            CheckReferences(frame, pfn, ref report);
        report.Unless(inPool || !frame.Has(FrameFlags.PageCache) || FrameMapping.AddressSpaceOf(frame) is not null, "a page of a cache does not know its file"u8, pfn);
        if (FrameMapping.AddressSpaceOf(frame) is { } file && !inPool)
            report.Unless(file.IsAt(pfn, frame.Index), "a frame names a page cache that does not have it"u8, pfn);

        if (frame.Has(FrameFlags.Reserved))
            report.Reserved++;
        else if (frame.Has(FrameFlags.Slab))
            report.Slab++;
        else if (frame.Has(FrameFlags.PageTable))
            report.PageTable++;
        else if (frame.Has(FrameFlags.Vmalloc))
            report.Vmalloc++;
        else if (frame.Has(FrameFlags.PageCache))
            report.Cached++;
        else if (frame.IsAnonymous)
            report.Anonymous++;
        else
            report.Kernel++;
    }
}
