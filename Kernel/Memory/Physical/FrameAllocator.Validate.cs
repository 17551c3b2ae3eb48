using System;
using System.Diagnostics;
using NanoVm.Core;
using NanoVm.Memory.Check;

namespace NanoVm.Memory.Physical;

/// <summary>Checks of the zones' lists and of freed frames' content.</summary>
internal sealed partial class FrameAllocator
{
    /// <summary>Written over freed frames in debug builds. Linux: <c>PAGE_POISON</c>.</summary>
    public const byte Poison = 0xaa;

    /// <summary>Panics unless every list, count and flag is right. O(frames).</summary>
    public void Validate()
    {
        MemoryReport report = default;
        Check(ref report);
        report.PanicIfBroken();
    }

    /// <summary>Checks every list, count and flag. O(frames).</summary>
    internal void Check(ref MemoryReport report)
    {
        foreach (Zone zone in _zones)
        {
            bool enabled = zone.Lock.AcquireRaw();
            CheckZone(zone, ref report);
            zone.Lock.ReleaseRaw(enabled);
        }

        CheckFlags(ref report);
    }

    private void CheckZone(Zone zone, ref MemoryReport report)
    {
        ulong free = 0;
        for (int order = 0; order < Zone.Orders; order++)
        {
            ulong blocks = 0;
            uint previous = PageFrame.NoLink;
            for (uint at = zone.FirstBlock(order); at != PageFrame.NoLink; at = _frames[at].Next)
            {
                if (!report.Unless(IsRam(new Pfn(at)), "a list of free blocks is broken"u8, new Pfn(at)))
                    return;
                ref PageFrame frame = ref _frames[at];
                report.Unless(frame.Flags == FrameFlags.Buddy && frame.Order == order, "a free block has the wrong flags or order"u8);
                report.Unless(frame.Previous == previous, "a list of free blocks is broken"u8);
                report.Unless((at & ((1u << order) - 1)) == 0, "a free block is not aligned"u8);
                if (!report.Unless(at >= zone.Start.Value && at + (1UL << order) <= zone.End.Value, "a free block lies outside its zone"u8))
                    return;
                report.Unless(frame.ReferenceCount == 0 && frame.MapCount == 0, "a free block is in use"u8);
                if (order < FrameTable.MaxOrder)
                {
                    ref PageFrame buddy = ref _frames[at ^ (1u << order)];
                    report.Unless(buddy.Flags != FrameFlags.Buddy || buddy.Order != order, "two free buddies were not joined"u8);
                }

                for (uint i = 1; i < 1u << order; i++)
                    report.Unless(_frames[at + i].Flags == FrameFlags.None && _frames[at + i].ReferenceCount == 0, "a frame inside a free block is in use"u8);
                previous = at;
                blocks++;
                if (!report.Unless(blocks <= zone.Present.Value, "a list of free blocks is a circle"u8))
                    return;
            }

            report.Unless(blocks == zone.FreeBlocks(order), "the count of free blocks is wrong"u8);
            free += blocks << order;
        }

        report.Unless(free == zone.FreeFrames, "the count of free frames is wrong"u8);
        foreach (PerCpuFrames list in zone.PerCpu)
        {
            int count = 0;
            for (uint at = list.First; at != PageFrame.NoLink && count <= list.Count; at = _frames[at].Next)
            {
                if (!report.Unless(IsRam(new Pfn(at)), "a per-CPU list of free frames is broken"u8, new Pfn(at)))
                    return;
                report.Unless(_frames[at].Flags == FrameFlags.PerCpuFree && _frames[at].ReferenceCount == 0, "a per-CPU frame is in use"u8);
                report.Unless(KindOf(new Pfn(at)) == zone.Kind, "a per-CPU frame is on another zone's list"u8);
                count++;
            }

            report.Unless(count == list.Count, "the count of per-CPU frames is wrong"u8);
        }
    }

    /// <summary>Every frame of RAM is exactly one of: reserved, free and listed, held by somebody.</summary>
    private void CheckFlags(ref MemoryReport report)
    {
        ulong singles = 0, blocks = 0, listed = 0;
        for (int i = 0; i < _ram.Length; i++)
        {
            RamRange(i, out Pfn first, out Pfn end);
            for (Pfn pfn = first; pfn < end; pfn += 1)
            {
                ref PageFrame frame = ref _frames[pfn];
                if ((frame.Flags & FrameFlags.Buddy) != 0)
                    blocks += 1UL << frame.Order;
                else if ((frame.Flags & FrameFlags.PerCpuFree) != 0)
                    singles++;
                report.Unless(frame.ReferenceCount >= 0 && frame.MapCount >= 0, "a frame's count is negative"u8);
            }
        }

        ulong free = 0;
        foreach (Zone zone in _zones)
        {
            free += zone.FreeFrames;
            listed += zone.AllFreeFrames;
        }

        report.Unless(blocks == free && singles == listed - free, "free frames are on no list"u8);
    }

    [Conditional("NANOVM_DEBUG")]
    private static void WritePoison(Pfn pfn, int order)
    {
        for (ulong i = 0; i < 1UL << order; i++)
            DirectMap.Page(pfn + i).Fill(Poison);
    }

    [Conditional("NANOVM_DEBUG")]
    private static void CheckPoison(Pfn pfn, int order)
    {
        for (ulong i = 0; i < 1UL << order; i++)
        {
            foreach (byte b in DirectMap.Page(pfn + i))
                Panic.Unless(b == Poison, "a free frame was written to"u8);
        }
    }
}
