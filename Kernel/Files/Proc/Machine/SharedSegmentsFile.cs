using NanoVm.Core;
using NanoVm.Files.Tmpfs;

namespace NanoVm.Files.Proc.Machine;

/// <summary><c>/proc/sysvipc/shm</c>: the System V segments, a line each; rss and swap in bytes. Linux: <c>sysvipc_shm_proc_show</c>.</summary>
internal sealed class SharedSegmentsFile(SharedSegments segments) : ProcText("shm"u8)
{
    private readonly SharedSegments _segments = segments;

    /// <inheritdoc/>
    public override Errno Generate(ProcOpenFile file, ref TextWriter w, ref ProcCursor cursor)
    {
        _segments.Lock.Lock();
        for (; cursor.Position <= (ulong)_segments.SlotCount; cursor.Position++)
        {
            int before = w.Length;
            if (cursor.Position == 0)
                w.Text("       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n"u8);
            else if (_segments.At((int)cursor.Position - 1) is { } segment)
                Line(ref w, segment);
            if (!w.Overflowed)
                continue;
            w.Truncate(before);
            break;
        }

        cursor.Ended = cursor.Position > (ulong)_segments.SlotCount;
        _segments.Lock.Unlock();
        return Errno.None;
    }

    private static void Line(ref TextWriter w, SharedSegment segment)
    {
        Right(ref w, segment.Key, 10);
        Right(ref w, segment.Identifier, 11);
        w.Text("  "u8);
        WriteMode(ref w, segment.ShownMode);
        Right(ref w, (long)segment.Bytes, 22);
        Right(ref w, segment.CreatorProcess, 6);
        Right(ref w, segment.LastProcess, 6);
        Right(ref w, segment.Attachments, 7);
        Right(ref w, segment.Uid, 6);
        Right(ref w, segment.Gid, 6);
        Right(ref w, segment.CreatorUid, 6);
        Right(ref w, segment.CreatorGid, 6);
        Right(ref w, segment.AttachTime, 11);
        Right(ref w, segment.DetachTime, 11);
        Right(ref w, segment.ChangeTime, 11);
        Right(ref w, (long)(segment.File.Mapping!.PageTotal << PageSize.Shift), 22);
        Right(ref w, (long)(segment.File.Mapping!.SwappedPages << PageSize.Shift), 22);
        w.Byte((byte)'\n');
    }

    /// <summary>A mode in octal, at the right of four columns.</summary>
    public static void WriteMode(ref TextWriter w, uint mode)
    {
        const int columns = 4;
        int digits = 1;
        while (mode >> (3 * digits) != 0)
            digits++;
        w.Repeat((byte)' ', columns - digits);
        w.Octal(mode);
    }

    private static void Right(ref TextWriter w, long value, int width)
    {
        int digits = value < 0 ? 2 : 1;
        for (long rest = value; rest is > 9 or < -9; rest /= 10)
            digits++;
        w.Repeat((byte)' ', width - digits);
        w.Signed(value);
    }
}
