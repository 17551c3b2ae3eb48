using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Virtual;
using NanoVm.Tests.Machine;
using Xunit;

namespace NanoVm.Tests.Memory;

/// <summary>The eight merges of <c>VmaMerge.cs</c>, by the calls that lead to them, and mprotect around them.</summary>
public sealed class MergeTests : VirtualTest
{
    private const ulong Base = 0x1000_0000;

    [Fact]
    public void Case_1_a_mapping_that_fits_both_neighbours_makes_one_area()
    {
        MapFixed(Base, 2);
        MapFixed(Base + 4 * Page, 2);
        MapFixed(Base + 2 * Page, 2);
        Assert.Equal("0-6 rw-", Areas(Base));
    }

    [Fact]
    public void Case_2_a_mapping_that_fits_the_one_before_extends_it()
    {
        MapFixed(Base, 2);
        MapFixed(Base + 4 * Page, 2, R);
        MapFixed(Base + 2 * Page, 2);
        Assert.Equal("0-4 rw-, 4-6 r--", Areas(Base));
    }

    [Fact]
    public void Case_3_a_mapping_that_fits_the_one_after_extends_it_down()
    {
        MapFixed(Base, 2, R);
        MapFixed(Base + 4 * Page, 2);
        MapFixed(Base + 2 * Page, 2);
        Assert.Equal("0-2 r--, 2-6 rw-", Areas(Base));
    }

    [Fact]
    public void Case_4_the_end_of_an_area_goes_to_the_one_after()
    {
        MapFixed(Base, 4, R);
        MapFixed(Base + 4 * Page, 2);
        Assert.Equal(Errno.None, Protect(Base + 2 * Page, 2, RW));
        Assert.Equal("0-2 r--, 2-6 rw-", Areas(Base));
    }

    [Fact]
    public void Case_5_the_start_of_an_area_goes_to_the_one_before()
    {
        MapFixed(Base, 2);
        MapFixed(Base + 2 * Page, 4, R);
        Assert.Equal(Errno.None, Protect(Base + 2 * Page, 2, RW));
        Assert.Equal("0-4 rw-, 4-6 r--", Areas(Base));
    }

    [Fact]
    public void Case_6_an_area_between_two_equal_ones_joins_them()
    {
        MapFixed(Base, 6);
        Protect(Base + 2 * Page, 2, R);
        Assert.Equal("0-2 rw-, 2-4 r--, 4-6 rw-", Areas(Base));
        Protect(Base + 2 * Page, 2, RW);
        Assert.Equal("0-6 rw-", Areas(Base));
    }

    [Fact]
    public void Case_7_an_area_becomes_like_the_one_before()
    {
        MapFixed(Base, 2);
        MapFixed(Base + 2 * Page, 2, R);
        MapFixed(Base + 4 * Page, 2, RX);
        Protect(Base + 2 * Page, 2, RW);
        Assert.Equal("0-4 rw-, 4-6 r-x", Areas(Base));
    }

    [Fact]
    public void Case_8_an_area_becomes_like_the_one_after()
    {
        MapFixed(Base, 2, RX);
        MapFixed(Base + 2 * Page, 2, R);
        MapFixed(Base + 4 * Page, 2);
        Protect(Base + 2 * Page, 2, RW);
        Assert.Equal("0-2 r-x, 2-6 rw-", Areas(Base));
    }

    [Fact]
    public void Touched_pages_survive_every_cut_and_merge()
    {
        MapFixed(Base, 8);
        for (ulong i = 0; i < 8; i++)
            Put(Base + i * Page, i + 100);
        Protect(Base + 2 * Page, 3, R);
        Protect(Base + 3 * Page, 1, Protection.None);
        Assert.Equal("0-2 rw-, 2-3 r--, 3-4 ---, 4-5 r--, 5-8 rw-", Areas(Base));
        Assert.Equal(PageFaultResult.SegvAccerr, Read(Base + 3 * Page));
        Protect(Base, 8, RW);
        Assert.Equal("0-8 rw-", Areas(Base));
        for (ulong i = 0; i < 8; i++)
            Assert.Equal(i + 100, Get(Base + i * Page));
        Assert.Equal(8UL, Mm.AnonymousPages);
    }

    [Fact]
    public void File_areas_merge_only_where_the_file_goes_on()
    {
        HostFile file = Machine.CreateFile(16 * Page);
        const MapFlags flags = MapFlags.Private | MapFlags.Fixed;
        Map(2, R, flags, Base, file);
        Map(2, R, flags, Base + 2 * Page, file, 2);
        Assert.Equal("0-4 r--", Areas(Base));
        Map(2, R, flags, Base + 4 * Page, file, 8);
        Assert.Equal("0-4 r--, 4-6 r--", Areas(Base));
        Assert.Equal(1009UL, Get(Base + 5 * Page));
        Unmap(Base, 6);
        file.Put();
        Assert.Equal(0, file.References);
    }

    [Fact]
    public void Areas_with_pages_of_different_origin_stay_apart()
    {
        // Both were written before they met, so each has its own anon_vma; what is new is joined with the upper one, as on Linux 6.1.
        MapFixed(Base, 2);
        MapFixed(Base + 4 * Page, 2);
        Put(Base, 1);
        Put(Base + 4 * Page, 1);
        MapFixed(Base + 2 * Page, 2);
        Assert.Equal("0-2 rw-, 2-6 rw-", Areas(Base));
    }

    [Theory]
    [InlineData(0x1001UL, 1UL, Protection.Read, Errno.EINVAL)]
    [InlineData(0x1000UL, 1UL, Protection.Read, Errno.ENOMEM)]
    [InlineData(Base, 1UL, (Protection)0x40, Errno.EINVAL)]
    [InlineData(Base, 1UL, Protection.GrowsDown | Protection.GrowsUp, Errno.EINVAL)]
    [InlineData(Base, 1UL, Protection.Read | Protection.GrowsDown, Errno.EINVAL)]
    [InlineData(Base, 1UL, Protection.Read | Protection.GrowsUp, Errno.EINVAL)]
    [InlineData(Base, 0UL, Protection.Read, Errno.None)]
    [InlineData(Base, 4UL, Protection.Read, Errno.ENOMEM)]
    [InlineData(Base, 0xf_ffff_ffff_ffffUL, Protection.Read, Errno.ENOMEM)]
    internal void Refused_mprotects_get_their_errno(ulong start, ulong pages, Protection protection, Errno expected)
    {
        MapFixed(Base, 2);
        Assert.Equal(expected, Protect(start, pages, protection));
    }

    [Fact]
    public void Mprotect_changes_areas_before_the_one_that_refuses()
    {
        HostFile file = Machine.CreateFile(4 * Page, allowed: Access.Read);
        MapFixed(Base, 2);
        Map(2, R, MapFlags.Shared | MapFlags.Fixed, Base + 2 * Page, file);
        Protect(Base, 2, R);
        Assert.Equal(Errno.EACCES, Protect(Base, 4, RW));
        Assert.Equal("0-2 rw-, 2-4 r--", Areas(Base));
        Unmap(Base, 4);
        file.Put();
    }
}
