using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Virtual;
using NanoVm.Tests.Machine;
using Xunit;

namespace NanoVm.Tests.Memory;

public sealed class MmapTests : VirtualTest
{
    private const ulong Base = 0x1000_0000;

    [Fact]
    public void The_first_mapping_lies_just_below_the_mmap_base()
    {
        Assert.Equal(0x7fff_f7ff_f000UL, Mm.MmapBase.Value);
        Assert.Equal(0x7fff_f7ff_e000UL, Map(1));
    }

    [Fact]
    public void Anonymous_memory_reads_as_zero_and_keeps_what_is_written()
    {
        ulong at = Map(4);
        Assert.Equal(0UL, Get(at + Page));
        Put(at + Page, 7);
        Put(at + 2 * Page, 8);
        Assert.Equal(7UL, Get(at + Page));
        Assert.Equal(8UL, Get(at + 2 * Page));
        Assert.Equal(0UL, Get(at));
        Assert.Equal(2UL, Mm.AnonymousPages);
    }

    [Fact]
    public void Unmap_in_the_middle_of_an_area_leaves_two_and_loses_no_frame()
    {
        ulong at = MapFixed(Base, 10);
        for (ulong i = 0; i < 10; i++)
            Put(at + i * Page, i + 1);
        Assert.Equal(Errno.None, Unmap(at + 4 * Page, 2));
        Assert.Equal("0-4 rw-, 6-10 rw-", Areas(Base));
        Assert.Equal(8UL, Mm.AnonymousPages);
        Assert.Equal(4UL, Get(at + 3 * Page));
        Assert.Equal(7UL, Get(at + 6 * Page));
        Assert.Equal(PageFaultResult.SegvMaperr, Read(at + 4 * Page));
    }

    [Fact]
    public void Unmap_over_several_areas_and_holes_cuts_the_outer_ones()
    {
        MapFixed(Base, 4);
        MapFixed(Base + 6 * Page, 2, R);
        MapFixed(Base + 9 * Page, 4);
        Assert.Equal(Errno.None, Unmap(Base + 2 * Page, 9));
        Assert.Equal("0-2 rw-, 11-13 rw-", Areas(Base));
    }

    [Fact]
    public void A_fixed_mapping_replaces_what_is_there()
    {
        MapFixed(Base, 10);
        Put(Base + 5 * Page, 99);
        MapFixed(Base + 4 * Page, 3, R);
        Assert.Equal("0-4 rw-, 4-7 r--, 7-10 rw-", Areas(Base));
        Assert.Equal(0UL, Get(Base + 5 * Page));
        Assert.Equal(PageFaultResult.SegvAccerr, Write(Base + 5 * Page, 1));
    }

    [Fact]
    public void A_fixed_mapping_with_the_same_rights_merges_back_into_one()
    {
        MapFixed(Base, 10);
        MapFixed(Base + 4 * Page, 3);
        Assert.Equal("0-10 rw-", Areas(Base));
    }

    [Theory]
    [InlineData(0UL, 0UL, MapFlags.Private | MapFlags.Anonymous, Errno.EINVAL)]
    [InlineData(1UL, 0UL, MapFlags.Anonymous, Errno.EINVAL)]
    [InlineData(1UL, 0UL, MapFlags.SharedValidate | MapFlags.Anonymous, Errno.EINVAL)]
    [InlineData(1UL, 0x1234UL, MapFlags.Private | MapFlags.Anonymous | MapFlags.Fixed, Errno.EINVAL)]
    [InlineData(1UL, 0UL, MapFlags.Private | MapFlags.Anonymous | MapFlags.Fixed, Errno.EPERM)]
    [InlineData(1UL, 0x7fff_ffff_f000UL, MapFlags.Private | MapFlags.Anonymous | MapFlags.Fixed, Errno.ENOMEM)]
    [InlineData(0x10_0000_0000UL, 0UL, MapFlags.Private | MapFlags.Anonymous, Errno.ENOMEM)]
    [InlineData(0x0007_ffff_ffff_f001UL, 0UL, MapFlags.Private | MapFlags.Anonymous | MapFlags.NoReserve, Errno.ENOMEM)]
    [InlineData(1UL, 0UL, MapFlags.Shared | MapFlags.Anonymous | MapFlags.GrowsDown, Errno.EINVAL)]
    internal void Refused_arguments_get_their_errno_and_change_nothing(ulong pages, ulong at, MapFlags flags, Errno expected)
    {
        int areas = Mm.MapCount;
        Assert.Equal(expected, TryMap(pages, RW, flags, at).Error);
        Assert.Equal(areas, Mm.MapCount);
    }

    [Fact]
    public void Noreplace_says_EEXIST_where_something_is()
    {
        MapFixed(Base, 2);
        const MapFlags flags = MapFlags.Private | MapFlags.Anonymous | MapFlags.FixedNoReplace;
        Assert.Equal(Errno.EEXIST, TryMap(4, RW, flags, Base - 3 * Page).Error);
        Assert.Equal(Base - 3 * Page, Map(3, R, flags, Base - 3 * Page));
    }

    [Fact]
    public void A_hint_is_taken_when_free_and_ignored_when_not()
    {
        Assert.Equal(Base, Map(2, RW, MapFlags.Private | MapFlags.Anonymous, Base + 5));
        Assert.NotEqual(Base, Map(2, R, MapFlags.Private | MapFlags.Anonymous, Base));
        Assert.Equal(0x10000UL, Map(1, R, MapFlags.Private | MapFlags.Anonymous, 0x1000));
    }

    [Fact]
    public void Low_mappings_lie_between_1_and_2_GiB()
    {
        Assert.Equal(0x4000_0000UL, Map(3, RW, MapFlags.Private | MapFlags.Anonymous | MapFlags.Map32Bit));
        Assert.Equal(0x4000_3000UL, Map(3, R, MapFlags.Private | MapFlags.Anonymous | MapFlags.Map32Bit));
    }

    [Fact]
    public void The_search_finds_the_highest_gap_that_is_long_enough()
    {
        ulong a = Map(4, R);
        ulong b = Map(2, RW);
        ulong c = Map(6, R);
        Unmap(b, 2);
        Unmap(c + 2 * Page, 3);
        Assert.Equal(c + 2 * Page, Map(3, RX));
        Assert.Equal(b, Map(2, RX));
        Assert.Equal(c - 4 * Page, Map(4, RX));
        Assert.Equal(a, b + 2 * Page);
    }

    [Fact]
    public void Max_map_count_stops_mmap_and_cuts()
    {
        Machine.System.MaxMapCount = 20;
        ulong at = MapFixed(Base, 3);
        ulong next = Base + 16 * Page;
        while (Mm.MapCount <= 20)
        {
            MapFixed(next, 1);
            next += 2 * Page;
        }

        Assert.Equal(Errno.ENOMEM, TryMap(1, R).Error);
        Assert.Equal(Errno.ENOMEM, Unmap(at + Page, 1));
        Assert.Equal(Errno.ENOMEM, Protect(at + Page, 1, R));
        Assert.Equal(Errno.None, Unmap(at, 1));
    }

    [Fact]
    public void The_address_space_limit_and_the_data_limit_hold()
    {
        Task.Limits[Resource.AddressSpace].Soft = (Mm.TotalVm + 10) * Page;
        Assert.Equal(Errno.ENOMEM, TryMap(11).Error);
        Map(10);
        Task.Limits[Resource.AddressSpace].Soft = ResourceLimits.Infinity;
        Task.Limits[Resource.Data].Soft = (Mm.DataVm + 5) * Page;
        Assert.Equal(Errno.ENOMEM, TryMap(6).Error);
        Map(6, R);
    }

    [Fact]
    public void Strict_overcommit_refuses_beyond_the_limit()
    {
        Machine.System.OvercommitPolicy = OvercommitPolicy.Never;
        Task.MayDoAll = true;
        ulong limit = Machine.System.CommitLimit;
        Assert.Equal(Errno.ENOMEM, TryMap(limit + 1).Error);
        Map(limit + 100, R);                    // read-only memory promises nothing
        ulong committed = Machine.System.CommittedPages;
        ulong at = Map(100);
        Assert.Equal(committed + 100, Machine.System.CommittedPages);
        Unmap(at + 10 * Page, 50);
        Assert.Equal(committed + 50, Machine.System.CommittedPages);
    }

    [Fact]
    public void Populate_brings_all_pages_in()
    {
        ulong at = Map(20, RW, MapFlags.Private | MapFlags.Anonymous | MapFlags.Populate);
        Assert.Equal(20UL, Mm.AnonymousPages);
        ulong faults = Task.MinorFaults;
        for (ulong i = 0; i < 20; i++)
            Put(at + i * Page, i);
        Assert.Equal(faults, Task.MinorFaults);
    }

    [Fact]
    public void Page_tables_go_exactly_with_their_range()
    {
        ulong tables = Mm.PageTablePages;
        ulong at = MapFixed(0x4000_0000, 1024);
        Put(at, 1);
        Put(at + 600 * Page, 1);
        Assert.Equal(tables + 4, Mm.PageTablePages);            // one PUD, one PMD, two last-level tables
        Unmap(at + 512 * Page, 512);
        Assert.Equal(tables + 3, Mm.PageTablePages);
        Unmap(at, 512);
        Assert.Equal(tables, Mm.PageTablePages);
    }

    [Fact]
    public void Shared_anonymous_memory_is_one_for_parent_and_child()
    {
        ulong at = Map(4, RW, MapFlags.Shared | MapFlags.Anonymous);
        Put(at, 1);
        HostTask child = Fork();
        Put(at, 2, child);
        Put(at + Page, 3, child);
        Assert.Equal(2UL, Get(at));
        Assert.Equal(3UL, Get(at + Page));
        Exit(child);
        Assert.Equal(3UL, Get(at + Page));
    }

    [Fact]
    public void A_private_file_mapping_copies_on_write_and_a_shared_one_does_not()
    {
        HostFile file = Machine.CreateFile(8 * Page);
        ulong mine = Map(8, RW, MapFlags.Private, 0, file);
        ulong ours = Map(8, RW, MapFlags.Shared, 0, file);
        Assert.Equal(1003UL, Get(mine + 3 * Page));
        Put(mine + 3 * Page, 5);
        Assert.Equal(1003UL, Get(ours + 3 * Page));
        Put(ours + 4 * Page, 6);
        Assert.Equal(6UL, Get(mine + 4 * Page));
        Put(mine + 5 * Page, 7);                                // written before it was ever read
        Assert.Equal(1005UL, Get(ours + 5 * Page));
        Assert.Equal(7UL, Get(mine + 5 * Page));
        file.Put();
        Unmap(mine, 8);
        Unmap(ours, 8);
        Assert.Equal(0, file.References);
    }

    [Fact]
    public void Beyond_the_end_of_a_file_is_SIGBUS_and_truncation_takes_pages_away()
    {
        HostFile file = Machine.CreateFile(3 * Page + 1);
        ulong at = Map(8, RW, MapFlags.Private, 0, file);
        Put(at + 3 * Page, 1);
        Assert.Equal(PageFaultResult.Sigbus, Read(at + 4 * Page));
        Assert.Equal(PageFaultResult.Sigbus, Write(at + 4 * Page, 1));
        Machine.Run(Task);
        file.Pages.SetSize(2 * Page);
        Check(Mm);
        Assert.Equal(PageFaultResult.Sigbus, Read(at + 3 * Page));
        Assert.Equal(1001UL, Get(at + Page));
        file.Put();
        Unmap(at, 8);
    }

    [Fact]
    public void An_input_error_is_SIGBUS_and_no_memory_is_out_of_memory()
    {
        HostFile file = Machine.CreateFile(8 * Page);
        ulong at = Map(8, RW, MapFlags.Private, 0, file);
        file.Pages.IsBroken = true;
        Assert.Equal(PageFaultResult.Sigbus, Read(at));
        file.Pages.IsBroken = false;
        Assert.Equal(1000UL, Get(at));
        file.Put();
        Unmap(at, 8);
    }

    [Theory]
    [InlineData(Access.Read, Protection.Write, MapFlags.Shared, Errno.EACCES)]
    [InlineData(Access.Read, Protection.Write, MapFlags.Private, Errno.None)]
    [InlineData(Access.Write, Protection.Write, MapFlags.Shared, Errno.EACCES)]
    [InlineData(Access.Read, Protection.Execute, MapFlags.Private, Errno.EPERM)]
    [InlineData(Access.Read, Protection.Read, MapFlags.Private | MapFlags.GrowsDown, Errno.EINVAL)]
    [InlineData(Access.Read, Protection.Read, MapFlags.None, Errno.EINVAL)]
    [InlineData(Access.Read, Protection.Read, MapFlags.SharedValidate | MapFlags.Sync, Errno.EOPNOTSUPP)]
    internal void A_file_allows_what_it_was_opened_for(Access opened, Protection protection, MapFlags flags, Errno expected)
    {
        HostFile file = Machine.CreateFile(Page, allowed: opened);
        Assert.Equal(expected, TryMap(1, protection, flags, 0, file).Error);
        Assert.Equal(expected == Errno.None ? 2 : 1, file.References);
        file.Put();
    }

    [Fact]
    public void Fault_around_maps_the_neighbours_that_are_in_memory()
    {
        HostFile file = Machine.CreateFile(64 * Page);
        ulong warm = Map(64, R, MapFlags.Private, 0, file);
        for (ulong i = 0; i < 64; i++)
            Assert.Equal(1000 + i, Get(warm + i * Page));
        ulong again = Map(64, R, MapFlags.Private, 0x2000_0000, file);
        ulong faults = Task.MinorFaults;
        for (ulong i = 0; i < 64; i++)
            Assert.Equal(1000 + i, Get(again + i * Page));
        Assert.Equal(faults + 4, Task.MinorFaults);
        file.Put();
        Unmap(warm, 64);
        Unmap(again, 64);
    }
}
