using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Tests.Machine;
using Xunit;

namespace NanoVm.Tests.Memory;

public sealed class PhysicalFrameTests
{
    [Fact]
    public void Every_frame_can_be_had_once_and_all_come_back()
    {
        using var machine = new HostMachine(8UL << 20);
        FrameAllocator frames = machine.Memory.Frames;
        machine.Memory.Shrink();
        ulong free = frames.FreeFrames.Value;
        var held = new HashSet<ulong>();
        while (frames.Allocate(AllocationFlags.Reserve, out Pfn pfn) == Errno.None)
        {
            Assert.True(held.Add(pfn.Value));
            Assert.True(frames.IsRam(pfn));
        }

        Assert.Equal(free, (ulong)held.Count);
        Assert.Equal(0UL, frames.FreeFrames.Value);
        foreach (ulong pfn in held)
            frames.Put(new Pfn(pfn));
        machine.Memory.Shrink();
        Assert.Equal(free, frames.FreeFrames.Value);
        frames.Validate();
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 3)]
    [InlineData(3, 10)]
    public void A_random_stream_never_overlaps_and_loses_nothing(int seed, int largest)
    {
        using var machine = new HostMachine((0, 10UL << 20), (13UL << 20, (27UL << 20) - 4096));
        FrameAllocator frames = machine.Memory.Frames;
        machine.Memory.Shrink();
        ulong free = frames.FreeFrames.Value;
        var random = new System.Random(seed);
        var owner = new Dictionary<ulong, int>();
        var blocks = new List<(Pfn First, int Order)>();
        for (int step = 0; step < 3000; step++)
        {
            if (random.Next(100) < 55)
            {
                int order = random.Next(largest + 1);
                AllocationFlags flags = random.Next(4) switch
                {
                    0 => AllocationFlags.Zeroed,
                    1 => AllocationFlags.Compound,
                    2 => AllocationFlags.Reserve,
                    _ => AllocationFlags.None,
                };
                if (frames.Allocate(order, flags, out Pfn pfn) != Errno.None)
                    continue;
                Assert.Equal(0UL, pfn.Value & ((1UL << order) - 1));
                for (ulong i = 0; i < 1UL << order; i++)
                {
                    Assert.True(frames.IsRam(pfn + i));
                    owner.Add(pfn.Value + i, step);
                    if ((flags & AllocationFlags.Zeroed) != 0)
                        Assert.Equal(-1, DirectMap.Page(pfn + i).IndexOfAnyExcept((byte)0));
                    if ((flags & AllocationFlags.Compound) != 0)
                        Assert.Equal(pfn.Value, frames.HeadOf(pfn + i).Value);
                    DirectMap.Page(pfn + i).Fill(0x55);
                }

                blocks.Add((pfn, order));
            }
            else if (blocks.Count > 0)
            {
                int at = random.Next(blocks.Count);
                (Pfn first, int order) = blocks[at];
                blocks.RemoveAt(at);
                for (ulong i = 0; i < 1UL << order; i++)
                    owner.Remove(first.Value + i);
                if (random.Next(4) == 0)
                {
                    frames.Get(first);
                    frames.Put(first);
                }

                if (order > 0 && random.Next(3) == 0)
                {
                    frames.Split(first);
                    for (ulong i = 0; i < 1UL << order; i++)
                        frames.Put(first + i);
                }
                else
                {
                    frames.Put(first);
                }
            }

            if (step % 200 == 0)
                frames.Validate();
            Assert.Equal(free - (ulong)owner.Count, frames.FreeFrames.Value);
        }

        foreach ((Pfn first, _) in blocks)
            frames.Put(first);
        machine.Memory.Shrink();
        frames.Validate();
        Assert.Equal(free, frames.FreeFrames.Value);
    }

    [Fact]
    public void Zones_are_cut_at_16_MiB_and_4_GiB()
    {
        using var machine = new HostMachine((0, 32UL << 20), (4094UL << 20, 4100UL << 20));
        FrameAllocator frames = machine.Memory.Frames;
        Assert.Equal(4096UL, frames.Zones[0].Present.Value);
        Assert.Equal(4096UL + 512, frames.Zones[1].Present.Value);
        Assert.Equal(1024UL, frames.Zones[2].Present.Value);
        Assert.Equal(Errno.None, frames.Allocate(AllocationFlags.Dma, out Pfn low));
        Assert.True(low.Value < 4096);
        Assert.Equal(Errno.None, frames.Allocate(AllocationFlags.Dma32, out Pfn middle));
        Assert.True(middle.Value is >= 4096 and < 1 << 20);
        Assert.Equal(Errno.None, frames.Allocate(AllocationFlags.None, out Pfn high));
        Assert.True(high.Value >= 1 << 20);
        frames.Validate();
    }

    [Fact]
    public void The_reserve_is_only_for_those_who_may_have_it()
    {
        using var machine = new HostMachine(16UL << 20);
        FrameAllocator frames = machine.Memory.Frames;
        while (frames.Allocate(AllocationFlags.None, out _) == Errno.None)
        {
        }

        Assert.True(frames.FreeFrames.Value > 0);
        Assert.Equal(Errno.None, frames.Allocate(AllocationFlags.Reserve, out _));
    }

    [Fact]
    public void Freeing_twice_is_noticed()
    {
        using var machine = new HostMachine(8UL << 20);
        FrameAllocator frames = machine.Memory.Frames;
        frames.Allocate(AllocationFlags.None, out Pfn pfn);
        frames.Put(pfn);
        frames[pfn].ReferenceCount = 1;
        Assert.Throws<KernelPanicException>(() => frames.Put(pfn));
    }

    [Fact]
    public void A_write_to_a_freed_frame_is_noticed()
    {
        using var machine = new HostMachine(8UL << 20);
        FrameAllocator frames = machine.Memory.Frames;
        frames.Allocate(AllocationFlags.None, out Pfn pfn);
        frames.Put(pfn);
        DirectMap.Page(pfn)[100] = 1;
        Assert.Throws<KernelPanicException>(() => frames.Allocate(AllocationFlags.None, out _));
    }
}
