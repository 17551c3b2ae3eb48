using System;
using NanoVm.Core;

namespace NanoVm.Files.Sockets;

internal sealed partial class Socket
{
    // A piece of a stream: with the array's header it fills a kernel memory object of a page.
    private const int PieceBytes = 3968;

    /// <summary>Sends. Linux: <c>unix_stream_sendmsg</c>, <c>unix_dgram_sendmsg</c>.</summary>
    /// <param name="to">For datagrams: the name of the receiver; empty for the peer.</param>
    /// <param name="cargo">Files and credentials; an array of files is taken over with the first piece that is sent.</param>
    public Result<long> Send(TaskFiles who, ref IovIter from, scoped ReadOnlySpan<byte> to, ref SocketCargo cargo, MessageFlags flags, bool nonBlocking)
    {
        if ((flags & MessageFlags.OutOfBand) != 0)
            return Errno.EOPNOTSUPP;
        nonBlocking |= (flags & MessageFlags.DontWait) != 0;
        if (PendingError != Errno.None)
        {
            Errno error = PendingError;
            PendingError = Errno.None;
            return error;
        }
        Result<long> result = Kind == SocketKind.Stream
            ? SendStream(who, ref from, to, ref cargo, nonBlocking)
            : SendMessage(who, ref from, to, ref cargo, nonBlocking);
        if (result.Error == Errno.EPIPE && Kind != SocketKind.Datagram && (flags & MessageFlags.NoSignal) == 0)
            who.BrokenPipe();
        return result;
    }

    private Result<long> SendStream(TaskFiles who, ref IovIter from, scoped ReadOnlySpan<byte> to, ref SocketCargo cargo, bool nonBlocking)
    {
        if (!to.IsEmpty)
            return State == SocketState.Connected ? Errno.EISCONN : Errno.EOPNOTSUPP;
        if (State != SocketState.Connected)
            return Errno.ENOTCONN;
        ulong deadline = SendTimeout == 0 ? ulong.MaxValue : Time.MonotonicNanoseconds + SendTimeout;
        long total = 0;
        while (from.Remaining != 0)
        {
            int wanted = (int)Math.Min(from.Remaining, PieceBytes);
            Errno error = Make(ref from, wanted, ref cargo, out SocketMessage? message);
            if (error == Errno.None)
                error = Deliver(who, Peer, message!, nonBlocking, deadline);
            if (error != Errno.None)
                return total != 0 ? total : error;
            total += wanted;
        }
        return total;
    }

    private Result<long> SendMessage(TaskFiles who, ref IovIter from, scoped ReadOnlySpan<byte> to, ref SocketCargo cargo, bool nonBlocking)
    {
        Socket? receiver;
        if (to.IsEmpty)
        {
            receiver = Peer?.Get();
            if (receiver is null)
                return IsDead || State == SocketState.Connected ? Errno.EPIPE : Errno.ENOTCONN;
        }
        else
        {
            if (Kind == SocketKind.SeqPacket)
                return State == SocketState.Connected ? Errno.EISCONN : Errno.EOPNOTSUPP;
            if (!FindOther(who.Fs.Vfs, who, to).TryGet(out receiver, out Errno missing))
                return missing;
        }
        long total = (long)from.Remaining;
        Errno error;
        if (from.Remaining > (ulong)(SendBuffer - 32))
        {
            error = Errno.EMSGSIZE;
        }
        else if (receiver.Peer is not null && Kind == SocketKind.Datagram && !ReferenceEquals(receiver.Peer, this))
        {
            error = Errno.EPERM;                             // the receiver talks to another only
        }
        else
        {
            error = Make(ref from, (int)total, ref cargo, out SocketMessage? message);
            ulong deadline = SendTimeout == 0 ? ulong.MaxValue : Time.MonotonicNanoseconds + SendTimeout;
            if (error == Errno.None)
                error = Deliver(who, receiver, message!, nonBlocking, deadline);
        }
        if (error == Errno.ECONNREFUSED && to.IsEmpty && Kind == SocketKind.Datagram && ReferenceEquals(Peer, receiver))
        {
            Peer = null;                                     // the default receiver has gone: it is forgotten
            receiver.Put();
        }
        receiver.Put();
        return error == Errno.None ? total : error;
    }

    private Errno Make(ref IovIter from, int bytes, ref SocketCargo cargo, out SocketMessage? message)
    {
        message = SocketMessage.Allocate(_table, bytes);
        if (message is null)
            return Errno.ENOBUFS;
        if (bytes != 0)
        {
            Errno error = from.CopyFromIter(new Span<byte>(message.Data, 0, bytes), out int copied);
            if (error != Errno.None || copied != bytes)
            {
                message.Free();
                return Errno.EFAULT;
            }
        }
        message.Sender = cargo.Credentials;
        message.From = Name?.Get();
        if (cargo.Files is { } files)
            message.Carry(files, cargo.FileCount);
        cargo.Files = null;
        cargo.FileCount = 0;
        return Errno.None;
    }

    // Puts a message into the receiver's queue, waiting for room. Owns the message.
    private Errno Deliver(TaskFiles who, Socket? receiver, SocketMessage message, bool nonBlocking, ulong deadline)
    {
        Errno error;
        if (receiver is null)
        {
            message.Free();
            return Errno.EPIPE;
        }
        receiver.Get();
        for (; ; )
        {
            if (WriteEnded)
                error = Errno.EPIPE;
            else if (receiver.IsDead)
                error = Kind == SocketKind.Datagram ? Errno.ECONNREFUSED : Errno.EPIPE;
            else if (receiver.ReadEnded)
                error = Errno.EPIPE;
            else if (receiver.HasRoom || ReferenceEquals(receiver, this))
            {
                receiver.Append(message);
                receiver.Put();
                return Errno.None;
            }
            else if (nonBlocking || deadline <= Time.MonotonicNanoseconds)
                error = Errno.EAGAIN;
            else if (who.SignalPending)
                error = SendTimeout == 0 ? Errno.ERESTARTSYS : Errno.EINTR;
            else
            {
                receiver.Room.PrepareToWait(who.WaitNode, ThreadState.Interruptible);
                if (!receiver.HasRoom && !receiver.IsDead && !receiver.ReadEnded && !WriteEnded && !who.SignalPending)
                    PerCpu.Scheduler.ScheduleTimeout(deadline);
                receiver.Room.FinishWait(who.WaitNode);
                continue;
            }
            break;
        }
        receiver.Put();
        message.Free();
        return error;
    }
}

/// <summary>What travels beside the bytes of a message.</summary>
internal struct SocketCargo
{
    public PeerCredentials Credentials;

    /// <summary>Files with a reference each; null for none.</summary>
    public OpenFile[]? Files;
    public int FileCount;

    /// <summary>What was not sent goes back.</summary>
    public void Drop(IoSystem io)
    {
        if (Files is null)
            return;
        for (int i = 0; i < FileCount; i++)
            Files[i].Put();
        io.Memory.Arrays.Free(Files);
        Files = null;
        FileCount = 0;
    }
}
