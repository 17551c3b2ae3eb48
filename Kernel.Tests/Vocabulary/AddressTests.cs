using NanoVm.Core;
using Xunit;

namespace NanoVm.Tests.Vocabulary;

public sealed class AddressTests
{
    [Theory]
    [InlineData(0UL, 0UL)]
    [InlineData(1UL, 0x1000UL)]
    [InlineData(0x1000UL, 0x1000UL)]
    [InlineData(0xffff_ffff_ffff_f000UL, 0xffff_ffff_ffff_f000UL)]
    [InlineData(0xffff_ffff_ffff_f001UL, 0xffff_ffff_ffff_f000UL)]
    [InlineData(ulong.MaxValue, 0xffff_ffff_ffff_f000UL)]
    public void Rounding_up_never_wraps_to_zero(ulong address, ulong expected) =>
        Assert.Equal(expected, new VirtAddr(address).PageUp().Value);

    [Fact]
    public void A_range_that_wraps_is_refused()
    {
        Assert.False(PageRange.TryCreate(new VirtAddr(ulong.MaxValue - 0xfff), 0x2000, out _));
        Assert.True(PageRange.TryCreate(new VirtAddr(0x1000), 0, out PageRange empty));
        Assert.True(empty.IsEmpty);
    }

    [Fact]
    public void Ranges_that_only_touch_do_not_overlap()
    {
        var left = new PageRange(new VirtAddr(0x1000), new VirtAddr(0x3000));
        var right = new PageRange(new VirtAddr(0x3000), new VirtAddr(0x4000));
        Assert.False(left.Overlaps(right));
        Assert.True(left.Intersect(right).IsEmpty);
        Assert.False(left.Contains(left.End));
    }

    [Fact]
    public void A_byte_more_than_a_page_needs_two_pages()
    {
        Assert.Equal(2UL, PageCount.FromBytesRoundedUp(4097).Value);
        Assert.Equal(1UL << 52, PageCount.FromBytesRoundedUp(ulong.MaxValue).Value);
    }

    [Fact]
    public void An_entry_keeps_frame_and_flags_apart()
    {
        var entry = new Pte(new Pfn(0xf_ffff_ffff), PteFlags.Present | PteFlags.NoExecute | PteFlags.ProtectionKeyMask);
        Assert.Equal(0xf_ffff_ffffUL, entry.Pfn.Value);
        Assert.True(entry.IsPresent && entry.IsNoExecute && !entry.IsWritable);
        Assert.Equal(15, entry.ProtectionKey);
        Assert.Equal(entry.Flags, entry.WithPfn(new Pfn(1)).Flags);
        Assert.Equal(entry, entry.WithWritable().WithoutWritable());
    }

    [Fact]
    public void The_frame_of_a_large_page_ignores_the_bits_below_it()
    {
        var entry = new Pmd(new Pfn(0x200), PteFlags.Present | PteFlags.Huge).With((PteFlags)0x1000);   // PAT of a large leaf
        Assert.Equal(0x200UL, entry.Pfn.Value);
    }

    [Fact]
    public void Error_numbers_are_those_of_Linux()
    {
        Assert.Equal(2, (int)Errno.ENOENT);
        Assert.Equal(38, (int)Errno.ENOSYS);
        Assert.Equal(75, (int)Errno.EOVERFLOW);
        Assert.Equal(110, (int)Errno.ETIMEDOUT);
        Assert.Equal(95, (int)Errno.ENOTSUP);
    }
}
