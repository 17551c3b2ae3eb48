using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Swap;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Check;

/// <summary>The machine's counts, which <c>/proc/meminfo</c> shows, against what all the walks have met.</summary>
/// <remarks>
/// Where an address space could not be looked at, its areas and entries are missing in the sums: then a count may only be larger. What is counted
/// with the frames is always exact.
/// </remarks>
internal static class SumCheck
{
    public static void Run(MemorySystem system, ref MemoryReport report)
    {
        Exact(system.AnonymousPages, report.MappedAnonymous, "the count of anonymous pages is wrong"u8, ref report);
        Exact(system.FileMappedPages, report.MappedOthers, "the count of mapped pages of files is wrong"u8, ref report);
        Exact(system.MlockedPages, report.LockedPages, "the count of locked pages is wrong"u8, ref report);
        AtLeast(report.Locks, report.LockedEntries, "pages are not locked as often as entries of locked areas map them"u8, ref report);
        AtLeast(system.PageTablePages, report.TablePages, "the count of page tables is wrong"u8, ref report);
        AtLeast(system.CommittedPages, report.CommittedPages, "what is promised is not what areas and files may have"u8, ref report);
        if (system.PageCache is { } cache)
            PageCaches(cache, ref report);
        if (system.Swap is { } swap)
            Slots(system, swap, ref report);

        long inHands = system.ThreadHolds?.Sum() ?? PerCpu.CurrentOrNull?.HeldFrames ?? 0;
        report.Unless((long)report.HeldReferences == inHands + (long)system.Frames.HeldByTransfers, "pages are not held as often as threads and transfers hold some"u8);
        // Nobody asks for a check in the middle of work on a page; so a thread that does has forgotten to give one back. But it may panic there.
        if (!PerCpu.IsPanicking && PerCpu.CurrentOrNull is { } thread)
            report.Unless(thread.HeldFrames == 0, "a thread has not given back a page that it held"u8);
    }

    private static void PageCaches(PageCache cache, ref MemoryReport report)
    {
        Exact(cache.Pages.Value, report.CachedPages, "the count of pages in page caches is wrong"u8, ref report);
        Exact(cache.ShmemPages.Value, report.SharedPages, "the count of pages of shared memory is wrong"u8, ref report);
        Exact(cache.DirtyPages.Value, report.DirtyPages, "the count of dirty pages is wrong"u8, ref report);
        Exact(cache.WritebackPages.Value, report.WrittenPages, "the count of pages that are being written is wrong"u8, ref report);
    }

    private static void Slots(MemorySystem system, SwapSystem swap, ref MemoryReport report)
    {
        ulong slots = 0, free = 0;
        for (int i = 0; i < SwapEntry.MaximumAreas; i++)
        {
            if (swap.Area(i) is not { Ending: false } area)
                continue;
            slots += area.Slots;
            free += area.Free;
        }

        Exact(system.SwapPages, slots, "the count of slots of swap is wrong"u8, ref report);
        Exact(system.FreeSwapPages, free, "the count of free slots of swap is wrong"u8, ref report);
    }

    private static void Exact(ulong count, ulong found, global::System.ReadOnlySpan<byte> complaint, ref MemoryReport report)
        => report.Unless(count == found, complaint);

    private static void AtLeast(ulong count, ulong found, global::System.ReadOnlySpan<byte> complaint, ref MemoryReport report)
        => report.Unless(count == found || (count > found && report.BusyAddressSpaces != 0), complaint);
}
