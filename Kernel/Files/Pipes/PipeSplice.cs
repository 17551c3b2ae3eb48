using System;
using NanoVm.Core;

namespace NanoVm.Files.Pipes;

/// <summary>Moves bytes out of, into and between pipes inside the kernel: <c>splice</c>, <c>tee</c>, <c>vmsplice</c>.</summary>
/// <remarks>
/// Linux: <c>splice_from_pipe</c>, <c>splice_file_to_pipe</c>, <c>splice_pipe_to_pipe</c>, <c>link_pipe</c>. Whole pages move from pipe to pipe;
/// everything else is copied, since a page of a pipe may still be appended to and so has one owner.
/// A call waits for its first byte only, and then answers what could be moved.
/// </remarks>
internal static class PipeSplice
{
    /// <summary>Waits until <paramref name="pipe"/> has something to read; takes <see cref="Pipe.Lock"/> then.</summary>
    /// <returns>1 with the lock held; 0 when the last writer has gone; EAGAIN, ERESTARTSYS.</returns>
    private static Result<int> LockReadable(TaskFiles who, Pipe pipe, bool nonBlocking)
    {
        for (; ; )
        {
            pipe.Lock.Lock();
            if (!pipe.IsEmpty)
                return 1;
            bool ended = pipe.WriterCount == 0;
            pipe.Lock.Unlock();
            if (ended)
                return 0;
            if (nonBlocking)
                return Errno.EAGAIN;
            if (who.SignalPending)
                return Errno.ERESTARTSYS;
            pipe.Readers.PrepareToWait(who.WaitNode, ThreadState.Interruptible);
            if (pipe.IsEmpty && pipe.WriterCount > 0 && !who.SignalPending)
                PerCpu.Scheduler.Schedule();
            pipe.Readers.FinishWait(who.WaitNode);
        }
    }

    /// <summary>Waits until <paramref name="pipe"/> has a free slot, without the lock. Linux: <c>wait_for_space</c>, <c>opipe_prep</c>.</summary>
    /// <returns>EPIPE (with SIGPIPE) when nobody reads, EAGAIN, ERESTARTSYS.</returns>
    private static Errno WaitForRoom(TaskFiles who, Pipe pipe, bool nonBlocking)
    {
        for (; ; )
        {
            if (pipe.ReaderCount == 0)
            {
                who.BrokenPipe();
                return Errno.EPIPE;
            }
            if (!pipe.IsFull)
                return Errno.None;
            if (nonBlocking)
                return Errno.EAGAIN;
            if (who.SignalPending)
                return Errno.ERESTARTSYS;
            pipe.Writers.PrepareToWait(who.WaitNode, ThreadState.Interruptible);
            if (pipe.IsFull && pipe.ReaderCount > 0 && !who.SignalPending)
                PerCpu.Scheduler.Schedule();
            pipe.Writers.FinishWait(who.WaitNode);
        }
    }

    /// <summary>From a pipe to a file that is none. Linux: <c>splice_from_pipe</c>, which holds the pipe's lock over the writes, too.</summary>
    public static Result<long> ToFile(TaskFiles who, PipeFile from, OpenFile to, ref long position, ulong count, bool nonBlocking)
    {
        Pipe pipe = from.Pipe;
        if (!LockReadable(who, pipe, nonBlocking || from.IsNonBlocking).TryGet(out int readable, out Errno error) || readable == 0)
            return error == Errno.None ? 0L : error;
        bool wasFull = pipe.IsFull;
        long total = 0;
        while (count > 0 && !pipe.IsEmpty)
        {
            Span<byte> bytes = pipe.FirstBytes;
            if ((ulong)bytes.Length > count)
                bytes = bytes[..(int)count];
            IovIter iter = IovIter.FromKernel(bytes);
            if (!FileTransfer.WriteAt(who, to, ref iter, ref position).TryGet(out long written, out error) || written == 0)
                break;
            pipe.Consume((int)written);
            total += written;
            count -= (ulong)written;
            if (written < bytes.Length)
                break;
        }
        pipe.Lock.Unlock();
        if (wasFull)
            pipe.Writers.WakeAll();
        return total != 0 || error == Errno.None ? total : error;
    }

    /// <summary>From a file with positions to a pipe. Linux: <c>splice_file_to_pipe</c>.</summary>
    public static Result<long> FromFile(TaskFiles who, OpenFile from, ref long position, PipeFile to, ulong count, bool nonBlocking)
    {
        Pipe pipe = to.Pipe;
        Errno error = WaitForRoom(who, pipe, nonBlocking || to.IsNonBlocking);
        if (error != Errno.None)
            return error;
        long total = 0;
        while (count > 0 && !pipe.IsFull)
        {
            error = who.Fs.Vfs.Memory.Frames.Allocate(0, Memory.Physical.AllocationFlags.None, out Pfn page);
            if (error != Errno.None)
                break;
            int wanted = (int)Math.Min(PageSize.Bytes, count);
            long start = position;
            IovIter iter = IovIter.FromKernel(DirectMap.Page(page)[..wanted]);
            bool read = FileTransfer.ReadAt(who, from, ref iter, ref position).TryGet(out long got, out error);
            if (!read || got == 0)
            {
                who.Fs.Vfs.Memory.Frames.Put(page);
                break;
            }
            pipe.Lock.Lock();
            bool added = pipe.TryAppend(page, (int)got);
            pipe.Lock.Unlock();
            if (!added)
            {
                // Another writer took the slot while the file was read.
                who.Fs.Vfs.Memory.Frames.Put(page);
                position = start;
                break;
            }
            pipe.Readers.WakeAll();
            total += got;
            count -= (ulong)got;
            if (got < wanted)
                break;
        }
        return total != 0 || error == Errno.None ? total : error;
    }

    /// <summary>From pipe to pipe. Linux: <c>splice_pipe_to_pipe</c>; with <paramref name="duplicate"/> <c>link_pipe</c>, which takes nothing out.</summary>
    public static Result<long> Between(TaskFiles who, PipeFile from, PipeFile to, ulong count, bool nonBlocking, bool duplicate)
    {
        Pipe source = from.Pipe, target = to.Pipe;
        if (ReferenceEquals(source, target))
            return Errno.EINVAL;
        bool sourceNonBlocking = nonBlocking || from.IsNonBlocking, targetNonBlocking = nonBlocking || to.IsNonBlocking;
        for (; ; )
        {
            if (!LockReadable(who, source, sourceNonBlocking).TryGet(out int readable, out Errno error) || readable == 0)
                return error == Errno.None ? 0L : error;
            source.Lock.Unlock();
            error = WaitForRoom(who, target, targetNonBlocking);
            if (error != Errno.None)
                return error;
            LockBoth(source, target);
            bool wasFull = source.IsFull;
            Result<long> moved = duplicate ? source.CopyTo(target, count) : source.MoveTo(target, count);
            source.Lock.Unlock();
            target.Lock.Unlock();
            if (moved.IsOk && moved.Value == 0)
                continue;                                   // somebody was faster at one of the ends
            if (wasFull && !duplicate)
                source.Writers.WakeAll();
            target.Readers.WakeAll();
            return moved;
        }
    }

    /// <summary>Always the same order, so that two calls in opposite directions cannot wait for each other. Linux: <c>pipe_double_lock</c>.</summary>
    private static unsafe void LockBoth(Pipe a, Pipe b)
    {
        bool first = (nuint)ObjectFactory.AddressOf(a) < (nuint)ObjectFactory.AddressOf(b);
        (first ? a : b).Lock.Lock();
        (first ? b : a).Lock.Lock();
    }
}
