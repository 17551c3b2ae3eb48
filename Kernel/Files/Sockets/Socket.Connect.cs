using System;
using NanoVm.Core;

namespace NanoVm.Files.Sockets;

internal sealed partial class Socket
{
    /// <summary>Gives the socket a name. Linux: <c>unix_bind</c>.</summary>
    /// <param name="name">The bytes of <c>sun_path</c>: a path (its NUL included), an abstract name, or empty: any free abstract one.</param>
    /// <returns>EINVAL when it has a name; EADDRINUSE, ENOMEM, what making the file says.</returns>
    public Errno Bind(Vfs vfs, TaskFiles who, ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty)
            return BindAnywhere();
        if (Name is not null && name[0] == 0)
            return Errno.EINVAL;
        SocketName? made = SocketName.Allocate(_table, name);
        if (made is null)
            return Errno.ENOMEM;
        if (made.IsAbstract)
        {
            if (Name is not null || _table.FindAbstract(name) is not null)
            {
                made.Put();
                return Name is not null ? Errno.EINVAL : Errno.EADDRINUSE;
            }
            made.Owner = this;
            _table.AddAbstract(made);
            Name = made;
            return Errno.None;
        }
        if (!EntryOperations.MakeSocket(vfs, who, PathOf(name)).TryGet(out PathRef place, out Errno error))
        {
            made.Put();
            return error;
        }
        if (Name is not null)                                // as there, the file comes first, and goes again
        {
            made.Put();
            place.Put();
            _ = EntryOperations.Unlink(vfs, who, Vfs.AtWorkingDirectory, PathOf(name));
            return Errno.EINVAL;
        }
        _place = place;
        place.Dentry.Inode!.BoundSocket = this;
        Name = made;
        return Errno.None;
    }

    private Errno BindAnywhere()
    {
        if (Name is not null)
            return Errno.None;
        Span<byte> text = stackalloc byte[6];
        text.Clear();
        SocketName? made = SocketName.Allocate(_table, text);
        if (made is null)
            return Errno.ENOMEM;
        // From here on nothing sleeps: the name is free when it is taken.
        if (Name is not null || !_table.TryMakeName(made.Bytes))
        {
            made.Put();
            return Name is not null ? Errno.None : Errno.ENOSPC;
        }
        made.Owner = this;
        _table.AddAbstract(made);
        Name = made;
        return Errno.None;
    }

    private void Unbind(SocketName name)
    {
        if (ReferenceEquals(name.Owner, this))
        {
            _table.RemoveAbstract(name);
            name.Owner = null;
        }
        if (!_place.IsNone)
        {
            PathRef place = _place;
            _place = default;
            if (ReferenceEquals(place.Dentry.Inode!.BoundSocket, this))
                place.Dentry.Inode.BoundSocket = null;
            place.Put();
        }
        name.Put();
    }

    private static ReadOnlySpan<byte> PathOf(ReadOnlySpan<byte> name)
    {
        int end = name.IndexOf((byte)0);
        return end < 0 ? name : name.Slice(0, end);
    }

    /// <summary>Finds the socket that a name leads to. Linux: <c>unix_find_other</c>.</summary>
    /// <returns>A socket with a reference; ECONNREFUSED, EPROTOTYPE, what the walk says.</returns>
    public Result<Socket> FindOther(Vfs vfs, TaskFiles who, ReadOnlySpan<byte> name)
    {
        Socket? other;
        if (name[0] == 0)
        {
            other = _table.FindAbstract(name);
            if (other is null)
                return Errno.ECONNREFUSED;
        }
        else
        {
            if (!vfs.Find(who, Vfs.AtWorkingDirectory, PathOf(name), WalkFlags.FollowLast).TryGet(out PathRef place, out Errno error))
                return error;
            Inode inode = place.Dentry.Inode!;
            error = Permission.Check(who, place, FileAccess.Write);
            other = inode.BoundSocket;
            if (error == Errno.None && ((inode.Mode & FileMode.TypeMask) != FileMode.Socket || other is null))
                error = Errno.ECONNREFUSED;
            other?.Get();
            place.Put();
            if (error != Errno.None)
            {
                other?.Put();
                return error;
            }
            if (other!.Kind == Kind)
                return other;
            other.Put();
            return Errno.EPROTOTYPE;
        }
        // A name without a file belongs to one kind of socket: another kind does not find it.
        return other.Kind == Kind ? other.Get() : Errno.ECONNREFUSED;
    }

    /// <summary>Takes connections from here on. Linux: <c>unix_listen</c>.</summary>
    public Errno Listen(int backlog, in PeerCredentials owner)
    {
        if (Kind == SocketKind.Datagram)
            return Errno.EOPNOTSUPP;
        if (Name is null || State == SocketState.Connected)
            return Errno.EINVAL;
        State = SocketState.Listening;
        int larger = (uint)backlog > SocketTable.MaximumBacklog ? SocketTable.MaximumBacklog : backlog;
        if (larger > _backlog)
            Room.WakeAll();
        _backlog = larger;
        Owner = owner;
        return Errno.None;
    }

    /// <summary>Connects. Linux: <c>unix_stream_connect</c>, <c>unix_dgram_connect</c>.</summary>
    /// <param name="name">Empty dissolves a datagram socket's connection.</param>
    public Errno Connect(Vfs vfs, TaskFiles who, ReadOnlySpan<byte> name, in PeerCredentials owner, bool nonBlocking)
        => Kind == SocketKind.Datagram ? ConnectDatagrams(vfs, who, name) : ConnectStream(vfs, who, name, owner, nonBlocking);

    private Errno ConnectDatagrams(Vfs vfs, TaskFiles who, ReadOnlySpan<byte> name)
    {
        Socket? old = Peer;
        if (name.IsEmpty)
        {
            Peer = null;
            old?.Put();
            return Errno.None;
        }
        if (!FindOther(vfs, who, name).TryGet(out Socket other, out Errno error))
            return error;
        // Who talks to somebody in particular hears only that one: so the other must not have chosen another partner.
        if (other.Peer is not null && !ReferenceEquals(other.Peer, this))
        {
            other.Put();
            return Errno.EPERM;
        }
        old = Peer;
        Peer = other;
        old?.Put();
        return Errno.None;
    }

    private Errno ConnectStream(Vfs vfs, TaskFiles who, ReadOnlySpan<byte> name, in PeerCredentials owner, bool nonBlocking)
    {
        if (name.IsEmpty)
            return Errno.EINVAL;
        ulong deadline = SendTimeout == 0 ? ulong.MaxValue : Time.MonotonicNanoseconds + SendTimeout;
        // Reserve: the socket that the listener will accept.
        Socket? accepted = Allocate(_table, Kind);
        if (accepted is null)
            return Errno.ENOMEM;
        Errno error;
        for (; ; )
        {
            if (!FindOther(vfs, who, name).TryGet(out Socket listener, out error))
                break;
            if (listener.State != SocketState.Listening || listener.ReadEnded)
                error = Errno.ECONNREFUSED;
            else if (State == SocketState.Connected)
                error = Errno.EISCONN;
            else if (State == SocketState.Listening)
                error = Errno.EINVAL;
            else if (listener._pending <= listener._backlog)
                Establish(listener, accepted, owner);
            else if (nonBlocking)
                error = Errno.EAGAIN;
            else if (who.SignalPending)
                error = Errno.ERESTARTSYS;
            else if (deadline <= Time.MonotonicNanoseconds)
                error = Errno.EAGAIN;
            else
            {
                listener.Room.PrepareToWait(who.WaitNode, ThreadState.Interruptible);
                if (listener._pending > listener._backlog && !listener.IsDead && !who.SignalPending)
                    PerCpu.Scheduler.ScheduleTimeout(deadline);
                listener.Room.FinishWait(who.WaitNode);
                listener.Put();
                continue;
            }
            listener.Put();
            break;
        }
        if (error != Errno.None)
            accepted.Put();
        return error;
    }

    // Commit: both ends know each other, and the new one waits for accept.
    private void Establish(Socket listener, Socket accepted, in PeerCredentials owner)
    {
        Peer = accepted.Get();
        accepted.Peer = Get();
        Owner = owner;
        PeerOwner = listener.Owner;
        accepted.Owner = listener.Owner;
        accepted.PeerOwner = owner;
        accepted.Name = listener.Name?.Get();
        accepted.PassCredentials = listener.PassCredentials;
        State = accepted.State = SocketState.Connected;
        if (listener._pendingLast is null)
            listener._pendingFirst = accepted;
        else
            listener._pendingLast._nextPending = accepted;
        listener._pendingLast = accepted;
        listener._pending++;
        listener.Readers.WakeAll();
    }

    private Socket? TakePending()
    {
        Socket? socket = _pendingFirst;
        if (socket is null)
            return null;
        _pendingFirst = socket._nextPending;
        if (_pendingFirst is null)
            _pendingLast = null;
        socket._nextPending = null;
        _pending--;
        return socket;
    }

    /// <summary>Takes the first connection that waits. Linux: <c>unix_accept</c>.</summary>
    /// <returns>The socket with its one reference; EINVAL when it does not listen, EAGAIN, ERESTARTSYS.</returns>
    public Result<Socket> Accept(TaskFiles who, bool nonBlocking)
    {
        if (Kind == SocketKind.Datagram)
            return Errno.EOPNOTSUPP;
        if (State != SocketState.Listening)
            return Errno.EINVAL;
        ulong deadline = ReceiveTimeout == 0 ? ulong.MaxValue : Time.MonotonicNanoseconds + ReceiveTimeout;
        for (; ; )
        {
            if (TakePending() is { } socket)
            {
                Room.WakeAll();
                return socket;
            }
            if (ReadEnded)
                return Errno.EINVAL;
            if (nonBlocking || deadline <= Time.MonotonicNanoseconds)
                return Errno.EAGAIN;
            if (who.SignalPending)
                return ReceiveTimeout == 0 ? Errno.ERESTARTSYS : Errno.EINTR;
            Readers.PrepareToWait(who.WaitNode, ThreadState.Interruptible);
            if (_pendingFirst is null && !ReadEnded && !who.SignalPending)
                PerCpu.Scheduler.ScheduleTimeout(deadline);
            Readers.FinishWait(who.WaitNode);
        }
    }
}
