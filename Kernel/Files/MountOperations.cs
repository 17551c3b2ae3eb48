using System;
using NanoVm.Core;

namespace NanoVm.Files;

/// <summary>Changes the tree of mounts: <c>mount umount2 pivot_root</c>.</summary>
/// <remarks>
/// Linux: <c>fs/namespace.c</c>. One namespace, and no propagation between mounts: the flags that would set it are accepted, because
/// "private" is what every mount is. All callers have CAP_SYS_ADMIN; paths were found by the system call, which puts them.
/// </remarks>
internal static class MountOperations
{
    /// <summary>Mounts a new file system. Linux: <c>do_new_mount</c>.</summary>
    /// <returns>ENODEV for an unknown type, EBUSY when the same is mounted there already, ENOTDIR, ENOMEM, what the type says.</returns>
    public static Errno MountNew(
        Vfs vfs, TaskFiles who, in PathRef point, ReadOnlySpan<byte> typeName, ReadOnlySpan<byte> source, MountFlags flags, ReadOnlySpan<byte> options)
    {
        FileSystemType? type = vfs.FindType(typeName);
        if (type is null)
            return Errno.ENODEV;
        if (!type.Create(vfs, who, source, flags, options).TryGet(out Superblock superblock, out Errno error))
            return error;
        error = MountSuperblock(vfs, superblock, superblock.Root, point, WithAccessTimes(flags), source);
        superblock.Put();
        return error;
    }

    /// <summary>Attaches an instance that exists, as at boot for /dev and /proc. Takes its own reference.</summary>
    public static Errno MountSuperblock(
        Vfs vfs, Superblock superblock, Dentry root, in PathRef point, MountFlags flags, ReadOnlySpan<byte> source)
    {
        Mount? mount = Mount.Allocate(vfs, superblock, root, flags, source);
        if (mount is null)
            return Errno.ENOMEM;
        vfs.MountLock.Lock();
        Errno error = AttachAt(vfs, mount, point);
        vfs.MountLock.Unlock();
        mount.Put();
        return error;
    }

    /// <summary>Shows a directory or file at a second place. Linux: <c>do_loopback</c>.</summary>
    public static Errno Bind(Vfs vfs, in PathRef source, in PathRef point, bool recursive)
    {
        Mount? copy = CloneOf(vfs, source.Mount, source.Dentry);
        if (copy is null)
            return Errno.ENOMEM;
        vfs.MountLock.Lock();
        Errno error = AttachAt(vfs, copy, point);
        if (error == Errno.None && recursive)
            error = BindChildren(vfs, source, copy);
        vfs.MountLock.Unlock();
        copy.Put();
        return error;
    }

    /// <summary>Changes the flags of a mount, or of the whole instance. Linux: <c>do_reconfigure_mnt</c>, <c>do_remount</c>.</summary>
    public static Errno Remount(Vfs vfs, in PathRef point, MountFlags flags, ReadOnlySpan<byte> options)
    {
        if (!ReferenceEquals(point.Dentry, point.Mount.Root))
            return Errno.EINVAL;
        Mount mount = point.Mount;
        vfs.MountLock.Lock();
        Errno error = (flags & MountFlags.ReadOnly) != 0 && mount.Writers > 0 ? Errno.EBUSY : Errno.None;
        if (error == Errno.None && (flags & MountFlags.Bind) == 0)
            error = mount.Superblock.Remount(flags, options);
        // Without a word about access times a remount keeps what there was.
        const MountFlags AccessTimes = MountFlags.NoAccessTime | MountFlags.NoDirectoryAccessTime | MountFlags.RelativeAccessTime;
        if ((flags & (AccessTimes | MountFlags.StrictAccessTime)) == 0)
            flags |= mount.Flags & AccessTimes;
        else
            flags = WithAccessTimes(flags);
        if (error == Errno.None)
            mount.Flags = flags & MountFlags.PerMount;
        vfs.MountLock.Unlock();
        return error;
    }

    /// <summary>Access times are kept loosely unless the mounter wants them strictly or not at all. Linux: the head of <c>path_mount</c>.</summary>
    private static MountFlags WithAccessTimes(MountFlags flags)
    {
        if ((flags & MountFlags.StrictAccessTime) != 0)
            return flags & ~(MountFlags.RelativeAccessTime | MountFlags.NoAccessTime);
        return (flags & MountFlags.NoAccessTime) != 0 ? flags : flags | MountFlags.RelativeAccessTime;
    }

    /// <summary>Moves a mount. Linux: <c>do_move_mount</c>.</summary>
    public static Errno Move(Vfs vfs, in PathRef source, in PathRef point)
    {
        Mount mount = source.Mount;
        if (!ReferenceEquals(source.Dentry, mount.Root) || mount.Parent is null)
            return Errno.EINVAL;
        if (mount.Root.IsDirectory != point.Dentry.IsDirectory)
            return Errno.EINVAL;
        vfs.MountLock.Lock();
        Errno error = Errno.None;
        for (Mount? above = point.Mount; above is not null; above = above.Parent)
        {
            if (ReferenceEquals(above, mount))
                error = Errno.ELOOP;
        }
        if (error == Errno.None)
        {
            mount.Get();
            vfs.Mounts.Detach(mount);
            vfs.Mounts.Attach(mount, point);
            mount.Put();
        }
        vfs.MountLock.Unlock();
        return error;
    }

    /// <summary>Linux: <c>do_umount</c>. <paramref name="point"/> holds one reference to the mount, the caller's.</summary>
    public static Errno Unmount(Vfs vfs, in PathRef point, UnmountFlags flags)
    {
        Mount mount = point.Mount;
        if (!ReferenceEquals(point.Dentry, mount.Root) || !mount.IsAttached)
            return Errno.EINVAL;
        if ((flags & UnmountFlags.Expire) != 0)
        {
            if (mount.Parent is null || (flags & (UnmountFlags.Force | UnmountFlags.Detach)) != 0)
                return Errno.EINVAL;
            if (IsBusy(mount))
                return Errno.EBUSY;
            if (!mount.IsExpiring)
            {
                mount.IsExpiring = true;
                return Errno.EAGAIN;
            }
        }
        vfs.MountLock.Lock();
        Errno error = Errno.None;
        if (mount.Parent is null)
        {
            error = Errno.EBUSY;                             // the root of all stays
        }
        else if ((flags & UnmountFlags.Detach) != 0)
        {
            DetachBelow(vfs, mount);
        }
        else if (IsBusy(mount))
        {
            error = Errno.EBUSY;
        }
        else
        {
            mount.Superblock.Sync();
        }
        if (error == Errno.None)
            vfs.Mounts.Detach(mount);
        vfs.MountLock.Unlock();
        return error;
    }

    /// <summary>Makes <paramref name="newRoot"/> the root and hangs the old one at <paramref name="putOld"/>. Linux: <c>pivot_root</c>.</summary>
    /// <remarks>As in Linux this cannot move the initial root (the initramfs). Only the caller's own root and directory are carried over.</remarks>
    public static Errno PivotRoot(Vfs vfs, TaskFiles who, in PathRef newRoot, in PathRef putOld)
    {
        if (!newRoot.Dentry.IsDirectory || !putOld.Dentry.IsDirectory)
            return Errno.ENOTDIR;
        PathRef oldRoot = who.Fs.Root;
        Mount oldMount = oldRoot.Mount;
        Mount newMount = newRoot.Mount;
        vfs.MountLock.Lock();
        Errno error = Errno.None;
        if (ReferenceEquals(newMount, oldMount) || ReferenceEquals(putOld.Mount, oldMount))
            error = Errno.EBUSY;
        else if (!ReferenceEquals(oldRoot.Dentry, oldMount.Root) || !ReferenceEquals(newRoot.Dentry, newMount.Root)
            || oldMount.Parent is null || newMount.Parent is null || !IsReachable(putOld, newRoot))
            error = Errno.EINVAL;
        if (error == Errno.None)
        {
            var place = new PathRef(oldMount.Parent!, oldMount.Point!);
            place.Get();
            oldMount.Get();
            newMount.Get();
            vfs.Mounts.Detach(newMount);
            vfs.Mounts.Detach(oldMount);
            vfs.Mounts.Attach(newMount, place);
            vfs.Mounts.Attach(oldMount, putOld);
            place.Put();
            if (who.Fs.Working.IsSameAs(oldRoot))
                who.Fs.SetWorking(newRoot.Get());
            who.Fs.SetRoot(newRoot.Get());
            newMount.Put();
            oldMount.Put();
        }
        vfs.MountLock.Unlock();
        return error;
    }

    // Linux: graft_tree. Holds MountLock.
    private static Errno AttachAt(Vfs vfs, Mount mount, in PathRef point)
    {
        PathRef top = point.Get();
        while (MountTree.MountedOn(top.Mount, top.Dentry) is { } above)
        {
            PathRef next = new PathRef(above, above.Root).Get();
            top.Put();
            top = next;
        }
        Errno error = Errno.None;
        if (mount.Root.IsDirectory != top.Dentry.IsDirectory)
            error = Errno.ENOTDIR;
        else if (!top.Mount.IsAttached || (top.Dentry.Inode!.IsDead))
            error = Errno.ENOENT;
        else if (ReferenceEquals(top.Mount.Superblock, mount.Superblock) && ReferenceEquals(top.Dentry, top.Mount.Root)
            && ReferenceEquals(top.Dentry, mount.Root))
            error = Errno.EBUSY;
        if (error == Errno.None)
            vfs.Mounts.Attach(mount, top);
        top.Put();
        return error;
    }

    private static Mount? CloneOf(Vfs vfs, Mount mount, Dentry root) => Mount.Allocate(vfs, mount.Superblock, root, mount.Flags, mount.Source);

    // The mounts below the source, each at its own place below the copy. New mounts come last in the list, so the walk must stop at them.
    private static Errno BindChildren(Vfs vfs, in PathRef source, Mount copy)
    {
        Mount? end = copy;
        for (Mount? mount = vfs.Mounts.First; mount is not null && !ReferenceEquals(mount, end); mount = mount.Next)
        {
            if (!ReferenceEquals(mount.Parent, source.Mount) || !mount.Point!.IsBelowOrSame(source.Dentry) || ReferenceEquals(mount, copy))
                continue;
            Mount? child = CloneOf(vfs, mount, mount.Root);
            if (child is null)
                return Errno.ENOMEM;
            vfs.Mounts.Attach(child, new PathRef(copy, mount.Point));
            Errno error = BindChildren(vfs, new PathRef(mount, mount.Root), child);
            child.Put();
            if (error != Errno.None)
                return error;
        }
        return Errno.None;
    }

    // Everything that is mounted below goes too, leaves first.
    private static void DetachBelow(Vfs vfs, Mount mount)
    {
        while (mount.ChildCount > 0)
        {
            Mount leaf = mount;
            while (leaf.ChildCount > 0)
                leaf = ChildOf(vfs, leaf);
            vfs.Mounts.Detach(leaf);
        }
    }

    private static Mount ChildOf(Vfs vfs, Mount parent)
    {
        Mount? mount = vfs.Mounts.First;
        while (mount is not null && !ReferenceEquals(mount.Parent, parent))
            mount = mount.Next;
        if (mount is null)
            Panic.Now("a mount counts children that are not there"u8);
        return mount;
    }

    // The tree holds one reference, the caller's path another.
    private static bool IsBusy(Mount mount) => mount.ChildCount > 0 || mount.References > 2;

    // Linux: is_path_reachable.
    private static bool IsReachable(in PathRef path, in PathRef root)
    {
        Mount mount = path.Mount;
        Dentry dentry = path.Dentry;
        while (!ReferenceEquals(mount, root.Mount))
        {
            if (mount.Parent is not { } parent)
                return false;
            dentry = mount.Point!;
            mount = parent;
        }
        return dentry.IsBelowOrSame(root.Dentry);
    }
}
