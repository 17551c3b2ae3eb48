using System;
using NanoVm.Core;

namespace NanoVm.Files;

/// <summary>Makes and removes names: <c>mkdir mknod symlink link unlink rmdir</c>.</summary>
/// <remarks>Linux: <c>filename_create</c>, <c>vfs_mkdir</c> and its companions, <c>do_unlinkat</c>, <c>do_rmdir</c>. See <see cref="RenameOperation"/>.</remarks>
internal static class EntryOperations
{
    /// <summary>Linux: <c>do_mkdirat</c>. The umask is applied.</summary>
    public static Errno MakeDirectory(Vfs vfs, TaskFiles who, int directory, ReadOnlySpan<byte> path, uint mode)
        => Make(vfs, who, directory, path, FileMode.Directory | (mode & (FileMode.PermissionMask & ~(FileMode.SetUid | FileMode.SetGid)) & ~who.Fs.Umask), 0, default);

    /// <summary>Linux: <c>do_mknodat</c>. The umask is applied.</summary>
    public static Errno MakeNode(Vfs vfs, TaskFiles who, int directory, ReadOnlySpan<byte> path, uint mode, ulong device)
    {
        if ((mode & FileMode.TypeMask) == 0)
            mode |= FileMode.Regular;
        switch (mode & FileMode.TypeMask)
        {
            case FileMode.Regular:
            case FileMode.Fifo:
            case FileMode.Socket:
                device = 0;
                break;
            case FileMode.CharacterDevice:
            case FileMode.BlockDevice:
                break;
            case FileMode.Directory:
                return Errno.EPERM;
            default:
                return Errno.EINVAL;
        }
        return Make(vfs, who, directory, path, (mode & FileMode.TypeMask) | (mode & FileMode.PermissionMask & ~who.Fs.Umask), device, default);
    }

    /// <summary>Linux: <c>do_symlinkat</c>.</summary>
    public static Errno MakeSymbolicLink(Vfs vfs, TaskFiles who, ReadOnlySpan<byte> target, int directory, ReadOnlySpan<byte> path)
        => target.IsEmpty ? Errno.ENOENT : Make(vfs, who, directory, path, FileMode.SymbolicLink | 0x1FF, 0, target);

    /// <summary>Linux: <c>do_linkat</c>.</summary>
    /// <param name="walk">Whether a symbolic link is followed, and whether an empty path means the descriptor.</param>
    public static Errno Link(
        Vfs vfs, TaskFiles who, int oldDirectory, ReadOnlySpan<byte> oldPath, int newDirectory, ReadOnlySpan<byte> newPath, WalkFlags walk)
    {
        if ((walk & WalkFlags.EmptyPath) != 0 && oldPath.IsEmpty && !who.Credentials.Has(Capability.DacReadSearch))
            return Errno.ENOENT;
        if (!PathWalk.Find(vfs, who, oldDirectory, oldPath, walk).TryGet(out PathRef old, out Errno error))
            return error;
        error = BeginMake(vfs, who, newDirectory, newPath, isDirectory: false, out PathWalk walkTo, out Dentry? entry);
        if (error == Errno.None)
        {
            error = LinkLocked(who, old, walkTo.Parent, entry!);
            EndMake(ref walkTo, entry!, error);
        }
        old.Put();
        return error;
    }

    /// <summary>Linux: <c>do_unlinkat</c>.</summary>
    public static Errno Unlink(Vfs vfs, TaskFiles who, int directory, ReadOnlySpan<byte> path)
        => Remove(vfs, who, directory, path, wantsDirectory: false);

    /// <summary>Linux: <c>do_rmdir</c>.</summary>
    public static Errno RemoveDirectory(Vfs vfs, TaskFiles who, int directory, ReadOnlySpan<byte> path)
        => Remove(vfs, who, directory, path, wantsDirectory: true);

    /// <summary>Makes a socket file, for <c>bind</c>, with the mode 0777 less the umask. The place is the caller's to put.</summary>
    public static Result<PathRef> MakeSocket(Vfs vfs, TaskFiles who, ReadOnlySpan<byte> path)
    {
        Errno error = BeginMake(vfs, who, Vfs.AtWorkingDirectory, path, isDirectory: false, out PathWalk walk, out Dentry? entry);
        if (error != Errno.None)
            return error == Errno.EEXIST ? Errno.EADDRINUSE : error;
        Inode parent = walk.Parent.Dentry.Inode!;
        error = Permission.CheckCreate(who, parent);
        if (error == Errno.None)
            error = parent.MakeNode(entry!, FileMode.Socket | (0x1FFu & ~who.Fs.Umask), 0, who);
        PathRef place = error == Errno.None ? new PathRef(walk.Parent.Mount, entry!).Get() : default;
        EndMake(ref walk, entry!, error);
        return error == Errno.None ? place : error;
    }

    // One body for all that makes a new inode: mode says which.
    private static Errno Make(Vfs vfs, TaskFiles who, int directory, ReadOnlySpan<byte> path, uint mode, ulong device, ReadOnlySpan<byte> target)
    {
        bool isDirectory = FileMode.IsDirectory(mode);
        Errno error = BeginMake(vfs, who, directory, path, isDirectory, out PathWalk walk, out Dentry? entry);
        if (error != Errno.None)
            return error;
        Inode parent = walk.Parent.Dentry.Inode!;
        error = Permission.CheckCreate(who, parent);
        if (error == Errno.None && FileMode.IsDevice(mode) && !who.Credentials.Has(Capability.MakeNode))
            error = Errno.EPERM;
        if (error == Errno.None)
        {
            error = (mode & FileMode.TypeMask) switch
            {
                FileMode.Directory => parent.MakeDirectory(entry!, mode, who),
                FileMode.SymbolicLink => parent.MakeSymbolicLink(entry!, target, who),
                FileMode.Regular => parent.Create(entry!, mode, who),
                _ => parent.MakeNode(entry!, mode, device, who),
            };
        }
        EndMake(ref walk, entry!, error);
        return error;
    }

    // Linux: filename_create. On success the parent's lock is held and entry is negative; EndMake gives both back.
    private static Errno BeginMake(
        Vfs vfs, TaskFiles who, int directory, ReadOnlySpan<byte> path, bool isDirectory, out PathWalk walk, out Dentry? entry)
    {
        entry = null;
        Errno error = PathWalk.Begin(vfs, who, directory, path, WalkFlags.None, out walk);
        if (error == Errno.None)
            error = walk.WalkToParent();
        if (error == Errno.None && walk.LastKind != LastComponent.Name)
            error = Errno.EEXIST;
        if (error != Errno.None)
        {
            walk.Dispose();
            return error;
        }
        Dentry parent = walk.Parent.Dentry;
        parent.Inode!.Lock.Lock();
        if (PathWalk.LookupLocked(vfs, who, parent, walk.Last).TryGet(out Dentry found, out error))
        {
            entry = found;
            // A file that exists beats everything; then a slash after a name that is to be a file; then the read-only mount.
            if (!found.IsNegative)
                error = Errno.EEXIST;
            else if (walk.HasTrailingSlash && !isDirectory)
                error = Errno.ENOENT;
            else if (walk.Parent.Mount.IsReadOnly)
                error = Errno.EROFS;
        }
        if (error == Errno.None)
            return Errno.None;
        parent.Inode!.Lock.Unlock();
        entry?.Put();
        entry = null;
        walk.Dispose();
        return error;
    }

    private static void EndMake(ref PathWalk walk, Dentry entry, Errno error)
    {
        if (error == Errno.None && !entry.IsHashed)
            entry.Hash();
        walk.Parent.Dentry.Inode!.Lock.Unlock();
        entry.Put();
        walk.Dispose();
    }

    // Linux: vfs_link. Holds the parent's lock.
    private static Errno LinkLocked(TaskFiles who, in PathRef old, in PathRef parent, Dentry entry)
    {
        if (!ReferenceEquals(old.Mount, parent.Mount))
            return Errno.EXDEV;
        Inode inode = old.Dentry.Inode!;
        Errno error = Permission.CheckCreate(who, parent.Dentry.Inode!);
        if (error != Errno.None)
            return error;
        if (inode.IsDirectory)
            return Errno.EPERM;
        // A file without any name left cannot get one again, but one that was made without a name (O_TMPFILE) can.
        if (inode.Links == 0 && !inode.IsUnnamed)
            return Errno.ENOENT;
        if (inode.Links >= int.MaxValue)
            return Errno.EMLINK;
        error = parent.Dentry.Inode!.Link(entry, inode);
        if (error == Errno.None)
            inode.IsUnnamed = false;
        return error;
    }

    private static Errno Remove(Vfs vfs, TaskFiles who, int directory, ReadOnlySpan<byte> path, bool wantsDirectory)
    {
        Errno error = PathWalk.Begin(vfs, who, directory, path, WalkFlags.None, out PathWalk walk);
        if (error == Errno.None)
            error = walk.WalkToParent();
        if (error == Errno.None && walk.LastKind != LastComponent.Name)
        {
            error = !wantsDirectory ? Errno.EISDIR : walk.LastKind switch
            {
                LastComponent.DotDot => Errno.ENOTEMPTY,
                LastComponent.Dot => Errno.EINVAL,
                _ => Errno.EBUSY,
            };
        }
        if (error == Errno.None)
            error = RemoveLast(vfs, who, ref walk, wantsDirectory);
        walk.Dispose();
        return error;
    }

    private static Errno RemoveLast(Vfs vfs, TaskFiles who, ref PathWalk walk, bool wantsDirectory)
    {
        if (walk.Parent.Mount.IsReadOnly)
            return Errno.EROFS;
        Dentry parent = walk.Parent.Dentry;
        Inode parentInode = parent.Inode!;
        parentInode.Lock.Lock();
        Errno error = Errno.None;
        if (!PathWalk.LookupLocked(vfs, who, parent, walk.Last).TryGet(out Dentry entry, out error))
        {
            parentInode.Lock.Unlock();
            return error;
        }
        if (entry.IsNegative)
            error = Errno.ENOENT;
        else if (!wantsDirectory && walk.HasTrailingSlash)
            error = entry.IsDirectory ? Errno.EISDIR : Errno.ENOTDIR;
        else
            error = Permission.CheckDelete(who, parentInode, entry, wantsDirectory);
        if (error == Errno.None && entry.Mounts is not null)
            error = Errno.EBUSY;
        if (error == Errno.None)
            error = RemoveLocked(parentInode, entry, wantsDirectory);
        parentInode.Lock.Unlock();
        entry.Put();                                         // after the lock: freeing a large file takes a while
        return error;
    }

    // Linux: vfs_unlink, vfs_rmdir. The victim's lock keeps others from creating in a directory that goes.
    private static Errno RemoveLocked(Inode parent, Dentry entry, bool wantsDirectory)
    {
        Inode victim = entry.Inode!;
        victim.Lock.Lock();
        Errno error = victim.IsSwapFile ? Errno.EPERM : wantsDirectory ? parent.RemoveDirectory(entry) : parent.Unlink(entry);
        if (error == Errno.None)
        {
            if (wantsDirectory)
            {
                victim.IsDead = true;
                entry.DropChildren();
            }
            entry.Delete();
        }
        victim.Lock.Unlock();
        return error;
    }
}
