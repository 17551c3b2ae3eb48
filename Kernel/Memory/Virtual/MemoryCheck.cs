using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>What <see cref="MemoryCheck"/> found.</summary>
internal unsafe ref struct MemoryReport
{
    public ulong AddressSpaces, BusyAddressSpaces, MappedPages;

    /// <summary>Frames of RAM by what they are for.</summary>
    public ulong Reserved, Free, Slab, PageTable, Vmalloc, Anonymous, Cached, Kernel;

    /// <summary>What is wrong, and with which frame; only the first is named.</summary>
    public ulong Errors;
    public ReadOnlySpan<byte> FirstError;
    public Pfn FirstFrame;

    internal void Fail(ReadOnlySpan<byte> what, Pfn frame)
    {
        if (Errors++ != 0)
            return;
        FirstError = what;
        FirstFrame = frame;
    }
}

/// <summary>Checks all of memory at once: every allocator, every address space, and every frame against the entries that map it.</summary>
/// <remarks>
/// "memfsck". O(frames + mapped pages); nothing else runs meanwhile, for it never sleeps. An address space whose lock a sleeping thread
/// holds for writing cannot be looked at: then frames may be mapped oftener than is seen, and only too few mappings are errors.
/// </remarks>
internal static class MemoryCheck
{
    /// <returns><see cref="Errno.ENOMEM"/> when there is no room to count in; findings are in <paramref name="report"/>.</returns>
    public static Errno Run(MemorySystem system, ref MemoryReport report)
    {
        // By frame: below, small entries that map it; above, entries of the huge page that begins with it.
        FrameAllocator frames = system.Frames;
        ulong[]? seen = system.Physical.Arrays.Allocate<ulong>((int)frames.EndFrame.Value);
        if (seen is null)
            return Errno.ENOMEM;

        system.Physical.Validate();
        for (MmStruct? mm = system.InitMm.NextMm; mm is not null; mm = mm.NextMm)
            CheckAddressSpace(mm, seen, ref report);
        for (int i = 0; i < frames.RamRangeCount; i++)
        {
            frames.RamRange(i, out Pfn first, out Pfn end);
            for (Pfn pfn = first; pfn < end; pfn += 1)
                CheckFrame(frames, pfn, seen[(int)pfn.Value], ref report);
        }

        system.Physical.Arrays.Free(seen);
        return Errno.None;
    }

    private static void CheckAddressSpace(MmStruct mm, ulong[] seen, ref MemoryReport report)
    {
        if (!mm.MmapLock.TryReadLock())
        {
            report.BusyAddressSpaces++;
            return;
        }

        report.AddressSpaces++;
        if (mm.Validate() is { Length: > 0 } broken)
            report.Fail(broken, Pfn.None);
        for (VmArea? area = mm.Areas.First; area is not null; area = area.Next)
        {
            var walk = new PteTableWalk(mm, area.Range, HugeVisit.Look);
            while (walk.MoveNext())
            {
                if (walk.IsHuge)
                {
                    Pmd huge = walk.Huge.Entry;
                    report.MappedPages += huge.Has(PteFlags.Special) ? 0 : FrameAllocator.HugeFrames;
                    if (!mm.System.Frames.IsRam(huge.Pfn))
                        report.Fail("an entry maps what is no RAM"u8, huge.Pfn);
                    else if (!huge.Has(PteFlags.Special))
                        seen[(int)huge.Pfn.Value] += HugeEntry;
                    continue;
                }

                for (int i = walk.FirstIndex; i <= walk.LastIndex; i++)
                {
                    Pte entry = walk.Table[i];
                    if (!entry.IsMapped() || entry.IsSpecial)
                        continue;
                    report.MappedPages++;
                    if (!mm.System.Frames.IsRam(entry.Pfn))
                        report.Fail("an entry maps what is no RAM"u8, entry.Pfn);
                    else
                        seen[(int)entry.Pfn.Value]++;
                }
            }
        }

        mm.MmapLock.ReadUnlock();
    }

    /// <summary>One entry of 2 MiB in a count.</summary>
    private const ulong HugeEntry = 1UL << 32;

    private static void CheckFrame(FrameAllocator frames, Pfn pfn, ulong counts, ref MemoryReport report)
    {
        ref PageFrame frame = ref frames[pfn];
        uint seen = (uint)counts;
        if ((frame.Flags & FrameFlags.Huge) != 0)
        {
            seen++;                             // the huge page's own mapping of each of its frames
            uint entries = (uint)(counts >> 32);
            if (FrameAllocator.FirstOfHuge(pfn) == pfn && ((uint)frame.UseCount < entries || ((uint)frame.UseCount != entries && report.BusyAddressSpaces == 0)))
                report.Fail("a huge page's count is not the number of entries that map it"u8, pfn);
        }

        if (frame.ReferenceCount == 0 && (frame.Flags & FrameFlags.Tail) == 0)
        {
            report.Free++;
            if (seen != 0)
                report.Fail("a free frame is mapped"u8, pfn);
            return;
        }

        if ((uint)frame.MapCount < seen || ((uint)frame.MapCount != seen && report.BusyAddressSpaces == 0))
            report.Fail("a frame's map count is not the number of entries that map it"u8, pfn);
        bool cached = (frame.Flags & FrameFlags.PageCache) != 0;
        if (frame.ReferenceCount < frame.MapCount + (cached ? 1 : 0) && (frame.Flags & FrameFlags.Tail) == 0)
            report.Fail("a frame has fewer references than holders"u8, pfn);

        if ((frame.Flags & FrameFlags.Reserved) != 0)
            report.Reserved++;
        else if ((frame.Flags & FrameFlags.Slab) != 0)
            report.Slab += 1UL << frame.Order;
        else if ((frame.Flags & FrameFlags.PageTable) != 0)
            report.PageTable++;
        else if ((frame.Flags & FrameFlags.Vmalloc) != 0)
            report.Vmalloc++;
        else if (cached)
            report.Cached++;
        else if (frame.IsAnonymous)
            report.Anonymous++;
        else
            report.Kernel++;
    }
}
