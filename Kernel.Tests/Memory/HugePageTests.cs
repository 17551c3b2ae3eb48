using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;
using NanoVm.Tests.Machine;
using Xunit;

namespace NanoVm.Tests.Memory;

/// <summary>Huge pages of anonymous memory: fault, split, copy-on-write, and what every operation does that meets one.</summary>
public sealed class HugePageTests : VirtualTest
{
    private const ulong Base = 0x4000_0000;
    private const ulong Pages = 512;
    private const ulong Bytes = Pages * Page;

    /// <summary>Memory of <paramref name="blocks"/> huge pages, asked for and touched.</summary>
    private void MapHuge(ulong blocks = 1, ulong at = Base)
    {
        MapFixed(at, blocks * Pages);
        Assert.Equal(Errno.None, Advise(at, blocks * Pages, MemoryAdvice.HugePage));
        for (ulong i = 0; i < blocks; i++)
            Put(at + i * Bytes + 8, i + 1);
        Assert.Equal(blocks, Mm.HugeEntries);
    }

    private bool IsHugeAt(ulong address, MmStruct? mm = null)
        => (mm ?? Mm).TryFindPmd(new VirtAddr(address), out PmdPlace place) && place.Entry.IsHuge;

    [Fact]
    public void One_write_brings_2_MiB_of_zeros_and_512_pages_are_resident()
    {
        MapHuge();
        Assert.Equal(Pages, Mm.AnonymousPages);
        Assert.Equal(1UL, Machine.System.AnonymousHugePages);
        Assert.Equal(1UL, Get(Base + 8));
        Assert.Equal(0UL, Get(Base + Bytes - 8));
        Assert.Equal(1UL, Machine.System.Statistics[VmCounter.ThpFaultAlloc]);
    }

    [Fact]
    public void Fork_splits_a_huge_page_that_a_device_writes_to_and_copies_the_one_small_page()
    {
        MapHuge();
        var frames = new Pfn[1];
        Assert.Equal(1, Mm.PinPages(new VirtAddr(Base + 5 * Page), write: true, frames));
        HostTask child = Fork();
        Check(child.Mm!);
        Put(Base + 5 * Page + 8, 3);
        DirectMap.Page(frames[0])[16] = 4;
        Mm.UnpinPages(frames, written: true);
        Assert.Equal((3UL, 4UL), (Get(Base + 5 * Page + 8), Get(Base + 5 * Page + 16)));
        Assert.Equal((1UL, 0UL, 0UL), (Get(Base + 8, child), Get(Base + 5 * Page + 8, child), Get(Base + 5 * Page + 16, child)));
        Exit(child);
    }

    [Fact]
    public void Memory_nobody_asked_huge_pages_for_gets_small_ones()
    {
        MapFixed(Base, Pages);
        Put(Base, 1);
        Assert.Equal(1UL, Mm.AnonymousPages);
        Assert.False(IsHugeAt(Base));
    }

    [Fact]
    public void What_does_not_fill_2_MiB_gets_small_ones()
    {
        MapFixed(Base + Page, Pages);
        Advise(Base + Page, Pages, MemoryAdvice.HugePage);
        Put(Base + Page, 1);
        Put(Base + Bytes, 1);
        Assert.Equal(2UL, Mm.AnonymousPages);
        Assert.Equal(0UL, Mm.HugeEntries);
    }

    [Fact]
    public void A_read_maps_the_huge_zeros_and_a_write_after_it_one_small_page()
    {
        MapFixed(Base, 2 * Pages);
        Advise(Base, 2 * Pages, MemoryAdvice.HugePage);
        Assert.Equal(0UL, Get(Base + 40960));
        Assert.Equal(0UL, Get(Base + Bytes));
        Assert.Equal(2UL, Mm.HugeEntries);
        Assert.Equal(0UL, Mm.Rss);
        Put(Base + 4096, 5);
        Assert.Equal(1UL, Mm.Rss);
        Assert.Equal(1UL, Mm.HugeEntries);
        Assert.Equal(0UL, Get(Base));
        Assert.Equal(5UL, Get(Base + 4096));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0, 511)]
    [InlineData(100, 200)]
    [InlineData(511, 1)]
    public void Unmapping_a_part_splits_and_frees_just_that_part(int first, int count)
    {
        MapHuge();
        for (ulong i = 0; i < Pages; i++)
            Put(Base + i * Page, i);
        ulong free = Machine.Memory.Frames.FreeFrames.Value;
        Assert.Equal(Errno.None, Unmap(Base + (ulong)first * Page, (ulong)count));
        Assert.Equal(Pages - (ulong)count, Mm.AnonymousPages);
        Assert.True(Machine.Memory.Frames.FreeFrames.Value >= free + (ulong)count - 8);
        for (int i = 0; i < 512; i++)
        {
            if (i < first || i >= first + count)
                Assert.Equal((ulong)i, Get(Base + (ulong)i * Page));
        }

        Assert.Equal(1UL, Machine.System.Statistics[VmCounter.ThpSplitPmd]);
    }

    [Fact]
    public void Protecting_all_of_it_keeps_it_huge_and_a_part_splits_it()
    {
        MapHuge(2);
        Protect(Base, 2 * Pages, R);
        Assert.Equal(2UL, Mm.HugeEntries);
        Assert.Equal(PageFaultResult.SegvAccerr, Write(Base, 1));
        Protect(Base, 2 * Pages, Protection.None);
        Assert.Equal(PageFaultResult.SegvAccerr, Read(Base));
        Protect(Base, 2 * Pages, RW);
        Put(Base, 7);
        Assert.Equal(2UL, Mm.HugeEntries);
        Protect(Base + Bytes + Page, 1, R);
        Assert.Equal(1UL, Mm.HugeEntries);
        Put(Base + Bytes, 3);
        Assert.Equal(PageFaultResult.SegvAccerr, Write(Base + Bytes + Page, 1));
        Assert.Equal(2UL, Get(Base + Bytes + 8));
    }

    [Fact]
    public void After_a_fork_the_parents_huge_page_stays_and_the_childs_is_split_by_its_write()
    {
        MapHuge();
        HostTask child = Fork();
        Assert.True(IsHugeAt(Base, child.Mm));
        Put(Base + 5 * Page, 9, child);
        Assert.False(IsHugeAt(Base, child.Mm));
        Assert.True(IsHugeAt(Base));
        Assert.Equal(0UL, Get(Base + 5 * Page));
        Assert.Equal(1UL, Get(Base + 8, child));
        Assert.Equal(Pages, child.Mm!.AnonymousPages);
        Check(child.Mm!);
        Check(Mm);
        Exit(child);
        ulong reused = Machine.System.Statistics[VmCounter.WpReuse];
        Put(Base, 3);
        Assert.True(IsHugeAt(Base));
        Assert.Equal(reused + 1, Machine.System.Statistics[VmCounter.WpReuse]);
    }

    [Fact]
    public void When_the_parent_goes_the_childs_small_pages_stay()
    {
        MapHuge();
        HostTask child = Fork();
        HostTask grandchild = Fork(child);
        Put(Base, 2, child);
        Put(Base + Page, 3, grandchild);
        Unmap(Base, Pages);
        Assert.Equal(0UL, Machine.System.AnonymousHugePages);
        Assert.Equal(2UL, Get(Base, child));
        Assert.Equal(1UL, Get(Base + 8, child));
        Assert.Equal(0UL, Get(Base + Page, child));
        Assert.Equal(3UL, Get(Base + Page, grandchild));
        Check(child.Mm!);
        Exit(child);
        Check(grandchild.Mm!);
        Put(Base + 9 * Page, 4, grandchild);
        Assert.Equal(1UL, Get(Base + 8, grandchild));
        Exit(grandchild);
    }

    [Fact]
    public void Throwing_away_a_part_leaves_the_rest_and_all_of_it_makes_room_for_a_new_one()
    {
        MapHuge();
        Put(Base + 3 * Page, 3);
        Advise(Base + 2 * Page, 1, MemoryAdvice.DontNeed);
        Assert.Equal(Pages - 1, Mm.AnonymousPages);
        Assert.Equal(3UL, Get(Base + 3 * Page));
        Advise(Base, Pages, MemoryAdvice.DontNeed);
        Assert.Equal(0UL, Mm.AnonymousPages);
        MapHuge(1, Base + Bytes);
        Advise(Base + Bytes, Pages, MemoryAdvice.DontNeed);
        Assert.Equal(0UL, Mm.HugeEntries);
        Put(Base + Bytes, 1);
        Assert.Equal(1UL, Mm.HugeEntries);
    }

    [Theory]
    [InlineData(0x8000_0000, true)]
    [InlineData(0x8000_1000, false)]
    public void A_move_to_a_place_of_2_MiB_keeps_it_huge_and_any_other_splits(ulong to, bool stays)
    {
        MapHuge(2);
        Put(Base + 7 * Page, 77);
        Result<VirtAddr> moved = Remap(Base, 2 * Pages, 2 * Pages, RemapFlags.MayMove | RemapFlags.Fixed, to);
        Assert.Equal(to, moved.Value.Value);
        Assert.Equal(stays ? 2UL : 0UL, Mm.HugeEntries);
        Assert.Equal(77UL, Get(to + 7 * Page));
        Assert.Equal(2UL, Get(to + Bytes + 8));
        Assert.Equal(2 * Pages, Mm.AnonymousPages);
    }

    [Fact]
    public void A_failed_move_leaves_everything()
    {
        MapHuge(2);
        MapFixed(0x7f00_0000_0000, 1);
        for (ulong at = 1; at < 200; at++)
        {
            Machine.Memory.Failures.Arm(at);
            Result<VirtAddr> moved = Mm.Mremap(new VirtAddr(Base), 2 * Bytes, 2 * Bytes, RemapFlags.MayMove | RemapFlags.Fixed, new VirtAddr(0x10_0000_1000), out _);
            Machine.Memory.Failures.Disarm();
            Check(Mm);
            if (moved.IsOk)
            {
                Assert.Equal(2UL, Get(0x10_0000_1000 + Bytes + 8));
                return;
            }

            Assert.Equal(2UL, Mm.HugeEntries);
            Assert.Equal(1UL, Get(Base + 8));
        }

        Assert.Fail("never succeeds");
    }

    [Fact]
    public void A_fork_that_fails_at_any_allocation_loses_nothing()
    {
        MapHuge(2);
        Get(Base);
        for (ulong at = 1; ; at++)
        {
            Assert.True(at < 200);
            Machine.Memory.Failures.Arm(at);
            HostTask? child = Machine.Fork(Task, out Errno error);
            Machine.Memory.Failures.Disarm();
            Check(Mm);
            if (child is not null)
            {
                Exit(child);
                break;
            }

            Assert.Equal(Errno.ENOMEM, error);
            Put(Base, at);
            Assert.Equal(2UL, Mm.HugeEntries);
        }
    }

    [Fact]
    public void Without_a_block_the_fault_makes_a_small_page()
    {
        MapFixed(Base, 2 * Pages);
        Advise(Base, 2 * Pages, MemoryAdvice.HugePage);
        Put(Base + Bytes, 1);
        Machine.Memory.Failures.Arm(FailureKinds.Frames, 1);
        Put(Base, 1);
        Machine.Memory.Failures.Disarm();
        Check(Mm);
        Assert.Equal(Pages + 1, Mm.AnonymousPages);
        Assert.Equal(1UL, Machine.System.Statistics[VmCounter.ThpFaultFallback]);
    }

    [Fact]
    public void A_fault_that_fails_at_any_allocation_leaves_nothing_and_can_be_repeated()
    {
        MapFixed(Base, Pages);
        Advise(Base, Pages, MemoryAdvice.HugePage);
        ulong at = 1;
        PageFaultResult result = PageFaultResult.OutOfMemory;
        for (; at < 20 && result == PageFaultResult.OutOfMemory; at++)
        {
            Machine.Memory.Failures.Arm(at);
            result = Write(Base, 1);
            Machine.Memory.Failures.Disarm();
            Check(Mm);
        }

        Assert.Equal(PageFaultResult.Handled, result);
        Assert.True(at > 2);
        Assert.Equal(1UL, Get(Base));
    }

    [Fact]
    public void Splitting_needs_no_memory()
    {
        MapHuge(2);
        HostTask child = Fork();
        Machine.Memory.Failures.Arm(FailureKinds.Frames, 1, repeat: true);
        Assert.Equal(Errno.None, Advise(Base + Page, 1, MemoryAdvice.DontNeed));
        Mm.SplitHugeAround(new VirtAddr(Base + Bytes));
        Machine.Memory.Failures.Disarm();
        Check(Mm);
        Assert.Equal(0UL, Mm.HugeEntries);
        Assert.Equal(2UL, child.Mm!.HugeEntries);
        Assert.Equal(2UL, Get(Base + Bytes + 8));
        Exit(child);
    }

    [Fact]
    public void An_area_is_never_cut_through_a_huge_page()
    {
        MapHuge(2);
        Advise(Base + 10 * Page, 4, MemoryAdvice.DontFork);
        Assert.Equal(1UL, Mm.HugeEntries);
        Advise(Base + 10 * Page, 4, MemoryAdvice.DoFork);
        Advise(Base + Bytes, 1, MemoryAdvice.NoHugePage);
        Assert.Equal(0UL, Mm.HugeEntries);
        Assert.Equal(1UL, Get(Base + 8));
    }

    [Fact]
    public void Others_write_through_a_huge_page_without_splitting_it()
    {
        MapHuge();
        Assert.Equal(Errno.None, Mm.WriteRemote(new VirtAddr(Base + 4094), "abcd"u8));
        Assert.Equal(1UL, Mm.HugeEntries);
        Protect(Base, Pages, R);
        byte[] one = [42];
        Assert.Equal(1UL, Mm.AccessRemote(new VirtAddr(Base + 4094), one, write: true, force: true));
        Assert.Equal(0x2aUL, Get(Base + 4094) & 0xff);
        Check(Mm);
    }

    [Fact]
    public void A_child_that_shares_reads_what_the_parent_wrote_before_and_not_after()
    {
        MapHuge();
        HostTask child = Fork();
        Put(Base + 100 * Page, 5);
        Assert.Equal(0UL, Get(Base + 100 * Page, child));
        Assert.True(IsHugeAt(Base, child.Mm));
        Assert.False(IsHugeAt(Base));
        Exit(child);
        Assert.Equal(0UL, Machine.System.AnonymousHugePages);
        Assert.Equal(5UL, Get(Base + 100 * Page));
        Put(Base + 101 * Page, 6);
        Assert.Equal(Pages, Mm.AnonymousPages);
    }
}
