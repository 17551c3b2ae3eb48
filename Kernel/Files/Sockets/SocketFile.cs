using NanoVm.Core;

namespace NanoVm.Files.Sockets;

/// <summary>An open socket. Linux: <c>socket_file_ops</c>.</summary>
internal sealed class SocketFile : OpenFile
{
    private const uint CountReadable = 0x541B;       // FIONREAD
    private const uint CountUnsent = 0x5411;         // SIOCOUTQ
    private IoSystem _io = null!;

    /// <summary>The socket; one of its references is this file's.</summary>
    public Socket Socket { get; private set; } = null!;

    // Of FilesInFlight: references in messages, and the list of those who have any; references of freed messages, and the list of those.
    internal int InFlight, Dropped;
    internal SocketFile? NextInFlight, PreviousInFlight, NextDropped;

    // Of FilesInFlight's search for garbage.
    internal bool IsCandidate;
    internal int Held;
    internal SocketFile? NextFound;

    /// <summary>Makes a file for a socket, whose reference it takes over on success.</summary>
    public static Result<OpenFile> Create(IoSystem io, TaskFiles who, Socket socket, OpenFlags flags)
    {
        if (!io.SocketFileSystem.MakePlace(who, FileMode.Socket | 0x1FF, default).TryGet(out PathRef place, out Errno error))
            return error;
        SocketFile? file = io.Sockets.Files.Allocate();
        if (file is not null)
        {
            file._io = io;
            file.Socket = socket;
            file.Initialize(place, OpenFlags.ReadWrite | (flags & OpenFlags.NonBlocking));
            file.Modes = (file.Modes & ~(OpenModes.Seek | OpenModes.Positional)) | OpenModes.Stream;
        }
        place.Put();
        return file is not null ? file : Errno.ENOMEM;
    }

    /// <summary>Who the caller is, for the other end.</summary>
    public static PeerCredentials CredentialsOf(TaskFiles who) => new()
    {
        Pid = who.ProcessNumber,
        Uid = who.Credentials.EffectiveUid,
        Gid = who.Credentials.EffectiveGid,
    };

    /// <inheritdoc/>
    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position)
    {
        if (to.Remaining == 0 && Socket.Kind == SocketKind.Stream)
            return 0L;
        ArrivedCargo arrived = default;
        Result<long> result = Socket.Receive(who, ref to, MessageFlags.None, IsNonBlocking, ref arrived);
        arrived.Drop(_io);
        return result;
    }

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ref IovIter from, ref long position)
    {
        var cargo = new SocketCargo { Credentials = CredentialsOf(who) };
        return Socket.Send(who, ref from, default, ref cargo, MessageFlags.None, IsNonBlocking);
    }

    /// <inheritdoc/>
    public override PollEvents Poll(PollTable? table) => Socket.Poll(table);

    /// <inheritdoc/>
    public override Result<long> Ioctl(TaskFiles who, uint command, VirtAddr argument) => command switch
    {
        CountReadable => Socket.State == SocketState.Listening ? Errno.EINVAL : UserCopy.Put(argument, Socket.ReadableBytes),
        CountUnsent => UserCopy.Put(argument, Socket.UnreadBytes),
        _ => Errno.ENOTTY,
    };

    /// <inheritdoc/>
    protected override void Release()
    {
        Socket.Close();
        Socket.Put();
        _io.Sockets.InFlight.Collect();
    }

    /// <inheritdoc/>
    protected override void FreeObject() => _io.Sockets.Files.Free(this);
}
