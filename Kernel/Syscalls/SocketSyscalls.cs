using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Sockets;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Local sockets: making, naming, connecting. Transfers are in <see cref="SocketTransferSyscalls"/>, options in <see cref="SocketOptionSyscalls"/>.</summary>
/// <remarks>There is no network: every family but AF_UNIX answers EAFNOSUPPORT.</remarks>
internal static unsafe class SocketSyscalls
{
    internal const int FamilyUnix = 1;

    /// <summary>Bytes of <c>sa_family</c>, behind which the name begins.</summary>
    internal const int FamilyBytes = 2;

    /// <summary>Bytes of <c>sun_path</c>.</summary>
    internal const int NameBytes = 108;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(41, "socket"u8, &MakeSocket);
        table.Add(42, "connect"u8, &Connect);
        table.Add(43, "accept"u8, &Accept);
        table.Add(48, "shutdown"u8, &Shutdown);
        table.Add(49, "bind"u8, &Bind);
        table.Add(50, "listen"u8, &Listen);
        table.Add(51, "getsockname"u8, &GetSockName);
        table.Add(52, "getpeername"u8, &GetPeerName);
        table.Add(53, "socketpair"u8, &SocketPair);
        table.Add(288, "accept4"u8, &Accept4);
    }

    /// <summary>The socket behind a descriptor with a reference to its file; EBADF, ENOTSOCK.</summary>
    internal static Errno Find(Task task, int descriptor, out SocketFile? file)
    {
        file = null;
        OpenFile? any = task.Files.GetFile(descriptor);
        if (any is null)
            return Errno.EBADF;
        file = any as SocketFile;
        if (file is not null)
            return Errno.None;
        any.Put();
        return Errno.ENOTSOCK;
    }

    /// <summary>Copies an address in. Linux: <c>move_addr_to_kernel</c>, <c>unix_validate_addr</c>.</summary>
    /// <param name="to">Room for <see cref="NameBytes"/> and a NUL.</param>
    /// <returns>The name: a path with its NUL, an abstract name, or nothing; EINVAL, EFAULT, EAFNOSUPPORT as <paramref name="wrongFamily"/>.</returns>
    internal static Errno ReadName(VirtAddr from, int bytes, Span<byte> to, Errno wrongFamily, out int length)
    {
        length = 0;
        if (bytes is < 0 or > 128)
            return Errno.EINVAL;
        if (bytes < FamilyBytes)
            return Errno.EINVAL;
        Errno error = UserCopy.Get(from, out ushort family);
        if (error != Errno.None)
            return error;
        if (family != FamilyUnix)
            return family == 0 && wrongFamily == Errno.None ? Errno.None : wrongFamily == Errno.None ? Errno.EINVAL : wrongFamily;
        int name = bytes - FamilyBytes;
        if (name > NameBytes)
            return Errno.EINVAL;
        if (name == 0)
            return Errno.None;
        error = UserCopy.CopyFromUser(to.Slice(0, name), from + FamilyBytes);
        if (error != Errno.None)
            return error;
        length = name;
        if (to[0] == 0)
            return Errno.None;
        to[name] = 0;
        length = to.IndexOf((byte)0) + 1;
        return Errno.None;
    }

    /// <summary>Copies a name out, cut to what the caller has room for, and its whole length. Linux: <c>move_addr_to_user</c>.</summary>
    internal static Errno WriteName(SocketName? name, VirtAddr to, VirtAddr lengthAt)
    {
        Errno error = UserCopy.Get(lengthAt, out int room);
        if (error != Errno.None)
            return error;
        if (room < 0)
            return Errno.EINVAL;
        return WriteName(name, to, room, lengthAt);
    }

    /// <summary>As above, with the room known.</summary>
    internal static Errno WriteName(SocketName? name, VirtAddr to, int room, VirtAddr lengthAt)
    {
        Span<byte> address = stackalloc byte[FamilyBytes + NameBytes + 1];
        address[0] = FamilyUnix;
        address[1] = 0;
        int length = FamilyBytes;
        if (name is not null)
        {
            ((ReadOnlySpan<byte>)name.Bytes).CopyTo(address.Slice(FamilyBytes));
            length += name.Bytes.Length;
        }
        Errno error = UserCopy.CopyToUser(to, address.Slice(0, Math.Min(room, length)));
        return error == Errno.None ? UserCopy.Put(lengthAt, length) : error;
    }

    private static Errno ReadKind(uint type, out SocketKind kind, out OpenFlags flags)
    {
        kind = default;
        flags = (OpenFlags)(type & ~0xFu);
        if ((flags & ~(OpenFlags.NonBlocking | OpenFlags.CloseOnExec)) != 0)
            return Errno.EINVAL;
        switch (type & 0xF)
        {
            case 1:
            case 2:
            case 5:
                kind = (SocketKind)(type & 0xF);
                return Errno.None;
            case 3:                                          // SOCK_RAW is made a datagram socket, as in Linux
                kind = SocketKind.Datagram;
                return Errno.None;
            default:
                return (type & 0xF) > 10 ? Errno.EINVAL : Errno.ESOCKTNOSUPPORT;
        }
    }

    // Linux: __sock_create and unix_create, in their order of checks.
    private static Errno CheckCreate(int family, uint type, int protocol, out SocketKind kind, out OpenFlags flags)
    {
        Errno error = ReadKind(type, out kind, out flags);
        if (error == Errno.EINVAL)
            return error;
        if (family is < 0 or > 45)
            return Errno.EAFNOSUPPORT;
        if (family != FamilyUnix)
            return Errno.EAFNOSUPPORT;
        if (protocol != 0 && protocol != FamilyUnix)
            return Errno.EPROTONOSUPPORT;
        return error;
    }

    private static SysResult Install(Task task, Result<OpenFile> made, OpenFlags flags)
    {
        if (!made.TryGet(out OpenFile file, out Errno error))
            return error;
        Result<int> fd = task.Files.Add(task, file, OnExec(flags));
        if (!fd.IsOk)
            file.Put();
        return fd;
    }

    private static CloseOnExec OnExec(OpenFlags flags) => (flags & OpenFlags.CloseOnExec) != 0 ? CloseOnExec.Yes : CloseOnExec.No;

    private static Result<OpenFile> MakeFile(Task task, Socket? socket, OpenFlags flags)
    {
        if (socket is null)
            return Errno.ENOMEM;
        Result<OpenFile> file = SocketFile.Create(task.Fs.Vfs.Io, task, socket, flags);
        if (!file.IsOk)
        {
            socket.Close();
            socket.Put();
        }
        return file;
    }

    /// <summary>man 2 socket.</summary>
    private static SysResult MakeSocket(ref SyscallArguments a)
    {
        Errno error = CheckCreate(a.Int0, a.UInt1, a.Int2, out SocketKind kind, out OpenFlags flags);
        if (error != Errno.None)
            return error;
        return Install(a.Task, MakeFile(a.Task, Socket.Allocate(a.Task.Fs.Vfs.Io.Sockets, kind), flags), flags);
    }

    /// <summary>man 2 socketpair.</summary>
    private static SysResult SocketPair(ref SyscallArguments a)
    {
        Errno error = CheckCreate(a.Int0, a.UInt1, a.Int2, out SocketKind kind, out OpenFlags flags);
        if (error != Errno.None)
            return error;
        SocketTable table = a.Task.Fs.Vfs.Io.Sockets;
        if (!MakeFile(a.Task, Socket.Allocate(table, kind), flags).TryGet(out OpenFile first, out error))
            return error;
        if (!MakeFile(a.Task, Socket.Allocate(table, kind), flags).TryGet(out OpenFile second, out error))
        {
            first.Put();
            return error;
        }
        Socket.Join(((SocketFile)first).Socket, ((SocketFile)second).Socket, SocketFile.CredentialsOf(a.Task));
        return TwoDescriptors.Install(a.Task, a.Address3, first, second, flags);
    }

    /// <summary>man 2 bind.</summary>
    private static SysResult Bind(ref SyscallArguments a)
    {
        Errno error = Find(a.Task, a.Int0, out SocketFile? file);
        if (file is null)
            return error;
        Span<byte> name = stackalloc byte[NameBytes + 1];
        error = ReadName(a.Address1, a.Int2, name, Errno.EINVAL, out int length);
        if (error == Errno.None)
            error = file.Socket.Bind(a.Task.Fs.Vfs, a.Task, name.Slice(0, length));
        file.Put();
        return error;
    }

    /// <summary>man 2 listen.</summary>
    private static SysResult Listen(ref SyscallArguments a)
    {
        Errno error = Find(a.Task, a.Int0, out SocketFile? file);
        if (file is null)
            return error;
        error = file.Socket.Listen(a.Int1, SocketFile.CredentialsOf(a.Task));
        file.Put();
        return error;
    }

    /// <summary>man 2 connect.</summary>
    private static SysResult Connect(ref SyscallArguments a)
    {
        Errno error = Find(a.Task, a.Int0, out SocketFile? file);
        if (file is null)
            return error;
        Span<byte> name = stackalloc byte[NameBytes + 1];
        // AF_UNSPEC dissolves what a datagram socket is connected to.
        Errno wrongFamily = file.Socket.Kind == SocketKind.Datagram ? Errno.None : Errno.EINVAL;
        error = ReadName(a.Address1, a.Int2, name, wrongFamily, out int length);
        if (error == Errno.None)
        {
            error = file.Socket.Connect(
                a.Task.Fs.Vfs, a.Task, name.Slice(0, length), SocketFile.CredentialsOf(a.Task), file.IsNonBlocking);
        }
        file.Put();
        return error;
    }

    /// <summary>man 2 accept.</summary>
    private static SysResult Accept(ref SyscallArguments a) => Accept(a.Task, a.Int0, a.Address1, a.Address2, OpenFlags.ReadOnly);

    /// <summary>man 2 accept.</summary>
    private static SysResult Accept4(ref SyscallArguments a) => Accept(a.Task, a.Int0, a.Address1, a.Address2, (OpenFlags)a.UInt3);

    private static SysResult Accept(Task task, int descriptor, VirtAddr name, VirtAddr lengthAt, OpenFlags flags)
    {
        if ((flags & ~(OpenFlags.NonBlocking | OpenFlags.CloseOnExec)) != 0)
            return Errno.EINVAL;
        Errno error = Find(task, descriptor, out SocketFile? file);
        if (file is null)
            return error;
        Result<Socket> accepted = file.Socket.Accept(task, file.IsNonBlocking);
        file.Put();
        if (!accepted.TryGet(out Socket socket, out error))
            return error;
        if (!MakeFile(task, socket, flags).TryGet(out OpenFile made, out error))
            return error;
        if (!name.IsZero)
        {
            error = WriteName(socket.Peer?.Name, name, lengthAt);
            if (error != Errno.None)
            {
                made.Put();
                return error;
            }
        }
        return Install(task, made, flags);
    }

    private static SysResult Install(Task task, OpenFile file, OpenFlags flags)
    {
        Result<int> fd = task.Files.Add(task, file, OnExec(flags));
        if (!fd.IsOk)
            file.Put();
        return fd;
    }

    /// <summary>man 2 shutdown.</summary>
    private static SysResult Shutdown(ref SyscallArguments a)
    {
        Errno error = Find(a.Task, a.Int0, out SocketFile? file);
        if (file is null)
            return error;
        error = file.Socket.Shutdown(a.Int1);
        file.Put();
        return error;
    }

    /// <summary>man 2 getsockname.</summary>
    private static SysResult GetSockName(ref SyscallArguments a)
    {
        Errno error = Find(a.Task, a.Int0, out SocketFile? file);
        if (file is null)
            return error;
        error = WriteName(file.Socket.Name, a.Address1, a.Address2);
        file.Put();
        return error;
    }

    /// <summary>man 2 getpeername.</summary>
    private static SysResult GetPeerName(ref SyscallArguments a)
    {
        Errno error = Find(a.Task, a.Int0, out SocketFile? file);
        if (file is null)
            return error;
        error = file.Socket.Peer is { } peer ? WriteName(peer.Name, a.Address1, a.Address2) : Errno.ENOTCONN;
        file.Put();
        return error;
    }
}
