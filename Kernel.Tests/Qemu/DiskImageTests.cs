using System.Buffers.Binary;
using System.Security.Cryptography;
using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>Disks of every kind that mke2fs makes, those that must be refused, and tables of partitions.</summary>
public sealed class DiskImageTests
{
    private const int SectorBytes = 512, SectorsOfPart = 16384;

    [Fact]
    public void Every_ext2_is_written_and_stays_clean()
    {
        using var scratch = new Scratch();
        string[][] kinds =
        [
            ["-r", "0", "-b", "1024"], ["-O", "none", "-b", "1024"], ["-O", "^sparse_super,^resize_inode", "-b", "2048"],
            ["-b", "4096", "-I", "128"], ["-g", "1024", "-b", "1024"], ["-O", "dir_index,ext_attr,large_file", "-b", "1024", "-N", "512"],
        ];
        string[] disks = [.. kinds.Select((options, i) => DiskImage.MakeExt2(scratch, $"disk{i}", 24, options))];
        Run run = Guest.Shell(
            "for d in /mnt/*; do cd $d && mkdir a a/b && seq 1 30000 > a/b/f && ln -s a/b/f link && ln a/b/f hard && mkfifo p && for i in $(seq 200); do echo $i > a/n$i; done && "
            + "rm a/n1* && mv a/n2 a/b && cd / && umount $d && mount -t ext2 $(echo $d | sed 's,/mnt/,/dev/vd,') $d && md5sum < $d/link && ls $d/a | wc -l; done", 200,
            [.. disks.SelectMany((disk, i) => new[] { "--disk", $"{disk}:/mnt/{(char)('a' + i)}" })]);
        string sum = Convert.ToHexStringLower(MD5.HashData(System.Text.Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(1, 30000).Select(n => n + "\n")))));
        // Names from n1 on that begin with 1: 111 of 200; n2 has moved; the directory b is one.
        Assert.Equal(string.Concat(Enumerable.Repeat($"{sum}  -\n89\n", disks.Length)), run.Text);
        foreach (string disk in disks)
            DiskImage.AssertClean(disk);
    }

    [Fact]
    public void What_is_not_ext2_is_refused_with_a_line_that_says_why()
    {
        using var scratch = new Scratch();
        string ext4 = MakeOther(scratch, "ext4", "-t", "ext4");
        string links = MakeOther(scratch, "links", "-t", "ext2", "-O", "dir_nlink");
        string ext3 = MakeOther(scratch, "ext3", "-t", "ext3");
        string cut = DiskImage.MakeExt2(scratch, "cut", 16);
        using (FileStream file = File.OpenWrite(cut))
            file.SetLength(8 << 20);
        string nothing = DiskImage.Make(scratch, "nothing", 4);
        Run run = Guest.Shell(
            "for d in a b c d e; do echo $d; mount -t ext2 /dev/vd$d /mnt && umount /mnt; done 2>&1; "
            + "mount -t ext2 -o ro /dev/vdb /mnt && ls /mnt; mount -o remount,rw /mnt 2>&1; touch /mnt/x 2>&1; grep errors /proc/memfsck", 120,
            "-v", "--disk", ext4, "--disk", links, "--disk", ext3, "--disk", cut, "--disk", nothing);
        string all = run.Text + run.Errors;
        Assert.Contains("unknown feature extents", all, StringComparison.Ordinal);
        Assert.Contains("can only be mounted read-only: unknown feature dir_nlink", all, StringComparison.Ordinal);
        Assert.Contains("its journal is not used", all, StringComparison.Ordinal);
        Assert.Equal(4, run.Text.Split('\n').Count(line => line.Contains("Invalid argument", StringComparison.Ordinal)));
        Assert.Contains("lost+found", run.Text, StringComparison.Ordinal);
        Assert.Equal(2, run.Text.Split('\n').Count(line => line.Contains("Read-only", StringComparison.OrdinalIgnoreCase) || line.Contains("read-only", StringComparison.Ordinal)));
        Assert.Contains("errors 0\n", run.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_disk_that_is_mounted_read_only_does_not_change_by_a_byte()
    {
        using var scratch = new Scratch();
        string disk = DiskImage.MakeExt2(scratch, "disk", 8);
        byte[] before = File.ReadAllBytes(disk);
        Run run = Guest.Shell("mount -t ext2 -o ro /dev/vda /mnt && ls /mnt && touch /mnt/x; mkdir /mnt/y; rmdir /mnt/lost+found; sync; umount /mnt; echo $?", 120, "--disk", disk);
        Assert.EndsWith("\n0\n", run.Text, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(disk));
    }

    [Fact]
    public void Partitions_of_both_kinds_of_tables_are_found_and_mounted()
    {
        using var scratch = new Scratch();
        string mbr = DiskImage.Make(scratch, "mbr", 48), gpt = DiskImage.Make(scratch, "gpt", 48);
        // First partition; an extended one with two logical ones. Each table's starts count from another place.
        long first = 2048, extended = first + SectorsOfPart, five = extended + 2048, second = five + SectorsOfPart, six = second + 2048;
        WriteMbr(mbr, 0, (0x83, first, SectorsOfPart), (0x05, extended, six + SectorsOfPart - extended));
        WriteMbr(mbr, extended, (0x83, five - extended, SectorsOfPart), (0x05, second - extended, SectorsOfPart + 2048));
        WriteMbr(mbr, second, (0x83, six - second, SectorsOfPart));
        WriteMbr(gpt, 0, (0xee, 1, (48 << 11) - 1));
        WriteGpt(gpt, (2048, 2048 + SectorsOfPart - 1), (2048 + 2 * SectorsOfPart, 2048 + 3 * SectorsOfPart - 1));
        foreach ((string disk, long start) in ((string, long)[])[(mbr, first), (mbr, five), (mbr, six), (gpt, 2048), (gpt, 2048 + 2 * SectorsOfPart)])
            MakeExt2At(disk, start);

        Run run = Guest.Shell(
            "mkdir /tmp/m; for d in vda1 vda5 vda6 vdb1 vdb2; do mount -t ext2 /dev/$d /tmp/m && echo $d > /tmp/m/name && umount /tmp/m; done; "
            + "for d in vda1 vda5 vda6 vdb1 vdb2; do mount -t ext2 /dev/$d /tmp/m && cat /tmp/m/name && umount /tmp/m; done; awk '/vd/ { print $3, $4 }' /proc/partitions", 120,
            "--disk", mbr, "--disk", gpt);
        Assert.Equal("vda1\nvda5\nvda6\nvdb1\nvdb2\n49152 vda\n8192 vda1\n8192 vda5\n8192 vda6\n49152 vdb\n8192 vdb1\n8192 vdb2\n", run.Text);
        foreach ((string disk, long start) in ((string, long)[])[(mbr, first), (mbr, five), (mbr, six), (gpt, 2048), (gpt, 2048 + 2 * SectorsOfPart)])
        {
            Run check = HostTool.Run("/usr/sbin/e2fsck", "-fn", $"{disk}?offset={start * SectorBytes}");
            Assert.True(check.Status == 0, check.ToString());
        }
    }

    private static string MakeOther(Scratch scratch, string name, params string[] options)
    {
        string path = DiskImage.Make(scratch, name, 16);
        Run made = HostTool.Run("/usr/sbin/mke2fs", ["-q", "-F", .. options, path]);
        Assert.True(made.Status == 0, made.ToString());
        return path;
    }

    private static void MakeExt2At(string disk, long sector)
    {
        Run made = HostTool.Run("/usr/sbin/mke2fs", "-q", "-F", "-t", "ext2", "-b", "1024", "-E", $"offset={sector * SectorBytes}", disk, $"{SectorsOfPart / 2}");
        Assert.True(made.Status == 0, made.ToString());
    }

    private static void WriteMbr(string disk, long sector, params (byte Type, long Start, long Count)[] entries)
    {
        byte[] table = new byte[SectorBytes];
        for (int i = 0; i < entries.Length; i++)
        {
            Span<byte> entry = table.AsSpan(446 + 16 * i, 16);
            entry[4] = entries[i].Type;
            BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], (uint)entries[i].Start);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[12..], (uint)entries[i].Count);
        }
        table[510] = 0x55;
        table[511] = 0xaa;
        WriteAt(disk, sector, table);
    }

    private static void WriteGpt(string disk, params (long First, long Last)[] parts)
    {
        byte[] entries = new byte[128 * 128];
        for (int i = 0; i < parts.Length; i++)
        {
            Span<byte> entry = entries.AsSpan(128 * i, 128);
            entry[..32].Fill((byte)(i + 1));
            BinaryPrimitives.WriteInt64LittleEndian(entry[32..], parts[i].First);
            BinaryPrimitives.WriteInt64LittleEndian(entry[40..], parts[i].Last);
        }
        byte[] header = new byte[SectorBytes];
        "EFI PART"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(8), 0x10000);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(12), 92);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(72), 2);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(80), 128);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(84), 128);
        WriteAt(disk, 1, header);
        WriteAt(disk, 2, entries);
    }

    private static void WriteAt(string disk, long sector, byte[] bytes)
    {
        using FileStream file = File.OpenWrite(disk);
        file.Position = sector * SectorBytes;
        file.Write(bytes);
    }
}
