using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;

namespace NanoVm.Tasks.Proc;

/// <summary><c>mounts</c> and <c>mountinfo</c> of a process: what it sees from its root. Linux: <c>fs/proc_namespace.c</c>.</summary>
internal sealed class MountsFile : TaskPage
{
    private readonly bool _info;

    /// <summary>Makes one of the two.</summary>
    public MountsFile(TaskSystem system, ReadOnlySpan<byte> name, bool info)
        : base(system, name) => _info = info;

    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        if (task.Fs is not { } fs)
            return Errno.EINVAL;
        // A long path may need memory, and finding that may sleep: neither the tree nor the place may go meanwhile.
        _ = fs.Get();
        Vfs vfs = fs.Vfs;
        PathRef root = fs.Root.Get();
        vfs.MountLock.Lock();
        for (Mount? mount = vfs.Mounts.First; mount is not null; mount = mount.Next)
        {
            if (!IsBelow(mount, root))
                continue;
            if (_info)
                Info(ref w, mount, root);
            else
                Line(ref w, mount, root);
        }
        vfs.MountLock.Unlock();
        root.Put();
        fs.Put();
        return Errno.None;
    }

    // Linux: path_is_under of is_path_reachable: up through the mounts until the root's one.
    private static bool IsBelow(Mount mount, in PathRef root)
    {
        Mount at = mount;
        Dentry entry = mount.Root;
        while (!ReferenceEquals(at, root.Mount))
        {
            if (at.Parent is not { } parent || at.Point is not { } point)
                return false;
            entry = point;
            at = parent;
        }
        return entry.IsBelowOrSame(root.Dentry);
    }

    private static void Line(ref TextWriter w, Mount mount, in PathRef root)
    {
        w.Escaped(mount.Source, " \t\n\\#"u8);
        w.Byte((byte)' ');
        Path(ref w, new PathRef(mount, mount.Root), root);
        w.Byte((byte)' ');
        w.Text(mount.Superblock.Type.Name);
        w.Text(mount.IsReadOnly ? " ro"u8 : " rw"u8);
        SuperblockFlags(ref w, mount.Superblock.Flags);
        MountOptions(ref w, mount.Flags);
        mount.Superblock.WriteOptions(ref w);
        w.Text(" 0 0\n"u8);
    }

    private static void Info(ref TextWriter w, Mount mount, in PathRef root)
    {
        w.Signed(mount.Number);
        w.Byte((byte)' ');
        w.Signed(mount.Parent?.Number ?? mount.Number);
        w.Byte((byte)' ');
        w.Decimal(DeviceNumber.Major(mount.Superblock.Device));
        w.Byte((byte)':');
        w.Decimal(DeviceNumber.Minor(mount.Superblock.Device));
        w.Byte((byte)' ');
        InstancePath(ref w, mount);
        w.Byte((byte)' ');
        Path(ref w, new PathRef(mount, mount.Root), root);
        w.Text((mount.Flags & MountFlags.ReadOnly) != 0 ? " ro"u8 : " rw"u8);
        MountOptions(ref w, mount.Flags);
        w.Text(" - "u8);
        w.Text(mount.Superblock.Type.Name);
        w.Byte((byte)' ');
        w.Escaped(mount.Source, " \t\n\\#"u8);
        w.Text((mount.Superblock.Flags & MountFlags.ReadOnly) != 0 ? " ro"u8 : " rw"u8);
        SuperblockFlags(ref w, mount.Superblock.Flags);
        mount.Superblock.WriteOptions(ref w);
        w.Byte((byte)'\n');
    }

    // The directory of the file system that is the mount's root: "/" but for bind mounts.
    private static void InstancePath(ref TextWriter w, Mount mount)
    {
        if (mount.Root.IsRoot)
        {
            w.Byte((byte)'/');
            return;
        }
        int depth = 0;
        for (Dentry entry = mount.Root; !entry.IsRoot; entry = entry.Parent)
            depth++;
        for (; depth > 0; depth--)
        {
            Dentry entry = mount.Root;
            for (int up = 1; up < depth; up++)
                entry = entry.Parent;
            w.Byte((byte)'/');
            w.Escaped(entry.Name, " \t\n\\"u8);
        }
    }

    private static void Path(ref TextWriter w, in PathRef path, in PathRef root)
    {
        int start = w.Length;
        PathText.Write(ref w, path, root);
        PathEscape.InPlace(ref w, start, " \t\n\\"u8);
    }

    private static void SuperblockFlags(ref TextWriter w, MountFlags flags)
    {
        if ((flags & MountFlags.Synchronous) != 0)
            w.Text(",sync"u8);
        if ((flags & MountFlags.DirectorySync) != 0)
            w.Text(",dirsync"u8);
        if ((flags & MountFlags.MandatoryLocks) != 0)
            w.Text(",mand"u8);
        if ((flags & MountFlags.LazyTime) != 0)
            w.Text(",lazytime"u8);
    }

    private static void MountOptions(ref TextWriter w, MountFlags flags)
    {
        if ((flags & MountFlags.NoSetUid) != 0)
            w.Text(",nosuid"u8);
        if ((flags & MountFlags.NoDevices) != 0)
            w.Text(",nodev"u8);
        if ((flags & MountFlags.NoExecute) != 0)
            w.Text(",noexec"u8);
        if ((flags & MountFlags.NoAccessTime) != 0)
            w.Text(",noatime"u8);
        if ((flags & MountFlags.NoDirectoryAccessTime) != 0)
            w.Text(",nodiratime"u8);
        if ((flags & MountFlags.RelativeAccessTime) != 0)
            w.Text(",relatime"u8);
        if ((flags & MountFlags.NoSymbolicFollow) != 0)
            w.Text(",nosymfollow"u8);
    }
}

/// <summary>Makes bytes harmless in text that has been written already.</summary>
internal static class PathEscape
{
    /// <summary>Escapes the <paramref name="special"/> bytes in what was written from <paramref name="from"/> on. Rarely there are any.</summary>
    public static void InPlace(ref TextWriter w, int from, ReadOnlySpan<byte> special)
    {
        ReadOnlySpan<byte> path = w.Written.Slice(from);
        bool clean = true;
        for (int i = 0; i < special.Length && clean; i++)
            clean = path.IndexOf(special[i]) < 0;
        if (clean || w.Overflowed)
            return;
        Span<byte> copy = stackalloc byte[1024];
        int length = Math.Min(path.Length, copy.Length);
        path.Slice(0, length).CopyTo(copy);
        w.Truncate(from);
        w.Escaped(copy.Slice(0, length), special);
    }
}
