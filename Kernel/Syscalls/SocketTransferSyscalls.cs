using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Sockets;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Sending and receiving: <c>sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg</c>.</summary>
internal static unsafe class SocketTransferSyscalls
{
    private const int LevelSocket = 1;
    private const int Rights = 1;
    private const int Credentials = 2;

    /// <summary>Files in one message, at most. Linux: <c>SCM_MAX_FD</c>.</summary>
    private const int MaximumFiles = 253;

    private const int HeaderBytes = 16;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(44, "sendto"u8, &SendTo);
        table.Add(45, "recvfrom"u8, &ReceiveFrom);
        table.Add(46, "sendmsg"u8, &SendMessage);
        table.Add(47, "recvmsg"u8, &ReceiveMessage);
        table.Add(299, "recvmmsg"u8, &ReceiveMessages);
        table.Add(307, "sendmmsg"u8, &SendMessages);
    }

    /// <summary>Linux: <c>struct user_msghdr</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct MessageHeader
    {
        public ulong Name;
        public int NameBytes;
        public int Unused;
        public ulong Vectors;
        public ulong VectorCount;
        public ulong Control;
        public ulong ControlBytes;
        public uint Flags;
        public uint Unused2;
    }

    private const int MessageHeaderBytes = 56;

    /// <summary>man 2 sendto.</summary>
    private static SysResult SendTo(ref SyscallArguments a)
    {
        Errno error = SocketSyscalls.Find(a.Task, a.Int0, out SocketFile? file);
        if (file is null)
            return error;
        Span<byte> name = stackalloc byte[SocketSyscalls.NameBytes + 1];
        int length = 0;
        error = IovIter.TryFromUser(a.Address1, a.Arg2, out IovIter from);
        if (error == Errno.None && a.Arg4 != 0)
            error = SocketSyscalls.ReadName(a.Address4, a.Int5, name, Errno.EINVAL, out length);
        SysResult result = error;
        if (error == Errno.None)
        {
            var cargo = new SocketCargo { Credentials = SocketFile.CredentialsOf(a.Task) };
            result = file.Socket.Send(a.Task, ref from, name.Slice(0, length), ref cargo, (MessageFlags)a.UInt3, file.IsNonBlocking);
        }
        file.Put();
        return result;
    }

    /// <summary>man 2 recvfrom.</summary>
    private static SysResult ReceiveFrom(ref SyscallArguments a)
    {
        Errno error = SocketSyscalls.Find(a.Task, a.Int0, out SocketFile? file);
        if (file is null)
            return error;
        error = IovIter.TryFromUser(a.Address1, a.Arg2, out IovIter to);
        SysResult result = error;
        if (error == Errno.None)
        {
            ArrivedCargo arrived = default;
            result = file.Socket.Receive(a.Task, ref to, (MessageFlags)a.UInt3, file.IsNonBlocking, ref arrived);
            if (!result.IsError && a.Arg4 != 0 && a.Arg5 != 0)
            {
                error = arrived.From is null
                    ? UserCopy.Put(a.Address5, 0)
                    : SocketSyscalls.WriteName(arrived.From, a.Address4, a.Address5);
                if (error != Errno.None)
                    result = error;
            }
            arrived.Drop(a.Task.Fs.Vfs.Io);
        }
        file.Put();
        return result;
    }

    /// <summary>man 2 sendmsg.</summary>
    private static SysResult SendMessage(ref SyscallArguments a)
    {
        Errno error = SocketSyscalls.Find(a.Task, a.Int0, out SocketFile? file);
        if (file is null)
            return error;
        SysResult result = SendOne(a.Task, file, a.Address1, (MessageFlags)a.UInt2);
        file.Put();
        return result;
    }

    /// <summary>man 2 sendmmsg.</summary>
    private static SysResult SendMessages(ref SyscallArguments a)
    {
        Errno error = SocketSyscalls.Find(a.Task, a.Int0, out SocketFile? file);
        if (file is null)
            return error;
        int sent = 0;
        SysResult result = SysResult.Success;
        for (int count = (int)Math.Min(a.UInt2, 1024); sent < count; sent++)
        {
            VirtAddr header = a.Address1 + (ulong)sent * (MessageHeaderBytes + 8);
            result = SendOne(a.Task, file, header, (MessageFlags)a.UInt3);
            if (result.IsError)
                break;
            error = UserCopy.Put(header + MessageHeaderBytes, (uint)result.Value);
            if (error != Errno.None)
            {
                result = error;
                break;
            }
        }
        file.Put();
        return sent != 0 ? sent : result;
    }

    private static SysResult SendOne(Task task, SocketFile file, VirtAddr headerAt, MessageFlags flags)
    {
        Errno error = UserCopy.Get(headerAt, out MessageHeader header);
        if (error != Errno.None)
            return error;
        Span<byte> name = stackalloc byte[SocketSyscalls.NameBytes + 1];
        int length = 0;
        if (header.Name != 0 && header.NameBytes != 0)
        {
            error = SocketSyscalls.ReadName(new VirtAddr(header.Name), header.NameBytes, name, Errno.EINVAL, out length);
            if (error != Errno.None)
                return error;
        }
        if (header.VectorCount > IoVectorArgument.Maximum)
            return Errno.EMSGSIZE;
        error = IoVectorArgument.Get(task.Fs.Vfs, new VirtAddr(header.Vectors), header.VectorCount, out IoVectorArgument vectors);
        if (error != Errno.None)
            return error;
        SysResult result;
        var cargo = new SocketCargo { Credentials = SocketFile.CredentialsOf(task) };
        error = IovIter.TryFromUser(vectors.Vectors, out IovIter from);
        if (error == Errno.None)
            error = ReadControl(task, new VirtAddr(header.Control), header.ControlBytes, ref cargo);
        if (error == Errno.None)
            result = file.Socket.Send(task, ref from, name.Slice(0, length), ref cargo, flags, file.IsNonBlocking);
        else
            result = error;
        cargo.Drop(task.Fs.Vfs.Io);
        vectors.Dispose();
        return result;
    }

    // Linux: __scm_send.
    private static Errno ReadControl(Task task, VirtAddr control, ulong bytes, ref SocketCargo cargo)
    {
        if (bytes > int.MaxValue)
            return Errno.ENOBUFS;
        ulong at = 0;
        while (bytes - at >= HeaderBytes)
        {
            if (UserCopy.Get(control + at, out ulong length) != Errno.None || UserCopy.Get(control + at + 8, out int level) != Errno.None
                || UserCopy.Get(control + at + 12, out int type) != Errno.None)
                return Errno.EFAULT;
            if (length < HeaderBytes || length > bytes - at)
                return Errno.EINVAL;
            VirtAddr data = control + at + HeaderBytes;
            Errno error = Errno.None;
            if (level == LevelSocket)
            {
                error = type switch
                {
                    Rights => ReadRights(task, data, length - HeaderBytes, ref cargo),
                    Credentials => ReadCredentials(task, data, length - HeaderBytes, ref cargo),
                    _ => Errno.EINVAL,
                };
            }
            if (error != Errno.None)
                return error;
            ulong step = (length + 7) & ~7UL;
            if (step > bytes - at)
                break;
            at += step;
        }
        return Errno.None;
    }

    private static Errno ReadRights(Task task, VirtAddr from, ulong bytes, ref SocketCargo cargo)
    {
        int count = (int)(bytes / 4);
        if (count == 0)
            return Errno.None;
        if (cargo.Files is not null || count > MaximumFiles)
            return Errno.EINVAL;
        OpenFile[]? files = task.Fs.Vfs.Arrays.Allocate<OpenFile>(count);
        if (files is null)
            return Errno.ENOMEM;
        cargo.Files = files;
        for (int i = 0; i < count; i++)
        {
            Errno error = UserCopy.Get(from + (ulong)i * 4, out int descriptor);
            if (error != Errno.None)
                return error;
            OpenFile? file = task.Files.GetAnyFile(descriptor);
            if (file is null)
                return Errno.EBADF;
            files[i] = file;
            cargo.FileCount = i + 1;
        }
        return Errno.None;
    }

    // A process may call itself by any of its own names; others need privileges. Linux: scm_check_creds.
    private static Errno ReadCredentials(Task task, VirtAddr from, ulong bytes, ref SocketCargo cargo)
    {
        if (bytes != 12)
            return Errno.EINVAL;
        Errno error = UserCopy.Get(from, out PeerCredentials said);
        if (error != Errno.None)
            return error;
        Files.Credentials own = task.Credentials;
        bool pidOk = said.Pid == task.Tgid || own.Has(Capability.SysAdmin);
        bool uidOk = said.Uid == own.Uid || said.Uid == own.EffectiveUid || said.Uid == own.SavedUid || own.Has(Capability.SetUid);
        bool gidOk = said.Gid == own.Gid || said.Gid == own.EffectiveGid || said.Gid == own.SavedGid || own.Has(Capability.SetGid);
        if (!pidOk || !uidOk || !gidOk)
            return Errno.EPERM;
        cargo.Credentials = said;
        return Errno.None;
    }

    /// <summary>man 2 recvmsg.</summary>
    private static SysResult ReceiveMessage(ref SyscallArguments a)
    {
        Errno error = SocketSyscalls.Find(a.Task, a.Int0, out SocketFile? file);
        if (file is null)
            return error;
        SysResult result = ReceiveOne(a.Task, file, a.Address1, (MessageFlags)a.UInt2);
        file.Put();
        return result;
    }

    /// <summary>man 2 recvmmsg. The time limit is looked at between messages, as there.</summary>
    private static SysResult ReceiveMessages(ref SyscallArguments a)
    {
        const uint WaitForOne = 0x10000;
        Errno error = PollDeadline.Read(a.Address4, PollDeadline.Shape.TimeSpec, out PollDeadline deadline);
        if (error != Errno.None)
            return error;
        error = SocketSyscalls.Find(a.Task, a.Int0, out SocketFile? file);
        if (file is null)
            return error;
        int got = 0;
        SysResult result = SysResult.Success;
        var flags = (MessageFlags)(a.UInt3 & ~WaitForOne);
        for (int count = (int)Math.Min(a.UInt2, 1024); got < count; got++)
        {
            VirtAddr header = a.Address1 + (ulong)got * (MessageHeaderBytes + 8);
            result = ReceiveOne(a.Task, file, header, flags);
            if (result.IsError)
                break;
            error = UserCopy.Put(header + MessageHeaderBytes, (uint)result.Value);
            if (error != Errno.None)
            {
                result = error;
                break;
            }
            if ((a.UInt3 & WaitForOne) != 0)
                flags |= MessageFlags.DontWait;
            if (deadline.Deadline <= Time.MonotonicNanoseconds)
            {
                got++;
                break;
            }
        }
        file.Put();
        return deadline.Finish(got != 0 ? got : result);
    }

    private static SysResult ReceiveOne(Task task, SocketFile file, VirtAddr headerAt, MessageFlags flags)
    {
        Errno error = UserCopy.Get(headerAt, out MessageHeader header);
        if (error != Errno.None)
            return error;
        if (header.VectorCount > IoVectorArgument.Maximum)
            return Errno.EMSGSIZE;
        error = IoVectorArgument.Get(task.Fs.Vfs, new VirtAddr(header.Vectors), header.VectorCount, out IoVectorArgument vectors);
        if (error != Errno.None)
            return error;
        SysResult result;
        ArrivedCargo arrived = default;
        error = IovIter.TryFromUser(vectors.Vectors, out IovIter to);
        if (error == Errno.None)
        {
            result = file.Socket.Receive(task, ref to, flags, file.IsNonBlocking, ref arrived);
            if (!result.IsError)
            {
                error = Deliver(task, file.Socket, headerAt, header, flags, ref arrived);
                if (error != Errno.None)
                    result = error;
            }
        }
        else
        {
            result = error;
        }
        arrived.Drop(task.Fs.Vfs.Io);
        vectors.Dispose();
        return result;
    }

    // The name, the control messages and the flags go to the caller. Linux: scm_recv, ____sys_recvmsg.
    private static Errno Deliver(
        Task task, Socket socket, VirtAddr headerAt, in MessageHeader header, MessageFlags flags, ref ArrivedCargo arrived)
    {
        ulong room = header.ControlBytes;
        ulong used = 0;
        var control = new VirtAddr(header.Control);
        if (socket.PassCredentials)
        {
            Span<byte> sender = stackalloc byte[12];
            Unsafe.WriteUnaligned(ref sender[0], arrived.Sender.Pid);
            Unsafe.WriteUnaligned(ref sender[4], arrived.Sender.Uid);
            Unsafe.WriteUnaligned(ref sender[8], arrived.Sender.Gid);
            PutControl(control, room, ref used, Credentials, sender, ref arrived.Flags);
        }
        if (arrived.FileCount != 0)
            PutRights(task, control, room, ref used, (flags & MessageFlags.CloseOnExec) != 0, ref arrived);

        Errno error = Errno.None;
        if (header.Name != 0)
        {
            if (header.NameBytes < 0)
                return Errno.EINVAL;
            error = arrived.From is null
                ? UserCopy.Put(headerAt + 8, 0)
                : SocketSyscalls.WriteName(arrived.From, new VirtAddr(header.Name), header.NameBytes, headerAt + 8);
        }
        if (error == Errno.None)
            error = UserCopy.Put(headerAt + 48, (uint)(arrived.Flags | (flags & MessageFlags.CloseOnExec)));
        return error == Errno.None ? UserCopy.Put(headerAt + 40, used) : error;
    }

    // Linux: put_cmsg. What has no room is cut and said to be.
    private static void PutControl(VirtAddr control, ulong room, ref ulong used, int type, ReadOnlySpan<byte> data, ref MessageFlags flags)
    {
        if (control.IsZero || room - used < HeaderBytes)
        {
            flags |= MessageFlags.ControlTruncated;
            return;
        }
        ulong length = HeaderBytes + (ulong)data.Length;
        if (length > room - used)
        {
            flags |= MessageFlags.ControlTruncated;
            length = room - used;
        }
        VirtAddr at = control + used;
        if (UserCopy.Put(at, length) != Errno.None || UserCopy.Put(at + 8, LevelSocket | (ulong)(uint)type << 32) != Errno.None
            || UserCopy.CopyToUser(at + HeaderBytes, data.Slice(0, (int)(length - HeaderBytes))) != Errno.None)
            return;
        used += Math.Min((length + 7) & ~7UL, room - used);
    }

    // Linux: scm_detach_fds. As many descriptors as fit and as the caller may have; the rest is closed.
    private static void PutRights(Task task, VirtAddr control, ulong room, ref ulong used, bool closeOnExec, ref ArrivedCargo arrived)
    {
        if (control.IsZero || room - used < HeaderBytes)
        {
            arrived.Flags |= MessageFlags.ControlTruncated;
            return;
        }
        int fit = (int)Math.Min((ulong)arrived.FileCount, (room - used - HeaderBytes) / 4);
        VirtAddr at = control + used;
        int given = 0;
        for (; given < fit; given++)
        {
            if (!task.Files.Reserve(task, closeOnExec ? CloseOnExec.Yes : CloseOnExec.No).TryGet(out int fd, out Errno _))
                break;
            if (UserCopy.Put(at + HeaderBytes + (ulong)given * 4, fd) != Errno.None)
            {
                task.Files.Unreserve(fd);
                break;
            }
            task.Files.Install(fd, arrived.Files![given].GetFile());
        }
        if (given != 0)
        {
            ulong length = HeaderBytes + (ulong)given * 4;
            if (UserCopy.Put(at, length) == Errno.None && UserCopy.Put(at + 8, LevelSocket | (ulong)Rights << 32) == Errno.None)
                used += Math.Min((length + 7) & ~7UL, room - used);
        }
        if (given < arrived.FileCount)
            arrived.Flags |= MessageFlags.ControlTruncated;
    }
}
