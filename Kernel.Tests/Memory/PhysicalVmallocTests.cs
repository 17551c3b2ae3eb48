using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Tests.Machine;
using Xunit;

namespace NanoVm.Tests.Memory;

public sealed class PhysicalVmallocTests
{
    [Fact]
    public void A_random_stream_keeps_guards_and_loses_no_frame()
    {
        using var machine = new HostMachine(64UL << 20);
        Vmalloc vmalloc = machine.Memory.Vmalloc;
        vmalloc.MostUnpurged = 64;
        vmalloc.Allocate(new PageCount(8000), out VirtAddr warm);
        vmalloc.Free(warm);
        machine.Memory.Shrink();
        ulong free = machine.Memory.Frames.FreeFrames.Value;
        var random = new System.Random(7);
        var held = new List<(VirtAddr Start, ulong Pages)>();
        for (int step = 0; step < 1500; step++)
        {
            if (random.Next(100) < 55)
            {
                ulong pages = (ulong)random.Next(1, 40);
                if (vmalloc.Allocate(new PageCount(pages), out VirtAddr start) != Errno.None)
                    continue;
                foreach ((VirtAddr other, ulong count) in held)
                    Assert.True(start.Value >= other.Value + ((count + 1) << 12) || other.Value >= start.Value + ((pages + 1) << 12));
                for (ulong i = 0; i < pages; i++)
                    Assert.False(vmalloc.FrameOf(start + (i << 12)).IsNone);
                Assert.True(vmalloc.FrameOf(start + (pages << 12)).IsNone);
                held.Add((start, pages));
            }
            else if (held.Count > 0)
            {
                int at = random.Next(held.Count);
                vmalloc.Free(held[at].Start);
                held.RemoveAt(at);
            }

            Assert.True(vmalloc.UnpurgedPages.Value <= 64 + 40);
            if (step % 100 == 0)
                vmalloc.Validate();
            Assert.Equal(held.Aggregate(0UL, (sum, item) => sum + item.Pages), vmalloc.UsedPages.Value);
        }

        foreach ((VirtAddr start, _) in held)
            vmalloc.Free(start);
        vmalloc.Validate();
        machine.Memory.Shrink();
        Assert.Equal(free, machine.Memory.Frames.FreeFrames.Value);
    }

    [Fact]
    public void Freed_areas_are_unmapped_together_with_one_flush_before_their_frames_come_free()
    {
        using var machine = new HostMachine(64UL << 20);
        Vmalloc vmalloc = machine.Memory.Vmalloc;
        vmalloc.MostUnpurged = 64;
        var places = new VirtAddr[10];
        for (int i = 0; i < places.Length; i++)
            Assert.Equal(Errno.None, vmalloc.Allocate(new PageCount(4), out places[i]));
        ulong free = machine.Memory.Frames.FreeFrames.Value, purges = vmalloc.Purges, areas = vmalloc.UsedAreas;
        foreach (VirtAddr at in places)
            vmalloc.Free(at);
        Assert.Equal(0UL, vmalloc.UsedPages.Value);
        Assert.Equal(40UL, vmalloc.UnpurgedPages.Value);
        Assert.Equal(free, machine.Memory.Frames.FreeFrames.Value);
        Assert.Equal(purges, vmalloc.Purges);

        // Their addresses are not given out while they wait.
        Assert.Equal(Errno.None, vmalloc.Allocate(new PageCount(4), out VirtAddr other));
        Assert.DoesNotContain(other, places);
        vmalloc.Free(other);

        Assert.Equal(44UL, vmalloc.Purge().Value);
        Assert.Equal(purges + 1, vmalloc.Purges);
        Assert.Equal(areas - 10, vmalloc.UsedAreas);
        Assert.True(machine.Memory.Frames.FreeFrames.Value >= free + 40);
        foreach (VirtAddr at in places)
            Assert.True(vmalloc.FrameOf(at).IsNone);
        vmalloc.Validate();
        Assert.Equal(0UL, vmalloc.Purge().Value);
        Assert.Equal(purges + 1, vmalloc.Purges);
    }

    [Fact]
    public void So_much_may_wait_and_no_more()
    {
        using var machine = new HostMachine(64UL << 20);
        Vmalloc vmalloc = machine.Memory.Vmalloc;
        vmalloc.MostUnpurged = 64;
        ulong purges = vmalloc.Purges;
        for (int i = 0; i < 160; i++)
        {
            Assert.Equal(Errno.None, vmalloc.Allocate(new PageCount(4), out VirtAddr at));
            vmalloc.Free(at);
        }

        Assert.InRange(vmalloc.Purges - purges, 8UL, 11UL);
    }

    [Fact]
    public void A_failure_anywhere_leaves_nothing_behind()
    {
        using var machine = new HostMachine(16UL << 20);
        PhysicalMemory memory = machine.Memory;
        memory.Vmalloc.Allocate(new PageCount(1), out VirtAddr warm);
        memory.Vmalloc.Free(warm);
        memory.Shrink();
        ulong free = memory.Frames.FreeFrames.Value;
        for (ulong fail = 1; ; fail++)
        {
            memory.Failures.Arm(fail);
            Errno error = memory.Vmalloc.Allocate(new PageCount(5), out VirtAddr start);
            bool reached = memory.Failures.Asked >= fail;
            memory.Failures.Disarm();
            if (error == Errno.None)
                memory.Vmalloc.Free(start);
            memory.Validate();
            memory.Shrink();
            Assert.Equal(free, memory.Frames.FreeFrames.Value);
            if (!reached)
                break;
            Assert.Equal(Errno.ENOMEM, error);
        }
    }

    [Fact]
    public void A_device_keeps_its_offset_and_its_frames_are_not_freed()
    {
        using var machine = new HostMachine(16UL << 20);
        Vmalloc vmalloc = machine.Memory.Vmalloc;
        Assert.Equal(Errno.None, vmalloc.MapDevice(new PhysAddr(0xfee0_0040), new PageCount(2), out VirtAddr address));
        Assert.Equal(0x40UL, address.PageOffset);
        Assert.Equal(0xfee00UL, vmalloc.FrameOf(address).Value);
        Assert.Equal(0xfee01UL, vmalloc.FrameOf(address + 4096).Value);
        Assert.Equal(0UL, vmalloc.UsedPages.Value);
        vmalloc.UnmapDevice(address);
        Assert.True(vmalloc.FrameOf(address).IsNone);
        vmalloc.Validate();
    }
}
