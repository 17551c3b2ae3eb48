using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Opening and closing files: <c>open openat openat2 creat close close_range</c>.</summary>
internal static unsafe class FileOpenSyscalls
{
    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(2, "open"u8, &Open);
        table.Add(3, "close"u8, &Close);
        table.Add(85, "creat"u8, &Creat);
        table.Add(257, "openat"u8, &OpenAt);
        table.Add(436, "close_range"u8, &CloseRange);
        table.Add(437, "openat2"u8, &OpenAt2);
    }

    /// <summary>man 2 open.</summary>
    private static SysResult Open(ref SyscallArguments a)
        => OpenPath(a.Task, Vfs.AtWorkingDirectory, a.Address0, (OpenFlags)a.UInt1 | OpenFlags.LargeFile, a.UInt2, WalkFlags.None);

    /// <summary>man 2 openat.</summary>
    private static SysResult OpenAt(ref SyscallArguments a)
        => OpenPath(a.Task, a.Int0, a.Address1, (OpenFlags)a.UInt2 | OpenFlags.LargeFile, a.UInt3, WalkFlags.None);

    /// <summary>man 2 creat.</summary>
    private static SysResult Creat(ref SyscallArguments a)
        => OpenPath(a.Task, Vfs.AtWorkingDirectory, a.Address0,
            OpenFlags.Create | OpenFlags.WriteOnly | OpenFlags.Truncate | OpenFlags.LargeFile, a.UInt1, WalkFlags.None);

    /// <summary>man 2 openat2: flags are checked strictly, and the walk can be confined.</summary>
    private static SysResult OpenAt2(ref SyscallArguments a)
    {
        const ulong OpenHowSize = 24;
        const ulong ResolveKnown = 0x3F;
        if (a.Arg3 < OpenHowSize)
            return Errno.EINVAL;
        if (a.Arg3 > PageSize.Bytes)
            return Errno.E2BIG;
        Span<ulong> how = stackalloc ulong[3];
        for (int i = 0; i < 3; i++)
        {
            Errno copied = UserCopy.Get(a.Address2 + (ulong)(i * 8), out how[i]);
            if (copied != Errno.None)
                return copied;
        }
        Errno error = StructureTail.CheckZero(a.Address2 + OpenHowSize, a.Arg3 - OpenHowSize);
        if (error != Errno.None)
            return error;

        ulong resolve = how[2];
        if ((how[0] & ~(ulong)OpenFlags.Known) != 0 || (resolve & ~ResolveKnown) != 0)
            return Errno.EINVAL;
        var flags = (OpenFlags)how[0];
        if ((flags & (OpenFlags.Create | OpenFlags.TemporaryFileBit)) != 0 ? (how[1] & ~(ulong)FileMode.PermissionMask) != 0 : how[1] != 0)
            return Errno.EINVAL;
        if ((flags & OpenFlags.Path) != 0 && (flags & ~(OpenFlags.Path | OpenFlags.Directory | OpenFlags.NoFollow | OpenFlags.CloseOnExec)) != 0)
            return Errno.EINVAL;
        WalkFlags scope = WalkFlags.None;
        if ((resolve & 0x01) != 0)
            scope |= WalkFlags.NoCrossing;
        if ((resolve & 0x02) != 0)
            scope |= WalkFlags.NoMagicLinks;
        if ((resolve & 0x04) != 0)
            scope |= WalkFlags.NoLinks;
        if ((resolve & 0x08) != 0)
            scope |= WalkFlags.Beneath;
        if ((resolve & 0x10) != 0)
            scope |= WalkFlags.InRoot;
        if ((resolve & 0x18) == 0x18)
            return Errno.EINVAL;
        // RESOLVE_CACHED: answer only from memory. Nothing says what has been cached, so the caller is told to ask without it.
        if ((resolve & 0x20) != 0)
            return (flags & (OpenFlags.Truncate | OpenFlags.Create | OpenFlags.TemporaryFileBit)) != 0 ? Errno.EINVAL : Errno.EAGAIN;
        return OpenPath(a.Task, a.Int0, a.Address1, flags, (uint)how[1], scope);
    }

    /// <summary>man 2 close. An error of the flush is told, but the descriptor is free in any case.</summary>
    private static SysResult Close(ref SyscallArguments a)
    {
        Errno error = a.Task.Files.Close(a.Task, a.Int0);
        // The descriptor is gone: to run the call again would close another's.
        return error is Errno.ERESTARTSYS or Errno.ERESTARTNOINTR or Errno.ERESTARTNOHAND ? Errno.EINTR : error;
    }

    /// <summary>man 2 close_range.</summary>
    private static SysResult CloseRange(ref SyscallArguments a)
    {
        const uint Unshare = 2;
        const uint MarkOnly = 4;
        uint first = a.UInt0;
        uint last = a.UInt1;
        uint flags = a.UInt2;
        if ((flags & ~(Unshare | MarkOnly)) != 0 || first > last)
            return Errno.EINVAL;
        Task task = a.Task;
        if ((flags & Unshare) != 0 && task.Files.References > 1)
        {
            FileDescriptorTable? copy = task.Files.Clone();
            if (copy is null)
                return Errno.ENOMEM;
            FileDescriptorTable shared = task.Files;
            task.Files = copy;
            shared.Put(task);
        }
        FileDescriptorTable files = task.Files;
        for (int fd = first > int.MaxValue ? -1 : files.NextUsed((int)first); fd >= 0 && (uint)fd <= last; fd = files.NextUsed(fd + 1))
        {
            if ((flags & MarkOnly) != 0)
                files.SetCloseOnExec(fd, CloseOnExec.Yes);
            else
                files.Close(task, fd);
        }
        return SysResult.Success;
    }

    // Linux: do_sys_openat2. The number is reserved before the file is opened, so that a full table has no side effect.
    private static SysResult OpenPath(Task task, int directory, VirtAddr address, OpenFlags flags, uint mode, WalkFlags scope)
    {
        Vfs vfs = task.Fs.Vfs;
        Errno error = PathArgument.Get(vfs, address, out PathArgument path);
        if (error != Errno.None)
            return error;
        CloseOnExec onExec = (flags & OpenFlags.CloseOnExec) != 0 ? CloseOnExec.Yes : CloseOnExec.No;
        if (task.Files.Reserve(task, onExec).TryGet(out int fd, out error))
        {
            if (OpenOperation.Open(vfs, task, directory, path.Path, flags, mode, scope).TryGet(out OpenFile file, out error))
                task.Files.Install(fd, file);
            else
                task.Files.Unreserve(fd);
        }
        path.Dispose();
        return error == Errno.None ? fd : error;
    }
}
