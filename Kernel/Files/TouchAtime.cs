namespace NanoVm.Files;

/// <summary>Keeps access times, as the mount's options say. Linux: <c>touch_atime</c>, <c>relatime_need_update</c>.</summary>
internal static class TouchAtime
{
    private const long Day = 24 * 3600;

    /// <summary>The file at <paramref name="path"/> has been read.</summary>
    public static void Touch(in PathRef path)
    {
        Inode inode = path.Dentry.Inode!;
        MountFlags flags = path.Mount.Flags;
        if ((flags & MountFlags.NoAccessTime) != 0 || path.Mount.IsReadOnly)
            return;
        if ((flags & MountFlags.NoDirectoryAccessTime) != 0 && inode.IsDirectory)
            return;
        FileTime now = inode.Vfs.Now;
        // relatime: once after each change, and once a day.
        if ((flags & MountFlags.RelativeAccessTime) != 0 && !(inode.AccessTime <= inode.ModifyTime) && !(inode.AccessTime <= inode.ChangeTime)
            && now.Seconds - inode.AccessTime.Seconds < Day)
            return;
        inode.AccessTime = now;
    }
}
