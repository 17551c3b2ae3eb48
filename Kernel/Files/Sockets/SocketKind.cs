namespace NanoVm.Files.Sockets;

/// <summary>How a socket carries bytes. Linux: <c>SOCK_*</c>.</summary>
internal enum SocketKind : byte
{
    /// <summary>A stream between two; boundaries of writes are not kept.</summary>
    Stream = 1,

    /// <summary>Messages to whoever is named, or to the peer.</summary>
    Datagram = 2,

    /// <summary>Messages between two.</summary>
    SeqPacket = 5,
}

/// <summary>What a stream or packet socket is doing. Linux: <c>TCP_CLOSE</c>, <c>TCP_LISTEN</c>, <c>TCP_ESTABLISHED</c>.</summary>
internal enum SocketState : byte
{
    Unconnected,
    Listening,
    Connected,
}

/// <summary>Flags of <c>send</c> and <c>recv</c>. Linux: <c>MSG_*</c>.</summary>
[System.Flags]
internal enum MessageFlags : uint
{
    None = 0,
    OutOfBand = 0x1,
    Peek = 0x2,
    ControlTruncated = 0x8,
    Truncated = 0x20,
    DontWait = 0x40,
    EndOfRecord = 0x80,
    WaitAll = 0x100,
    NoSignal = 0x4000,
    More = 0x8000,
    CloseOnExec = 0x4000_0000,
}

/// <summary>Who sent something. Linux: <c>struct ucred</c>.</summary>
internal struct PeerCredentials
{
    public int Pid;
    public uint Uid;
    public uint Gid;
}
