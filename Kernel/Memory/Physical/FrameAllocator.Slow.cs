using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Memory.Physical;

/// <summary>Zones, watermarks, blocks and reclaim: what a request meets when no single frame is at hand.</summary>
internal sealed partial class FrameAllocator
{
    /// <summary>Adds someone who can free memory; the last one added is asked first.</summary>
    public void AddReclaimSource(ReclaimSource source)
    {
        source.Next = _reclaim;
        _reclaim = source;
    }

    /// <summary>Asked when reclaim frees nothing; installed by <c>Machine.cs</c>.</summary>
    public OutOfMemoryHandler? OutOfMemory;

    /// <summary>How often in a row reclaim may free nothing before an allocation gives up. Linux: <c>MAX_RECLAIM_RETRIES</c>.</summary>
    private const int MostVainRounds = 16;

    /// <summary>Larger blocks may not come together however much is freed: so many rounds, and no more. Linux: <c>PAGE_ALLOC_COSTLY_ORDER</c>.</summary>
    internal const int CostlyOrder = 3;
    private const int CostlyRounds = 64;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private Errno AllocateSlow(int order, AllocationFlags flags, out Pfn pfn)
    {
        pfn = Pfn.None;
        if ((uint)order > FrameTable.MaxOrder)
            return Errno.ENOMEM;

        if (!TryZones(order, flags, out pfn) && !TryHarder(order, flags, out pfn))
        {
            AllocationFailures++;
            return Errno.ENOMEM;
        }

        if (_preferred.FreeFrames < _preferred.WatermarkLow)
            WakeBackground();

        CheckPoison(pfn, order);
        if ((flags & AllocationFlags.Zeroed) != 0)
        {
            for (ulong i = 0; i < 1UL << order; i++)
                DirectMap.ZeroPage(pfn + i);
        }

        return Errno.None;
    }

    private void WakeBackground()
    {
        for (ReclaimSource? source = _reclaim; source is not null; source = source.Next)
            source.LowMemory();
    }

    /// <summary>The zones have nothing above their watermarks. Who frees memory takes from below them; who may sleep frees some.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryHarder(int order, AllocationFlags flags, out Pfn pfn)
    {
        pfn = Pfn.None;
        if ((flags & AllocationFlags.NoReclaim) != 0)
            return false;
        WakeBackground();
        if (PerCpu.CurrentOrNull is { MayUseReserve: true })
            return TryZones(order, flags | AllocationFlags.Reserve, out pfn);
        if (PerCpu.CurrentOrNull is { IsOomVictim: true } && TryZones(order, flags | AllocationFlags.Atomic, out pfn))
            return true;
        if ((flags & AllocationFlags.Atomic) != 0)
            return false;
        while (!ReclaimAndRetry(order, flags, out pfn))
        {
            // Under a spin lock nobody can wait for a death; before the tasks are there nobody can die.
            if ((flags & AllocationFlags.MayFail) != 0 || order > CostlyOrder || OutOfMemory is not { } killer || !Interrupts.AreEnabled
                || !killer.MakeRoom(order))
                return false;
        }

        return true;
    }

    private bool TryZones(int order, AllocationFlags flags, out Pfn pfn)
    {
        ZoneKind highest = (flags & AllocationFlags.Dma) != 0 ? ZoneKind.Dma
            : (flags & AllocationFlags.Dma32) != 0 && _preferred.Kind > ZoneKind.Dma32 ? ZoneKind.Dma32
            : _preferred.Kind;

        for (int kind = (int)highest; kind >= 0; kind--)
        {
            Zone zone = _zones[kind];
            if (zone.Managed.Value == 0)
                continue;
            uint first = order == 0 ? TakeSingle(zone, highest, flags) : TakeBlock(zone, order, highest, flags);
            if (first == PageFrame.NoLink)
                continue;

            ref PageFrame frame = ref _frames[first];
            frame.Flags = FrameFlags.None;
            frame.Next = 0;
            frame.Order = (byte)order;
            frame.ReferenceCount = 1;
            if ((flags & AllocationFlags.Compound) != 0 && order > 0)
                MarkCompound(first, order);
            pfn = new Pfn(first);
            return true;
        }

        pfn = Pfn.None;
        return false;
    }

    /// <summary>Refills the processor's list when it is empty, and takes a frame from it.</summary>
    private uint TakeSingle(Zone zone, ZoneKind highest, AllocationFlags flags)
    {
        bool enabled = Interrupts.Disable();
        ref PerCpuFrames list = ref zone.PerCpu[PerCpu.Number];
        if (list.Count == 0)
        {
            zone.Lock.AcquireRaw();                          // interrupts are off, and stay off after it
            int wanted = PerCpuFrames.Batch;
            while (wanted > 0 && IsAbove(zone, 0, highest, flags))
            {
                // What lies below the watermark is for this request alone: on the list anybody could take it.
                flags &= ~(AllocationFlags.Reserve | AllocationFlags.Atomic);
                uint single = zone.Take(0);
                if (single == PageFrame.NoLink)
                    break;
                ref PageFrame free = ref _frames[single];
                free.Flags = FrameFlags.PerCpuFree;
                free.Next = list.First;
                list.First = single;
                list.Count++;
                wanted--;
            }

            zone.Lock.ReleaseRaw(false);
        }

        uint first = PageFrame.NoLink;
        if (list.Count != 0)
        {
            first = list.First;
            list.First = _frames[first].Next;
            list.Count--;
            zone.Allocations++;
        }

        Interrupts.Restore(enabled);
        return first;
    }

    private uint TakeBlock(Zone zone, int order, ZoneKind highest, AllocationFlags flags)
    {
        uint first = PageFrame.NoLink;
        bool enabled = zone.Lock.AcquireRaw();
        if (IsAbove(zone, order, highest, flags))
        {
            first = zone.Take(order);
            if (first != PageFrame.NoLink)
                zone.Allocations += 1UL << order;
        }

        zone.Lock.ReleaseRaw(enabled);
        return first;
    }

    /// <summary>Whether the zone may give 2^order frames to a request that would have liked <paramref name="highest"/>. Linux: <c>zone_watermark_ok</c>.</summary>
    private static bool IsAbove(Zone zone, int order, ZoneKind highest, AllocationFlags flags)
    {
        ulong need = 1UL << order;
        if ((flags & AllocationFlags.Reserve) == 0)
        {
            ulong mark = (flags & AllocationFlags.NoReclaim) != 0 ? zone.WatermarkLow : zone.WatermarkMin;
            if ((flags & AllocationFlags.Atomic) != 0)
                mark -= mark / 2;
            need += mark + zone.LowmemReserve[(int)highest];
        }

        return zone.FreeFrames >= need;
    }

    private void MarkCompound(uint first, int order)
    {
        _frames[first].Flags |= FrameFlags.Head;
        for (uint i = 1; i < 1u << order; i++)
        {
            ref PageFrame tail = ref _frames[first + i];
            tail.Flags = FrameFlags.Tail;
            tail.Private = first;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool ReclaimAndRetry(int order, AllocationFlags flags, out Pfn pfn)
    {
        // A block may be in pieces only because its frames wait on our own list.
        DrainPerCpu();
        if (TryZones(order, flags, out pfn))
            return true;

        // As long as frames come free somebody gets on, and in the end we do. Only a block may never come together, and who is killed need not wait.
        int vain = 0;
        for (int round = 0; order <= CostlyOrder || round < CostlyRounds; round++)
        {
            ulong freed = 0;
            for (ReclaimSource? source = _reclaim; source is not null; source = source.Next)
            {
                ulong here = source.Reclaim(new PageCount(PerCpuFrames.Batch + (1UL << order))).Value;
                if (here == 0)
                    continue;
                freed += here;
                DrainPerCpu();
                if (TryZones(order, flags, out pfn))
                    return true;
            }

            vain = freed == 0 ? vain + 1 : 0;
            if (vain > MostVainRounds || PerCpu.CurrentOrNull is null or { FatalSignalPending: true })
                return false;
            if (freed != 0)
                continue;
            bool mayChange = false;
            for (ReclaimSource? source = _reclaim; source is not null; source = source.Next)
                mayChange |= source.WaitForProgress();
            if (!mayChange)
                return false;
        }

        return false;
    }

    /// <summary>Gives this processor's single frames back to the buddy systems.</summary>
    public void DrainPerCpu()
    {
        foreach (Zone zone in _zones)
        {
            bool enabled = Interrupts.Disable();
            ref PerCpuFrames list = ref zone.PerCpu[PerCpu.Number];
            Drain(zone, ref list, list.Count);
            Interrupts.Restore(enabled);
        }
    }

    /// <summary>Interrupts are off.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Drain(Zone zone, ref PerCpuFrames list, int count)
    {
        zone.Lock.AcquireRaw();
        while (count-- > 0 && list.Count != 0)
        {
            uint first = list.First;
            ref PageFrame frame = ref _frames[first];
            list.First = frame.Next;
            list.Count--;
            frame.Flags = FrameFlags.None;
            frame.Next = 0;
            zone.Give(first, 0);
        }

        zone.Lock.ReleaseRaw(false);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void FreeBlock(Pfn pfn, int order)
    {
        ref PageFrame head = ref _frames[pfn];
        if ((head.Flags & FrameFlags.Head) != 0)
        {
            for (uint i = 1; i < 1u << order; i++)
                _frames[(uint)pfn.Value + i] = default;
        }

        head = default;
        WritePoison(pfn, order);
        Zone zone = ZoneOf(pfn);
        bool enabled = zone.Lock.AcquireRaw();
        zone.Give((uint)pfn.Value, order);
        zone.Frees += 1UL << order;
        zone.Lock.ReleaseRaw(enabled);
    }

    /// <summary>
    /// Turns a block into single frames that are freed each for itself: for memory that is given back in part. The caller holds
    /// the only reference; every frame has one of its own afterwards. Linux: <c>split_page</c>.
    /// </summary>
    public void Split(Pfn pfn)
    {
        ref PageFrame head = ref _frames[pfn];
        int order = head.Order;
        head.Order = 0;
        head.Flags &= ~FrameFlags.Head;
        for (uint i = 1; i < 1u << order; i++)
        {
            ref PageFrame tail = ref _frames[(uint)pfn.Value + i];
            tail.Flags &= ~FrameFlags.Tail;
            tail.Private = 0;
            tail.ReferenceCount = 1;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void BadFrame(Pfn pfn)
    {
        ref PageFrame frame = ref _frames[pfn];
        if ((frame.Flags & (FrameFlags.Buddy | FrameFlags.PerCpuFree)) != 0)
            Panic.Now("a frame is freed twice"u8);
        if (frame.MapCount != 0)
            Panic.Now("a frame is freed that page tables still map"u8);
        Panic.Now("a frame is freed that is still in use"u8);
    }
}
