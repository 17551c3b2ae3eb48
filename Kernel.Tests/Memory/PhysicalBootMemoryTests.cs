using NanoVm.Core;
using NanoVm.Core.Boot;
using NanoVm.Tests.Machine;
using Xunit;

namespace NanoVm.Tests.Memory;

public sealed class PhysicalBootMemoryTests
{
    [Fact]
    public void Overlapping_ranges_of_RAM_are_joined()
    {
        var boot = new BootMemory();
        boot.AddRam(new(0x10_0000, 0x20_0000));
        boot.AddRam(new(0x30_0000, 0x40_0000));
        boot.AddRam(new(0x18_0000, 0x30_0000));
        Assert.Equal(1, boot.RamRangeCount);
        Assert.Equal(0x10_0000UL, boot.Ram(0).Start.Value);
        Assert.Equal(0x40_0000UL, boot.Ram(0).End.Value);
    }

    [Fact]
    public void Partial_pages_are_not_RAM_and_are_reserved_whole()
    {
        var boot = new BootMemory();
        boot.AddRam(new(0x1001, 0x5fff));
        Assert.Equal(0x2000UL, boot.Ram(0).Start.Value);
        Assert.Equal(0x5000UL, boot.Ram(0).End.Value);
        boot.Reserve(new(0x2fff, 0x3001));
        Assert.Equal(0x2000UL, boot.Reserved(0).Start.Value);
        Assert.Equal(0x4000UL, boot.Reserved(0).End.Value);
    }

    [Fact]
    public void Bytes_at_the_very_end_of_the_address_space_do_not_wrap_to_its_start()
    {
        var boot = new BootMemory();
        boot.AddRam(new(ulong.MaxValue - 10, ulong.MaxValue));
        Assert.Equal(0, boot.RamRangeCount);
        boot.Reserve(new(ulong.MaxValue - 0x2000, ulong.MaxValue));
        Assert.Equal(1, boot.ReservedRangeCount);
    }

    [Fact]
    public void Removing_from_the_middle_leaves_two_ranges()
    {
        var boot = new BootMemory();
        boot.AddRam(new(0, 0x10_0000));
        boot.RemoveRam(new(0x4_0800, 0x5_0000));
        Assert.Equal(2, boot.RamRangeCount);
        Assert.Equal(0x4_0000UL, boot.Ram(0).End.Value);
        Assert.Equal(0x5_0000UL, boot.Ram(1).Start.Value);
    }

    [Fact]
    public void More_ranges_than_the_object_holds_move_to_RAM()
    {
        using var machine = new HostMachine(64UL << 20);
        var boot = new BootMemory();
        boot.DirectMapComplete();
        boot.AddRam(new(1 << 20, 32 << 20));
        for (ulong i = 0; i < 1000; i++)
            boot.Reserve(new((2 << 20) + (i * 0x3000), (2 << 20) + (i * 0x3000) + 0x1000));
        for (ulong i = 0; i < 1000; i++)
            boot.AddRam(new((40 << 20) + (i * 0x3000), (40 << 20) + (i * 0x3000) + 0x2000));
        Assert.Equal(1001, boot.RamRangeCount);
        Assert.True(boot.ReservedRangeCount >= 1001);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Allocation_equals_a_bitmap(int seed)
    {
        using var machine = new HostMachine(4UL << 20);
        const int pages = 1024;
        var random = new System.Random(seed);
        var boot = new BootMemory();
        boot.DirectMapComplete();
        var ram = new bool[pages];
        var taken = new bool[pages];
        for (int i = 0; i < 40; i++)
        {
            int first = random.Next(pages), end = random.Next(first, Math.Min(pages, first + 100) + 1);
            bool add = random.Next(3) != 0;
            if (add)
                boot.AddRam(new((ulong)first << 12, (ulong)end << 12));
            else
                boot.RemoveRam(new((ulong)first << 12, (ulong)end << 12));
            Array.Fill(ram, add, first, end - first);
        }

        for (int i = 0; i < 100; i++)
        {
            int bytes = random.Next(1, 10), shift = random.Next(4);
            int best = -1;
            for (int start = pages - bytes; start >= 0 && best < 0; start--)
            {
                if ((start & ((1 << shift) - 1)) == 0 && Enumerable.Range(start, bytes).All(p => ram[p] && !taken[p]))
                    best = start;
            }

            if (best < 0)
            {
                Assert.Throws<KernelPanicException>(() => boot.Allocate((ulong)bytes << 12, 4096UL << shift));
                continue;
            }

            PhysAddr got = boot.Allocate((ulong)bytes << 12, 4096UL << shift);
            Assert.Equal((ulong)best << 12, got.Value);
            Array.Fill(taken, true, best, bytes);
        }
    }
}
