using System;
using NanoVm.Core;
using NanoVm.Files.Sockets;

namespace NanoVm.Syscalls;

/// <summary>Options of sockets: <c>setsockopt getsockopt</c>. man 7 socket.</summary>
internal static unsafe class SocketOptionSyscalls
{
    private const int SocketLevel = 1;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(54, "setsockopt"u8, &SetSockOpt);
        table.Add(55, "getsockopt"u8, &GetSockOpt);
    }

    private enum Option
    {
        Type = 3,
        Error = 4,
        ReuseAddress = 2,
        SendBuffer = 7,
        ReceiveBuffer = 8,
        KeepAlive = 9,
        Linger = 13,
        PassCredentials = 16,
        PeerCredentials = 17,
        ReceiveLowWater = 18,
        ReceiveTimeout = 20,
        SendTimeout = 21,
        Listening = 30,
        Protocol = 38,
        Domain = 39,
    }

    /// <summary>man 2 setsockopt, man 7 socket.</summary>
    private static SysResult SetSockOpt(ref SyscallArguments a)
    {
        Errno error = SocketSyscalls.Find(a.Task, a.Int0, out SocketFile? file);
        if (file is null)
            return error;
        error = a.Int1 == SocketLevel ? Set(file.Socket, (Option)a.Int2, a.Address3, a.Int4) : Errno.EOPNOTSUPP;
        file.Put();
        return error;
    }

    private static Errno Set(Socket socket, Option option, VirtAddr from, int bytes)
    {
        const int SmallestBuffer = 2048;
        if (option is Option.ReceiveTimeout or Option.SendTimeout)
            return SetTimeout(socket, option, from, bytes);
        if (bytes < 4)
            return Errno.EINVAL;
        Errno error = UserCopy.Get(from, out int value);
        if (error != Errno.None)
            return error;
        switch (option)
        {
            case Option.PassCredentials:
                socket.PassCredentials = value != 0;
                return Errno.None;
            case Option.SendBuffer:
                socket.SendBuffer = Math.Max(SmallestBuffer, Math.Min(value, SocketTable.DefaultBuffer) * 2);
                return Errno.None;
            case Option.ReceiveBuffer:
                socket.ReceiveBuffer = Math.Max(SmallestBuffer, Math.Min(value, SocketTable.DefaultBuffer) * 2);
                return Errno.None;
            case Option.ReuseAddress:
            case Option.KeepAlive:
            case Option.Linger:
            case Option.ReceiveLowWater:
                return Errno.None;
            default:
                return Errno.ENOPROTOOPT;
        }
    }

    private static Errno SetTimeout(Socket socket, Option option, VirtAddr from, int bytes)
    {
        if (bytes < 16)
            return Errno.EINVAL;
        if (UserCopy.Get(from, out long seconds) != Errno.None || UserCopy.Get(from + 8, out long microseconds) != Errno.None)
            return Errno.EFAULT;
        if (microseconds is < 0 or >= 1_000_000)
            return Errno.EDOM;
        ulong limit = seconds is < 0 or > int.MaxValue ? 0 : (ulong)seconds * 1_000_000_000 + (ulong)microseconds * 1000;
        if (option == Option.ReceiveTimeout)
            socket.ReceiveTimeout = limit;
        else
            socket.SendTimeout = limit;
        return Errno.None;
    }

    /// <summary>man 2 getsockopt, man 7 socket.</summary>
    private static SysResult GetSockOpt(ref SyscallArguments a)
    {
        Errno error = SocketSyscalls.Find(a.Task, a.Int0, out SocketFile? file);
        if (file is null)
            return error;
        error = a.Int1 == SocketLevel ? Get(file.Socket, (Option)a.Int2, a.Address3, a.Address4) : Errno.EOPNOTSUPP;
        file.Put();
        return error;
    }

    private static Errno Get(Socket socket, Option option, VirtAddr to, VirtAddr lengthAt)
    {
        Errno error = UserCopy.Get(lengthAt, out int room);
        if (error != Errno.None)
            return error;
        if (room < 0)
            return Errno.EINVAL;
        Span<byte> value = stackalloc byte[16];
        value.Clear();
        int length = 4;
        switch (option)
        {
            case Option.Type:
                value[0] = (byte)socket.Kind;
                break;
            case Option.Error:
                Word(value, (int)socket.PendingError);
                socket.PendingError = Errno.None;
                break;
            case Option.SendBuffer:
                Word(value, socket.SendBuffer);
                break;
            case Option.ReceiveBuffer:
                Word(value, socket.ReceiveBuffer);
                break;
            case Option.PassCredentials:
                value[0] = socket.PassCredentials ? (byte)1 : (byte)0;
                break;
            case Option.Listening:
                value[0] = socket.State == SocketState.Listening ? (byte)1 : (byte)0;
                break;
            case Option.Domain:
                value[0] = SocketSyscalls.FamilyUnix;
                break;
            case Option.ReceiveLowWater:
                value[0] = 1;
                break;
            case Option.Protocol:
            case Option.ReuseAddress:
            case Option.KeepAlive:
                break;
            case Option.Linger:
                length = 8;
                break;
            case Option.PeerCredentials:
                length = 12;
                Word(value, socket.PeerOwner.Pid);
                Word(value.Slice(4), socket.Peer is null ? -1 : (int)socket.PeerOwner.Uid);
                Word(value.Slice(8), socket.Peer is null ? -1 : (int)socket.PeerOwner.Gid);
                break;
            case Option.ReceiveTimeout:
            case Option.SendTimeout:
                length = 16;
                ulong limit = option == Option.ReceiveTimeout ? socket.ReceiveTimeout : socket.SendTimeout;
                Word(value, (int)(limit / 1_000_000_000));
                Word(value.Slice(8), (int)(limit % 1_000_000_000 / 1000));
                break;
            default:
                return Errno.ENOPROTOOPT;
        }
        length = Math.Min(length, room);
        error = UserCopy.CopyToUser(to, value.Slice(0, length));
        return error == Errno.None ? UserCopy.Put(lengthAt, length) : error;
    }

    private static void Word(Span<byte> to, int value) => global::System.Runtime.CompilerServices.Unsafe.WriteUnaligned(ref to[0], value);
}
