using System.Buffers.Binary;
using System.Text;
using NanoVm.Tests.Architecture;
using Xunit;
using Xunit.Abstractions;

namespace NanoVm.Tests.Qemu;

/// <summary>Damaged and malicious archives, disks, swap areas and command lines: the machine says no, and lives.</summary>
public sealed class HostileFilesTests(ITestOutputHelper output)
{
    private const int BlockBytes = 1024, Disks = 8, LongestLine = 4095;

    /// <summary>What is done to each disk that can be mounted: look at everything, then change much, each in spite of errors.</summary>
    private const string UseDisks = """
        mkdir -p /m
        for d in a b c d e f g h; do
          for o in ro rw; do
            mount -t ext2 -o $o /dev/vd$d /m 2> /dev/null || continue
            (
              find /m | head -n 200 | xargs ls -ld
              find /m -type f | head -n 60 | while read f; do head -c 300000 "$f" | md5sum; done
              if [ $o = rw ]; then
                cd /m
                for i in 1 2 3; do echo hello > new$i; mkdir dir$i; ln big dir$i/l; dd if=/dev/zero of=new$i bs=1k count=40; done
                echo x >> big; mv d d2; rm -rf dir1 d2 new2; dd if=/dev/zero of=big bs=1k seek=300 count=10
              fi
              sync; df /m
            ) > /dev/null 2>&1 < /dev/null
            umount /m || umount -l /m
            echo $d $o was mounted
          done
        done
        grep errors /proc/memfsck
        echo lives
        """;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(0)]
    public void Damaged_ext2_images_are_refused_or_used_and_nobody_comes_to_harm(int seed)
    {
        if (seed == 0)
            seed = (int)(DateTimeOffset.UtcNow.ToUnixTimeSeconds() % 1_000_000);
        output.WriteLine($"seed {seed}");
        using var scratch = new Scratch();
        byte[] good = MakeImage(scratch);
        var random = new System.Random(seed);
        var options = new List<string>();
        for (int i = 0; i < Disks; i++)
        {
            byte[] bad = (byte[])good.Clone();
            Damage(bad, i, random);
            string path = Path.Combine(scratch.Folder, $"{i}.img");
            File.WriteAllBytes(path, bad);
            options.AddRange(["--disk", path]);
        }

        Run run = Guest.Shell(UseDisks, 200, [.. options]);
        Assert.True(run.Status == 0, run.ToString());
        Assert.EndsWith("errors 0\nlives\n", run.Text, StringComparison.Ordinal);
    }

    /// <summary>An image with folders, small, large and sparse files, hard and symbolic links.</summary>
    private static byte[] MakeImage(Scratch scratch)
    {
        var random = new System.Random(7);
        for (int i = 0; i < 30; i++)
            scratch.Write($"tree/d/e/f{i}", new string('f', random.Next(12000)));
        scratch.Write("tree/big", new string('z', 400_000));
        using (FileStream sparse = File.OpenWrite(scratch.Write("tree/sparse", "")))
            sparse.SetLength(5_000_000);
        File.CreateSymbolicLink(Path.Combine(scratch.Folder, "tree/link"), "d/e/f1");
        File.CreateSymbolicLink(Path.Combine(scratch.Folder, "tree/long"), new string('x', 200));
        string path = Path.Combine(scratch.Folder, "good.img");
        Run made = HostTool.Run("/usr/sbin/mke2fs", "-q", "-F", "-t", "ext2", "-b", "1024", "-d", Path.Combine(scratch.Folder, "tree"), path, "1200k");
        Assert.True(made.Status == 0, made.ToString());
        return File.ReadAllBytes(path);
    }

    /// <summary>Each kind damages another part: superblock, group, inodes, the root's inode, a folder's block, bitmaps, data, anything.</summary>
    private static void Damage(byte[] image, int kind, System.Random random)
    {
        int Word(int at) => BinaryPrimitives.ReadInt32LittleEndian(image.AsSpan(at));
        int inodes = Word(2 * BlockBytes + 8) * BlockBytes;
        int inodeBytes = BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(BlockBytes + 88));
        int folder = Word(inodes + inodeBytes + 40) * BlockBytes;
        (int from, int to, int most) = kind switch
        {
            0 => (BlockBytes, BlockBytes + 264, 4),
            1 => (2 * BlockBytes, 2 * BlockBytes + 32, 2),
            2 => (inodes, inodes + inodeBytes * 50, 20),
            3 => (inodes + inodeBytes, inodes + 2 * inodeBytes, 3),
            4 => (folder, folder + 200, 10),
            5 => (3 * BlockBytes, inodes, 200),
            6 => (inodes + inodeBytes * 20, image.Length, 3000),
            _ => (BlockBytes, image.Length, 2000),
        };
        uint[] odd = [0, 1, 2, 0xffff_ffff, 0x7fff_ffff, 0x8000_0000, (uint)(image.Length / BlockBytes), (uint)random.Next()];
        for (int count = 1 + random.Next(most); count > 0; count--)
        {
            int at = random.Next(from, to - 4);
            switch (random.Next(3))
            {
                case 0: image[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: image[at] = (byte)random.Next(256); break;
                default: BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(at & ~3), odd[random.Next(odd.Length)]); break;
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void Behind_the_good_archive_a_damaged_one_does_not_keep_the_machine_from_running(int seed)
    {
        var random = new System.Random(seed);
        using var archive = new MemoryStream();
        archive.Write(File.ReadAllBytes(Path.Combine(Repository.Root, "artifacts/initramfs.cpio")));
        foreach (Member member in Strange)
            member.WriteTo(archive, random.Next(4) == 0 ? random : null);
        using var scratch = new Scratch();
        string path = Path.Combine(scratch.Folder, "hostile.cpio");
        File.WriteAllBytes(path, archive.ToArray());
        // QEMU takes the last -initrd. The suite comes from the good archive, and memory is checked after it.
        Run run = Guest.Script("run-qemu.sh", "--direct", "--timeout", "100", "--test", "keys", "--", "-initrd", path);
        Assert.True(run.Status == 0, run.ToString());
    }

    private static readonly Member[] Strange =
    [
        new("", 0x81a4, "no name"), new(".", 0x41ed, ""), new("..", 0x41ed, ""), new("/", 0x41ed, ""), new("../../up", 0x81a4, "up"), new("/absolute", 0x81a4, "a"),
        new("no/such/folder/file", 0x81a4, "f"), new("hostile", 0x41ed, ""), new("hostile", 0x81a4, "over a folder"), new("hostile/a", 0x81a4, "a"),
        new("hostile/a/b", 0x81a4, "below a file"), new("hostile/loop", 0xa1ff, "loop"), new("hostile/loop/x", 0x81a4, "through a loop"),
        new("hostile/empty", 0xa1ff, ""), new("hostile/far", 0xa1ff, new string('x', 5000)), new("hostile/zero", 0xa1ff, "a\0b"),
        new("hostile/" + new string('n', 300), 0x81a4, "name too long"), new("hostile/type", 0xf1ff, "no such type"), new("hostile/mode", 0xffff_ffff, "every bit"),
        new("hostile/pipe", 0x11a4, ""), new("hostile/socket", 0xc1a4, ""), new("hostile/device", 0x21a4, "", 0xffff_ffff),
        new("hostile/linked", 0x81a4, "", Links: 2), new("hostile/linked2", 0x81a4, "data", Links: 2), new("hostile/linked3", 0x41ed, "", Links: 0xffff_ffff),
        new("TRAILER!!!", 0, ""), new("hostile/second", 0x81a4, "after the trailer"),
    ];

    /// <summary>A member of a cpio archive; damaged on its way out when there is a generator.</summary>
    private sealed record Member(string Name, uint Mode, string Data, uint Device = 0, uint Links = 1)
    {
        public void WriteTo(Stream archive, System.Random? damage)
        {
            string header = $"070701{7:x8}{Mode:x8}{0:x8}{0:x8}{Links:x8}{1:x8}{Data.Length:x8}{0:x8}{0:x8}{Device:x8}{Device:x8}{Name.Length + 1:x8}{0:x8}";
            byte[] bytes = Encoding.Latin1.GetBytes(Pad(header + Name + "\0") + Pad(Data));
            if (damage is not null)
            {
                // A field becomes the largest number or noise. What follows may be out of step.
                int field = 6 + 8 * damage.Next(13);
                Encoding.ASCII.GetBytes(damage.Next(2) == 0 ? "ffffffff" : $"{damage.Next():x8}").CopyTo(bytes, field);
            }
            archive.Write(bytes);
        }

        private static string Pad(string text) => text + new string('\0', -text.Length & 3);
    }

    [Theory]
    [InlineData("test= =test = == ====")]
    [InlineData("norandmaps=1 norandmaps=0 la57=1 la57=")]
    [InlineData("fail= fail=: fail=frame fail=frame: fail=frame:-1 fail=frame:99999999999999999999999 fail=:::")]
    [InlineData("transparent_hugepage= transparent_hugepage=x hugepages=99999999999999999999 hugepages=-1 hugepages=0x hugepagesz=1 hugepagesz=99G")]
    [InlineData("rows=99999999999999999999 cols=-5 term= term=\"quoted words\" 'x")]
    [InlineData("disk swap term rows cols= rows=")]
    [InlineData("mem=0 memmap=0 maxcpus=0 init= root= rdinit=/no/such console= loglevel=99999999999 panic=-1 quiet debug")]
    [InlineData("\u0001\u0002\u007f\u00e9 \t\t a\tb %s%n%x \\ \u4e2d\u6587")]
    public void Odd_command_lines_do_not_keep_the_machine_from_running(string line)
    {
        Run run = Guest.Shell("grep errors /proc/memfsck; echo lives", 100, "--append", line);
        Assert.True(run.Status == 0, run.ToString());
        Assert.EndsWith("errors 0\nlives\n", run.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_word_of_the_command_line_without_effect_is_told_in_one_line()
    {
        Run run = Guest.Shell("dmesg | grep -i 'command line'", 100, "--append", "quiet hugepages=-1 root=/dev/sda rows=99999999999999999999 norandmaps=1");
        Assert.True(run.Status == 0, run.ToString());
        Assert.Contains("Unknown kernel command line parameters quiet root=/dev/sda, will be passed to user space.\n", run.Text);
        Assert.Contains("for the value is none that the word can have: hugepages=-1 rows=99999999999999999999 norandmaps=1\n", run.Text);
    }

    /// <summary>By QEMU's -kernel, and by GRUB.</summary>
    [Theory]
    [InlineData(LongestLine, "--direct")]
    [InlineData(LongestLine)]
    public void The_longest_command_line_arrives_whole(int bytes, params string[] how)
    {
        string line = string.Concat(Enumerable.Repeat("y=z ", 200));
        // Behind what is asked for stand the words of run-qemu.sh itself.
        line += new string('x', bytes - line.Length - "term=vt100 no-input".Length - 1);
        Run run = Guest.Script("run-qemu.sh", [.. how, "--timeout", "100", "--append", line, "--run", "wc -c < /proc/cmdline"]);
        Assert.True(run.Status == 0, run.ToString());
        Assert.Equal($"{bytes + 1}\n", run.Text);
    }

    [Theory]
    [InlineData("--direct")]
    [InlineData()]
    public void A_longer_one_is_refused(params string[] how)
    {
        Run run = Guest.Script("run-qemu.sh", [.. how, "--append", new string('x', LongestLine), "--run", "true"]);
        Assert.True(run.Status == 2, run.ToString());
        Assert.Single(run.Errors.TrimEnd('\n').Split('\n'));
    }

    [Theory]
    [InlineData(4200)]
    [InlineData(6000)]
    [InlineData(20000)]
    public void What_QEMU_makes_of_a_longer_one_is_no_hang(int bytes)
    {
        // The last -append counts. QEMU's start-up code writes the line over its own list of memory.
        Run run = Guest.Script("run-qemu.sh", "--direct", "--timeout", "60", "--run", "true", "--", "-append", new string('x', bytes));
        Assert.True(run.Status is 70 or 0, run.ToString());
        Assert.True(run.Status == 0 || run.Errors.Contains("command line", StringComparison.Ordinal), run.ToString());
    }

    [Fact]
    public void Damaged_swap_areas_are_refused()
    {
        using var scratch = new Scratch();
        string path = DiskImage.Make(scratch, "swap.img", 1);
        // The header's page: at 1024 version, last page, number of bad pages; at 1536 the bad pages; at 4086 the signature.
        string script = """
            set -- 1,256,0 1,0,0 1,1,0 1,4294967295,0 1,2147483647,0 0,255,0 2,255,0 1,255,4294967295 1,255,638 1,255,1 1,255,255 4294967295,4294967295,4294967295
            word() { printf "\\$(printf %o $(($1 & 255)))\\$(printf %o $(($1 >> 8 & 255)))\\$(printf %o $(($1 >> 16 & 255)))\\$(printf %o $(($1 >> 24 & 255)))"; }
            printf SWAPSPACE2 | dd of=/dev/vda bs=1 seek=4086 2> /dev/null
            for h; do
              IFS=,
              { for w in $h; do word $w; done; } | dd of=/dev/vda bs=1 seek=1024 conv=notrunc 2> /dev/null
              IFS=' '
              swapon /dev/vda 2> /dev/null && { dd if=/dev/zero of=/tmp/x bs=1M count=4 2> /dev/null; swapoff /dev/vda; }
            done
            grep errors /proc/memfsck
            echo lives
            """;
        Run run = Guest.Shell(script, 100, "--disk", path);
        Assert.True(run.Status == 0, run.ToString());
        Assert.EndsWith("errors 0\nlives\n", run.Text, StringComparison.Ordinal);
    }
}
