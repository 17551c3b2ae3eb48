using System;
using NanoVm.Core;

namespace NanoVm.Files.Pipes;

/// <summary>An open end of a pipe or FIFO. Linux: <c>pipefifo_fops</c>.</summary>
internal sealed class PipeFile : OpenFile
{
    private const uint CountReadable = 0x541B;      // FIONREAD
    private const uint SetPipeSize = 1031;          // F_SETPIPE_SZ
    private const uint GetPipeSize = 1032;

    /// <summary>The pipe; one of its users is this file.</summary>
    public Pipe Pipe { get; private set; } = null!;

    /// <summary>Opens an end of <paramref name="pipe"/>, whose counts the caller has raised.</summary>
    /// <returns>Null without memory.</returns>
    internal static PipeFile? Allocate(Pipe pipe, in PathRef path, OpenFlags flags)
    {
        PipeFile? file = pipe.Io.PipeFiles.Allocate();
        if (file is null)
            return null;
        file._io = pipe.Io;
        file.Pipe = pipe;
        file.Initialize(path, flags);
        file.Modes = (file.Modes & ~(OpenModes.Seek | OpenModes.Positional)) | OpenModes.Stream;
        return file;
    }

    /// <summary>Reads what there is, waiting for the first byte. Linux: <c>pipe_read</c>; man 7 pipe.</summary>
    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position) => Read(who, ref to, IsNonBlocking);

    /// <summary>As the other, and says itself whether it may wait.</summary>
    internal Result<long> Read(TaskFiles who, ref IovIter to, bool nonBlocking)
    {
        if (to.Remaining == 0)
            return 0L;
        Pipe pipe = Pipe;
        for (; ; )
        {
            pipe.Lock.Lock();
            if (!pipe.IsEmpty)
            {
                bool wasFull = pipe.IsFull;
                Result<long> taken = pipe.Take(ref to);
                pipe.Lock.Unlock();
                // Only when it was full: edge-triggered epoll would see each other wake as news. All readers were woken by the write.
                if (wasFull)
                    pipe.Writers.WakeAll();
                return taken;
            }
            bool ended = pipe.WriterCount == 0;
            pipe.Lock.Unlock();
            if (ended)
                return 0L;
            if (nonBlocking)
                return Errno.EAGAIN;

            pipe.Readers.PrepareToWait(who.WaitNode, ThreadState.Interruptible);
            bool interrupted = who.SignalPending;
            if (pipe.IsEmpty && pipe.WriterCount > 0 && !interrupted)
                PerCpu.Scheduler.Schedule();
            pipe.Readers.FinishWait(who.WaitNode);
            if (interrupted && pipe.IsEmpty)
                return Errno.ERESTARTSYS;
        }
    }

    /// <summary>Writes all, waiting for room. Linux: <c>pipe_write</c>; man 7 pipe.</summary>
    /// <remarks>Up to <see cref="Pipe.AtomicBytes"/> go in one piece or, without O_NONBLOCK, wait until they can.</remarks>
    public override Result<long> Write(TaskFiles who, ref IovIter from, ref long position) => Write(who, ref from, IsNonBlocking);

    /// <summary>As the other, and says itself whether it may wait.</summary>
    internal Result<long> Write(TaskFiles who, ref IovIter from, bool nonBlocking)
    {
        if (from.Remaining == 0)
            return 0L;
        Pipe pipe = Pipe;
        bool packets = (Flags & OpenFlags.Direct) != 0;
        bool mayMerge = true;
        long total = 0;
        for (; ; )
        {
            pipe.Lock.Lock();
            if (pipe.ReaderCount == 0)
            {
                pipe.Lock.Unlock();
                who.BrokenPipe();
                return total != 0 ? total : Errno.EPIPE;
            }
            Result<long> filled = pipe.Fill(ref from, packets, mayMerge);
            mayMerge = false;
            bool room = !pipe.IsFull;
            pipe.Lock.Unlock();
            if (filled.Value > 0)
            {
                total += filled.Value;
                pipe.Readers.WakeAll();
            }
            if (!filled.IsOk)
                return total != 0 ? total : filled.Error;
            if (from.Remaining == 0)
                return total;                               // the reader that made room has woken all writers, not this one alone
            if (room)
                return total;                               // the source ended early: a fault after some bytes
            if (nonBlocking)
                return total != 0 ? total : Errno.EAGAIN;

            pipe.Writers.PrepareToWait(who.WaitNode, ThreadState.Interruptible);
            bool interrupted = who.SignalPending;
            if (pipe.IsFull && pipe.ReaderCount > 0 && !interrupted)
                PerCpu.Scheduler.Schedule();
            pipe.Writers.FinishWait(who.WaitNode);
            if (interrupted && pipe.IsFull)
                return total != 0 ? total : Errno.ERESTARTSYS;
        }
    }

    /// <inheritdoc/>
    public override PollEvents Poll(PollTable? table)
    {
        Pipe pipe = Pipe;
        PollEvents events = PollEvents.None;
        if (CanRead)
        {
            table?.Register(ref pipe.Readers);
            if (!pipe.IsEmpty)
                events |= PollEvents.Readable;
            // A FIFO that no writer has opened since this reader came has not been hung up.
            if (pipe.WriterCount == 0 && pipe.WriterOpens != _writerOpensSeen)
                events |= PollEvents.Hup;
        }
        if (CanWrite)
        {
            table?.Register(ref pipe.Writers);
            if (!pipe.IsFull)
                events |= PollEvents.Writable;
            if (pipe.ReaderCount == 0)
                events |= PollEvents.Err;
        }
        return events;
    }

    private uint _writerOpensSeen;

    /// <summary>Hang-up shows only when a writer came after this point. Linux: <c>f_version</c> of <c>fifo_open</c>.</summary>
    internal void HideOldWriters() => _writerOpensSeen = Pipe.WriterOpens;

    /// <inheritdoc/>
    public override Result<long> Ioctl(TaskFiles who, uint command, VirtAddr argument)
    {
        if (command != CountReadable)
            return Errno.ENOTTY;
        return UserCopy.Put(argument, (int)Pipe.Bytes);
    }

    /// <inheritdoc/>
    public override Result<long> Control(TaskFiles who, uint command, ulong argument) => command switch
    {
        SetPipeSize => SetSize(who, (uint)argument),
        GetPipeSize => (long)Pipe.Capacity,
        _ => Errno.EINVAL,
    };

    /// <summary>Changes the size. Linux: <c>F_SETPIPE_SZ</c>, <c>pipe_set_size</c>.</summary>
    /// <returns>The new size in bytes; EINVAL, EPERM above the limit without CAP_SYS_RESOURCE, EBUSY, ENOMEM.</returns>
    public Result<long> SetSize(TaskFiles who, uint bytes)
    {
        if (bytes > 1u << 31)
            return Errno.EINVAL;
        uint pages = Math.Max(1, (bytes + (uint)PageSize.Mask) >> PageSize.Shift);
        int slots = 1;
        while (slots < (int)pages)
            slots <<= 1;
        if (slots > Pipe.Capacity >> PageSize.Shift && (ulong)slots << PageSize.Shift > Pipe.Io.PipeMaximumBytes
            && !who.Credentials.Has(Capability.SysResource))
            return Errno.EPERM;
        Errno error;
        using (Pipe.Lock.Acquire())
            error = Pipe.Resize(slots);
        if (error != Errno.None)
            return error;
        Pipe.Writers.WakeAll();
        return (long)Pipe.Capacity;
    }

    /// <inheritdoc/>
    protected override void Release()
    {
        Pipe pipe = Pipe;
        if (CanRead)
            pipe.ReaderCount--;
        if (CanWrite)
            pipe.WriterCount--;
        pipe.Readers.WakeAll();
        pipe.Writers.WakeAll();
        Inode inode = Inode;
        if (pipe.Put() && ReferenceEquals(inode.Pipe, pipe))
            inode.Pipe = null;
    }

    /// <inheritdoc/>
    protected override void FreeObject() => _io.PipeFiles.Free(this);

    private IoSystem _io = null!;
}
