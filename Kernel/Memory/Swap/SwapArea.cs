using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Swap;

/// <summary>One device that pages are swapped to.</summary>
/// <remarks>Linux: <c>swap_info_struct</c>. Guarded by <see cref="SwapSystem"/>'s lock.</remarks>
internal sealed class SwapArea
{
    public BlockDevice Device = null!;

    /// <summary>How often each slot is used: by page-table entries, and once by the swap cache. Slot 0 (the header) is never free. Linux: <c>swap_map</c>.</summary>
    public int[] Uses = null!;

    /// <summary>Pages of swap that are in memory, too, by slot.</summary>
    public XArray Cache;

    public ulong Free;
    public int Priority;
    public int Number;

    /// <summary>Where the search for a free slot goes on: slots are used in order, so that neighbours in time are neighbours on the disk.</summary>
    public int Next;

    /// <summary><c>swapoff</c> is under way: no new slots.</summary>
    public bool Ending;

    public ulong Slots => (ulong)Uses.Length - 1;

    public ulong Used => Slots - Free;

    /// <summary>Finds a free slot. O(1) unless the area is nearly full.</summary>
    public bool TryTake(out int slot)
    {
        slot = 0;
        if (Free == 0 || Ending)
            return false;
        for (int tried = 0; tried < Uses.Length; tried++)
        {
            int at = Next;
            Next = Next + 1 == Uses.Length ? 1 : Next + 1;
            if (Uses[at] != 0)
                continue;
            Free--;
            slot = at;
            return true;
        }

        return false;
    }

    public Errno Read(ulong slot, ReadOnlySpan<BlockSegment> memory) => Device.Transfer(BlockDirection.Read, slot << (PageSize.Shift - BlockDevice.SectorShift), memory);

    public Errno Write(ulong slot, ReadOnlySpan<BlockSegment> memory) => Device.Transfer(BlockDirection.Write, slot << (PageSize.Shift - BlockDevice.SectorShift), memory);
}
