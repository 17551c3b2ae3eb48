using System;
using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Devices;

/// <summary>The devices that are made of nothing. Linux: <c>drivers/char/mem.c</c>; man 4 null, full, random.</summary>
internal enum MemoryDeviceKind : byte
{
    Null,
    Zero,
    Full,
    Random,
}

/// <summary>A device of <see cref="MemoryDeviceKind"/>.</summary>
internal sealed class MemoryDevice(IoSystem io, ReadOnlySpan<byte> name, uint minor, MemoryDeviceKind kind)
    : CharDevice(name, 1, minor, 0x1B6)
{
    private readonly IoSystem _io = io;
    private readonly MemoryDeviceKind _kind = kind;

    /// <inheritdoc/>
    public override Result<OpenFile> Open(TaskFiles who, in PathRef path, OpenFlags flags)
        => MemoryDeviceFile.Open(_io, _kind, path, flags);
}

/// <summary>An open <see cref="MemoryDevice"/>.</summary>
internal sealed class MemoryDeviceFile : OpenFile
{
    private const uint GetEntropyCount = 0x80045200;
    private const int EntropyBits = 256;

    private IoSystem _io = null!;
    private MemoryDeviceKind _kind;

    internal static Result<OpenFile> Open(IoSystem io, MemoryDeviceKind kind, in PathRef path, OpenFlags flags)
    {
        MemoryDeviceFile? file = io.MemoryFiles.Allocate();
        if (file is null)
            return Errno.ENOMEM;
        file._io = io;
        file._kind = kind;
        file.Initialize(path, flags);
        return file;
    }

    /// <inheritdoc/>
    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position)
    {
        switch (_kind)
        {
            case MemoryDeviceKind.Null:
                return 0L;
            case MemoryDeviceKind.Random:
                return ReadRandom(who, ref to);
        }
        long total = 0;
        while (to.Remaining != 0)
        {
            // A page at a time: a killer does not wait for gigabytes of zeros.
            Errno error = to.ZeroToIter((int)Math.Min(to.Remaining, PageSize.Bytes), out int copied);
            total += copied;
            if (error != Errno.None)
                return total != 0 ? total : error;
            if (who.SignalPending)
                break;
            PerCpu.Scheduler.CondResched();
        }
        return total;
    }

    // Linux: get_random_bytes_user. At least one piece is given before a signal ends the read.
    private static Result<long> ReadRandom(TaskFiles who, ref IovIter to)
    {
        Span<byte> piece = stackalloc byte[256];
        long total = 0;
        while (to.Remaining != 0)
        {
            Random.Fill(piece);
            Errno error = to.CopyToIter(piece, out int copied);
            total += copied;
            if (error != Errno.None)
                return total != 0 ? total : error;
            if ((total & (long)PageSize.Mask) == 0)
            {
                if (who.SignalPending)
                    break;
                PerCpu.Scheduler.CondResched();
            }
        }
        piece.Clear();
        return total;
    }

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ref IovIter from, ref long position)
    {
        if (_kind == MemoryDeviceKind.Full)
            return Errno.ENOSPC;
        long count = (long)from.Remaining;
        from.Advance(from.Remaining);
        return count;
    }

    /// <inheritdoc/>
    public override Result<long> Seek(long offset, SeekOrigin origin)
    {
        Position = 0;                                       // Linux: null_lseek; random: noop_llseek
        return 0L;
    }

    /// <inheritdoc/>
    public override Result<long> Ioctl(TaskFiles who, uint command, VirtAddr argument)
        => _kind == MemoryDeviceKind.Random && command == GetEntropyCount
            ? UserCopy.Put(argument, EntropyBits)
            : Errno.ENOTTY;

    /// <inheritdoc/>
    public override bool CanMap => _kind == MemoryDeviceKind.Zero;

    /// <summary><c>/dev/zero</c>: private mappings are anonymous memory, shared ones a fresh piece of shared memory. Linux: <c>mmap_zero</c>.</summary>
    public override Errno Mmap(VmArea area)
    {
        if (_kind != MemoryDeviceKind.Zero)
            return Errno.ENODEV;
        if (!area.Has(VmFlags.Shared))
            return Errno.None;
        Errno error = area.Mm.System.SetUpSharedAnonymous(area);
        if (!ReferenceEquals(area.File, this))
            Put();                                          // the area's reference is the other file's now
        return error;
    }

    /// <inheritdoc/>
    protected override void FreeObject() => _io.MemoryFiles.Free(this);
}
