using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>QEMU's <c>blkdebug</c> makes sectors of a disk bad: <c>User/Tools/diskfaults</c> says who hears of it.</summary>
public sealed class DiskFaultTests
{
    private const int SectorsOfBlock = 8, BadPage = 20;

    [Fact]
    public void A_page_that_cannot_be_read_is_EIO_or_SIGBUS_for_who_asks()
    {
        using var scratch = new Scratch();
        string disk = MakeDisk(scratch);
        AssertPassed(RunOn(disk, "read", "read", DataBlock(disk, "/data", BadPage)), 7);
        DiskImage.AssertClean(disk);
    }

    [Fact]
    public void A_page_that_cannot_be_written_is_told_to_each_descriptor_once()
    {
        using var scratch = new Scratch();
        string disk = MakeDisk(scratch);
        AssertPassed(RunOn(disk, "write", "write", DataBlock(disk, "/data", BadPage)), 6);
        DiskImage.AssertClean(disk);
        // A request of several pages fails as a whole, which its writer was told; what was written by itself beside the bad page is there.
        byte[] data = Copy(scratch, disk, "/data");
        Assert.Equal(BadPage + 1, data[BadPage * 4096]);
        Assert.Equal(22, data[(BadPage + 1) * 4096]);
    }

    [Fact]
    public void Tables_directories_and_inodes_that_cannot_be_read_hide_only_what_they_lead_to()
    {
        using var scratch = new Scratch();
        string disk = MakeDisk(scratch);
        long table = Number(Debug(disk, "stat /long"), @"\(IND\):(\d+)");
        AssertPassed(RunOn(disk, "metaread", "read", table, DataBlock(disk, "/bad", 0), InodeBlock(disk, "/many/last")), 4);
        DiskImage.AssertClean(disk);
    }

    [Fact]
    public void An_inode_that_cannot_be_written_is_told_to_who_syncs_it()
    {
        using var scratch = new Scratch();
        string disk = MakeDisk(scratch);
        AssertPassed(RunOn(disk, "metawrite", "write", InodeBlock(disk, "/many/last")), 3);
        // The disk's own copy is old; what others wrote is there.
        Assert.Equal(53, Copy(scratch, disk, "/good")[3 * 4096]);
    }

    [Theory]
    [InlineData("read")]
    [InlineData("write")]
    public void Swap_that_fails_harms_only_who_needs_the_page(string direction)
    {
        using var scratch = new Scratch();
        string disk = DiskImage.Make(scratch, "swap", 16);
        Run made = HostTool.Run("/usr/sbin/mkswap", disk);
        Assert.True(made.Status == 0, made.ToString());
        Run run = Shell($"swapon /dev/vda && /usr/lib/tests/diskfaults swap{direction} /tmp && swapoff /dev/vda && grep errors /proc/memfsck",
            Drive(disk, direction, 40, 41, 90, 200));
        AssertPassed(run, 1);
        Assert.Contains("errors 0\n", run.Text, StringComparison.Ordinal);
    }

    // data, long, good: 64 pages, page i filled with i + 1. many: enough files that the last one's inode is in another block of the table.
    private static string MakeDisk(Scratch scratch)
    {
        string folder = Path.Combine(scratch.Folder, "content");
        Directory.CreateDirectory(Path.Combine(folder, "bad"));
        Directory.CreateDirectory(Path.Combine(folder, "many"));
        byte[] content = new byte[64 * 4096];
        for (int i = 0; i < content.Length; i++)
            content[i] = (byte)(i / 4096 + 1);
        foreach (string name in (string[])["data", "long", "good"])
            File.WriteAllBytes(Path.Combine(folder, name), content);
        File.WriteAllText(Path.Combine(folder, "bad", "name"), "x");
        string disk = DiskImage.MakeExt2(scratch, "disk", 16, "-b", "4096", "-I", "256", "-d", folder);
        string one = scratch.Write("one", "x");
        string script = scratch.Write("script", "cd many\n" + string.Concat(Enumerable.Range(0, 40).Select(i => $"write {one} f{i:000}\n")) + $"write {one} last\n");
        Run made = HostTool.Run("/usr/sbin/debugfs", "-w", "-f", script, disk);
        Assert.True(made.Status == 0, made.ToString());
        return disk;
    }

    private static Run RunOn(string disk, string part, string direction, params long[] blocks)
        => Shell($"mount -t ext2 /dev/vda /mnt && /usr/lib/tests/diskfaults {part} /mnt; status=$?; umount /mnt; grep errors /proc/memfsck; exit $status",
            Drive(disk, direction, blocks));

    private static Run Shell(string command, string[] drive)
        => Guest.Script("run-qemu.sh", ["--direct", "--timeout", "150", "--mem", "128M", "--run", command, "--", .. drive]);

    /// <summary>QEMU's arguments for a disk some of whose blocks of 4 KiB fail.</summary>
    private static string[] Drive(string disk, string direction, params long[] blocks)
    {
        string rules = string.Concat(blocks.Select((block, i) =>
            $",inject-error.{i}.event=none,inject-error.{i}.iotype={direction},inject-error.{i}.errno=5,inject-error.{i}.sector={block * SectorsOfBlock}"));
        return
        [
            "-blockdev", $"driver=file,node-name=file0,filename={disk}", "-blockdev", "driver=blkdebug,node-name=bad0,image=file0" + rules,
            "-device", "virtio-blk-pci,drive=bad0,rerror=report,werror=report",
        ];
    }

    private static long DataBlock(string disk, string path, int page) => Number(Debug(disk, $"bmap {path} {page}"), @"^(\d+)");

    private static long InodeBlock(string disk, string path) => Number(Debug(disk, $"imap {path}"), @"located at block (\d+)");

    private static string Debug(string disk, string command)
    {
        Run run = HostTool.Run("/usr/sbin/debugfs", "-R", command, disk);
        Assert.True(run.Status == 0, run.ToString());
        return run.Text;
    }

    private static long Number(string text, string pattern)
    {
        Match match = Regex.Match(text, pattern, RegexOptions.Multiline);
        Assert.True(match.Success, text);
        return long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
    }

    private static byte[] Copy(Scratch scratch, string disk, string path)
    {
        string copy = Path.Combine(scratch.Folder, "copy");
        Debug(disk, $"dump {path} {copy}");
        return File.ReadAllBytes(copy);
    }

    private static void AssertPassed(Run run, int cases)
    {
        string[] lines = run.Text.Split('\n');
        Assert.True(run.Status == 0 && lines.Count(line => line.StartsWith("ok ", StringComparison.Ordinal)) == cases
            && !lines.Any(line => line.StartsWith("not ok ", StringComparison.Ordinal)), run.ToString());
    }
}
