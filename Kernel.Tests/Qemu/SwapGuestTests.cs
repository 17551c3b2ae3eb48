using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>Swap as a user of the machine sees it: what moves to swap, and where swap may lie.</summary>
public sealed class SwapGuestTests
{
    /// <summary>Memory that the suite's 72 MiB do not fit into; afterwards all must be back, no slot may be missing, and memory must be right.</summary>
    [Fact]
    public void Shared_memory_swaps_and_comes_back_whole()
    {
        Run run = Guest.Shell(
            "/tests/swapping; grep -q '^pswpout [1-9]' /proc/vmstat && echo swapped; "
            + "awk '/^SwapTotal/ { t = $2 } /^SwapFree/ { f = $2 } END { print t - f < 4096 }' /proc/meminfo; "
            + "swapoff /dev/vda && echo off; awk 'NR > 1' /proc/swaps; grep '^errors' /proc/memfsck", 200, "--mem", "64M", "--swap", "256M");
        Assert.True(run.Status == 0, run.ToString());
        Assert.DoesNotContain("not ok", run.Text);
        Assert.EndsWith("swapped\n1\noff\nerrors 0\n", run.Text);
    }

    [Fact]
    public void A_file_of_an_ext2_is_swap_and_nobody_else_writes_to_it()
    {
        using var scratch = new Scratch();
        string disk = DiskImage.MakeExt2(scratch, "disk.img", 160);
        Run run = Guest.Shell(
            "dd if=/dev/zero of=/mnt/swap bs=1M count=100 2>/dev/null; mkswap /mnt/swap > /dev/null; swapon /mnt/swap && echo on; "
            + "swapon /mnt/swap 2>&1; awk 'NR > 1 { print $1, $2, ($3 > 100000), $5 }' /proc/swaps; "
            + "(echo x >> /mnt/swap) 2>&1; truncate -s 0 /mnt/swap 2>&1; rm /mnt/swap 2>&1; mv /mnt/swap /mnt/other 2>&1; "
            + "/tests/swapping | grep '^not ok'; grep -q '^pswpout [1-9]' /proc/vmstat && echo swapped; "
            + "swapoff /mnt/swap && echo off; rm /mnt/swap && echo gone; grep '^errors' /proc/memfsck", 200, "--mem", "64M", "--disk", disk + ":/mnt");
        Assert.Equal(
            """
            on
            swapon: /mnt/swap: Device or resource busy
            /mnt/swap file 1 -2
            sh: write error: Text file busy
            truncate: /mnt/swap: truncate: Text file busy
            rm: can't remove '/mnt/swap': Operation not permitted
            mv: can't rename '/mnt/swap': Operation not permitted
            swapped
            off
            gone
            errors 0

            """, run.Text);
        DiskImage.AssertClean(disk);
    }

    [Fact]
    public void What_is_no_swap_is_refused_and_so_is_what_is_in_use()
    {
        using var scratch = new Scratch();
        string disk = DiskImage.MakeExt2(scratch, "disk.img", 16);
        string swap = scratch.Write("swap.img", "");
        File.WriteAllBytes(swap, SwapImage(pages: 4096, lastPage: 4095));
        string lying = scratch.Write("lying.img", "");
        File.WriteAllBytes(lying, SwapImage(pages: 16, lastPage: 1_000_000));
        Run run = Guest.Shell(
            "cd /mnt; dd if=/dev/zero of=hole bs=1M count=1 seek=5 2>/dev/null; mkswap hole > /dev/null; swapon hole 2>&1; "
            + "echo x > short; swapon short 2>&1; dd if=/dev/zero of=blank bs=1M count=1 2>/dev/null; swapon blank 2>&1; "
            + "swapon none 2>&1; swapon /tmp 2>&1; swapon /dev/null 2>&1; swapon /dev/vda 2>&1; swapon /dev/vdc 2>&1; swapoff /dev/vdb 2>&1; "
            + "swapon /dev/vdb && echo on; (echo x > /dev/vdb) 2>&1; mkdir /tmp/m; mount -t ext2 /dev/vdb /tmp/m 2>&1; swapoff /dev/vdb && echo off",
            120, "--disk", disk + ":/mnt", "--disk", swap, "--disk", lying);
        Assert.Equal(
            """
            swapon: hole: file has holes
            swapon: short: Invalid argument
            swapon: blank: Invalid argument
            swapon: none: No such file or directory
            swapon: /tmp: Is a directory
            swapon: /dev/null: Invalid argument
            swapon: /dev/vda: Device or resource busy
            swapon: /dev/vdc: Invalid argument
            swapoff: /dev/vdb: Invalid argument
            on
            sh: write error: Text file busy
            mount: mounting /dev/vdb on /tmp/m failed: Device or resource busy
            off

            """, run.Text);
    }

    /// <summary>A disk with the header of <c>mkswap</c>, true or not.</summary>
    private static byte[] SwapImage(int pages, int lastPage)
    {
        byte[] image = new byte[pages * 4096];
        image[1024] = 1;
        BitConverter.TryWriteBytes(image.AsSpan(1028), lastPage);
        "SWAPSPACE2"u8.CopyTo(image.AsSpan(4086));
        return image;
    }
}
