using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Physical;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Names: <c>link linkat unlink unlinkat symlink symlinkat readlink readlinkat rename renameat renameat2 mknod mknodat</c>.</summary>
internal static unsafe class FileLinkSyscalls
{
    private const uint AtRemoveDirectory = 0x200;
    private const uint AtSymlinkFollow = 0x400;
    private const uint AtEmptyPath = 0x1000;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(82, "rename"u8, &Rename);
        table.Add(86, "link"u8, &Link);
        table.Add(87, "unlink"u8, &Unlink);
        table.Add(88, "symlink"u8, &Symlink);
        table.Add(89, "readlink"u8, &Readlink);
        table.Add(133, "mknod"u8, &Mknod);
        table.Add(259, "mknodat"u8, &MknodAt);
        table.Add(263, "unlinkat"u8, &UnlinkAt);
        table.Add(264, "renameat"u8, &RenameAt);
        table.Add(265, "linkat"u8, &LinkAt);
        table.Add(266, "symlinkat"u8, &SymlinkAt);
        table.Add(267, "readlinkat"u8, &ReadlinkAt);
        table.Add(316, "renameat2"u8, &RenameAt2);
    }

    /// <summary>man 2 rmdir, and unlinkat with AT_REMOVEDIR.</summary>
    internal static SysResult RemoveDirectory(Task task, int directory, VirtAddr address)
    {
        Errno error = PathArgument.Get(task.Fs.Vfs, address, out PathArgument path);
        if (error == Errno.None)
            error = EntryOperations.RemoveDirectory(task.Fs.Vfs, task, directory, path.Path);
        path.Dispose();
        return error;
    }

    /// <summary>man 2 rename.</summary>
    private static SysResult Rename(ref SyscallArguments a)
        => RenamePaths(a.Task, Vfs.AtWorkingDirectory, a.Address0, Vfs.AtWorkingDirectory, a.Address1, RenameFlags.None);

    /// <summary>man 2 renameat.</summary>
    private static SysResult RenameAt(ref SyscallArguments a) => RenamePaths(a.Task, a.Int0, a.Address1, a.Int2, a.Address3, RenameFlags.None);

    /// <summary>man 2 renameat2.</summary>
    private static SysResult RenameAt2(ref SyscallArguments a) => RenamePaths(a.Task, a.Int0, a.Address1, a.Int2, a.Address3, (RenameFlags)a.UInt4);

    /// <summary>man 2 link.</summary>
    private static SysResult Link(ref SyscallArguments a)
        => LinkPaths(a.Task, Vfs.AtWorkingDirectory, a.Address0, Vfs.AtWorkingDirectory, a.Address1, 0);

    /// <summary>man 2 linkat.</summary>
    private static SysResult LinkAt(ref SyscallArguments a) => LinkPaths(a.Task, a.Int0, a.Address1, a.Int2, a.Address3, a.UInt4);

    /// <summary>man 2 unlink.</summary>
    private static SysResult Unlink(ref SyscallArguments a) => UnlinkPath(a.Task, Vfs.AtWorkingDirectory, a.Address0);

    /// <summary>man 2 unlinkat.</summary>
    private static SysResult UnlinkAt(ref SyscallArguments a)
    {
        if ((a.UInt2 & ~AtRemoveDirectory) != 0)
            return Errno.EINVAL;
        return (a.UInt2 & AtRemoveDirectory) != 0 ? RemoveDirectory(a.Task, a.Int0, a.Address1) : UnlinkPath(a.Task, a.Int0, a.Address1);
    }

    /// <summary>man 2 symlink.</summary>
    private static SysResult Symlink(ref SyscallArguments a) => SymlinkPath(a.Task, a.Address0, Vfs.AtWorkingDirectory, a.Address1);

    /// <summary>man 2 symlinkat.</summary>
    private static SysResult SymlinkAt(ref SyscallArguments a) => SymlinkPath(a.Task, a.Address0, a.Int1, a.Address2);

    /// <summary>man 2 readlink.</summary>
    private static SysResult Readlink(ref SyscallArguments a) => ReadlinkPath(a.Task, Vfs.AtWorkingDirectory, a.Address0, a.Address1, a.Int2);

    /// <summary>man 2 readlinkat.</summary>
    private static SysResult ReadlinkAt(ref SyscallArguments a) => ReadlinkPath(a.Task, a.Int0, a.Address1, a.Address2, a.Int3);

    /// <summary>man 2 mknod.</summary>
    private static SysResult Mknod(ref SyscallArguments a) => MknodPath(a.Task, Vfs.AtWorkingDirectory, a.Address0, a.UInt1, a.UInt2);

    /// <summary>man 2 mknodat.</summary>
    private static SysResult MknodAt(ref SyscallArguments a) => MknodPath(a.Task, a.Int0, a.Address1, a.UInt2, a.UInt3);

    private static SysResult RenamePaths(Task task, int oldDirectory, VirtAddr oldAddress, int newDirectory, VirtAddr newAddress, RenameFlags flags)
    {
        Vfs vfs = task.Fs.Vfs;
        Errno error = PathArgument.Get(vfs, oldAddress, out PathArgument oldPath);
        PathArgument newPath = default;
        if (error == Errno.None)
            error = PathArgument.Get(vfs, newAddress, out newPath);
        if (error == Errno.None)
            error = RenameOperation.Rename(vfs, task, oldDirectory, oldPath.Path, newDirectory, newPath.Path, flags);
        newPath.Dispose();
        oldPath.Dispose();
        return error;
    }

    private static SysResult LinkPaths(Task task, int oldDirectory, VirtAddr oldAddress, int newDirectory, VirtAddr newAddress, uint flags)
    {
        if ((flags & ~(AtSymlinkFollow | AtEmptyPath)) != 0)
            return Errno.EINVAL;
        WalkFlags walk = ((flags & AtSymlinkFollow) != 0 ? WalkFlags.FollowLast : 0) | ((flags & AtEmptyPath) != 0 ? WalkFlags.EmptyPath : 0);
        Vfs vfs = task.Fs.Vfs;
        Errno error = PathArgument.Get(vfs, oldAddress, out PathArgument oldPath);
        PathArgument newPath = default;
        if (error == Errno.None)
            error = PathArgument.Get(vfs, newAddress, out newPath);
        if (error == Errno.None)
            error = EntryOperations.Link(vfs, task, oldDirectory, oldPath.Path, newDirectory, newPath.Path, walk);
        newPath.Dispose();
        oldPath.Dispose();
        return error;
    }

    private static SysResult UnlinkPath(Task task, int directory, VirtAddr address)
    {
        Errno error = PathArgument.Get(task.Fs.Vfs, address, out PathArgument path);
        if (error == Errno.None)
            error = EntryOperations.Unlink(task.Fs.Vfs, task, directory, path.Path);
        path.Dispose();
        return error;
    }

    private static SysResult SymlinkPath(Task task, VirtAddr targetAddress, int directory, VirtAddr address)
    {
        Vfs vfs = task.Fs.Vfs;
        Errno error = PathArgument.Get(vfs, targetAddress, out PathArgument target);
        PathArgument path = default;
        if (error == Errno.None)
            error = PathArgument.Get(vfs, address, out path);
        if (error == Errno.None)
            error = EntryOperations.MakeSymbolicLink(vfs, task, target.Path, directory, path.Path);
        path.Dispose();
        target.Dispose();
        return error;
    }

    private static SysResult ReadlinkPath(Task task, int directory, VirtAddr address, VirtAddr to, int size)
    {
        if (size <= 0)
            return Errno.EINVAL;
        Vfs vfs = task.Fs.Vfs;
        Errno error = PathArgument.Get(vfs, address, out PathArgument path);
        if (error != Errno.None)
            return error;
        bool isEmpty = path.Path.IsEmpty;
        Result<int> result = default;
        if (vfs.Find(task, directory, path.Path, WalkFlags.EmptyPath).TryGet(out PathRef place, out error))
        {
            // readlink("") of a working directory is ENOENT, readlink of a file that is no link EINVAL.
            if (!FileMode.IsSymbolicLink(place.Dentry.Inode!.Mode))
                error = isEmpty ? Errno.ENOENT : Errno.EINVAL;
            else
                result = ReadLink(vfs, task, place, to, size);
            place.Put();
        }
        path.Dispose();
        return error == Errno.None ? result : error;
    }

    private static Result<int> ReadLink(Vfs vfs, Task task, in PathRef place, VirtAddr to, int size)
    {
        Inode inode = place.Dentry.Inode!;
        TouchAtime.Touch(place);
        Errno error;
        ReadOnlySpan<byte> text = inode.LinkText;
        if (!text.IsEmpty)
        {
            if (text.Length > size)
                text = text[..size];
            error = UserCopy.CopyToUser(to, text);
            return error == Errno.None ? text.Length : error;
        }
        error = vfs.Memory.Frames.Allocate(0, AllocationFlags.None, out Pfn frame);
        if (error != Errno.None)
            return error;
        Span<byte> buffer = DirectMap.Page(frame);
        if (size < buffer.Length)
            buffer = buffer[..size];
        if (inode.ReadLink(task, buffer).TryGet(out int length, out error))
            error = UserCopy.CopyToUser(to, buffer[..length]);
        vfs.Memory.Frames.Put(frame);
        return error == Errno.None ? length : error;
    }

    private static SysResult MknodPath(Task task, int directory, VirtAddr address, uint mode, uint device)
    {
        Errno error = PathArgument.Get(task.Fs.Vfs, address, out PathArgument path);
        if (error == Errno.None)
            error = EntryOperations.MakeNode(task.Fs.Vfs, task, directory, path.Path, mode, device);
        path.Dispose();
        return error;
    }
}
