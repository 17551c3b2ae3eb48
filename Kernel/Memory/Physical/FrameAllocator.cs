using System.Runtime.CompilerServices;
using System.Threading;
using NanoVm.Core;

namespace NanoVm.Memory.Physical;

/// <summary>Gives out RAM in blocks of 2^order frames and counts who holds them.</summary>
/// <remarks>
/// Linux: the page allocator, <c>__alloc_pages</c>. Three zones (<see cref="Zone"/>), each a buddy system with lists of single
/// frames for each processor in front. This file is the fast path; <c>.Slow</c> has zones and watermarks, <c>.Boot</c> the start,
/// <c>.Validate</c> the checks. May be called with interrupts off and under any lock, given <see cref="AllocationFlags.Atomic"/>.
/// </remarks>
internal sealed partial class FrameAllocator
{
    private readonly FrameTable _frames;
    private readonly Zone[] _zones = new Zone[3];

    /// <summary>Where ordinary requests look first: the highest zone that has RAM.</summary>
    private Zone _preferred;

    private readonly FailureInjection _failures;

    /// <summary>Whom a failing allocation asks for frames, a chain.</summary>
    private ReclaimSource? _reclaim;

    /// <summary>What reclaim chooses from.</summary>
    public readonly LruLists Lru;

    /// <summary>The descriptors.</summary>
    public FrameTable Table => _frames;

    /// <summary>The descriptor of one frame of RAM.</summary>
    public ref PageFrame this[Pfn pfn]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref _frames[pfn];
    }

    /// <summary>Takes 2^<paramref name="order"/> frames that lie together, with one reference to the first.</summary>
    /// <param name="order">0 to <see cref="FrameTable.MaxOrder"/>.</param>
    /// <param name="flags">See <see cref="AllocationFlags"/>.</param>
    /// <param name="pfn">The first frame, a multiple of the block's size; <see cref="Pfn.None"/> on failure.</param>
    /// <returns><see cref="Errno.ENOMEM"/>, or none.</returns>
    public Errno Allocate(int order, AllocationFlags flags, out Pfn pfn)
    {
        const AllocationFlags slow = AllocationFlags.Dma | AllocationFlags.Dma32 | AllocationFlags.Compound;
        if (_failures.ShouldFail(FailureKinds.Frames))
        {
            pfn = Pfn.None;
            return Errno.ENOMEM;
        }

        if (order != 0 || (flags & slow) != 0)
            return AllocateSlow(order, flags, out pfn);

        bool enabled = Interrupts.Disable();
        Zone zone = _preferred;
        ref PerCpuFrames list = ref zone.PerCpu[PerCpu.Number];
        if (list.Count == 0)
        {
            Interrupts.Restore(enabled);
            return AllocateSlow(0, flags, out pfn);
        }

        uint first = list.First;
        ref PageFrame frame = ref _frames[first];
        list.First = frame.Next;
        list.Count--;
        zone.Allocations++;
        Interrupts.Restore(enabled);

        frame.Next = 0;
        frame.Flags = FrameFlags.None;
        frame.ReferenceCount = 1;
        pfn = new Pfn(first);
        CheckPoison(pfn, 0);
        if ((flags & AllocationFlags.Zeroed) != 0)
            DirectMap.ZeroPage(pfn);
        return Errno.None;
    }

    /// <summary>One frame; the usual case.</summary>
    public Errno Allocate(AllocationFlags flags, out Pfn pfn) => Allocate(0, flags, out pfn);

    /// <summary>Takes one more reference to a frame that has at least one. Linux: <c>get_page</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Get(Pfn pfn)
    {
        ref PageFrame frame = ref _frames[pfn];
        if ((frame.Flags & FrameFlags.Tail) != 0)
            frame = ref _frames[(uint)frame.Private];
        Interlocked.Increment(ref frame.ReferenceCount);
    }

    /// <summary>Takes a reference unless the frame is being freed. Linux: <c>get_page_unless_zero</c>.</summary>
    public bool TryGet(Pfn pfn)
    {
        ref PageFrame frame = ref _frames[pfn];
        if ((frame.Flags & FrameFlags.Tail) != 0)
            frame = ref _frames[(uint)frame.Private];
        int count = frame.ReferenceCount;
        while (count > 0)
        {
            int seen = Interlocked.CompareExchange(ref frame.ReferenceCount, count + 1, count);
            if (seen == count)
                return true;
            count = seen;
        }

        return false;
    }

    /// <summary>Gives a reference back; the last one frees the frame, or the whole block of a compound. Linux: <c>put_page</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Put(Pfn pfn)
    {
        ref PageFrame frame = ref _frames[pfn];
        if ((frame.Flags & FrameFlags.Tail) != 0)
        {
            pfn = new Pfn(frame.Private);
            frame = ref _frames[pfn];
        }

        if (Interlocked.Decrement(ref frame.ReferenceCount) == 0)
            Free(pfn);
    }

    /// <summary>The first frame of the compound block that <paramref name="pfn"/> is in; itself when it is in none. Linux: <c>compound_head</c>.</summary>
    public Pfn HeadOf(Pfn pfn)
    {
        ref PageFrame frame = ref _frames[pfn];
        return (frame.Flags & FrameFlags.Tail) != 0 ? new Pfn(frame.Private) : pfn;
    }

    /// <summary>Frees a frame that nobody holds any more.</summary>
    private void Free(Pfn pfn)
    {
        ref PageFrame frame = ref _frames[pfn];
        if ((frame.Flags & FrameFlags.Lru) != 0)
            Lru.Remove(pfn);
        const FrameFlags unfreeable = FrameFlags.Reserved | FrameFlags.Buddy | FrameFlags.PerCpuFree | FrameFlags.Slab
            | FrameFlags.PageCache | FrameFlags.SwapCache | FrameFlags.Locked | FrameFlags.Writeback | FrameFlags.Lru;
        if ((frame.Flags & unfreeable) != 0 || (frame.MapCount | frame.Holds) != 0)
            BadFrame(pfn);

        int order = frame.Order;
        if (order != 0)
        {
            FreeBlock(pfn, order);
            return;
        }

        frame.Flags = FrameFlags.PerCpuFree;
        frame.Mapping = 0;
        frame.Private = 0;
        frame.UseCount = 0;
        WritePoison(pfn, 0);

        bool enabled = Interrupts.Disable();
        Zone zone = ZoneOf(pfn);
        ref PerCpuFrames list = ref zone.PerCpu[PerCpu.Number];
        frame.Next = list.First;
        list.First = (uint)pfn.Value;
        zone.Frees++;
        // When memory is short every free frame counts against the watermarks, so none waits on a list.
        if (++list.Count > PerCpuFrames.High)
            Drain(zone, ref list, PerCpuFrames.Batch);
        else if (zone.FreeFrames < zone.WatermarkLow)
            Drain(zone, ref list, list.Count);
        Interrupts.Restore(enabled);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal Zone ZoneOf(Pfn pfn)
    {
        if (pfn >= _preferred.Start && pfn < _preferred.End)
            return _preferred;
        return _zones[(int)KindOf(pfn)];
    }
}
