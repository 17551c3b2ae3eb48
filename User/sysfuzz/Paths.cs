using System;

namespace NanoVm.User.SysFuzz;

/// <summary>Names of files for the calls, in the tasks' own folder and of the kernel's files.</summary>
internal static unsafe class Paths
{
    /// <summary>The folder that is the tasks' root: a file system of its own, so that it goes as a whole.</summary>
    public static ReadOnlySpan<byte> Folder => "/tmp/sysfuzz"u8;

    private static ReadOnlySpan<byte> Names => "a b c d e f d/a d/b d/e e/f .. . d/.. d/ a/ ./c f/f/f"u8;

    // The kernel's files, which the harness puts into the tasks' root folder.
    private static ReadOnlySpan<byte> Elsewhere =>
        "/dev/null /dev/zero /dev/full /dev/urandom /dev/ptmx /dev/tty /proc/self/maps /proc/self/mem /proc/self/pagemap /proc/self/fd/5 /proc/self/exe /proc/self/status /proc/self/smaps /proc/self/stat /proc/self/clear_refs /proc/self/comm /proc/self/environ /proc/self/auxv /proc/self/explain /proc/self/vma_tree /proc/self/page_tables /proc/self/fail-nth /proc/self/task /proc/self/root /proc/self/cwd /proc/self/oom_score_adj /proc/self /proc /proc/meminfo /proc/vmstat /proc/slabinfo /proc/mounts /proc/self/mountinfo /proc/kpagecount /proc/kpageflags /sys /dev"u8;

    /// <summary>Any path, in the buffer.</summary>
    public static byte* Any(ref Random random, byte* buffer)
    {
        switch (random.Below(24))
        {
            case 0:
                return null;
            case 1:
                *buffer = 0;
                return buffer;
            case 2:                                         // too long, as a name or as a path
                int length = random.OneIn(2) ? 256 : 4096;
                new Span<byte>(buffer, length).Fill((byte)'x');
                buffer[length] = 0;
                return buffer;
            case 3:                                         // without an end
                byte* end = (byte*)Arena.Hole;
                for (int i = 1; i <= 8; i++)
                    end[-i] = (byte)'y';
                return end - random.Below(9);
            case < 9:
                return Copy(Pick(ref random, Elsewhere), buffer);
            default:
                return Copy(Pick(ref random, Names), buffer);
        }
    }

    /// <summary>A path in the tasks' root folder, whatever the current folder is.</summary>
    public static byte* Own(ref Random random, byte* buffer)
    {
        *buffer = (byte)'/';
        Name(ref random, buffer + 1);
        return buffer;
    }

    /// <summary>A name of one letter.</summary>
    public static byte* Name(ref Random random, byte* buffer)
    {
        buffer[0] = (byte)('a' + random.Below(6));
        buffer[1] = 0;
        return buffer;
    }

    /// <summary>A short text: an attribute's name, a file system's, a link's target.</summary>
    public static byte* Text(ref Random random, byte* buffer) => random.Below(6) switch
    {
        0 => Copy("tmpfs"u8, buffer),
        1 => Copy("proc"u8, buffer),
        2 => Copy("user.a"u8, buffer),
        3 => Copy("trusted.b"u8, buffer),
        4 => Any(ref random, buffer),
        _ => Name(ref random, buffer),
    };

    private static ReadOnlySpan<byte> Pick(ref Random random, ReadOnlySpan<byte> list)
    {
        int count = 1;
        foreach (byte b in list)
            count += b == ' ' ? 1 : 0;
        for (int skip = random.Below(count); skip > 0; skip--)
            list = list.Slice(list.IndexOf((byte)' ') + 1);
        int end = list.IndexOf((byte)' ');
        return end < 0 ? list : list.Slice(0, end);
    }

    private static byte* Copy(ReadOnlySpan<byte> text, byte* to)
    {
        text.CopyTo(new Span<byte>(to, text.Length));
        to[text.Length] = 0;
        return to;
    }
}
