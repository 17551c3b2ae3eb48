using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Files.Sockets;

/// <summary>A local socket. Linux: <c>unix_sock</c>; man 7 unix.</summary>
/// <remarks>
/// What it does, by file: <c>Socket.Connect</c> (names, listening, connections), <c>Socket.Send</c>, <c>Socket.Receive</c>.
/// Counted: the open file holds a reference, and the peer, and whoever works on it across a sleep. Fields change in code that does not
/// sleep between looking and changing; receivers of one socket take turns by <see cref="_receiving"/>.
/// </remarks>
internal sealed partial class Socket
{
    private SocketTable _table = null!;
    private int _references;

    public SocketKind Kind { get; private set; }

    public SocketState State { get; private set; }

    /// <summary>Its own name, with a reference; null while it has none.</summary>
    public SocketName? Name { get; private set; }

    // The file that carries the name, when that is a path.
    private PathRef _place;

    /// <summary>The other end, with a reference (of a datagram socket: where messages go by default); null while there is none.</summary>
    public Socket? Peer { get; private set; }

    /// <summary>Who connected, listened or made the pair: SO_PEERCRED shows the peer's.</summary>
    public PeerCredentials Owner;
    public PeerCredentials PeerOwner;

    /// <summary>Nothing more will be read, or written.</summary>
    public bool ReadEnded { get; private set; }
    public bool WriteEnded { get; private set; }

    /// <summary>The file is closed: nothing can be sent to it any more.</summary>
    public bool IsDead { get; private set; }

    /// <summary>What the next call, or SO_ERROR, reports.</summary>
    public Errno PendingError;

    /// <summary>Control messages tell who sent. Linux: SO_PASSCRED.</summary>
    public bool PassCredentials;

    /// <summary>Limits of waiting, in nanoseconds; 0 for none. Linux: SO_RCVTIMEO, SO_SNDTIMEO.</summary>
    public ulong ReceiveTimeout;
    public ulong SendTimeout;
    public int SendBuffer;
    public int ReceiveBuffer;

    // Messages that have come, and their bytes.
    private SocketMessage? _first;
    private SocketMessage? _last;
    private int _messages;
    private int _bytes;

    // Of a listening socket: connections not yet accepted, linked by _nextPending. Each has a reference.
    private Socket? _pendingFirst;
    private Socket? _pendingLast;
    private Socket? _nextPending;
    private int _pending;
    private int _backlog;

    private Mutex _receiving;

    /// <summary>Woken when something has come, the peer has gone, or a connection waits.</summary>
    public WaitQueue Readers;

    /// <summary>Woken when this socket can take more messages, or accept more connections: senders wait here.</summary>
    public WaitQueue Room;

    /// <summary>Makes a socket with one reference, or null without memory.</summary>
    public static Socket? Allocate(SocketTable table, SocketKind kind)
    {
        Socket? socket = table.Sockets.Allocate();
        if (socket is null)
            return null;
        socket._table = table;
        socket._references = 1;
        socket.Kind = kind;
        socket.SendBuffer = socket.ReceiveBuffer = SocketTable.DefaultBuffer;
        return socket;
    }

    public IoSystem Io => _table.Io;

    public Socket Get()
    {
        _references++;
        return this;
    }

    public void Put()
    {
        if (--_references > 0)
            return;
        while (TakeFirst() is { } message)
            message.Free();
        _table.Sockets.Free(this);
    }

    /// <summary>A connected pair of them. Linux: <c>unix_socketpair</c>.</summary>
    public static void Join(Socket a, Socket b, in PeerCredentials owner)
    {
        a.Peer = b.Get();
        b.Peer = a.Get();
        a.Owner = b.Owner = a.PeerOwner = b.PeerOwner = owner;
        if (a.Kind == SocketKind.Datagram)
            return;
        a.State = b.State = SocketState.Connected;
    }

    /// <summary>The file is closed. Linux: <c>unix_release_sock</c>.</summary>
    public void Close()
    {
        IsDead = true;
        ReadEnded = WriteEnded = true;
        if (Name is { } name)
        {
            Name = null;
            Unbind(name);
        }
        if (Peer is { } peer)
        {
            Peer = null;
            if (Kind != SocketKind.Datagram)
            {
                peer.ReadEnded = peer.WriteEnded = true;
                if (_first is not null)
                    peer.PendingError = Errno.ECONNRESET;    // what was sent here was never read
            }
            peer.WakeAll();
            peer.Put();
        }
        while (TakePending() is { } waiting)
        {
            waiting.Close();
            waiting.Put();
        }
        while (TakeFirst() is { } message)
            message.Free();
        WakeAll();
    }

    /// <summary>Ends one or both directions. Linux: <c>unix_shutdown</c>.</summary>
    /// <param name="how">0 reading, 1 writing, 2 both.</param>
    public Errno Shutdown(int how)
    {
        if (how is < 0 or > 2)
            return Errno.EINVAL;
        bool read = how != 1;
        bool write = how != 0;
        ReadEnded |= read;
        WriteEnded |= write;
        if (Peer is { } peer && Kind != SocketKind.Datagram)
        {
            peer.WriteEnded |= read;
            peer.ReadEnded |= write;
            peer.WakeAll();
        }
        WakeAll();
        return Errno.None;
    }

    /// <summary>What can be done without waiting. Linux: <c>unix_poll</c>, <c>unix_dgram_poll</c>.</summary>
    public PollEvents Poll(PollTable? table)
    {
        table?.Register(ref Readers);
        table?.Register(ref Room);
        Socket? peer = Peer;
        PollEvents events = PollEvents.None;
        if (PendingError != Errno.None)
            events |= PollEvents.Err;
        if (ReadEnded && WriteEnded)
            events |= PollEvents.Hup;
        if (ReadEnded)
            events |= PollEvents.RdHup | PollEvents.Readable;
        if (_first is not null || _pendingFirst is not null)
            events |= PollEvents.Readable;
        if (Kind != SocketKind.Datagram && State == SocketState.Unconnected)
            events |= PollEvents.Hup;
        if (State != SocketState.Listening && (peer is null || peer.HasRoom))
            events |= PollEvents.Writable | PollEvents.WrBand;
        return events;
    }

    /// <summary>Bytes that FIONREAD counts: of messages only the first one's.</summary>
    public int ReadableBytes => Kind == SocketKind.Stream ? _bytes : _first?.Length ?? 0;

    /// <summary>Bytes that this socket has sent and nobody has read: SIOCOUTQ.</summary>
    public int UnreadBytes => Peer?._bytes ?? 0;

    // A sender may add a message.
    private bool HasRoom => Kind == SocketKind.Stream ? _bytes < ReceiveBuffer : _bytes < ReceiveBuffer && _messages <= MessageLimit;

    private int MessageLimit => Kind == SocketKind.Datagram ? SocketTable.DatagramQueue : int.MaxValue;

    private void WakeAll()
    {
        Readers.WakeAll();
        Room.WakeAll();
    }

    private void Append(SocketMessage message)
    {
        message.Next = null;
        if (_last is null)
            _first = message;
        else
            _last.Next = message;
        _last = message;
        _messages++;
        _bytes += message.Length;
        Readers.WakeAll();
    }

    // Takes the first message off the queue; its bytes are the caller's.
    private SocketMessage? TakeFirst()
    {
        SocketMessage? message = _first;
        if (message is null)
            return null;
        _first = message.Next;
        if (_first is null)
            _last = null;
        message.Next = null;
        _messages--;
        _bytes -= message.Length;
        return message;
    }

    // Room has come: senders wait in this socket's queue, pollers of the peer in the peer's.
    private void RoomFreed()
    {
        Room.WakeAll();
        Peer?.Room.WakeAll();
    }
}
