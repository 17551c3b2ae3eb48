using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>What programs see of files on a disk: <c>User/Tools/diskcases</c>, with blocks of every size, and the names' part on a tmpfs.</summary>
public sealed class DiskCaseTests
{
    [Theory]
    [InlineData("-b", "1024")]
    [InlineData("-b", "2048")]
    [InlineData("-b", "4096")]
    [InlineData("-b", "4096", "-O", "dir_index,large_file,^sparse_super,^resize_inode")]
    [InlineData("-b", "1024", "-O", "none", "-I", "256")]
    public void Files_on_a_disk_are_what_they_are_on_Linux(params string[] options)
    {
        using var scratch = new Scratch();
        string disk = DiskImage.MakeExt2(scratch, "disk", 64, options);
        Run run = Guest.Shell("/usr/lib/tests/diskcases /mnt; /usr/lib/tests/diskcases /mnt names", 200, "--mem", "128M", "--swap", "32M", "--disk", disk + ":/mnt");
        AssertPassed(run, 30);
        DiskImage.AssertClean(disk);
        Run attribute = HostTool.Run("/usr/sbin/debugfs", "-R", "ea_get /attributes user.kept", disk);
        Assert.Contains("a value of some length", attribute.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_on_a_tmpfs_are_what_they_are_on_Linux()
        => AssertPassed(Guest.Shell("mkdir /tmp/t; mount -t tmpfs none /tmp/t; /usr/lib/tests/diskcases /tmp/t names", 120), 12);

    private static void AssertPassed(Run run, int least)
    {
        string[] lines = run.Text.Split('\n');
        Assert.True(run.Status == 0 && lines.Count(line => line.StartsWith("ok ", StringComparison.Ordinal)) >= least
            && !lines.Any(line => line.StartsWith("not ok ", StringComparison.Ordinal)), run.ToString());
    }
}
