using NanoVm.Core;
using NanoVm.Memory.Check;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Swap;

/// <summary>Checks the map of slots against all that names one.</summary>
internal sealed partial class SwapSystem
{
    /// <summary>Adds the swap cache and the files of shared memory to what page tables name (<see cref="SwapArea.Found"/>), and compares.</summary>
    internal void Check(ref MemoryReport report)
    {
        for (AddressSpace? file = _swappedFiles; file is not null; file = file.NextSwapped)
            file.CountSwappedSlots(_areas, ref report);
        bool enabled = _lock.AcquireRaw();
        ulong cached = 0;
        foreach (SwapArea? area in _areas)
        {
            if (area is not null)
                Check(area, ref cached, ref report);
        }

        report.Unless(cached == _cachedPages, "the swap cache counts its pages wrong"u8);
        _lock.ReleaseRaw(enabled);
    }

    private void Check(SwapArea area, ref ulong cached, ref MemoryReport report)
    {
        ulong free = 0, index = 0;
        ulong errors = report.Errors;
        _ = area.Cache.Check(ref report);
        bool isSound = report.Errors == errors;
        while (isSound && area.Cache.TryFind(ref index, ulong.MaxValue, out ulong stored))
        {
            var pfn = new Pfn(stored - 1);
            report.Unless(index < (ulong)area.Found.Length && _frames.IsRam(pfn) && _frames[pfn].Has(FrameFlags.SwapCache)
                && _frames[pfn].Private == (nuint)new SwapEntry(area.Number, index).Value, "a page of the swap cache does not know its slot"u8, pfn);
            if (index < (ulong)area.Found.Length)
                area.Found[(int)index]++;
            cached++;
            index++;
        }

        for (int start = 0; start < area.Found.Length; start += SwapClusters.SlotsPerCluster)
        {
            int freeHere = 0;
            for (int slot = start; slot < area.Found.Length && slot < start + SwapClusters.SlotsPerCluster; slot++)
            {
                int uses = area.Uses[slot];
                if (uses == SwapArea.Bad)
                    continue;
                report.SwapSlots++;
                if (uses == 0)
                    freeHere++;
                if (uses < area.Found[slot] || (uses != area.Found[slot] && report.BusyAddressSpaces == 0))
                    report.Fail("a slot of swap is not used as often as it is named"u8, Pfn.None);
            }

            report.Unless(freeHere == area.Clusters.Array[start / SwapClusters.SlotsPerCluster].Free, "a cluster of swap counts its free slots wrong"u8);
            free += (ulong)freeHere;
        }

        report.Unless(free == area.Free, "an area of swap counts its free slots wrong"u8);
    }
}
