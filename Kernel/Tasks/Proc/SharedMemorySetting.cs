using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;
using NanoVm.Files.Tmpfs;

namespace NanoVm.Tasks.Proc;

/// <summary>Which limit of System V shared memory a <see cref="SharedMemorySetting"/> shows.</summary>
internal enum SharedMemoryLimit
{
    Bytes,
    Pages,
    Segments,
}

/// <summary><c>/proc/sys/kernel/shmmax</c>, <c>shmall</c>, <c>shmmni</c>. Linux: <c>ipc_kern_table</c>. What exists stays, also above a new limit.</summary>
internal sealed class SharedMemorySetting(SharedSegments segments, ReadOnlySpan<byte> name, SharedMemoryLimit limit) : ProcPage(name, 0x1A4)
{
    private readonly SharedSegments _segments = segments;
    private readonly SharedMemoryLimit _limit = limit;

    private ref ulong Value
    {
        get
        {
            if (_limit == SharedMemoryLimit.Bytes)
                return ref _segments.MaximumBytes;
            return ref _limit == SharedMemoryLimit.Pages ? ref _segments.MaximumPages : ref _segments.Maximum;
        }
    }

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        w.Decimal(Value);
        w.Byte((byte)'\n');
        return Errno.None;
    }

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position)
    {
        long total = (long)from.Remaining;
        if (!SysctlNumber.Take(ref from, out ulong value, out Errno error))
            return error;
        if (_limit == SharedMemoryLimit.Segments && value > SharedSegments.SlotsPerSequence)
            return Errno.EINVAL;
        Value = value;
        position += total;
        return total;
    }
}
