using NanoVm.Core;

namespace NanoVm.Files;

/// <summary>Who may do what: mode bits, and the capabilities that overrule them.</summary>
/// <remarks>Linux: <c>inode_permission</c>, <c>generic_permission</c>; man 7 path_resolution, capabilities.</remarks>
internal static class Permission
{
    /// <summary>Linux: <c>inode_permission</c>. Also refuses writing on a read-only instance.</summary>
    public static Errno Check(TaskFiles who, Inode inode, FileAccess wanted)
    {
        if ((wanted & FileAccess.Write) != 0 && (inode.Superblock.Flags & MountFlags.ReadOnly) != 0
            && (inode.Mode & FileMode.TypeMask) is FileMode.Regular or FileMode.Directory or FileMode.SymbolicLink)
            return Errno.EROFS;
        return inode.CheckAccess(who, wanted);
    }

    /// <summary>As <see cref="Check"/>, and refuses writing through a read-only mount. Linux: with <c>mnt_want_write</c>.</summary>
    public static Errno Check(TaskFiles who, in PathRef path, FileAccess wanted)
    {
        Inode inode = path.Dentry.Inode!;
        Errno error = Check(who, inode, wanted);
        if (error == Errno.None && (wanted & FileAccess.Write) != 0 && path.Mount.IsReadOnly && !IsSpecial(inode.Mode))
            return Errno.EROFS;
        return error;
    }

    /// <summary>Mode bits of owner, group or others, then capabilities. Linux: <c>generic_permission</c>.</summary>
    public static Errno CheckGeneric(Inode inode, Credentials who, FileAccess wanted)
    {
        uint mode = inode.Mode;
        uint bits = who.FileUid == inode.Uid ? mode >> 6 : who.IsInGroup(inode.Gid) ? mode >> 3 : mode;
        if (((uint)wanted & ~bits & 7) == 0)
            return Errno.None;

        if (FileMode.IsDirectory(mode))
        {
            if ((wanted & FileAccess.Write) == 0 && who.Has(Capability.DacReadSearch))
                return Errno.None;
            return who.Has(Capability.DacOverride) ? Errno.None : Errno.EACCES;
        }
        if (wanted == FileAccess.Read && who.Has(Capability.DacReadSearch))
            return Errno.None;
        // Even root executes a file only when somebody may.
        if (((wanted & FileAccess.Execute) == 0 || (mode & FileMode.AnyExecute) != 0) && who.Has(Capability.DacOverride))
            return Errno.None;
        return Errno.EACCES;
    }

    /// <summary>Is the task the file's owner, or privileged to act as one? Linux: <c>inode_owner_or_capable</c>.</summary>
    public static bool IsOwner(TaskFiles who, Inode inode)
        => who.Credentials.FileUid == inode.Uid || who.Credentials.Has(Capability.FileOwner);

    /// <summary>May an entry be made in this directory? Linux: <c>may_create</c>.</summary>
    public static Errno CheckCreate(TaskFiles who, Inode directory)
    {
        if (directory.IsDead)
            return Errno.ENOENT;
        return Check(who, directory, FileAccess.Write | FileAccess.Execute);
    }

    /// <summary>May an entry be removed or replaced? Linux: <c>may_delete</c>.</summary>
    /// <param name="wantsDirectory">The caller removes directories only (rmdir), or anything but directories (unlink).</param>
    public static Errno CheckDelete(TaskFiles who, Inode directory, Dentry victim, bool wantsDirectory)
    {
        Inode inode = victim.Inode!;
        Errno error = Check(who, directory, FileAccess.Write | FileAccess.Execute);
        if (error != Errno.None)
            return error;
        if (IsStickyAgainst(who, directory, inode))
            return Errno.EPERM;
        if (wantsDirectory)
        {
            if (!inode.IsDirectory)
                return Errno.ENOTDIR;
            if (victim.IsRoot)
                return Errno.EBUSY;
        }
        else if (inode.IsDirectory)
        {
            return Errno.EISDIR;
        }
        return directory.IsDead ? Errno.ENOENT : Errno.None;
    }

    /// <summary>In a sticky directory only the owner of the file or of the directory removes. Linux: <c>check_sticky</c>.</summary>
    public static bool IsStickyAgainst(TaskFiles who, Inode directory, Inode inode)
        => (directory.Mode & FileMode.Sticky) != 0 && who.Credentials.FileUid != inode.Uid
            && who.Credentials.FileUid != directory.Uid && !who.Credentials.Has(Capability.FileOwner);

    private static bool IsSpecial(uint mode) => (mode & FileMode.TypeMask) is FileMode.CharacterDevice or FileMode.BlockDevice or FileMode.Fifo or FileMode.Socket;
}
