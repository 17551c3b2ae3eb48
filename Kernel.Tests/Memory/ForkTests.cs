using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Virtual;
using NanoVm.Tests.Machine;
using Xunit;

namespace NanoVm.Tests.Memory;

public sealed class ForkTests : VirtualTest
{
    private const ulong Base = 0x1000_0000;

    [Fact]
    public void Parent_and_child_see_the_same_until_one_writes()
    {
        MapFixed(Base, 4);
        Put(Base, 1);
        HostTask child = Fork();
        Assert.Equal(1UL, Get(Base, child));
        Put(Base, 2);
        Assert.Equal(1UL, Get(Base, child));
        Put(Base, 3, child);
        Assert.Equal(2UL, Get(Base));
        Exit(child);
    }

    [Fact]
    public void The_last_user_of_a_shared_page_writes_in_place()
    {
        MapFixed(Base, 1);
        Put(Base, 1);
        HostTask child = Fork();
        Exit(child);
        ulong reused = Machine.System.Statistics[VmCounter.WpReuse];
        ulong copied = Machine.System.Statistics[VmCounter.WpCopy];
        Put(Base, 2);
        Assert.Equal(reused + 1, Machine.System.Statistics[VmCounter.WpReuse]);
        Assert.Equal(copied, Machine.System.Statistics[VmCounter.WpCopy]);
    }

    [Fact]
    public void A_frame_that_a_device_writes_to_stays_the_parents_and_the_child_has_a_copy()
    {
        MapFixed(Base, 3);
        Put(Base, 1);
        Put(Base + Page, 2);
        var frames = new Pfn[1];
        Assert.Equal(1, Mm.PinPages(new VirtAddr(Base + Page), write: true, frames));
        HostTask child = Fork();
        Check(child.Mm!);
        Put(Base + Page + 8, 3);
        DirectMap.Page(frames[0])[16] = 4;
        Mm.UnpinPages(frames, written: true);
        Assert.Equal(frames[0], Mm.ReadPte(new VirtAddr(Base + Page)).Pfn);
        Assert.Equal((3UL, 4UL), (Get(Base + Page + 8), Get(Base + Page + 16)));
        Assert.Equal((1UL, 2UL, 0UL, 0UL), (Get(Base, child), Get(Base + Page, child), Get(Base + Page + 8, child), Get(Base + Page + 16, child)));
        Put(Base + Page, 5, child);
        Assert.Equal(2UL, Get(Base + Page));
        Exit(child);
    }

    [Fact]
    public void Protection_that_comes_and_goes_does_not_take_a_frame_from_its_device()
    {
        MapFixed(Base, 1);
        Put(Base, 1);
        var frames = new Pfn[1];
        Assert.Equal(1, Mm.PinPages(new VirtAddr(Base), write: true, frames));
        Assert.Equal(Errno.None, Protect(Base, 1, R));
        Assert.Equal(Errno.None, Protect(Base, 1, RW));
        Put(Base + 8, 2);
        Assert.Equal(frames[0], Mm.ReadPte(new VirtAddr(Base)).Pfn);
        Mm.UnpinPages(frames, written: true);
    }

    [Fact]
    public void Twenty_generations_each_keep_their_own_value()
    {
        MapFixed(Base, 2);
        var tasks = new List<HostTask> { Task };
        for (ulong i = 1; i <= 20; i++)
        {
            HostTask child = Fork(tasks[^1]);
            Put(Base, i, child);
            tasks.Add(child);
        }

        for (int i = 1; i <= 20; i++)
            Assert.Equal((ulong)i, Get(Base, tasks[i]));
        Assert.Equal(0UL, Get(Base));
        for (int i = 20; i >= 1; i--)
            Exit(tasks[i]);
    }

    [Fact]
    public void Grandchildren_whose_parents_are_gone_lose_nothing()
    {
        MapFixed(Base, 4);
        Put(Base, 1);
        HostTask child = Fork();
        Put(Base + Page, 2, child);
        HostTask grandchild = Fork(child);
        Exit(child);
        Put(Base + 2 * Page, 3, grandchild);
        HostTask further = Fork(grandchild);
        Exit(grandchild);
        Assert.Equal(1UL, Get(Base, further));
        Assert.Equal(2UL, Get(Base + Page, further));
        Assert.Equal(3UL, Get(Base + 2 * Page, further));
        Exit(further);
    }

    [Fact]
    public void Three_hundred_children_share_one_page()
    {
        MapFixed(Base, 1);
        Put(Base, 42);
        var children = new List<HostTask>();
        for (int i = 0; i < 300; i++)
            children.Add(Fork());
        Assert.Equal(301UL, (ulong)Machine.System.Frames[Mm.ReadPte(new VirtAddr(Base)).Pfn].MapCount);
        Assert.Equal(1UL, Machine.System.AnonymousPages);
        foreach (HostTask child in children)
            Put(Base, 1, child);
        Assert.Equal(42UL, Get(Base));
        foreach (HostTask child in children)
            Exit(child);
    }

    [Fact]
    public void Dontfork_and_wipeonfork_are_kept()
    {
        MapFixed(Base, 2);
        MapFixed(Base + 4 * Page, 2);
        Put(Base, 1);
        Put(Base + 4 * Page, 2);
        Assert.Equal(Errno.None, Advise(Base, 2, MemoryAdvice.DontFork));
        Assert.Equal(Errno.None, Advise(Base + 4 * Page, 2, MemoryAdvice.WipeOnFork));
        HostTask child = Fork();
        Assert.Equal(PageFaultResult.SegvMaperr, Read(Base, child));
        Assert.Equal(0UL, Get(Base + 4 * Page, child));
        Put(Base + 4 * Page, 9, child);
        Assert.Equal(2UL, Get(Base + 4 * Page));
        Exit(child);
    }

    [Fact]
    public void A_file_page_that_faults_can_find_again_is_not_copied()
    {
        HostFile file = Machine.CreateFile(4 * Page);
        ulong at = Map(4, RW, MapFlags.Private, 0, file);
        Assert.Equal(1000UL, Get(at));
        HostTask child = Fork();
        Assert.Equal(0UL, child.Mm!.FilePages);
        Assert.Equal(1000UL, Get(at, child));
        Exit(child);
        Unmap(at, 4);
        file.Put();
    }

    [Fact]
    public void Locks_are_not_inherited()
    {
        ulong at = Map(4, RW, MapFlags.Private | MapFlags.Anonymous | MapFlags.Locked);
        Assert.Equal(4UL, Mm.LockedVm);
        HostTask child = Fork();
        Assert.Equal(0UL, child.Mm!.LockedVm);
        Assert.False(child.Mm.LookupVma(new VirtAddr(at))!.Has(VmFlags.Locked));
        Exit(child);
    }

    [Fact]
    public void Switching_between_threads_and_kernel_threads_loads_no_root()
    {
        HostTask thread = new() { Mm = Mm.Get() };
        thread.Limits.InitializeDefaults(10);
        HostTask kernel = new();
        Machine.Run(Task);
        ulong loads = Machine.RootLoads;
        Machine.Run(thread);
        Machine.Run(kernel);
        Machine.Run(Task);
        Assert.Equal(loads, Machine.RootLoads);
        Assert.Equal(2UL, Machine.System.Statistics[VmCounter.MmSwitchSame]);
        Assert.Equal(1UL, Machine.System.Statistics[VmCounter.MmSwitchLazy]);
        thread.Mm = null;
        Mm.Put();
    }

    [Fact]
    public void Every_allocation_of_a_fork_may_fail_and_nothing_is_lost()
    {
        MapFixed(Base, 4);
        MapFixed(Base + 0x4000_0000, 4, R);
        ulong shared = Map(2, RW, MapFlags.Shared | MapFlags.Anonymous);
        Put(Base, 1);
        Put(Base + Page, 2);
        Put(shared, 3);
        Protect(Base + 2 * Page, 1, R);
        HostTask? child = null;
        int failures = 0;
        for (ulong n = 1; child is null; n++)
        {
            Ledger before = Ledger.Of(Machine);
            Machine.Memory.Failures.Arm(n);
            child = Machine.Fork(Task, out Errno error);
            Machine.Memory.Failures.Disarm();
            if (child is null)
            {
                Assert.Equal(Errno.ENOMEM, error);
                Assert.Equal(before, Ledger.Of(Machine));
                Check(Mm);
                failures++;
            }

            Assert.Equal(1UL, Get(Base));
        }

        Assert.True(failures > 10, $"only {failures} allocations");
        Put(Base, 7, child);
        Assert.Equal(1UL, Get(Base));
        Exit(child);
    }
}
