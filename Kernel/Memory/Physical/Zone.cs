using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Memory.Physical;

/// <summary>A part of RAM with its buddy system.</summary>
/// <remarks>
/// Linux: <c>struct zone</c>. A free block of 2^k frames starts at a multiple of 2^k; its buddy is its other half at the next
/// order, found by flipping bit k of the frame number:
/// <code>
///   order 2   [ 0   1   2   3 ]              split: the lower half goes on, the upper half joins order 1's list
///   order 1   [ 0   1 ][ 2   3 ]             join:  both halves free, and of equal order
///   order 0   [ 0 ][ 1 ][ 2 ][ 3 ]
/// </code>
/// All steps are O(1) for each order, since each list is doubly linked through the descriptors.
/// </remarks>
internal sealed class Zone
{
    /// <summary>Orders 0 to <see cref="FrameTable.MaxOrder"/>.</summary>
    public const int Orders = FrameTable.MaxOrder + 1;

    private readonly FrameTable _frames;

    /// <summary>First free block by order. Guarded by <see cref="Lock"/>.</summary>
    private readonly uint[] _first = new uint[Orders];

    /// <summary>Number of free blocks by order. Guarded by <see cref="Lock"/>.</summary>
    private readonly ulong[] _blocks = new ulong[Orders];

    /// <summary>By processor number; its own only, interrupts off.</summary>
    public readonly PerCpuFrames[] PerCpu;

    public readonly ZoneKind Kind;

    /// <summary>Guards the lists and <see cref="FreeFrames"/>. Innermost of all locks of Memory.</summary>
    public SpinLock Lock;

    /// <summary>The frames from here up to <see cref="End"/> belong to the zone; there may be holes.</summary>
    public Pfn Start;
    public Pfn End;

    /// <summary>Frames of RAM. Linux: <c>present_pages</c>.</summary>
    public PageCount Present;

    /// <summary>Frames that were ever given to the buddy system. Linux: <c>managed_pages</c>.</summary>
    public PageCount Managed;

    /// <summary>Frames in <see cref="_blocks"/>. Guarded by <see cref="Lock"/>.</summary>
    public ulong FreeFrames;

    /// <summary>Below: only those that free memory may allocate.</summary>
    public ulong WatermarkMin;
    /// <summary>Below: reclaim begins.</summary>
    public ulong WatermarkLow;
    /// <summary>Above: reclaim ends.</summary>
    public ulong WatermarkHigh;

    /// <summary>Frames kept from allocations that a higher zone could serve, too, by that zone. Linux: <c>lowmem_reserve</c>.</summary>
    public readonly ulong[] LowmemReserve = new ulong[3];

    /// <summary>Frames given out and taken back, for <c>/proc/vmstat</c>.</summary>
    public ulong Allocations;
    public ulong Frees;

    public Zone(ZoneKind kind, FrameTable frames, int processors)
    {
        Kind = kind;
        _frames = frames;
        PerCpu = new PerCpuFrames[processors];
        for (int i = 0; i < PerCpu.Length; i++)
            PerCpu[i].First = PageFrame.NoLink;
        for (int i = 0; i < Orders; i++)
            _first[i] = PageFrame.NoLink;
    }

    /// <summary>Free blocks of an order, for <c>/proc/buddyinfo</c>.</summary>
    public ulong FreeBlocks(int order) => _blocks[order];

    /// <summary>The first free block of an order, for validation and <c>/proc/pagetypeinfo</c>.</summary>
    internal uint FirstBlock(int order) => _first[order];

    /// <summary>All free frames, those on per-CPU lists too.</summary>
    public ulong AllFreeFrames
    {
        get
        {
            ulong free = FreeFrames;
            for (int i = 0; i < PerCpu.Length; i++)
                free += (ulong)PerCpu[i].Count;
            return free;
        }
    }

    /// <summary>Takes a block of 2^<paramref name="order"/> frames out of the free lists.</summary>
    /// <returns>Its first frame, or <see cref="PageFrame.NoLink"/>.</returns>
    /// <remarks>Holds <see cref="Lock"/>. O(orders).</remarks>
    public uint Take(int order)
    {
        for (int at = order; at < Orders; at++)
        {
            uint block = _first[at];
            if (block == PageFrame.NoLink)
                continue;

            Unlink(block, at);
            FreeFrames -= 1UL << order;
            while (at > order)
            {
                at--;
                Link(block + (1u << at), at);
            }

            return block;
        }

        return PageFrame.NoLink;
    }

    /// <summary>Puts a block back and joins it with its buddies as far as they are free.</summary>
    /// <remarks>Holds <see cref="Lock"/>. O(orders). The descriptors of the block are clean.</remarks>
    public void Give(uint block, int order)
    {
        FreeFrames += 1UL << order;
        while (order < FrameTable.MaxOrder)
        {
            uint buddy = block ^ (1u << order);
            ref PageFrame other = ref _frames[buddy];
            if ((other.Flags & FrameFlags.Buddy) == 0 || other.Order != order)
                break;
            Unlink(buddy, order);
            block &= ~(1u << order);
            order++;
        }

        Link(block, order);
    }

    private void Link(uint block, int order)
    {
        ref PageFrame frame = ref _frames[block];
        uint next = _first[order];
        frame.Flags = FrameFlags.Buddy;
        frame.Order = (byte)order;
        frame.Previous = PageFrame.NoLink;
        frame.Next = next;
        if (next != PageFrame.NoLink)
            _frames[next].Previous = block;
        _first[order] = block;
        _blocks[order]++;
    }

    private void Unlink(uint block, int order)
    {
        ref PageFrame frame = ref _frames[block];
        if (frame.Previous == PageFrame.NoLink)
            _first[order] = frame.Next;
        else
            _frames[frame.Previous].Next = frame.Next;
        if (frame.Next != PageFrame.NoLink)
            _frames[frame.Next].Previous = frame.Previous;
        frame.Flags = FrameFlags.None;
        frame.Order = 0;
        frame.Next = 0;
        frame.Previous = 0;
        _blocks[order]--;
    }
}
