using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Reading, writing and seeking: <c>read write pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2 lseek</c>.</summary>
internal static unsafe class FileReadWriteSyscalls
{
    private enum Direction : byte
    {
        Read,
        Write,
    }

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(0, "read"u8, &Read);
        table.Add(1, "write"u8, &Write);
        table.Add(8, "lseek"u8, &Lseek);
        table.Add(17, "pread64"u8, &Pread);
        table.Add(18, "pwrite64"u8, &Pwrite);
        table.Add(19, "readv"u8, &Readv);
        table.Add(20, "writev"u8, &Writev);
        table.Add(295, "preadv"u8, &Preadv);
        table.Add(296, "pwritev"u8, &Pwritev);
        table.Add(327, "preadv2"u8, &Preadv2);
        table.Add(328, "pwritev2"u8, &Pwritev2);
    }

    /// <summary>man 2 read.</summary>
    private static SysResult Read(ref SyscallArguments a)
    {
        OpenFile? file = a.Task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        Errno error = Errno.EBADF;
        Result<long> result = default;
        if (file.CanRead && (error = IovIter.TryFromUser(a.Address1, a.Arg2, out IovIter to)) == Errno.None)
            result = FileTransfer.Read(a.Task, file, ref to);
        file.Put();
        return error == Errno.None ? result : error;
    }

    /// <summary>man 2 write.</summary>
    private static SysResult Write(ref SyscallArguments a)
    {
        OpenFile? file = a.Task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        Errno error = Errno.EBADF;
        Result<long> result = default;
        if (file.CanWrite && (error = IovIter.TryFromUser(a.Address1, a.Arg2, out IovIter from)) == Errno.None)
            result = FileTransfer.Write(a.Task, file, ref from);
        file.Put();
        return error == Errno.None ? result : error;
    }

    /// <summary>man 2 pread.</summary>
    private static SysResult Pread(ref SyscallArguments a) => Positional(ref a, Direction.Read);

    /// <summary>man 2 pwrite.</summary>
    private static SysResult Pwrite(ref SyscallArguments a) => Positional(ref a, Direction.Write);

    /// <summary>man 2 readv.</summary>
    private static SysResult Readv(ref SyscallArguments a) => Vectored(a.Task, a.Int0, a.Address1, a.Arg2, Direction.Read, 0);

    /// <summary>man 2 writev.</summary>
    private static SysResult Writev(ref SyscallArguments a) => Vectored(a.Task, a.Int0, a.Address1, a.Arg2, Direction.Write, 0);

    /// <summary>man 2 preadv. On x86-64 the low half of the position is all of it.</summary>
    private static SysResult Preadv(ref SyscallArguments a)
        => VectoredAt(a.Task, a.Int0, a.Address1, a.Arg2, (long)a.Arg3, Direction.Read, 0);

    /// <summary>man 2 pwritev.</summary>
    private static SysResult Pwritev(ref SyscallArguments a)
        => VectoredAt(a.Task, a.Int0, a.Address1, a.Arg2, (long)a.Arg3, Direction.Write, 0);

    /// <summary>man 2 preadv2: position −1 is the file's own.</summary>
    private static SysResult Preadv2(ref SyscallArguments a)
        => (long)a.Arg3 == -1
            ? Vectored(a.Task, a.Int0, a.Address1, a.Arg2, Direction.Read, a.UInt5)
            : VectoredAt(a.Task, a.Int0, a.Address1, a.Arg2, (long)a.Arg3, Direction.Read, a.UInt5);

    /// <summary>man 2 pwritev2.</summary>
    private static SysResult Pwritev2(ref SyscallArguments a)
        => (long)a.Arg3 == -1
            ? Vectored(a.Task, a.Int0, a.Address1, a.Arg2, Direction.Write, a.UInt5)
            : VectoredAt(a.Task, a.Int0, a.Address1, a.Arg2, (long)a.Arg3, Direction.Write, a.UInt5);

    /// <summary>man 2 lseek.</summary>
    private static SysResult Lseek(ref SyscallArguments a)
    {
        OpenFile? file = a.Task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        Result<long> result = Errno.EINVAL;
        if (a.UInt2 <= (uint)SeekOrigin.Hole)
        {
            bool locked = FileTransfer.LockPosition(file);
            result = file.Seek((long)a.Arg1, (SeekOrigin)a.UInt2);
            if (locked)
                file.PositionLock.Unlock();
        }
        file.Put();
        return result;
    }

    private static SysResult Positional(ref SyscallArguments a, Direction direction)
    {
        long position = (long)a.Arg3;
        if (position < 0)
            return Errno.EINVAL;
        OpenFile? file = a.Task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        Errno error = CheckPositional(file, direction);
        Result<long> result = default;
        if (error == Errno.None && (error = IovIter.TryFromUser(a.Address1, a.Arg2, out IovIter iter)) == Errno.None)
        {
            result = direction == Direction.Read
                ? FileTransfer.ReadAt(a.Task, file, ref iter, ref position)
                : FileTransfer.WriteAt(a.Task, file, ref iter, ref position);
        }
        file.Put();
        return error == Errno.None ? result : error;
    }

    private static Errno CheckPositional(OpenFile file, Direction direction)
    {
        if ((file.Modes & OpenModes.Positional) == 0)
            return Errno.ESPIPE;
        return direction == Direction.Read ? (file.CanRead ? Errno.None : Errno.EBADF) : file.CanWrite ? Errno.None : Errno.EBADF;
    }

    private static SysResult Vectored(Task task, int fd, VirtAddr list, ulong count, Direction direction, uint flags)
    {
        OpenFile? file = task.Files.GetFile(fd);
        if (file is null)
            return Errno.EBADF;
        Errno error = IoVectorArgument.Get(task.Fs.Vfs, list, count, out IoVectorArgument vectors);
        Result<long> result = default;
        if (error == Errno.None && (error = IovIter.TryFromUser(vectors.Vectors, out IovIter iter)) == Errno.None
            && (error = CheckFlags(file, direction, flags, ref iter)) == Errno.None)
        {
            result = iter.Remaining == 0 ? 0L
                : direction == Direction.Read ? FileTransfer.Read(task, file, ref iter) : FileTransfer.Write(task, file, ref iter);
        }
        vectors.Dispose();
        file.Put();
        return error == Errno.None ? result : error;
    }

    private static SysResult VectoredAt(Task task, int fd, VirtAddr list, ulong count, long position, Direction direction, uint flags)
    {
        if (position < 0)
            return Errno.EINVAL;
        OpenFile? file = task.Files.GetFile(fd);
        if (file is null)
            return Errno.EBADF;
        if ((file.Modes & OpenModes.Positional) == 0)
        {
            file.Put();
            return Errno.ESPIPE;
        }
        Errno error = IoVectorArgument.Get(task.Fs.Vfs, list, count, out IoVectorArgument vectors);
        Result<long> result = default;
        if (error == Errno.None && (error = IovIter.TryFromUser(vectors.Vectors, out IovIter iter)) == Errno.None
            && (error = CheckFlags(file, direction, flags, ref iter)) == Errno.None)
        {
            result = iter.Remaining == 0 ? 0L
                : direction == Direction.Read
                    ? FileTransfer.ReadAt(task, file, ref iter, ref position)
                    : FileTransfer.WriteAt(task, file, ref iter, ref position);
        }
        vectors.Dispose();
        file.Put();
        return error == Errno.None ? result : error;
    }

    // RWF_HIPRI 1, DSYNC 2, SYNC 4, NOWAIT 8, APPEND 16. Nothing here can promise not to wait.
    private static Errno CheckFlags(OpenFile file, Direction direction, uint flags, ref IovIter iter)
    {
        if (direction == Direction.Read ? !file.CanRead : !file.CanWrite)
            return Errno.EBADF;
        if ((flags & ~0x17u) != 0)
            return Errno.EOPNOTSUPP;
        iter.AtEnd = (flags & 16) != 0;
        iter.Durability = (flags & 4) != 0 ? WriteDurability.All : (flags & 2) != 0 ? WriteDurability.Data : WriteDurability.None;
        return Errno.None;
    }
}
