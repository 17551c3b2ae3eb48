using NanoVm.Core;

namespace NanoVm.Files;

/// <summary>Changes what <c>stat</c> shows: permissions, owner, times, size.</summary>
/// <remarks>Linux: <c>notify_change</c>, <c>setattr_prepare</c>, <c>do_truncate</c>; man 2 chmod, chown, utimensat, truncate.</remarks>
internal static class AttributeOperations
{
    /// <summary>A user or group number that means "leave it".</summary>
    public const uint Keep = uint.MaxValue;

    /// <summary>Linux: <c>chmod_common</c>.</summary>
    public static Errno ChangeMode(TaskFiles who, in PathRef path, uint mode)
    {
        if (path.Mount.IsReadOnly)
            return Errno.EROFS;
        Inode inode = path.Dentry.Inode!;
        inode.Lock.Lock();
        Errno error = Errno.None;
        if (!Permission.IsOwner(who, inode))
            error = Errno.EPERM;
        else if (FileMode.IsSymbolicLink(inode.Mode))
            error = Errno.EOPNOTSUPP;
        if (error == Errno.None)
        {
            if (!who.Credentials.IsInGroup(inode.Gid) && !who.Credentials.Has(Capability.FileSetId))
                mode &= ~FileMode.SetGid;
            var change = new AttributeChange { Valid = Attributes.Mode | Attributes.ChangeTime, Mode = mode, ChangeTime = inode.Vfs.Now };
            error = inode.SetAttributes(change);
        }
        inode.Lock.Unlock();
        return error;
    }

    /// <summary>Linux: <c>chown_common</c>. <see cref="Keep"/> leaves a number as it is.</summary>
    public static Errno ChangeOwner(TaskFiles who, in PathRef path, uint uid, uint gid)
    {
        if (path.Mount.IsReadOnly)
            return Errno.EROFS;
        Inode inode = path.Dentry.Inode!;
        inode.Lock.Lock();
        Errno error = Errno.None;
        Credentials credentials = who.Credentials;
        bool owns = credentials.FileUid == inode.Uid;
        bool privileged = credentials.Has(Capability.Chown);
        if (uid != Keep && !privileged && !(owns && uid == inode.Uid))
            error = Errno.EPERM;
        if (gid != Keep && !privileged && !(owns && (gid == inode.Gid || credentials.IsInGroup(gid))))
            error = Errno.EPERM;
        if (error == Errno.None)
        {
            var change = new AttributeChange { Valid = Attributes.ChangeTime, Uid = uid, Gid = gid, ChangeTime = inode.Vfs.Now };
            if (uid != Keep)
                change.Valid |= Attributes.Uid;
            if (gid != Keep)
                change.Valid |= Attributes.Gid;
            // A program does not keep its privileges when it changes hands.
            if (!inode.IsDirectory && WithoutPrivileges(inode.Mode) != inode.Mode)
            {
                change.Valid |= Attributes.Mode;
                change.Mode = WithoutPrivileges(inode.Mode);
            }
            error = inode.SetAttributes(change);
        }
        inode.Lock.Unlock();
        return error;
    }

    /// <summary>Linux: <c>vfs_utimes</c>. The change says which times; those not given by the caller are "now".</summary>
    public static Errno ChangeTimes(TaskFiles who, in PathRef path, AttributeChange change)
    {
        if (path.Mount.IsReadOnly)
            return Errno.EROFS;
        Inode inode = path.Dentry.Inode!;
        if ((change.Valid & (Attributes.AccessTimeGiven | Attributes.ModifyTimeGiven)) != 0 || !IsTouch(change.Valid))
        {
            if (!Permission.IsOwner(who, inode))
                return Errno.EPERM;
        }
        else if (!Permission.IsOwner(who, inode))
        {
            // "Now" for both is what a write would do too.
            Errno denied = Permission.Check(who, path, FileAccess.Write);
            if (denied != Errno.None)
                return denied;
        }
        inode.Lock.Lock();
        FileTime now = inode.Vfs.Now;
        if ((change.Valid & Attributes.AccessTimeGiven) == 0)
            change.AccessTime = now;
        if ((change.Valid & Attributes.ModifyTimeGiven) == 0)
            change.ModifyTime = now;
        change.ChangeTime = now;
        change.Valid |= Attributes.ChangeTime;
        Errno error = inode.SetAttributes(change);
        inode.Lock.Unlock();
        return error;
    }

    /// <summary>Linux: <c>vfs_truncate</c>, for <c>truncate</c>: by name.</summary>
    public static Errno Truncate(TaskFiles who, in PathRef path, long length)
    {
        if (length < 0)
            return Errno.EINVAL;
        Inode inode = path.Dentry.Inode!;
        if (inode.IsDirectory)
            return Errno.EISDIR;
        if (!inode.IsRegular)
            return Errno.EINVAL;
        if (path.Mount.IsReadOnly)
            return Errno.EROFS;
        Errno error = Permission.Check(who, path, FileAccess.Write);
        if (error == Errno.None)
            error = inode.GetWriteAccess();
        if (error != Errno.None)
            return error;
        error = SetSize(who, inode, (ulong)length, Attributes.None);
        inode.PutWriteAccess();
        return error;
    }

    /// <summary>Linux: <c>do_sys_ftruncate</c>, <c>handle_truncate</c>: by an open file.</summary>
    public static Errno TruncateOpened(TaskFiles who, OpenFile file, ulong length)
        => file.CanWrite || length == 0 ? SetSize(who, file.Inode, length, Attributes.ThroughFile) : Errno.EINVAL;

    /// <summary>A write leaves no set-user-ID program behind. Linux: <c>file_remove_privs</c>. Holds the inode's lock.</summary>
    public static void RemovePrivileges(TaskFiles who, Inode inode)
    {
        if ((inode.Mode & (FileMode.SetUid | FileMode.SetGid)) != 0 && !who.Credentials.Has(Capability.FileSetId))
            inode.Mode = WithoutPrivileges(inode.Mode);
    }

    /// <summary>Checks a new size against the largest file there is and the task's limit, which costs a SIGXFSZ. Linux: <c>inode_newsize_ok</c>.</summary>
    public static Errno CheckSize(TaskFiles who, Inode inode, ulong size)
    {
        if (size <= inode.Size)
            return inode.IsSwapFile ? Errno.ETXTBSY : Errno.None;
        if (size > who.FileSizeLimit)
        {
            who.FileSizeExceeded();
            return Errno.EFBIG;
        }
        return size > inode.Superblock.MaximumSize ? Errno.EFBIG : Errno.None;
    }

    /// <summary>Cuts a write short at the task's limit and the largest file. Linux: <c>generic_write_checks</c>.</summary>
    /// <returns>EFBIG, after a SIGXFSZ at the task's limit, when nothing at all may be written.</returns>
    public static Errno CheckWriteLimits(TaskFiles who, Inode inode, ref IovIter from, long position)
    {
        if (inode.IsSwapFile)
            return Errno.ETXTBSY;
        ulong limit = who.FileSizeLimit;
        if (limit != ulong.MaxValue)
        {
            if ((ulong)position >= limit)
            {
                who.FileSizeExceeded();
                return Errno.EFBIG;
            }
            from.Truncate(limit - (ulong)position);
        }
        ulong most = inode.Superblock.MaximumSize;
        if ((ulong)position >= most)
            return Errno.EFBIG;
        from.Truncate(most - (ulong)position);
        return Errno.None;
    }

    // Linux: do_truncate.
    private static Errno SetSize(TaskFiles who, Inode inode, ulong length, Attributes how)
    {
        inode.Lock.Lock();
        Errno error = CheckSize(who, inode, length);
        if (error == Errno.None)
        {
            FileTime now = inode.Vfs.Now;
            // A truncate to the length that the file has still counts as a change.
            var change = new AttributeChange
            {
                Valid = Attributes.Size | Attributes.ModifyTime | Attributes.ChangeTime | how,
                Size = length,
                ModifyTime = now,
                ChangeTime = now,
            };
            error = inode.SetAttributes(change);
            if (error == Errno.None)
                RemovePrivileges(who, inode);
        }
        inode.Lock.Unlock();
        return error;
    }

    private static bool IsTouch(Attributes valid)
        => (valid & (Attributes.AccessTime | Attributes.ModifyTime)) == (Attributes.AccessTime | Attributes.ModifyTime);

    // Set-group-ID without group execution is not a privilege.
    private static uint WithoutPrivileges(uint mode)
        => (mode & FileMode.GroupExecute) != 0 ? mode & ~(FileMode.SetUid | FileMode.SetGid) : mode & ~FileMode.SetUid;
}
