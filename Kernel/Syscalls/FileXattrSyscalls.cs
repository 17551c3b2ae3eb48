using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Extended attributes: <c>setxattr getxattr listxattr removexattr</c>, each also with <c>l</c> and <c>f</c>.</summary>
internal static unsafe class FileXattrSyscalls
{
    /// <summary>Linux: <c>XATTR_NAME_MAX</c>.</summary>
    private const int NameMaximum = 255;

    /// <summary>Linux: <c>XATTR_SIZE_MAX</c>, also <c>XATTR_LIST_MAX</c>.</summary>
    private const ulong SizeMaximum = 65536;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(188, "setxattr"u8, &Setxattr);
        table.Add(189, "lsetxattr"u8, &Lsetxattr);
        table.Add(190, "fsetxattr"u8, &Fsetxattr);
        table.Add(191, "getxattr"u8, &Getxattr);
        table.Add(192, "lgetxattr"u8, &Lgetxattr);
        table.Add(193, "fgetxattr"u8, &Fgetxattr);
        table.Add(194, "listxattr"u8, &Listxattr);
        table.Add(195, "llistxattr"u8, &Llistxattr);
        table.Add(196, "flistxattr"u8, &Flistxattr);
        table.Add(197, "removexattr"u8, &Removexattr);
        table.Add(198, "lremovexattr"u8, &Lremovexattr);
        table.Add(199, "fremovexattr"u8, &Fremovexattr);
    }

    private enum Operation : byte
    {
        Set,
        Get,
        List,
        Remove,
    }

    private static SysResult Setxattr(ref SyscallArguments a) => OnPath(ref a, Operation.Set, WalkFlags.FollowLast);
    private static SysResult Lsetxattr(ref SyscallArguments a) => OnPath(ref a, Operation.Set, WalkFlags.None);
    private static SysResult Fsetxattr(ref SyscallArguments a) => OnFile(ref a, Operation.Set);
    private static SysResult Getxattr(ref SyscallArguments a) => OnPath(ref a, Operation.Get, WalkFlags.FollowLast);
    private static SysResult Lgetxattr(ref SyscallArguments a) => OnPath(ref a, Operation.Get, WalkFlags.None);
    private static SysResult Fgetxattr(ref SyscallArguments a) => OnFile(ref a, Operation.Get);
    private static SysResult Listxattr(ref SyscallArguments a) => OnPath(ref a, Operation.List, WalkFlags.FollowLast);
    private static SysResult Llistxattr(ref SyscallArguments a) => OnPath(ref a, Operation.List, WalkFlags.None);
    private static SysResult Flistxattr(ref SyscallArguments a) => OnFile(ref a, Operation.List);
    private static SysResult Removexattr(ref SyscallArguments a) => OnPath(ref a, Operation.Remove, WalkFlags.FollowLast);
    private static SysResult Lremovexattr(ref SyscallArguments a) => OnPath(ref a, Operation.Remove, WalkFlags.None);
    private static SysResult Fremovexattr(ref SyscallArguments a) => OnFile(ref a, Operation.Remove);

    private static SysResult OnPath(ref SyscallArguments a, Operation operation, WalkFlags walk)
    {
        Vfs vfs = a.Task.Fs.Vfs;
        Errno error = PathArgument.Get(vfs, a.Address0, out PathArgument path);
        if (error != Errno.None)
            return error;
        SysResult result = default;
        if (vfs.Find(a.Task, Vfs.AtWorkingDirectory, path.Path, walk).TryGet(out PathRef place, out error))
        {
            result = Do(ref a, place, operation);
            place.Put();
        }
        path.Dispose();
        return error == Errno.None ? result : error;
    }

    private static SysResult OnFile(ref SyscallArguments a, Operation operation)
    {
        OpenFile? file = a.Task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        SysResult result = Do(ref a, file.Path, operation);
        file.Put();
        return result;
    }

    private static SysResult Do(ref SyscallArguments a, in PathRef place, Operation operation)
    {
        if (operation == Operation.List)
            return List(a.Task, place.Dentry.Inode!, a.Address1, a.Arg2);
        Span<byte> nameBuffer = stackalloc byte[NameMaximum + 1];
        if (!UserCopy.StringFromUser(nameBuffer, a.Address1).TryGet(out int length, out Errno error))
            return error == Errno.ENAMETOOLONG ? Errno.ERANGE : error;
        if (length == 0)
            return Errno.ERANGE;
        ReadOnlySpan<byte> name = nameBuffer[..length];
        return operation switch
        {
            Operation.Set => Set(a.Task, place, name, a.Address2, a.Arg3, a.UInt4),
            Operation.Get => Get(a.Task, place.Dentry.Inode!, name, a.Address2, a.Arg3),
            _ => Remove(a.Task, place, name),
        };
    }

    private static SysResult Set(Task task, in PathRef place, ReadOnlySpan<byte> name, VirtAddr value, ulong size, uint flags)
    {
        if ((flags & ~3u) != 0)
            return Errno.EINVAL;
        if (size > SizeMaximum)
            return Errno.E2BIG;
        if (place.Mount.IsReadOnly)
            return Errno.EROFS;
        Inode inode = place.Dentry.Inode!;
        Errno error = CheckRight(task, inode, name, FileAccess.Write);
        if (error != Errno.None)
            return error;
        byte[]? buffer = null;
        if (size > 0)
        {
            buffer = task.Fs.Vfs.Arrays.Allocate<byte>((int)size);
            if (buffer is null)
                return Errno.ENOMEM;
            error = UserCopy.CopyFromUser(buffer, value);
        }
        if (error == Errno.None)
        {
            inode.Lock.Lock();
            error = inode.SetXattr(name, buffer, (XattrFlags)flags);
            inode.Lock.Unlock();
        }
        if (buffer is not null)
            task.Fs.Vfs.Arrays.Free(buffer);
        return error;
    }

    private static SysResult Get(Task task, Inode inode, ReadOnlySpan<byte> name, VirtAddr to, ulong size)
    {
        Errno error = CheckRight(task, inode, name, FileAccess.Read);
        if (error != Errno.None)
            return error;
        if (size == 0)
            return inode.GetXattr(name, default);
        if (size > SizeMaximum)
            size = SizeMaximum;
        byte[]? buffer = task.Fs.Vfs.Arrays.Allocate<byte>((int)size);
        if (buffer is null)
            return Errno.ENOMEM;
        if (inode.GetXattr(name, buffer).TryGet(out int length, out error))
            error = UserCopy.CopyToUser(to, buffer.AsSpan(0, length));
        task.Fs.Vfs.Arrays.Free(buffer);
        return error == Errno.None ? length : error;
    }

    private static SysResult List(Task task, Inode inode, VirtAddr to, ulong size)
    {
        if (size == 0)
            return inode.ListXattrs(default);
        if (size > SizeMaximum)
            size = SizeMaximum;
        byte[]? buffer = task.Fs.Vfs.Arrays.Allocate<byte>((int)size);
        if (buffer is null)
            return Errno.ENOMEM;
        if (inode.ListXattrs(buffer).TryGet(out int length, out Errno error))
            error = UserCopy.CopyToUser(to, buffer.AsSpan(0, length));
        task.Fs.Vfs.Arrays.Free(buffer);
        return error == Errno.None ? length : error;
    }

    private static SysResult Remove(Task task, in PathRef place, ReadOnlySpan<byte> name)
    {
        if (place.Mount.IsReadOnly)
            return Errno.EROFS;
        Inode inode = place.Dentry.Inode!;
        Errno error = CheckRight(task, inode, name, FileAccess.Write);
        if (error != Errno.None)
            return error;
        inode.Lock.Lock();
        error = inode.RemoveXattr(name);
        inode.Lock.Unlock();
        return error;
    }

    // Linux: xattr_permission.
    private static Errno CheckRight(Task task, Inode inode, ReadOnlySpan<byte> name, FileAccess wanted)
    {
        if (name.StartsWith("security."u8) || name.StartsWith("system."u8))
            return Errno.None;
        if (name.StartsWith("trusted."u8))
            return task.Credentials.Has(Capability.SysAdmin) ? Errno.None : wanted == FileAccess.Write ? Errno.EPERM : Errno.ENODATA;
        if (name.StartsWith("user."u8))
        {
            if (!inode.IsRegular && !inode.IsDirectory)
                return wanted == FileAccess.Write ? Errno.EPERM : Errno.ENODATA;
            if (inode.IsDirectory && (inode.Mode & FileMode.Sticky) != 0 && wanted == FileAccess.Write && !Permission.IsOwner(task, inode))
                return Errno.EPERM;
        }
        return Permission.Check(task, inode, wanted);
    }
}
