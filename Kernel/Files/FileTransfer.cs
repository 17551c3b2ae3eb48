using NanoVm.Core;

namespace NanoVm.Files;

/// <summary>Reading and writing open files: the checks that every file shares, and the lock on a shared position.</summary>
/// <remarks>Linux: <c>vfs_read</c>, <c>vfs_write</c>, <c>rw_verify_area</c>, <c>fdget_pos</c>.</remarks>
internal static class FileTransfer
{
    /// <summary>Reads at the file's own position.</summary>
    public static Result<long> Read(TaskFiles who, OpenFile file, ref IovIter to)
    {
        bool locked = LockPosition(file);
        long position = file.Position;
        Result<long> result = ReadAt(who, file, ref to, ref position);
        if (result.IsOk)
            file.Position = position;
        if (locked)
            file.PositionLock.Unlock();
        return result;
    }

    /// <summary>Writes at the file's own position.</summary>
    public static Result<long> Write(TaskFiles who, OpenFile file, ref IovIter from)
    {
        bool locked = LockPosition(file);
        long position = file.Position;
        Result<long> result = WriteAt(who, file, ref from, ref position);
        if (result.IsOk)
            file.Position = position;
        if (locked)
            file.PositionLock.Unlock();
        return result;
    }

    /// <summary>Reads at a position of the caller's.</summary>
    public static Result<long> ReadAt(TaskFiles who, OpenFile file, ref IovIter to, ref long position)
    {
        if (!file.CanRead)
            return Errno.EBADF;
        if (position < 0 || position > long.MaxValue - (long)to.Remaining)
            return Errno.EINVAL;
        Result<long> result = file.Read(who, ref to, ref position);
        who.Io.Reads++;
        if (result.IsOk)
            who.Io.BytesRead += (ulong)result.Value;
        return result;
    }

    /// <summary>Writes at a position of the caller's; what O_SYNC wants is on the disk afterwards.</summary>
    public static Result<long> WriteAt(TaskFiles who, OpenFile file, ref IovIter from, ref long position)
    {
        if (!file.CanWrite)
            return Errno.EBADF;
        if (position < 0 || position > long.MaxValue - (long)from.Remaining)
            return Errno.EINVAL;
        Result<long> result = file.Write(who, ref from, ref position);
        who.Io.Writes++;
        if (result.IsOk)
            who.Io.BytesWritten += (ulong)result.Value;
        if (result.IsOk && result.Value > 0 && (file.Flags & OpenFlags.DataSync) != 0)
        {
            Errno error = file.Synchronize((file.Flags & OpenFlags.Sync) != OpenFlags.Sync);
            if (error != Errno.None && error != Errno.EINVAL)
                return error;
        }
        return result;
    }

    /// <summary>POSIX wants reads and writes of one open regular file to be atomic to each other; only the shared position needs a lock for it.</summary>
    public static bool LockPosition(OpenFile file)
    {
        if ((file.Inode.Mode & FileMode.TypeMask) is not (FileMode.Regular or FileMode.Directory) || (file.Modes & OpenModes.Stream) != 0)
            return false;
        file.PositionLock.Lock();
        return true;
    }
}
