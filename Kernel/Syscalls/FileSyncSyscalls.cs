using NanoVm.Core;
using NanoVm.Files;

namespace NanoVm.Syscalls;

/// <summary>What reaches the disk, and what will be read: <c>fsync fdatasync sync syncfs sync_file_range readahead fadvise64</c>.</summary>
internal static unsafe class FileSyncSyscalls
{
    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(74, "fsync"u8, &Fsync);
        table.Add(75, "fdatasync"u8, &Fdatasync);
        table.Add(162, "sync"u8, &Sync);
        table.Add(187, "readahead"u8, &Readahead);
        table.Add(221, "fadvise64"u8, &Fadvise);
        table.Add(277, "sync_file_range"u8, &SyncFileRange);
        table.Add(306, "syncfs"u8, &Syncfs);
    }

    /// <summary>man 2 fsync.</summary>
    private static SysResult Fsync(ref SyscallArguments a) => Synchronize(ref a, dataOnly: false);

    /// <summary>man 2 fdatasync.</summary>
    private static SysResult Fdatasync(ref SyscallArguments a) => Synchronize(ref a, dataOnly: true);

    /// <summary>man 2 sync: every mounted file system.</summary>
    private static SysResult Sync(ref SyscallArguments a)
    {
        Vfs vfs = a.Task.Fs.Vfs;
        vfs.MountLock.Lock();
        for (Mount? mount = vfs.Mounts.First; mount is not null; mount = mount.Next)
            mount.Superblock.Sync();
        vfs.MountLock.Unlock();
        return SysResult.Success;
    }

    /// <summary>man 2 syncfs.</summary>
    private static SysResult Syncfs(ref SyscallArguments a)
    {
        OpenFile? file = a.Task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        Errno error = file.Inode.Superblock.Sync();
        // Whatever it was, the descriptor has been told now.
        Errno written = file.Inode.Superblock.CheckErrors(ref file.SeenFileSystemErrors);
        if (error == Errno.None)
            error = written;
        file.Put();
        return error;
    }

    /// <summary>man 2 sync_file_range.</summary>
    private static SysResult SyncFileRange(ref SyscallArguments a)
    {
        OpenFile? file = a.Task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        Errno error = Errno.None;
        if ((a.UInt3 & ~7u) != 0 || (long)a.Arg1 < 0 || (long)a.Arg2 < 0 || (long)(a.Arg1 + a.Arg2) < 0)
            error = Errno.EINVAL;
        else if ((file.Inode.Mode & FileMode.TypeMask) is not (FileMode.Regular or FileMode.BlockDevice or FileMode.Directory))
            error = Errno.ESPIPE;
        else
            error = file.SyncPages(a.Arg1 >> PageSize.Shift, a.Arg2 == 0 ? ulong.MaxValue : (a.Arg1 + a.Arg2 - 1) >> PageSize.Shift, (SyncSteps)a.UInt3);
        file.Put();
        return error;
    }

    /// <summary>man 2 readahead: a hint.</summary>
    private static SysResult Readahead(ref SyscallArguments a)
    {
        OpenFile? file = a.Task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        Errno error = !file.CanRead ? Errno.EBADF : file.Inode.IsRegular ? file.Advise((long)a.Arg1, (long)a.Arg2, FileAdvice.WillNeed) : Errno.EINVAL;
        file.Put();
        return error;
    }

    /// <summary>man 2 posix_fadvise.</summary>
    private static SysResult Fadvise(ref SyscallArguments a)
    {
        OpenFile? file = a.Task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        Errno error;
        if ((file.Inode.Mode & FileMode.TypeMask) == FileMode.Fifo)
            error = Errno.ESPIPE;
        else if (a.Int3 is < 0 or > 5 || (long)a.Arg2 < 0)
            error = Errno.EINVAL;
        else
            error = file.Advise((long)a.Arg1, (long)a.Arg2, (FileAdvice)a.Int3);
        file.Put();
        return error;
    }

    private static SysResult Synchronize(ref SyscallArguments a, bool dataOnly)
    {
        OpenFile? file = a.Task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        Errno error = file.Synchronize(dataOnly);
        file.Put();
        return error;
    }
}
