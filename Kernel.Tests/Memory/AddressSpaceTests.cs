using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Virtual;
using NanoVm.Tests.Machine;
using Xunit;

namespace NanoVm.Tests.Memory;

/// <summary>Heap, stack, mremap, madvise, locking, access from outside, and what the kernel itself may touch.</summary>
public sealed class AddressSpaceTests : VirtualTest
{
    private const ulong Base = 0x1000_0000;

    private ulong MakeStack(bool executable = false)
    {
        Assert.Equal(Errno.None, Mm.SetupStack(executable, out VirtAddr top));
        Assert.Equal(Errno.None, Mm.FinishStack());
        Check(Mm);
        return top.Value;
    }

    [Fact]
    public void The_heap_grows_shrinks_and_keeps_what_stays()
    {
        ulong start = Mm.StartBreak.Value;
        Assert.Equal(start + 10 * Page, Break(start + 10 * Page));
        Put(start + 3 * Page, 5);
        Put(start + 8 * Page, 6);
        Assert.Equal(start + 4 * Page + 1, Break(start + 4 * Page + 1));
        Assert.Equal(5UL, Get(start + 3 * Page));
        Assert.Equal(PageFaultResult.SegvMaperr, Read(start + 8 * Page));
        Assert.Equal(start + 10 * Page, Break(start + 10 * Page));
        Assert.Equal(0UL, Get(start + 8 * Page));
        Assert.Equal(1, Mm.MapCount);
    }

    [Fact]
    public void Brk_refuses_below_its_start_over_a_mapping_and_beyond_the_data_limit()
    {
        ulong start = Mm.StartBreak.Value;
        Assert.Equal(start, Break(start - 1));
        MapFixed(start + 4 * Page, 1);
        Assert.Equal(start, Break(start + 4 * Page));           // one page must stay free
        Assert.Equal(start + 3 * Page, Break(start + 3 * Page));
        Unmap(start + 4 * Page, 1);
        Task.Limits[Resource.Data].Soft = 5 * Page;
        Assert.Equal(start + 3 * Page, Break(start + 6 * Page));
        Assert.Equal(start + 5 * Page, Break(start + 5 * Page));
    }

    [Fact]
    public void Brk_does_not_shrink_over_a_heap_that_is_gone()
    {
        ulong start = Mm.StartBreak.Value;
        Break(start + 4 * Page);
        Unmap(start, 4);
        Assert.Equal(start + 4 * Page, Break(start + Page));
    }

    [Fact]
    public void A_new_stack_has_its_strings_page_and_128_KiB()
    {
        ulong top = MakeStack();
        Assert.Equal(0x7fff_ffff_f000UL, top);
        Assert.Equal(33UL, Mm.LookupVma(new VirtAddr(top - 1))!.Pages.Value);
        Put(top - 8, 1);
    }

    [Fact]
    public void A_stack_grows_to_where_it_is_touched_up_to_its_limit()
    {
        ulong top = MakeStack();
        Put(top - 100 * Page, 1);
        Assert.Equal(100UL, Mm.LookupVma(new VirtAddr(top - 1))!.Pages.Value);
        Assert.Equal(1UL, Machine.System.Statistics[VmCounter.StackExpansions] - 1);       // FinishStack was the first
        Assert.Equal(PageFaultResult.Handled, Write(top - (8 << 20), 1));
        Assert.Equal(PageFaultResult.SegvMaperr, Write(top - (8 << 20) - 8, 1));
        Task.Limits[Resource.Stack].Soft = 16 << 20;
        Assert.Equal(PageFaultResult.Handled, Write(top - (8 << 20) - 8, 1));
    }

    [Fact]
    public void The_guard_gap_keeps_a_stack_away_from_what_lies_below()
    {
        ulong top = MakeStack();
        ulong below = top - 1000 * Page;
        MapFixed(below, 1);
        Assert.Equal(PageFaultResult.SegvMaperr, Write(below + 256 * Page, 1));
        Assert.Equal(PageFaultResult.Handled, Write(below + 257 * Page, 1));
        Protect(below, 1, Protection.None);                     // a guard that the program made itself needs no distance
        Assert.Equal(PageFaultResult.Handled, Write(below + 3 * Page, 1));
    }

    [Fact]
    public void No_mapping_is_placed_into_the_guard_gap()
    {
        Task.Limits[Resource.Stack].Soft = ResourceLimits.Infinity;
        ulong area = Map(10, RW, MapFlags.Private | MapFlags.Anonymous | MapFlags.GrowsDown);
        ulong next = Map(1, R);
        Assert.Equal(area - 257 * Page, next);
    }

    [Fact]
    public void Mprotect_with_growsdown_starts_at_the_bottom_of_the_stack()
    {
        ulong top = MakeStack();
        Assert.Equal(Errno.None, Mm.Mprotect(new VirtAddr(top - Page), Page, RX | Protection.Write | Protection.GrowsDown));
        Check(Mm);
        VmArea area = Mm.LookupVma(new VirtAddr(top - 1))!;
        Assert.True(area.Has(VmFlags.Execute));
        Assert.Equal(33UL, area.Pages.Value);
    }

    [Fact]
    public void Mremap_grows_in_place_moves_and_shrinks_with_its_pages()
    {
        MapFixed(Base, 4);
        Put(Base + 3 * Page, 33);
        Assert.Equal(Base, Remap(Base, 4, 8).Value.Value);
        Assert.Equal("0-8 rw-", Areas(Base));
        MapFixed(Base + 8 * Page, 1, R);
        Assert.Equal(Errno.ENOMEM, Remap(Base, 8, 9, RemapFlags.None).Error);
        ulong moved = Remap(Base, 8, 9).Value.Value;
        Assert.NotEqual(Base, moved);
        Assert.Equal(33UL, Get(moved + 3 * Page));
        Assert.Equal(PageFaultResult.SegvMaperr, Read(Base));
        Assert.Equal(moved, Remap(moved, 9, 2).Value.Value);
        Assert.Equal(PageFaultResult.SegvMaperr, Read(moved + 3 * Page));
    }

    [Fact]
    public void Mremap_dontunmap_leaves_an_empty_area_behind()
    {
        MapFixed(Base, 2);
        Put(Base, 5);
        ulong moved = Remap(Base, 2, 2, RemapFlags.MayMove | RemapFlags.DontUnmap).Value.Value;
        Assert.Equal(5UL, Get(moved));
        Assert.Equal(0UL, Get(Base));
    }

    [Fact]
    public void Mremap_of_length_zero_shows_shared_memory_twice()
    {
        ulong at = Map(2, RW, MapFlags.Shared | MapFlags.Anonymous);
        Put(at, 5);
        ulong again = Remap(at, 0, 2).Value.Value;
        Put(again, 6);
        Assert.Equal(6UL, Get(at));
        MapFixed(Base, 1);
        Assert.Equal(Errno.EINVAL, Remap(Base, 0, 1).Error);
    }

    [Theory]
    [InlineData(1UL, 1UL, 1UL, RemapFlags.MayMove, 0UL, Errno.EINVAL)]
    [InlineData(0UL, 1UL, 0UL, RemapFlags.MayMove, 0UL, Errno.EINVAL)]
    [InlineData(0UL, 1UL, 1UL, (RemapFlags)8, 0UL, Errno.EINVAL)]
    [InlineData(0UL, 1UL, 1UL, RemapFlags.Fixed, 0UL, Errno.EINVAL)]
    [InlineData(0UL, 2UL, 1UL, RemapFlags.MayMove | RemapFlags.DontUnmap, 0UL, Errno.EINVAL)]
    [InlineData(0UL, 2UL, 2UL, RemapFlags.MayMove | RemapFlags.Fixed, Base + Page, Errno.EINVAL)]
    [InlineData(0UL, 2UL, 2UL, RemapFlags.MayMove | RemapFlags.Fixed, Base + 1, Errno.EINVAL)]
    [InlineData(0UL, 5UL, 6UL, RemapFlags.MayMove, 0UL, Errno.EFAULT)]
    [InlineData(64UL * Page, 1UL, 2UL, RemapFlags.MayMove, 0UL, Errno.EFAULT)]
    internal void Refused_mremaps_get_their_errno(ulong offset, ulong oldPages, ulong newPages, RemapFlags flags, ulong to, Errno expected)
    {
        MapFixed(Base, 4);
        Assert.Equal(expected, Mm.Mremap(new VirtAddr(Base + offset), oldPages * Page, newPages * Page, flags, new VirtAddr(to), out _).Error);
        Assert.Equal("0-4 rw-", Areas(Base));
    }

    [Fact]
    public void Every_allocation_of_a_move_may_fail_and_nothing_is_lost()
    {
        MapFixed(0x3fff_f000, 4);
        for (ulong i = 0; i < 4; i++)
            Put(0x3fff_f000 + i * Page, i);
        for (ulong n = 1; ; n++)
        {
            Ledger before = Ledger.Of(Machine);
            Machine.Memory.Failures.Arm(n);
            Result<VirtAddr> result = Mm.Mremap(new VirtAddr(0x3fff_f000 + Page), 2 * Page, 6 * Page, RemapFlags.MayMove | RemapFlags.Fixed,
                new VirtAddr(0x8000_0000 - 3 * Page), out _);
            bool failed = Machine.Memory.Failures.Failures != 0;
            Machine.Memory.Failures.Disarm();
            Check(Mm);
            if (result.IsOk)
                break;
            Assert.Equal(Errno.ENOMEM, result.Error);
            Assert.Equal(before, Ledger.Of(Machine));
            Assert.Equal(2UL, Get(0x3fff_f000 + 2 * Page));
            Assert.True(n < 50);
        }

        Assert.Equal(1UL, Get(0x8000_0000 - 3 * Page));
        Assert.Equal(2UL, Get(0x8000_0000 - 2 * Page));
    }

    [Fact]
    public void Dontneed_gives_zeros_or_the_file_again()
    {
        HostFile file = Machine.CreateFile(4 * Page);
        MapFixed(Base, 2);
        ulong mine = Map(4, RW, MapFlags.Private, 0, file);
        Put(Base, 1);
        Put(mine, 2);
        Assert.Equal(Errno.None, Advise(Base, 2, MemoryAdvice.DontNeed));
        Assert.Equal(Errno.None, Advise(mine, 4, MemoryAdvice.DontNeed));
        Assert.Equal(0UL, Get(Base));
        Assert.Equal(1000UL, Get(mine));
        Unmap(mine, 4);
        file.Put();
    }

    [Theory]
    [InlineData(0UL, 2UL, (MemoryAdvice)99, Errno.EINVAL)]
    [InlineData(1UL, 2UL, MemoryAdvice.DontNeed, Errno.EINVAL)]
    [InlineData(0UL, 4UL, MemoryAdvice.DontNeed, Errno.ENOMEM)]
    [InlineData(0UL, 0UL, MemoryAdvice.DontNeed, Errno.None)]
    [InlineData(0UL, 2UL, MemoryAdvice.Remove, Errno.EINVAL)]
    [InlineData(0UL, 2UL, MemoryAdvice.Free, Errno.None)]
    [InlineData(0UL, 2UL, MemoryAdvice.PopulateWrite, Errno.None)]
    [InlineData(0UL, 3UL, MemoryAdvice.PopulateRead, Errno.ENOMEM)]
    internal void Madvise_answers_as_Linux_does(ulong offset, ulong pages, MemoryAdvice advice, Errno expected)
    {
        MapFixed(Base, 2);
        Assert.Equal(expected, Advise(Base + offset, pages, advice));
    }

    [Fact]
    public void Lazily_freed_memory_keeps_its_content_while_nobody_needs_the_frame()
    {
        MapFixed(Base, 1);
        Put(Base, 9);
        Advise(Base, 1, MemoryAdvice.Free);
        Assert.Equal(9UL, Get(Base));
        Put(Base, 10);
        Assert.Equal(10UL, Get(Base));
    }

    [Fact]
    public void Mlock_brings_pages_in_counts_them_and_stops_at_the_limit()
    {
        MapFixed(Base, 10);
        Task.Limits[Resource.LockedMemory].Soft = 6 * Page;
        Assert.Equal(Errno.ENOMEM, Mm.Mlock(new VirtAddr(Base), 7 * Page, onFault: false));
        Assert.Equal(Errno.None, Mm.Mlock(new VirtAddr(Base + 5), 5 * Page, onFault: false));
        Assert.Equal(6UL, Mm.LockedVm);
        Assert.Equal(6UL, Mm.AnonymousPages);
        Assert.Equal(Errno.None, Mm.Mlock(new VirtAddr(Base), 6 * Page, onFault: false));      // again: not counted twice
        Assert.Equal(Errno.EINVAL, Advise(Base, 1, MemoryAdvice.DontNeed));
        Assert.Equal(Errno.EAGAIN, TryMap(1, RW, MapFlags.Private | MapFlags.Anonymous | MapFlags.Locked).Error);
        Assert.Equal(Errno.None, Mm.Munlock(new VirtAddr(Base + 2 * Page), 2 * Page));
        Assert.Equal(4UL, Mm.LockedVm);
        Assert.Equal(Errno.ENOMEM, Mm.Mlock(new VirtAddr(Base + 9 * Page), 2 * Page, onFault: false));
        Task.Limits[Resource.LockedMemory].Soft = 0;
        Assert.Equal(Errno.EPERM, Mm.Mlock(new VirtAddr(Base), Page, onFault: false));
        Check(Mm);
    }

    [Fact]
    public void Mlockall_locks_what_is_there_and_what_comes()
    {
        MapFixed(Base, 3);
        Assert.Equal(Errno.EINVAL, Mm.MlockAll(LockAllFlags.OnFault));
        Assert.Equal(Errno.None, Mm.MlockAll(LockAllFlags.Current | LockAllFlags.Future));
        Assert.Equal(3UL, Mm.AnonymousPages);
        ulong at = Map(2);
        Assert.Equal(5UL, Mm.LockedVm);
        Assert.Equal(5UL, Mm.AnonymousPages);
        Assert.Equal(Errno.None, Mm.MunlockAll());
        Assert.Equal(0UL, Mm.LockedVm);
        Assert.False(Mm.LookupVma(new VirtAddr(at))!.Has(VmFlags.Locked));
        Check(Mm);
    }

    [Fact]
    public void Mincore_tells_what_is_in_memory()
    {
        MapFixed(Base, 4);
        Put(Base + Page, 1);
        Span<byte> answer = stackalloc byte[8];
        Mm.MmapLock.ReadLock();
        Assert.Equal(4, Mm.Mincore(new VirtAddr(Base), answer).Value);
        Assert.Equal(Errno.ENOMEM, Mm.Mincore(new VirtAddr(Base + 4 * Page), answer).Error);
        Mm.MmapLock.ReadUnlock();
        Assert.Equal([0, 1, 0, 0], answer[..4].ToArray());
    }

    [Fact]
    public void Access_from_outside_faults_in_and_breaks_copy_on_write()
    {
        MapFixed(Base, 2);
        Put(Base, 1);
        HostTask child = Fork();
        Span<byte> bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        Assert.Equal(8UL, child.Mm!.AccessRemote(new VirtAddr(Base + Page - 4), bytes, write: true));
        Check(child.Mm);
        Assert.Equal(1UL, Get(Base, child));
        Assert.Equal(0UL, Get(Base + Page));
        Assert.Equal(4UL, child.Mm.AccessRemote(new VirtAddr(Base + 2 * Page - 4), bytes, write: false));
        Exit(child);
    }

    [Fact]
    public void A_debugger_may_write_where_the_program_may_not_and_leaves_it_so()
    {
        HostFile file = Machine.CreateFile(Page);
        ulong at = Map(1, RX, MapFlags.Private, 0, file);
        Span<byte> trap = [0xcc];
        Assert.Equal(0UL, Mm.AccessRemote(new VirtAddr(at), trap, write: true));
        Assert.Equal(1UL, Mm.AccessRemote(new VirtAddr(at), trap, write: true, force: true));
        Check(Mm);
        Assert.Equal(0xccUL, Get(at) & 0xff);
        Assert.Equal(PageFaultResult.SegvAccerr, Write(at, 1));
        ulong other = Map(1, R, MapFlags.Private, 0, file);
        Assert.Equal(1000UL, Get(other));
        Unmap(at, 1);
        Unmap(other, 1);
        file.Put();
    }

    [Fact]
    public void The_kernels_copies_fault_in_like_the_program_and_fail_softly()
    {
        MapFixed(Base, 2);
        Assert.Equal(Errno.None, UserCopy.CopyToUser(new VirtAddr(Base + Page - 2), [1, 2, 3, 4]));
        Assert.Equal(0x0403UL, Get(Base + Page));
        Protect(Base, 1, R);
        Assert.Equal(Errno.EFAULT, UserCopy.CopyToUser(new VirtAddr(Base), [1]));
        Protect(Base, 1, Protection.None);
        Assert.Equal(Errno.EFAULT, UserCopy.CopyFromUser(new byte[1], new VirtAddr(Base)));
        Assert.Equal(Errno.EFAULT, UserCopy.CopyFromUser(new byte[1], new VirtAddr(Base + 2 * Page)));
        HostTask child = Fork();
        Machine.Run(child);
        Assert.Equal(Errno.None, UserCopy.CopyToUser(new VirtAddr(Base + Page), [9]));
        Assert.Equal(0x0403UL, Get(Base + Page));
        Exit(child);
    }

    [Theory]
    [InlineData(0xffff_8880_0000_0000UL, PageFaultCode.User, PageFaultResult.SegvMaperr)]
    [InlineData(0xffff_8880_0000_0000UL, PageFaultCode.User | PageFaultCode.Present, PageFaultResult.SegvMaperr)]
    [InlineData(0xffff_8880_0000_0000UL, PageFaultCode.None, PageFaultResult.KernelFixup)]
    [InlineData(Base, PageFaultCode.InstructionFetch, PageFaultResult.KernelBad)]
    [InlineData(Base, PageFaultCode.User | PageFaultCode.Present | PageFaultCode.ReservedBit, PageFaultResult.KernelBad)]
    [InlineData(Base + Page * 4, PageFaultCode.User, PageFaultResult.SegvMaperr)]
    [InlineData(Base, PageFaultCode.User | PageFaultCode.Present | PageFaultCode.InstructionFetch, PageFaultResult.SegvAccerr)]
    [InlineData(Base, PageFaultCode.User | PageFaultCode.Write, PageFaultResult.Handled)]
    internal void The_decision_tree_says(ulong address, PageFaultCode code, PageFaultResult expected)
    {
        MapFixed(Base, 1);
        Machine.Run(Task);
        Assert.Equal(expected, PageFaultHandler.DoUserAddrFault(Task, new VirtAddr(address), code));
        Check(Mm);
    }

    [Fact]
    public void The_thread_cache_answers_most_lookups_and_never_a_stale_one()
    {
        MapFixed(Base, 4);
        MapFixed(Base + 0x4020_0000, 4, R);
        for (int i = 0; i < 100; i++)
        {
            Mm.LookupVma(new VirtAddr(Base));
            Mm.LookupVma(new VirtAddr(Base + 0x4020_0000));
        }

        Assert.True(Task.VmaCache.Hits >= 190);
        Unmap(Base, 4);
        Assert.Null(Mm.LookupVma(new VirtAddr(Base)));
        Assert.Equal(Base + 0x4020_0000, Mm.FindVma(new VirtAddr(Base))!.Start.Value);
    }

    [Fact]
    public void Two_thousand_areas_stay_balanced_and_find_their_gaps()
    {
        var random = new System.Random(7);
        var places = new List<ulong>();
        for (ulong i = 0; i < 2000; i++)
        {
            var request = new MmapRequest
            {
                Address = new VirtAddr(Base + i * 3 * Page),
                Length = Page,
                Protection = i % 2 == 0 ? R : RW,
                Flags = MapFlags.Private | MapFlags.Anonymous | MapFlags.Fixed,
            };
            Mm.MmapLock.WriteLock();
            Assert.True(Mm.DoMmap(request).IsOk);
            Mm.MmapLock.WriteUnlock();
            places.Add(Base + i * 3 * Page);
        }

        Assert.Equal(2000, Mm.MapCount);
        foreach (ulong place in places.OrderBy(_ => random.Next()).Take(1500))
        {
            Mm.MmapLock.WriteLock();
            Assert.Equal(Errno.None, Mm.DoMunmap(Range(place, 1)));
            Mm.MmapLock.WriteUnlock();
        }

        Check(Mm);
        Assert.Equal(500, Mm.MapCount);
    }
}

/// <summary>The same machine with five levels.</summary>
public sealed class FiveLevelTests() : VirtualTest(5)
{
    [Fact]
    public void Only_who_asks_is_put_above_47_bits()
    {
        Assert.True(Map(1) < 1UL << 47);
        ulong high = Map(1, RW, MapFlags.Private | MapFlags.Anonymous, 1UL << 50);
        Assert.Equal(1UL << 50, high);
        Put(high, 3);
        Assert.Equal(3UL, Get(high));
        HostTask child = Fork();
        Put(high, 4, child);
        Assert.Equal(3UL, Get(high));
        Exit(child);
        ulong tables = Mm.PageTablePages;
        Unmap(high, 1);
        Assert.Equal(tables - 4, Mm.PageTablePages);
    }
}
