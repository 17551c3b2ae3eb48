using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>Entries of directories and inodes are kept as long as there is memory, and no longer.</summary>
public sealed class ShrinkTests
{
    private const int Folders = 40, FilesInEach = 100;

    /// <summary>Prints how many entries of directories nobody uses.</summary>
    private const string Unused = "awk '{ print ($2 == 0 ? \"none\" : $2 < 2000 ? \"few\" : \"many\") }' /proc/sys/fs/dentry-state; ";

    private const string Find = "find /mnt -type f -size +0 | wc -l; ";

    /// <summary>An allocation of most of the machine: pages of files are not enough to make room for it.</summary>
    private const string NeedMemory = "dd if=/dev/zero of=/dev/null bs=47M count=1 2> /dev/null && echo got it; ";

    [Fact]
    public void Drop_caches_2_and_low_memory_forget_entries_and_inodes_and_the_files_stay()
    {
        using var scratch = new Scratch();
        string disk = MakeDisk(scratch);
        Run run = Guest.Shell(
            Find + Unused + "echo 1 > /proc/sys/vm/drop_caches; " + Unused + "echo 2 > /proc/sys/vm/drop_caches; " + Unused
            + "awk '/^ext2_inode_cache/ { print $2 < 10 }' /proc/slabinfo; " + Find + Unused + NeedMemory + Unused
            + "awk '/^ext2_inode_cache/ { print $2 < 2000 }' /proc/slabinfo; " + Find + "cat /mnt/7/8; grep '^errors' /proc/memfsck",
            120, "--mem", "64M", "--disk", disk + ":/mnt");
        int files = Folders * FilesInEach;
        Assert.Matches($"^{files}\nmany\nmany\nnone\n1\n{files}\nmany\ngot it\n(few|none)\n1\n{files}\n7 8\nerrors 0\n$", run.Text);
        DiskImage.AssertClean(disk);
    }

    /// <summary>kswapd may just be writing an inode of the file system: then it goes only after that.</summary>
    [Fact]
    public void A_file_system_is_unmounted_while_its_inodes_are_taken_back()
    {
        using var scratch = new Scratch();
        string disk = MakeDisk(scratch);
        Run run = Guest.Shell(
            "umount /mnt; for round in 1 2 3 4 5 6; do mount -t ext2 /dev/vda /mnt; find /mnt -type f -size +0 > /dev/null; "
            + "dd if=/dev/zero of=/dev/null bs=47M count=1 2> /dev/null & "
            + "for folder in 1 2 3 4 5 6 7 8 9 10 11 12; do echo new > /mnt/$folder/$round; mv /mnt/$folder/$((round + 10)) /mnt/$folder/other$round; done; "
            + "umount /mnt || echo busy; wait; done; awk '/^ext2_inode_cache/ { print $2 }' /proc/slabinfo; grep '^errors' /proc/memfsck",
            120, "--mem", "64M", "--disk", disk + ":/mnt");
        Assert.Equal("0\nerrors 0\n", run.Text);
        DiskImage.AssertClean(disk);
    }

    private static string MakeDisk(Scratch scratch)
    {
        string tree = Path.Combine(scratch.Folder, "tree");
        for (int folder = 1; folder <= Folders; folder++)
        {
            string path = Directory.CreateDirectory(Path.Combine(tree, folder.ToString())).FullName;
            for (int file = 1; file <= FilesInEach; file++)
                File.WriteAllText(Path.Combine(path, file.ToString()), $"{folder} {file}\n");
        }

        return DiskImage.MakeExt2(scratch, "disk.img", 32, "-N", "6000", "-d", tree);
    }
}
