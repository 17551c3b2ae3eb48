using System;
using NanoVm.Core;

namespace NanoVm.Files.Sockets;

internal sealed partial class Socket
{
    /// <summary>Receives. Linux: <c>unix_stream_read_generic</c>, <c>__unix_dgram_recvmsg</c>.</summary>
    /// <param name="arrived">Who sent, from where, and files: the caller's to give back with <see cref="ArrivedCargo.Drop"/>.</param>
    /// <returns>Bytes; 0 at the end of a stream. With <see cref="MessageFlags.Truncated"/> in, the whole length of a message.</returns>
    public Result<long> Receive(TaskFiles who, ref IovIter to, MessageFlags flags, bool nonBlocking, ref ArrivedCargo arrived)
    {
        if ((flags & MessageFlags.OutOfBand) != 0)
            return Errno.EOPNOTSUPP;
        nonBlocking |= (flags & MessageFlags.DontWait) != 0;
        if (Kind == SocketKind.Stream && State != SocketState.Connected)
            return Errno.EINVAL;
        if (Kind == SocketKind.SeqPacket && State != SocketState.Connected)
            return Errno.ENOTCONN;
        if (_receiving.LockInterruptible() != Errno.None)
            return Errno.ERESTARTSYS;
        Result<long> result = Kind == SocketKind.Stream
            ? ReceiveStream(who, ref to, flags, nonBlocking, ref arrived)
            : ReceiveMessage(who, ref to, flags, nonBlocking, ref arrived);
        _receiving.Unlock();
        return result;
    }

    // Waits until there is a message. Answers None with _first set; EndOfStream by None with _first null.
    private Errno WaitForMessage(TaskFiles who, bool nonBlocking, ulong deadline)
    {
        for (; ; )
        {
            if (_first is not null)
                return Errno.None;
            if (PendingError != Errno.None)
            {
                Errno error = PendingError;
                PendingError = Errno.None;
                return error;
            }
            if (ReadEnded)
                return Errno.None;
            if (nonBlocking || deadline <= Time.MonotonicNanoseconds)
                return Errno.EAGAIN;
            if (who.SignalPending)
                return ReceiveTimeout == 0 ? Errno.ERESTARTSYS : Errno.EINTR;
            Readers.PrepareToWait(who.WaitNode, ThreadState.Interruptible);
            if (_first is null && !ReadEnded && PendingError == Errno.None && !who.SignalPending)
                PerCpu.Scheduler.ScheduleTimeout(deadline);
            Readers.FinishWait(who.WaitNode);
        }
    }

    private Result<long> ReceiveStream(TaskFiles who, ref IovIter to, MessageFlags flags, bool nonBlocking, ref ArrivedCargo arrived)
    {
        bool peek = (flags & MessageFlags.Peek) != 0;
        ulong deadline = ReceiveTimeout == 0 ? ulong.MaxValue : Time.MonotonicNanoseconds + ReceiveTimeout;
        long total = 0;
        SocketMessage? peeked = null;
        while (to.Remaining != 0)
        {
            SocketMessage? message = peek && peeked is not null ? peeked.Next : _first;
            if (message is null)
            {
                if (total != 0 && ((flags & MessageFlags.WaitAll) == 0 || peek))
                    break;
                Errno error = WaitForMessage(who, nonBlocking, deadline);
                if (error != Errno.None)
                    return total != 0 ? total : error;
                message = _first;
                if (message is null)
                    break;                                   // the end of the stream
            }
            // A read ends behind the bytes that files came with (below); it runs on into them, but not from one sender to another.
            if (total != 0 && PassCredentials && message.Sender.Pid != arrived.Sender.Pid)
                break;
            Errno fault = to.CopyToIter(message.Unread, out int copied);
            if (fault != Errno.None && copied == 0)
                return total != 0 ? total : fault;
            arrived.Sender = message.Sender;
            if (arrived.From is null)
                arrived.From = message.From?.Get();
            bool hadFiles = message.FileCount != 0;
            if (hadFiles)
                arrived.TakeFiles(message, peek, Io);
            total += copied;
            if (peek)
            {
                peeked = message;
            }
            else
            {
                message.Start += copied;
                _bytes -= copied;
                if (message.Length == 0)
                {
                    TakeFirst()!.Free();
                    RoomFreed();
                }
            }
            if (fault != Errno.None || hadFiles)
                break;
        }
        return total;
    }

    private Result<long> ReceiveMessage(TaskFiles who, ref IovIter to, MessageFlags flags, bool nonBlocking, ref ArrivedCargo arrived)
    {
        ulong deadline = ReceiveTimeout == 0 ? ulong.MaxValue : Time.MonotonicNanoseconds + ReceiveTimeout;
        Errno error = WaitForMessage(who, nonBlocking, deadline);
        if (error != Errno.None)
            return error;
        SocketMessage? message = _first;
        if (message is null)
            return 0L;
        int length = message.Length;
        int wanted = (int)Math.Min((ulong)length, to.Remaining);
        error = to.CopyToIter(message.Unread.Slice(0, wanted), out int _);
        if (error != Errno.None)
            return error;
        arrived.Sender = message.Sender;
        arrived.From = message.From?.Get();
        if (wanted < length)
            arrived.Flags |= MessageFlags.Truncated;
        bool peek = (flags & MessageFlags.Peek) != 0;
        if (message.FileCount != 0)
            arrived.TakeFiles(message, peek, Io);
        if (!peek)
        {
            TakeFirst()!.Free();
            RoomFreed();
        }
        return (flags & MessageFlags.Truncated) != 0 ? length : wanted;
    }
}

/// <summary>What came beside the bytes.</summary>
internal struct ArrivedCargo
{
    public PeerCredentials Sender;

    /// <summary>The sender's name, with a reference; null when it has none.</summary>
    public SocketName? From;

    /// <summary>Files, each with a reference.</summary>
    public OpenFile[]? Files;
    public int FileCount;

    /// <summary>What the caller is told: that bytes or control messages were cut off.</summary>
    public MessageFlags Flags;

    internal void TakeFiles(SocketMessage message, bool copy, IoSystem io)
    {
        if (Files is not null || message.Files is not { } files)
            return;
        if (!copy)
        {
            Files = message.Unload(out FileCount);
            return;
        }
        OpenFile[]? made = io.Memory.Arrays.Allocate<OpenFile>(message.FileCount);
        if (made is null)
        {
            Flags |= MessageFlags.ControlTruncated;
            return;
        }
        for (int i = 0; i < message.FileCount; i++)
            made[i] = files[i].GetFile();
        Files = made;
        FileCount = message.FileCount;
    }

    /// <summary>Gives back what nobody took.</summary>
    public void Drop(IoSystem io)
    {
        From?.Put();
        From = null;
        if (Files is null)
            return;
        for (int i = 0; i < FileCount; i++)
            Files[i].Put();
        io.Memory.Arrays.Free(Files);
        Files = null;
        FileCount = 0;
    }
}
