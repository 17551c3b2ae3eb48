using System;
using NanoVm.Core;

namespace NanoVm.Files;

/// <summary>Moves a name to another place, over what is there or in exchange with it.</summary>
/// <remarks>Linux: <c>do_renameat2</c>, <c>vfs_rename</c>, <c>lock_rename</c>; man 2 rename.</remarks>
internal static class RenameOperation
{
    /// <returns>Every errno of man 2 rename.</returns>
    public static Errno Rename(
        Vfs vfs, TaskFiles who, int oldDirectory, ReadOnlySpan<byte> oldPath, int newDirectory, ReadOnlySpan<byte> newPath, RenameFlags flags)
    {
        if ((flags & ~(RenameFlags.NoReplace | RenameFlags.Exchange | RenameFlags.Whiteout)) != 0
            || ((flags & RenameFlags.Exchange) != 0 && (flags & (RenameFlags.NoReplace | RenameFlags.Whiteout)) != 0))
            return Errno.EINVAL;

        Errno error = PathWalk.Begin(vfs, who, oldDirectory, oldPath, WalkFlags.None, out PathWalk from);
        if (error == Errno.None)
            error = from.WalkToParent();
        if (error != Errno.None)
        {
            from.Dispose();
            return error;
        }
        error = PathWalk.Begin(vfs, who, newDirectory, newPath, WalkFlags.None, out PathWalk to);
        if (error == Errno.None)
            error = to.WalkToParent();
        if (error == Errno.None)
            error = RenameBetween(vfs, who, ref from, ref to, flags);
        to.Dispose();
        from.Dispose();
        return error;
    }

    private static Errno RenameBetween(Vfs vfs, TaskFiles who, ref PathWalk from, ref PathWalk to, RenameFlags flags)
    {
        if (!ReferenceEquals(from.Parent.Mount, to.Parent.Mount))
            return Errno.EXDEV;
        if (from.LastKind != LastComponent.Name)
            return Errno.EBUSY;
        if (to.LastKind != LastComponent.Name)
            return (flags & RenameFlags.NoReplace) != 0 ? Errno.EEXIST : Errno.EBUSY;
        if (from.Parent.Mount.IsReadOnly)
            return Errno.EROFS;

        // Reserve the names before the locks: the move itself cannot fail.
        byte[]? newName = vfs.Arrays.Allocate<byte>(to.Last.Length);
        if (newName is null)
            return Errno.ENOMEM;
        to.Last.CopyTo(newName);

        Dentry oldParent = from.Parent.Dentry;
        Dentry newParent = to.Parent.Dentry;
        Dentry? trap = LockBoth(oldParent, newParent);
        Errno error = RenameLocked(vfs, who, ref from, ref to, flags, trap, ref newName, out Dentry? old, out Dentry? target);
        UnlockBoth(oldParent, newParent);
        old?.Put();
        target?.Put();
        if (newName is not null)
            vfs.Arrays.Free(newName);
        return error;
    }

    private static Errno RenameLocked(
        Vfs vfs, TaskFiles who, ref PathWalk from, ref PathWalk to, RenameFlags flags, Dentry? trap, ref byte[]? newName,
        out Dentry? old, out Dentry? target)
    {
        target = null;
        Dentry oldParent = from.Parent.Dentry;
        Dentry newParent = to.Parent.Dentry;
        bool exchange = (flags & RenameFlags.Exchange) != 0;

        // Look up both; the order of the checks is Linux's.
        if (!PathWalk.LookupLocked(vfs, who, oldParent, from.Last).TryGet(out old!, out Errno error))
        {
            old = null;
            return error;
        }
        if (old.IsNegative)
            return Errno.ENOENT;
        if (!PathWalk.LookupLocked(vfs, who, newParent, to.Last).TryGet(out target!, out error))
        {
            target = null;
            return error;
        }
        if ((flags & RenameFlags.NoReplace) != 0 && !target.IsNegative)
            return Errno.EEXIST;
        if (exchange)
        {
            if (target.IsNegative)
                return Errno.ENOENT;
            if (!target.IsDirectory && to.HasTrailingSlash)
                return Errno.ENOTDIR;
        }
        if (!old.IsDirectory && (from.HasTrailingSlash || (!exchange && to.HasTrailingSlash)))
            return Errno.ENOTDIR;
        if (ReferenceEquals(old, trap))
            return Errno.EINVAL;                             // into a directory below itself
        if (ReferenceEquals(target, trap))
            return exchange ? Errno.EINVAL : Errno.ENOTEMPTY;

        error = CheckRights(who, oldParent.Inode!, newParent.Inode!, old, target, exchange);
        if (error != Errno.None)
            return error;
        if (ReferenceEquals(old.Inode, target.Inode))
            return Errno.None;                               // two names of one file: POSIX says nothing happens
        if (old.Inode!.IsSwapFile || target.Inode is { IsSwapFile: true })
            return Errno.EPERM;
        if (old.Mounts is not null || target.Mounts is not null)
            return Errno.EBUSY;
        Dentry? whiteout = null;
        if ((flags & RenameFlags.Whiteout) != 0)
        {
            whiteout = Dentry.Allocate(vfs, oldParent.Superblock, oldParent, old.Name);
            if (whiteout is null)
                return Errno.ENOMEM;
        }

        error = Commit(who, oldParent, newParent, old, target, flags, whiteout, ref newName);
        whiteout?.Put();
        return error;
    }

    // Linux: the checks at the head of vfs_rename.
    private static Errno CheckRights(TaskFiles who, Inode oldParent, Inode newParent, Dentry old, Dentry target, bool exchange)
    {
        bool isDirectory = old.IsDirectory;
        Errno error = Permission.CheckDelete(who, oldParent, old, isDirectory);
        if (error != Errno.None)
            return error;
        if (target.IsNegative)
            error = Permission.CheckCreate(who, newParent);
        else
            error = Permission.CheckDelete(who, newParent, target, exchange ? target.IsDirectory : isDirectory);
        if (error != Errno.None)
            return error;
        // A directory that changes its parent has its ".." rewritten.
        if (!ReferenceEquals(oldParent, newParent))
        {
            if (isDirectory)
                error = Permission.Check(who, old.Inode!, FileAccess.Write);
            if (error == Errno.None && exchange && target.IsDirectory)
                error = Permission.Check(who, target.Inode!, FileAccess.Write);
        }
        return error;
    }

    private static Errno Commit(
        TaskFiles who, Dentry oldParent, Dentry newParent, Dentry old, Dentry target, RenameFlags flags, Dentry? whiteout, ref byte[]? newName)
    {
        bool exchange = (flags & RenameFlags.Exchange) != 0;
        // Nobody may create in a directory that is about to be replaced.
        Inode? victim = target.Inode;
        victim?.Lock.Lock();
        Errno error = oldParent.Inode!.Rename(old, newParent.Inode!, target, flags, whiteout, who);
        if (error == Errno.None)
        {
            if (exchange)
            {
                old.Exchange(target);
            }
            else
            {
                if (victim is { IsDirectory: true })
                {
                    victim.IsDead = true;
                    target.DropChildren();
                }
                target.Unhash();
                old.Move(newParent, newName!);
                newName = null;
                whiteout?.Hash();
            }
        }
        victim?.Lock.Unlock();
        return error;
    }

    // Linux: lock_rename. Parents before children; answers the child of one parent on the way to the other, which must not move.
    private static Dentry? LockBoth(Dentry a, Dentry b)
    {
        if (ReferenceEquals(a, b))
        {
            a.Inode!.Lock.Lock();
            return null;
        }
        a.Superblock.RenameLock.Lock();
        Dentry? trap = ChildTowards(b, a);
        if (trap is not null)
        {
            b.Inode!.Lock.Lock();                            // b is above a
            a.Inode!.Lock.Lock();
            return trap;
        }
        trap = ChildTowards(a, b);
        a.Inode!.Lock.Lock();
        b.Inode!.Lock.Lock();
        return trap;
    }

    private static void UnlockBoth(Dentry a, Dentry b)
    {
        a.Inode!.Lock.Unlock();
        if (ReferenceEquals(a, b))
            return;
        b.Inode!.Lock.Unlock();
        a.Superblock.RenameLock.Unlock();
    }

    // The child of "above" through which "below" is reached, or null when it is not below. Linux: d_ancestor.
    private static Dentry? ChildTowards(Dentry above, Dentry below)
    {
        for (Dentry entry = below; !entry.IsRoot; entry = entry.Parent)
        {
            if (ReferenceEquals(entry.Parent, above))
                return entry;
        }
        return null;
    }
}
