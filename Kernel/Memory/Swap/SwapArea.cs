using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Mapping;

namespace NanoVm.Memory.Swap;

/// <summary>One device or file that pages are swapped to.</summary>
/// <remarks>Linux: <c>swap_info_struct</c>. Guarded by <see cref="SwapSystem"/>'s lock.</remarks>
internal sealed class SwapArea
{
    /// <summary>In <see cref="Uses"/>: the header, a bad page, a page of a file that lies in pieces. Never given out. Linux: <c>SWAP_MAP_BAD</c>.</summary>
    public const int Bad = -1;

    /// <summary>What was opened for <c>swapon</c>; the area holds a reference.</summary>
    public MappableFile File = null!;

    /// <summary>The disk that has it.</summary>
    public BlockDevice Device = null!;

    /// <summary>Where the slots lie on the disk, by slot. Never changes.</summary>
    public SwapExtent[] Extents = null!;

    /// <summary>How often each slot is used: by page-table entries, by files of shared memory, and once by the swap cache; or <see cref="Bad"/>. Linux: <c>swap_map</c>.</summary>
    public int[] Uses = null!;

    /// <summary>As long as <see cref="Uses"/>: what <c>memfsck</c> has found in its present run. Made with the area, so that a check needs no memory.</summary>
    public int[] Found = null!;

    /// <summary>Pages of swap that are in memory, too, by slot.</summary>
    public XArray Cache;

    /// <summary>Slots that can be used, and those of them that are not used now.</summary>
    public ulong Slots;
    public ulong Free;
    public int Priority;
    public int Number;

    /// <summary>Among areas with one priority the one with the lowest is next. See <see cref="SwapSystem"/>.</summary>
    public ulong Turn;
    public int Given;

    /// <summary>Who reads from the area just now: it does not go meanwhile.</summary>
    public int Readers;

    /// <summary>Which slot is given out next: neighbours in time are neighbours on the disk.</summary>
    public SwapClusters Clusters;

    /// <summary><c>swapoff</c> is under way: no new slots.</summary>
    public bool Ending;

    public ulong Used => Slots - Free;

    /// <summary>Takes a free slot. O(1).</summary>
    public bool TryTake(out int slot)
    {
        slot = 0;
        if (Free == 0 || Ending || !Clusters.TryTake(Uses, out slot))
            return false;
        Free--;
        return true;
    }

    /// <summary>A slot that nobody uses any more.</summary>
    public void Return(int slot)
    {
        Free++;
        Clusters.Return(slot);
    }

    public Errno Read(ulong slot, ReadOnlySpan<BlockSegment> memory) => Transfer(BlockDirection.Read, slot, memory);

    public Errno Write(ulong slot, ReadOnlySpan<BlockSegment> memory) => Transfer(BlockDirection.Write, slot, memory);

    /// <summary>Moves pages that follow each other, in one transfer for each extent that they touch.</summary>
    private Errno Transfer(BlockDirection direction, ulong slot, ReadOnlySpan<BlockSegment> memory)
    {
        Errno error = Errno.None;
        while (!memory.IsEmpty && error == Errno.None)
        {
            ref readonly SwapExtent extent = ref SwapExtent.Find(Extents, slot);
            ulong into = slot - extent.First;
            int count = (int)Math.Min((ulong)memory.Length, extent.Count - into);
            error = Device.Transfer(direction, extent.Sector + (into << (PageSize.Shift - BlockDevice.SectorShift)), memory[..count]);
            memory = memory[count..];
            slot += (ulong)count;
        }

        return error;
    }
}
