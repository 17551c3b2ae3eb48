using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>Disks and swap devices, as run-qemu.sh attaches them; the host's own ext2 tools look at what the guest has left.</summary>
public sealed class DiskTests
{
    [Fact]
    public void What_the_guest_writes_to_a_disk_the_host_reads()
    {
        using var scratch = new Scratch();
        string disk = DiskImage.MakeExt2(scratch, "a,b.img", 64);
        Run run = Guest.Shell(
            "mkdir /mnt/d && seq 1 20000 > /mnt/d/numbers && ln -s d/numbers /mnt/link && md5sum < /mnt/link && sync", 120, "--disk", disk + ":/mnt");
        Assert.True(run.Status == 0, run.ToString());

        DiskImage.AssertClean(disk);
        string copy = Path.Combine(scratch.Folder, "copy");
        HostTool.Run("/usr/sbin/debugfs", "-R", $"dump /d/numbers {copy}", disk);
        Assert.Equal(string.Concat(Enumerable.Range(1, 20000).Select(n => n + "\n")), File.ReadAllText(copy));
    }

    [Fact]
    public void Two_disks_are_mounted_where_each_was_asked_for()
    {
        using var scratch = new Scratch();
        string first = DiskImage.MakeExt2(scratch, "first.img", 8), second = DiskImage.MakeExt2(scratch, "second.img", 8);
        Run run = Guest.Shell("echo 1 > /mnt/one/f; echo 2 > /mnt/two/f; cat /mnt/one/f /mnt/two/f; grep -c /dev/vd /proc/mounts", 120,
            "--disk", first + ":/mnt/one", "--disk", second + ":/mnt/two");
        Assert.Equal("1\n2\n2\n", run.Text);
    }

    [Fact]
    public void A_disk_that_cannot_interrupt_works_by_looking()
    {
        using var scratch = new Scratch();
        string disk = DiskImage.MakeExt2(scratch, "disk", 16);
        Run run = Guest.Script("run-qemu.sh", "--direct", "--timeout", "100", "--disk", disk + ":/mnt", "--run",
            "seq 1 200000 > /mnt/f; sync; echo 3 > /proc/sys/vm/drop_caches; md5sum < /mnt/f; seq 1 200000 | md5sum; dmesg | grep -c 'waiting by looking'",
            "--", "-global", "virtio-blk-pci.vectors=0");
        Assert.True(run.Status == 0, run.ToString());
        string[] lines = run.Text.Split('\n');
        Assert.Equal(lines[0], lines[1]);
        Assert.Equal("1", lines[2]);
    }

    [Fact]
    public void Swap_holds_what_memory_does_not()
    {
        Run run = Guest.Shell(
            "awk '/SwapTotal/ { print int($2 / 1024 + 0.5) }' /proc/meminfo; "
            + "dd if=/dev/zero bs=150M count=1 2>/dev/null | md5sum", 180, "--mem", "128M", "--swap", "256M");
        Assert.True(run.Status == 0, run.ToString());
        Assert.Equal("256\n" + Md5OfZeroes + "  -\n", run.Text);
    }

    [Fact]
    public void Four_processes_fill_one_mapped_file_that_is_larger_than_memory()
    {
        const int Megabytes = 300, Generation = 7;
        using var scratch = new Scratch();
        string disk = DiskImage.MakeExt2(scratch, "disk", 360);
        Run run = Guest.Shell($"cd /mnt && /usr/lib/tests/diskstress {Generation} {Megabytes} fill && sync && grep errors /proc/memfsck", 200,
            "--mem", "128M", "--disk", disk + ":/mnt");
        Assert.True(run.Status == 0 && run.Text == "errors 0\n", run.ToString());

        DiskImage.AssertClean(disk);
        string copy = Path.Combine(scratch.Folder, "copy");
        HostTool.Run("/usr/sbin/debugfs", "-R", $"dump /map {copy}", disk);
        Assert.Equal(Megabytes << 20, new FileInfo(copy).Length);
        Assert.Empty(CrashLog.WrongChunks(copy, Generation));
    }

    [Fact]
    public void A_name_is_looked_up_in_a_large_directory_at_the_cost_of_a_small_one()
    {
        using var scratch = new Scratch();
        string disk = DiskImage.MakeExt2(scratch, "disk", 64, "-N", "16384");
        Run run = Guest.Shell("/usr/lib/tests/diskcases /mnt lookups 500 && /usr/lib/tests/diskcases /mnt lookups 10000", 200, "--icount", "--disk", disk + ":/mnt");
        Assert.True(run.Status == 0, run.ToString());
        // Nanoseconds are instructions.
        long[] costs = [.. run.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => long.Parse(line, System.Globalization.CultureInfo.InvariantCulture))];
        Assert.True(costs.Length == 2 && costs[1] < 2 * costs[0], run.Text);
    }

    // dd reads all of its block into memory before it writes any of it.
    private static string Md5OfZeroes => Convert.ToHexStringLower(System.Security.Cryptography.MD5.HashData(new byte[150 << 20]));
}
