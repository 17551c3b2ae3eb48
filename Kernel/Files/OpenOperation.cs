using System;
using NanoVm.Core;
using NanoVm.Files.Block;
using NanoVm.Files.Devices;
using NanoVm.Files.Pipes;

namespace NanoVm.Files;

/// <summary>Opens files: finds or creates them, checks rights, and makes the open file.</summary>
/// <remarks>Linux: <c>do_filp_open</c>, <c>path_openat</c>, <c>may_open</c>, <c>do_dentry_open</c>; man 2 open.</remarks>
internal static class OpenOperation
{
    /// <summary>Opens a path. See <see cref="Vfs.Open"/>.</summary>
    /// <param name="scope">Restrictions of <c>openat2</c>.</param>
    public static Result<OpenFile> Open(Vfs vfs, TaskFiles who, int directory, ReadOnlySpan<byte> path, OpenFlags flags, uint mode, WalkFlags scope)
    {
        Errno error = CheckFlags(ref flags);
        if (error != Errno.None)
            return error;

        FileAccess wanted = ToAccess(flags);
        if ((flags & OpenFlags.TemporaryFileBit) != 0)
            return OpenUnnamed(vfs, who, directory, path, flags, mode, scope);
        if ((flags & OpenFlags.Create) != 0)
            return OpenOrCreate(vfs, who, directory, path, flags, mode, wanted, scope);

        WalkFlags walk = scope | ((flags & OpenFlags.NoFollow) == 0 ? WalkFlags.FollowLast : 0)
            | ((flags & OpenFlags.Directory) != 0 ? WalkFlags.Directory : 0);
        if (!PathWalk.Find(vfs, who, directory, path, walk).TryGet(out PathRef place, out error))
            return error;
        Result<OpenFile> file = OpenPlace(vfs, who, place, flags, wanted);
        place.Put();
        return file;
    }

    /// <summary>Opens a place that has been found. Checks the rights. Linux: <c>do_open</c>.</summary>
    public static Result<OpenFile> OpenPlace(Vfs vfs, TaskFiles who, in PathRef place, OpenFlags flags, FileAccess wanted)
    {
        if ((flags & OpenFlags.Path) != 0)
            return PathOnlyFile.Allocate(vfs, place, flags) is { } pathOnly ? pathOnly : Errno.ENOMEM;
        Errno error = CheckOpen(who, place, wanted, ref flags);
        if (error != Errno.None)
            return error;
        if (!OpenChecked(who, place, flags).TryGet(out OpenFile file, out error))
            return error;
        if ((flags & OpenFlags.Truncate) != 0 && place.Dentry.Inode!.IsRegular)
        {
            // Who only reads has no right to write yet, and what runs as a program may not be cut. Linux: handle_truncate.
            error = place.Dentry.Inode!.GetWriteAccess();
            if (error == Errno.None)
            {
                error = AttributeOperations.TruncateOpened(who, file, 0);
                place.Dentry.Inode!.PutWriteAccess();
            }
            if (error != Errno.None)
            {
                file.Put();
                return error;
            }
        }
        return file;
    }

    /// <summary>Opens a program for <c>execve</c>. See <see cref="Vfs.OpenForExec"/>.</summary>
    public static Result<OpenFile> OpenForExec(Vfs vfs, TaskFiles who, int directory, ReadOnlySpan<byte> path, WalkFlags walk)
    {
        if (!PathWalk.Find(vfs, who, directory, path, walk).TryGet(out PathRef place, out Errno error))
            return error;
        OpenFile? file = null;
        Inode inode = place.Dentry.Inode!;
        OpenFlags flags = OpenFlags.ReadOnly | OpenFlags.LargeFile;
        if (FileMode.IsSymbolicLink(inode.Mode))
            error = Errno.ELOOP;
        else if (!inode.IsRegular || (place.Mount.Flags & MountFlags.NoExecute) != 0)
            error = Errno.EACCES;
        else
            error = Permission.Check(who, inode, FileAccess.Execute);
        if (error == Errno.None)
            error = inode.DenyWriteAccess();
        if (error == Errno.None)
        {
            if (OpenChecked(who, place, flags).TryGet(out file, out error))
                file.MarkAsDenyingWriters();
            else
                inode.AllowWriteAccess();
        }
        place.Put();
        return error == Errno.None ? file! : error;
    }

    /// <summary>Makes the open file; the rights have been checked. Linux: <c>do_dentry_open</c>.</summary>
    public static Result<OpenFile> OpenChecked(TaskFiles who, in PathRef place, OpenFlags flags)
    {
        Inode inode = place.Dentry.Inode!;
        switch (inode.Mode & FileMode.TypeMask)
        {
            case FileMode.BlockDevice:
                return BlockDeviceFile.Open(place, flags);
            case FileMode.CharacterDevice:
                return DeviceTable.Open(who, place, flags);
            case FileMode.Fifo:
                return Fifo.Open(who, place, flags);
            case FileMode.Socket:
                return Errno.ENXIO;
            case FileMode.Regular when (flags & OpenFlags.AccessMask) is OpenFlags.WriteOnly or OpenFlags.ReadWrite:
                Errno error = inode.GetWriteAccess();
                if (error != Errno.None)
                    return error;
                if (inode.Open(who, place, flags).TryGet(out OpenFile file, out error))
                {
                    file.CountAsWriter();
                    return file;
                }
                inode.PutWriteAccess();
                return error;
            default:
                return inode.Open(who, place, flags);
        }
    }

    // Linux: build_open_flags.
    private static Errno CheckFlags(ref OpenFlags flags)
    {
        flags &= OpenFlags.Known;
        if ((flags & OpenFlags.Path) != 0)
        {
            flags &= OpenFlags.Path | OpenFlags.Directory | OpenFlags.NoFollow | OpenFlags.CloseOnExec;
            return Errno.None;
        }
        if ((flags & OpenFlags.TemporaryFileBit) != 0)
        {
            if ((flags & (OpenFlags.Directory | OpenFlags.Create)) != OpenFlags.Directory)
                return Errno.EINVAL;
            return (flags & OpenFlags.AccessMask) is OpenFlags.WriteOnly or OpenFlags.ReadWrite ? Errno.None : Errno.EINVAL;
        }
        // As Linux since 6.4: before, this left a regular file behind and failed.
        return (flags & (OpenFlags.Create | OpenFlags.Directory)) == (OpenFlags.Create | OpenFlags.Directory) ? Errno.EINVAL : Errno.None;
    }

    // Linux: ACC_MODE. Mode 3 wants both rights and gives neither.
    private static FileAccess ToAccess(OpenFlags flags)
    {
        FileAccess wanted = (flags & OpenFlags.AccessMask) switch
        {
            OpenFlags.ReadOnly => FileAccess.Read,
            OpenFlags.WriteOnly => FileAccess.Write,
            _ => FileAccess.Read | FileAccess.Write,
        };
        return (flags & OpenFlags.Truncate) != 0 ? wanted | FileAccess.Write : wanted;
    }

    // Linux: may_open. Forgets O_TRUNC where it means nothing.
    private static Errno CheckOpen(TaskFiles who, in PathRef place, FileAccess wanted, ref OpenFlags flags)
    {
        Inode inode = place.Dentry.Inode!;
        switch (inode.Mode & FileMode.TypeMask)
        {
            case FileMode.SymbolicLink:
                return Errno.ELOOP;
            case FileMode.Directory:
                if ((wanted & FileAccess.Write) != 0)
                    return Errno.EISDIR;
                break;
            case FileMode.CharacterDevice:
            case FileMode.BlockDevice:
                if ((place.Mount.Flags & MountFlags.NoDevices) != 0)
                    return Errno.EACCES;
                flags &= ~OpenFlags.Truncate;
                break;
            case FileMode.Fifo:
            case FileMode.Socket:
                flags &= ~OpenFlags.Truncate;
                break;
        }
        Errno error = Permission.Check(who, place, wanted);
        if (error != Errno.None)
            return error;
        if ((flags & OpenFlags.NoAccessTime) != 0 && !Permission.IsOwner(who, inode))
            return Errno.EPERM;
        return Errno.None;
    }

    // Linux: path_openat with O_CREAT: the last component is looked up under its directory's lock.
    private static Result<OpenFile> OpenOrCreate(
        Vfs vfs, TaskFiles who, int directory, ReadOnlySpan<byte> path, OpenFlags flags, uint mode, FileAccess wanted, WalkFlags scope)
    {
        Errno error = PathWalk.Begin(vfs, who, directory, path, scope, out PathWalk walk);
        Result<OpenFile> result = error;
        while (error == Errno.None)
        {
            error = walk.WalkToParent();
            if (error == Errno.None && walk.LastKind == LastComponent.Root && (flags & OpenFlags.Exclusive) == 0 && !walk.Parent.Dentry.IsDirectory)
            {
                // A link of /proc/PID/fd led straight to a file that has no last name to look up.
                result = OpenPlace(vfs, who, walk.Parent, flags, wanted);
                walk.Dispose();
                return result;
            }
            if (error == Errno.None && (walk.LastKind != LastComponent.Name || walk.HasTrailingSlash))
                error = (flags & OpenFlags.Exclusive) != 0 && walk.LastKind != LastComponent.Name ? Errno.EEXIST : Errno.EISDIR;
            if (error != Errno.None)
                break;
            error = LookupOrCreate(vfs, who, walk.Parent, walk.Last, flags, mode, out Dentry? entry, out bool created);
            if (error != Errno.None)
                break;
            if (created)
            {
                // The creator may open it however the mode bits are, and there is nothing to truncate.
                result = OpenChecked(who, new PathRef(walk.Parent.Mount, entry!), flags & ~OpenFlags.Truncate);
                entry!.Put();
                walk.Dispose();
                return result;
            }
            if ((flags & OpenFlags.Exclusive) != 0)
            {
                entry!.Put();
                error = Errno.EEXIST;
                break;
            }
            if (entry!.IsSymbolicLink && (flags & OpenFlags.NoFollow) == 0)
            {
                var link = new PathRef(walk.Parent.Mount, entry);
                error = walk.FollowLast(link);
                entry.Put();
                continue;
            }
            error = walk.MoveTo(entry);
            entry.Put();
            if (error != Errno.None)
                break;
            result = walk.Parent.Dentry.IsDirectory ? Errno.EISDIR : OpenPlace(vfs, who, walk.Parent, flags, wanted);
            walk.Dispose();
            return result;
        }
        walk.Dispose();
        return error;
    }

    // Linux: lookup_open.
    private static Errno LookupOrCreate(
        Vfs vfs, TaskFiles who, in PathRef parent, ReadOnlySpan<byte> name, OpenFlags flags, uint mode, out Dentry? entry, out bool created)
    {
        created = false;
        Dentry directory = parent.Dentry;
        Inode inode = directory.Inode!;

        // What exists is found without the lock: the usual case of O_CREAT.
        Dentry? cached = directory.Children.Find(name, Dentry.HashName(name));
        if (cached is { IsNegative: false } && inode.IsEntryValid(cached))
        {
            entry = cached.Get();
            return Errno.None;
        }
        inode.Lock.Lock();
        Errno error = PathWalk.LookupLocked(vfs, who, directory, name).TryGet(out entry!, out Errno lookupError) ? Errno.None : lookupError;
        if (error == Errno.None && entry!.IsNegative)
        {
            error = parent.Mount.IsReadOnly ? Errno.EROFS : Permission.CheckCreate(who, inode);
            if (error == Errno.None)
                error = inode.Create(entry, FileMode.Regular | (mode & FileMode.PermissionMask & ~who.Fs.Umask), who);
            if (error == Errno.None && !entry.IsHashed)
                entry.Hash();
            created = error == Errno.None;
            if (error != Errno.None)
            {
                entry.Put();
                entry = null;
            }
        }
        inode.Lock.Unlock();
        return error;
    }

    // Linux: do_tmpfile. The path names the directory on whose file system the nameless file lives.
    private static Result<OpenFile> OpenUnnamed(
        Vfs vfs, TaskFiles who, int directory, ReadOnlySpan<byte> path, OpenFlags flags, uint mode, WalkFlags scope)
    {
        WalkFlags walk = scope | WalkFlags.Directory | ((flags & OpenFlags.NoFollow) == 0 ? WalkFlags.FollowLast : 0);
        if (!PathWalk.Find(vfs, who, directory, path, walk).TryGet(out PathRef place, out Errno error))
            return error;
        Dentry? entry = null;
        Result<OpenFile> result = default;
        Inode inode = place.Dentry.Inode!;
        if (place.Mount.IsReadOnly)
            error = Errno.EROFS;
        else
            error = Permission.Check(who, inode, FileAccess.Write | FileAccess.Execute);
        if (error == Errno.None && (entry = Dentry.Allocate(vfs, place.Dentry.Superblock, place.Dentry, "#tmpfile"u8)) is null)
            error = Errno.ENOMEM;
        if (error == Errno.None)
            error = inode.CreateUnnamed(entry!, FileMode.Regular | (mode & FileMode.PermissionMask & ~who.Fs.Umask), who);
        if (error == Errno.None)
        {
            // With O_EXCL it never gets a name.
            if ((flags & OpenFlags.Exclusive) != 0)
                entry!.Inode!.IsUnnamed = false;
            result = OpenChecked(who, new PathRef(place.Mount, entry!), flags & ~(OpenFlags.Truncate | OpenFlags.Directory));
            if (result.IsOk)
                result.Value.Flags |= OpenFlags.Directory;      // F_GETFL shows all of O_TMPFILE
        }
        entry?.Put();
        place.Put();
        return error == Errno.None ? result : error;
    }
}
