using System.Runtime.InteropServices;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Descriptors: <c>dup dup2 dup3 fcntl flock ioctl</c>.</summary>
internal static unsafe class FileDescriptorSyscalls
{
    private const uint FdCloseOnExec = 1;

    /// <summary><c>struct flock</c> of x86-64.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct UserLock
    {
        public short Type;
        public short Whence;
        public int Pad0;
        public long Start;
        public long Length;
        public int Process;
        public int Pad1;
    }

    /// <summary>Commands of fcntl. Linux: <c>F_*</c>.</summary>
    private enum Command : uint
    {
        DupFd = 0,
        GetFd = 1,
        SetFd = 2,
        GetFlags = 3,
        SetFlags = 4,
        GetLock = 5,
        SetLock = 6,
        SetLockWait = 7,
        SetOwner = 8,
        GetOwner = 9,
        SetSignal = 10,
        GetSignal = 11,
        SetOwnerEx = 15,
        GetOwnerEx = 16,
        OfdGetLock = 36,
        OfdSetLock = 37,
        OfdSetLockWait = 38,
        SetLease = 1024,
        GetLease = 1025,
        Notify = 1026,
        DupFdCloseOnExec = 1030,
        SetPipeSize = 1031,
        GetPipeSize = 1032,
        AddSeals = 1033,
        GetSeals = 1034,
    }

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(16, "ioctl"u8, &Ioctl);
        table.Add(32, "dup"u8, &Dup);
        table.Add(33, "dup2"u8, &Dup2);
        table.Add(72, "fcntl"u8, &Fcntl);
        table.Add(73, "flock"u8, &Flock);
        table.Add(292, "dup3"u8, &Dup3);
    }

    /// <summary>man 2 dup.</summary>
    private static SysResult Dup(ref SyscallArguments a) => DupFrom(a.Task, a.Int0, 0, CloseOnExec.No);

    /// <summary>man 2 dup2: the same number twice only checks it.</summary>
    private static SysResult Dup2(ref SyscallArguments a)
    {
        if (a.Int0 == a.Int1)
            return a.Task.Files.Peek(a.Int0) is null ? Errno.EBADF : a.Int0;
        return DupTo(a.Task, a.Int0, a.Int1, CloseOnExec.No);
    }

    /// <summary>man 2 dup3.</summary>
    private static SysResult Dup3(ref SyscallArguments a)
    {
        if ((a.UInt2 & ~(uint)OpenFlags.CloseOnExec) != 0 || a.Int0 == a.Int1)
            return Errno.EINVAL;
        return DupTo(a.Task, a.Int0, a.Int1, a.UInt2 != 0 ? CloseOnExec.Yes : CloseOnExec.No);
    }

    /// <summary>man 2 fcntl.</summary>
    private static SysResult Fcntl(ref SyscallArguments a)
    {
        OpenFile? file = a.Task.Files.GetAnyFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        var command = (Command)a.UInt1;
        // A file of O_PATH is a name only.
        SysResult result = file.IsPathOnly && command is not (Command.DupFd or Command.DupFdCloseOnExec or Command.GetFd or Command.SetFd or Command.GetFlags)
            ? Errno.EBADF
            : Fcntl(a.Task, file, a.Int0, command, a.Arg2);
        file.Put();
        return result;
    }

    private static SysResult Fcntl(Task task, OpenFile file, int fd, Command command, ulong argument)
    {
        switch (command)
        {
            case Command.DupFd:
                return DupFrom(task, fd, (int)argument, CloseOnExec.No);
            case Command.DupFdCloseOnExec:
                return DupFrom(task, fd, (int)argument, CloseOnExec.Yes);
            case Command.GetFd:
                return task.Files.IsCloseOnExec(fd) ? FdCloseOnExec : 0;
            case Command.SetFd:
                task.Files.SetCloseOnExec(fd, (argument & FdCloseOnExec) != 0 ? CloseOnExec.Yes : CloseOnExec.No);
                return SysResult.Success;
            case Command.GetFlags:
                return (uint)file.Flags;
            case Command.SetFlags:
                return SetFlags(task, file, (OpenFlags)(uint)argument);
            case Command.GetLock:
            case Command.OfdGetLock:
                return GetLock(task, file, command, new VirtAddr(argument));
            case Command.SetLock:
            case Command.SetLockWait:
            case Command.OfdSetLock:
            case Command.OfdSetLockWait:
                return SetLock(task, file, fd, command, new VirtAddr(argument));
            case Command.SetOwner:
                if ((int)argument == int.MinValue)
                    return Errno.EINVAL;
                file.Owner = (int)argument;
                return SysResult.Success;
            case Command.GetOwner:
                return file.Owner;
            case Command.SetSignal:
                if ((uint)argument > 64)
                    return Errno.EINVAL;
                file.OwnerSignal = (int)argument;
                return SysResult.Success;
            case Command.GetSignal:
                return file.OwnerSignal;
            case Command.SetOwnerEx:
                return SetOwnerEx(file, new VirtAddr(argument));
            case Command.GetOwnerEx:
                return GetOwnerEx(file, new VirtAddr(argument));
            case Command.GetLease:
                return (int)FileLockType.Unlock;             // nobody has one
            case Command.SetLease:
                return (int)argument == (int)FileLockType.Unlock ? SysResult.Success : file.Inode.IsRegular ? Errno.EAGAIN : Errno.EINVAL;
            case Command.Notify:
                return file.Inode.IsDirectory ? Errno.EINVAL : Errno.ENOTDIR;
            default:
                return file.Control(task, (uint)command, argument);
        }
    }

    /// <summary>man 2 flock.</summary>
    private static SysResult Flock(ref SyscallArguments a)
    {
        const int NonBlocking = 4;
        const int Mandatory = 32;
        // Locks that Windows emulators asked for once; Linux accepts the request and does nothing.
        if ((a.Int1 & Mandatory) != 0)
            return SysResult.Success;
        int operation = a.Int1 & ~NonBlocking;
        FileLockType type;
        switch (operation)
        {
            case 1:
                type = FileLockType.Read;
                break;
            case 2:
                type = FileLockType.Write;
                break;
            case 8:
                type = FileLockType.Unlock;
                break;
            default:
                return Errno.EINVAL;
        }
        OpenFile? file = a.Task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        SysResult result = Errno.EBADF;
        if (type == FileLockType.Unlock || file.CanRead || file.CanWrite)
            result = Lock(a.Task, file, FileLockKind.Flock, type, 0, long.MaxValue, file, wait: (a.Int1 & NonBlocking) == 0);
        file.Put();
        return result;
    }

    /// <summary>man 2 ioctl: what every file knows, then the file itself.</summary>
    private static SysResult Ioctl(ref SyscallArguments a)
    {
        const uint FioNonCloseOnExec = 0x5450;
        const uint FioCloseOnExec = 0x5451;
        const uint FioNonBlocking = 0x5421;
        const uint FioAsync = 0x5452;
        const uint FioReadable = 0x541B;
        const uint FioSize = 0x5460;
        OpenFile? file = a.Task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        SysResult result;
        switch (a.UInt1)
        {
            case FioCloseOnExec:
                a.Task.Files.SetCloseOnExec(a.Int0, CloseOnExec.Yes);
                result = SysResult.Success;
                break;
            case FioNonCloseOnExec:
                a.Task.Files.SetCloseOnExec(a.Int0, CloseOnExec.No);
                result = SysResult.Success;
                break;
            case FioNonBlocking:
                result = SwitchFlag(file, OpenFlags.NonBlocking, a.Address2);
                break;
            case FioAsync:
                result = SwitchFlag(file, OpenFlags.Async, a.Address2);
                break;
            case FioReadable when file.Inode.IsRegular:
                result = UserCopy.Put(a.Address2, (int)(file.Inode.Size - (ulong)file.Position));
                break;
            case FioSize when file.Inode.IsRegular || file.Inode.IsDirectory:
                result = UserCopy.Put(a.Address2, file.Inode.Size);
                break;
            default:
                result = file.Ioctl(a.Task, a.UInt1, a.Address2);
                break;
        }
        file.Put();
        return result;
    }

    private static SysResult SwitchFlag(OpenFile file, OpenFlags flag, VirtAddr at)
    {
        Errno error = UserCopy.Get(at, out int on);
        if (error != Errno.None)
            return error;
        file.Flags = on != 0 ? file.Flags | flag : file.Flags & ~flag;
        return SysResult.Success;
    }

    private static SysResult DupFrom(Task task, int fd, int minimum, CloseOnExec onExec)
    {
        OpenFile? file = task.Files.GetAnyFile(fd);
        if (file is null)
            return Errno.EBADF;
        if (minimum < 0 || (ulong)minimum >= task.DescriptorLimit)
        {
            file.Put();
            return minimum == 0 ? Errno.EMFILE : Errno.EINVAL;
        }
        Result<int> copy = task.Files.Reserve(minimum, task.DescriptorLimit, onExec);
        if (copy.IsOk)
            task.Files.Install(copy.Value, file);
        else
            file.Put();
        return copy;
    }

    private static SysResult DupTo(Task task, int from, int to, CloseOnExec onExec)
    {
        if ((uint)to >= task.DescriptorLimit)
            return Errno.EBADF;
        OpenFile? file = task.Files.GetAnyFile(from);
        if (file is null)
            return Errno.EBADF;
        Errno error = task.Files.Replace(task, to, file, onExec);
        if (error == Errno.None)
            return to;
        file.Put();
        return error;
    }

    private static SysResult SetFlags(Task task, OpenFile file, OpenFlags flags)
    {
        if ((flags & OpenFlags.NoAccessTime) != 0 && (file.Flags & OpenFlags.NoAccessTime) == 0 && !Permission.IsOwner(task, file.Inode))
            return Errno.EPERM;
        if ((flags & OpenFlags.Direct) != 0 && !file.CanDirect)
            return Errno.EINVAL;
        file.Flags = (file.Flags & ~OpenFlags.Changeable) | (flags & OpenFlags.Changeable);
        return SysResult.Success;
    }

    private struct OwnerEx
    {
        public int Kind;
        public int Number;
    }

    // F_OWNER_TID 0, F_OWNER_PID 1, F_OWNER_PGRP 2. A thread is kept as the process of its number.
    private static SysResult SetOwnerEx(OpenFile file, VirtAddr at)
    {
        Errno error = UserCopy.Get(at, out OwnerEx owner);
        if (error != Errno.None)
            return error;
        if ((uint)owner.Kind > 2)
            return Errno.EINVAL;
        file.Owner = owner.Kind == 2 ? -owner.Number : owner.Number;
        return SysResult.Success;
    }

    private static SysResult GetOwnerEx(OpenFile file, VirtAddr at)
        => UserCopy.Put(at, new OwnerEx { Kind = file.Owner < 0 ? 2 : 1, Number = file.Owner < 0 ? -file.Owner : file.Owner });

    // Linux: flock_to_posix_lock.
    private static Errno ToRange(OpenFile file, in UserLock user, out long start, out long end)
    {
        end = 0;
        switch (user.Whence)
        {
            case 0:
                start = 0;
                break;
            case 1:
                start = file.Position;
                break;
            case 2:
                start = (long)file.Inode.Size;
                break;
            default:
                start = 0;
                return Errno.EINVAL;
        }
        if (user.Start > long.MaxValue - start)
            return Errno.EOVERFLOW;
        start += user.Start;
        if (start < 0)
            return Errno.EINVAL;
        if (user.Length > 0)
        {
            if (user.Length - 1 > long.MaxValue - start)
                return Errno.EOVERFLOW;
            end = start + user.Length - 1;
        }
        else if (user.Length < 0)
        {
            if (start + user.Length < 0)
                return Errno.EINVAL;
            end = start - 1;
            start += user.Length;
        }
        else
        {
            end = long.MaxValue;
        }
        return Errno.None;
    }

    private static SysResult SetLock(Task task, OpenFile file, int fd, Command command, VirtAddr at)
    {
        Errno error = UserCopy.Get(at, out UserLock user);
        if (error != Errno.None)
            return error;
        error = ToRange(file, user, out long start, out long end);
        if (error != Errno.None)
            return error;
        bool ofd = command is Command.OfdSetLock or Command.OfdSetLockWait;
        switch ((FileLockType)user.Type)
        {
            case FileLockType.Read when !file.CanRead:
            case FileLockType.Write when !file.CanWrite:
                return Errno.EBADF;
            case FileLockType.Read:
            case FileLockType.Write:
            case FileLockType.Unlock:
                break;
            default:
                return Errno.EINVAL;
        }
        if (ofd && user.Process != 0)
            return Errno.EINVAL;
        object owner = ofd ? file : task.Files;
        SysResult result = Lock(task, file, ofd ? FileLockKind.OpenFile : FileLockKind.Process, (FileLockType)user.Type, start, end, owner,
            wait: command is Command.SetLockWait or Command.OfdSetLockWait);
        // While it was waited another thread may have closed the descriptor: its locks were released before ours was made.
        if (!result.IsError && !ofd && (FileLockType)user.Type != FileLockType.Unlock && !ReferenceEquals(task.Files.Peek(fd), file))
        {
            FileLock.DescriptorClosed(file, task.Files);
            return Errno.EBADF;
        }
        return result;
    }

    private static SysResult GetLock(Task task, OpenFile file, Command command, VirtAddr at)
    {
        Errno error = UserCopy.Get(at, out UserLock user);
        if (error != Errno.None)
            return error;
        bool ofd = command == Command.OfdGetLock;
        if ((FileLockType)user.Type is not (FileLockType.Read or FileLockType.Write))
            return Errno.EINVAL;
        error = ToRange(file, user, out long start, out long end);
        if (error != Errno.None)
            return error;
        if (ofd && user.Process != 0)
            return Errno.EINVAL;
        FileLocks? locks = FileLocks.Of(file.Inode);
        FileLock? question = task.Fs.Vfs.FileLockObjects.Allocate();
        if (locks is null || question is null)
            return Errno.ENOMEM;
        question.Kind = ofd ? FileLockKind.OpenFile : FileLockKind.Process;
        question.Type = (FileLockType)user.Type;
        question.Owner = ofd ? file : task.Files;
        question.Start = start;
        question.End = end;
        if (locks.FindConflict(question) is { } held)
        {
            user.Type = (short)held.Type;
            user.Whence = 0;
            user.Start = held.Start;
            user.Length = held.End == long.MaxValue ? 0 : held.End - held.Start + 1;
            user.Process = held.Process;
        }
        else
        {
            user.Type = (short)FileLockType.Unlock;
        }
        task.Fs.Vfs.FileLockObjects.Free(question);
        return UserCopy.Put(at, user);
    }

    private static SysResult Lock(
        Task task, OpenFile file, FileLockKind kind, FileLockType type, long start, long end, object owner, bool wait)
    {
        FileLocks? locks = FileLocks.Of(file.Inode);
        if (locks is null)
            return Errno.ENOMEM;
        FileLock? wanted = task.Fs.Vfs.FileLockObjects.Allocate();
        if (wanted is null)
            return Errno.ENOMEM;
        wanted.Kind = kind;
        wanted.Type = type;
        wanted.Start = start;
        wanted.End = end;
        wanted.Owner = owner;
        wanted.Process = kind == FileLockKind.OpenFile ? -1 : task.ProcessNumber;
        Errno error = locks.Set(task, wanted, wait);
        task.Fs.Vfs.FileLockObjects.Free(wanted);
        return error;
    }
}
