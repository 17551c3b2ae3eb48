using NanoVm.Core;
using NanoVm.Memory.Check;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Swap;

/// <summary>Checks the map of slots against all that names one.</summary>
internal sealed partial class SwapSystem
{
    /// <summary>Adds the swap cache and the files of shared memory to what page tables name, and compares.</summary>
    /// <param name="seen">How many page-table entries name each slot, by area; changed.</param>
    internal void Check(int[]?[] seen, ref MemoryReport report)
    {
        for (AddressSpace? file = _swappedFiles; file is not null; file = file.NextSwapped)
            file.CountSwappedSlots(seen, ref report);
        bool enabled = _lock.AcquireRaw();
        ulong cached = 0;
        for (int i = 0; i < seen.Length; i++)
        {
            if (_areas[i] is { } area && seen[i] is { } uses && uses.Length == area.Uses.Length)
                Check(area, uses, ref cached, ref report);
        }

        report.Unless(cached == _cachedPages, "the swap cache counts its pages wrong"u8);
        _lock.ReleaseRaw(enabled);
    }

    private void Check(SwapArea area, int[] seen, ref ulong cached, ref MemoryReport report)
    {
        ulong free = 0, index = 0;
        while (area.Cache.TryFind(ref index, ulong.MaxValue, out ulong stored))
        {
            var pfn = new Pfn(stored - 1);
            report.Unless(_frames[pfn].Has(FrameFlags.SwapCache) && new SwapEntry(_frames[pfn].Private).Slot == index, "a page of the swap cache does not know its slot"u8, pfn);
            seen[(int)index]++;
            cached++;
            index++;
        }

        for (int slot = 1; slot < seen.Length; slot++)
        {
            int uses = area.Uses[slot];
            if (uses == SwapArea.Bad)
                continue;
            report.SwapSlots++;
            if (uses == 0)
                free++;
            if (uses < seen[slot] || (uses != seen[slot] && report.BusyAddressSpaces == 0))
                report.Fail("a slot of swap is not used as often as it is named"u8, Pfn.None);
        }

        report.Unless(free == area.Free, "an area of swap counts its free slots wrong"u8);
    }
}
