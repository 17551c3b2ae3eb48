using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Directories: <c>getdents getdents64 getcwd chdir fchdir chroot mkdir mkdirat rmdir</c>.</summary>
internal static unsafe class FileDirectorySyscalls
{
    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(78, "getdents"u8, &Getdents);
        table.Add(79, "getcwd"u8, &Getcwd);
        table.Add(80, "chdir"u8, &Chdir);
        table.Add(81, "fchdir"u8, &Fchdir);
        table.Add(83, "mkdir"u8, &Mkdir);
        table.Add(84, "rmdir"u8, &Rmdir);
        table.Add(161, "chroot"u8, &Chroot);
        table.Add(217, "getdents64"u8, &Getdents64);
        table.Add(258, "mkdirat"u8, &MkdirAt);
    }

    /// <summary>man 2 getdents.</summary>
    private static SysResult Getdents(ref SyscallArguments a) => ReadDirectory(ref a, DirectoryFormat.Dirent);

    /// <summary>man 2 getdents64.</summary>
    private static SysResult Getdents64(ref SyscallArguments a) => ReadDirectory(ref a, DirectoryFormat.Dirent64);

    /// <summary>man 2 getcwd: answers the length with the NUL.</summary>
    private static SysResult Getcwd(ref SyscallArguments a)
    {
        Vfs vfs = a.Task.Fs.Vfs;
        Errno error = vfs.Memory.Frames.Allocate(0, Memory.Physical.AllocationFlags.None, out Pfn frame);
        if (error != Errno.None)
            return error;
        SysResult result;
        Span<byte> buffer = DirectMap.Page(frame);
        buffer[^1] = 0;
        if (!PathText.WorkingDirectory(a.Task.Fs.Working, a.Task.Fs.Root, buffer[..^1]).TryGet(out int start, out error))
        {
            result = error == Errno.ERANGE ? Errno.ENAMETOOLONG : error;
        }
        else
        {
            ReadOnlySpan<byte> text = buffer[start..];
            if ((ulong)text.Length > a.Arg1)
                result = Errno.ERANGE;
            else if ((error = UserCopy.CopyToUser(a.Address0, text)) != Errno.None)
                result = error;
            else
                result = text.Length;
        }
        vfs.Memory.Frames.Put(frame);
        return result;
    }

    /// <summary>man 2 chdir.</summary>
    private static SysResult Chdir(ref SyscallArguments a)
    {
        if (!FindDirectory(a.Task, a.Address0).TryGet(out PathRef place, out Errno error))
            return error;
        a.Task.Fs.SetWorking(place);
        return SysResult.Success;
    }

    /// <summary>man 2 fchdir.</summary>
    private static SysResult Fchdir(ref SyscallArguments a)
    {
        OpenFile? file = a.Task.Files.Peek(a.Int0);
        if (file is null)
            return Errno.EBADF;
        if (!file.Inode.IsDirectory)
            return Errno.ENOTDIR;
        Errno error = Permission.Check(a.Task, file.Inode, FileAccess.Execute);
        if (error == Errno.None)
            a.Task.Fs.SetWorking(file.Path.Get());
        return error;
    }

    /// <summary>man 2 chroot.</summary>
    private static SysResult Chroot(ref SyscallArguments a)
    {
        if (!FindDirectory(a.Task, a.Address0).TryGet(out PathRef place, out Errno error))
            return error;
        if (!a.Task.Credentials.Has(Capability.SysChroot))
        {
            place.Put();
            return Errno.EPERM;
        }
        a.Task.Fs.SetRoot(place);
        return SysResult.Success;
    }

    /// <summary>man 2 mkdir.</summary>
    private static SysResult Mkdir(ref SyscallArguments a) => MakeDirectory(a.Task, Vfs.AtWorkingDirectory, a.Address0, a.UInt1);

    /// <summary>man 2 mkdirat.</summary>
    private static SysResult MkdirAt(ref SyscallArguments a) => MakeDirectory(a.Task, a.Int0, a.Address1, a.UInt2);

    /// <summary>man 2 rmdir.</summary>
    private static SysResult Rmdir(ref SyscallArguments a) => FileLinkSyscalls.RemoveDirectory(a.Task, Vfs.AtWorkingDirectory, a.Address0);

    private static SysResult MakeDirectory(Task task, int directory, VirtAddr address, uint mode)
    {
        Errno error = PathArgument.Get(task.Fs.Vfs, address, out PathArgument path);
        if (error == Errno.None)
            error = EntryOperations.MakeDirectory(task.Fs.Vfs, task, directory, path.Path, mode);
        path.Dispose();
        return error;
    }

    private static SysResult ReadDirectory(ref SyscallArguments a, DirectoryFormat format)
    {
        OpenFile? file = a.Task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        SysResult result = ReadDirectory(a.Task, file, new DirectoryWriter(a.Address1, a.UInt2, format));
        file.Put();
        return result;
    }

    private static SysResult ReadDirectory(Task task, OpenFile file, DirectoryWriter to)
    {
        if (!file.Inode.IsDirectory)
            return Errno.ENOTDIR;
        file.PositionLock.Lock();
        file.Inode.Lock.Lock();
        Errno error = file.Inode.IsDead ? Errno.ENOENT : file.ReadDirectory(task, ref to);
        file.Inode.Lock.Unlock();
        file.PositionLock.Unlock();
        // What was written counts more than why it stopped.
        if (to.Written > 0)
        {
            TouchAtime.Touch(file.Path);
            return to.Written;
        }
        return error == Errno.None ? to.Error : error;
    }

    // A directory that the task may enter. The caller takes over the references.
    private static Result<PathRef> FindDirectory(Task task, VirtAddr address)
    {
        Vfs vfs = task.Fs.Vfs;
        Errno error = PathArgument.Get(vfs, address, out PathArgument path);
        if (error != Errno.None)
            return error;
        if (vfs.Find(task, Vfs.AtWorkingDirectory, path.Path, WalkFlags.FollowLast | WalkFlags.Directory).TryGet(out PathRef place, out error))
        {
            error = Permission.Check(task, place.Dentry.Inode!, FileAccess.Execute);
            if (error != Errno.None)
                place.Put();
        }
        path.Dispose();
        return error == Errno.None ? place : error;
    }
}
