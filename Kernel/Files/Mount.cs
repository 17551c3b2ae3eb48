using System;
using NanoVm.Core;

namespace NanoVm.Files;

/// <summary>One attachment of (a part of) a file system at a place in the tree.</summary>
/// <remarks>
/// Linux: <c>mount</c>. There is one mount namespace. References: the tree counts one while the mount is attached, each open file,
/// working directory and running walk counts one. A lazily detached mount lives until the last of them goes.
/// </remarks>
internal sealed class Mount
{
    private Vfs vfs = null!;
    private int references;
    private byte[]? source;

    public Superblock Superblock { get; private set; } = null!;

    /// <summary>The directory (or file) that shows at the mount point; a reference is held.</summary>
    public Dentry Root { get; private set; } = null!;

    /// <summary>Where the mount is attached; null for the root of all and for a detached one. References are held to both.</summary>
    public Mount? Parent { get; private set; }
    public Dentry? Point { get; private set; }

    public MountFlags Flags { get; set; }

    /// <summary>Linux: <c>mnt_id</c>.</summary>
    public int Number { get; private set; }

    /// <summary>Mounts directly on this one.</summary>
    public int ChildCount { get; private set; }

    /// <summary>True while the mount hangs in the tree.</summary>
    public bool IsAttached { get; private set; }

    /// <summary>Files open for writing through this mount: it cannot become read-only while there are any. Linux: <c>mnt_writers</c>.</summary>
    public int Writers { get; internal set; }

    /// <summary>Set by <c>umount2(MNT_EXPIRE)</c>, cleared by use.</summary>
    public bool IsExpiring { get; set; }

    internal Mount? NextOnDentry;
    internal Mount? Next;
    internal Mount? Previous;

    public int References => references;

    /// <summary>What was mounted, for the first column of /proc/mounts.</summary>
    public ReadOnlySpan<byte> Source => source is null ? Superblock.DefaultSource : source;

    public bool IsReadOnly => ((Flags | Superblock.Flags) & MountFlags.ReadOnly) != 0;

    /// <summary>A mount that is not attached yet, with one reference. Takes references of its own to superblock and root.</summary>
    public static Mount? Allocate(Vfs vfs, Superblock superblock, Dentry root, MountFlags flags, ReadOnlySpan<byte> source)
    {
        byte[]? copy = null;
        if (source.Length > 0)
        {
            copy = vfs.Arrays.Allocate<byte>(source.Length);
            if (copy is null)
                return null;
            source.CopyTo(copy);
        }
        Mount? mount = vfs.Mounts.Objects.Allocate();
        if (mount is null)
        {
            if (copy is not null)
                vfs.Arrays.Free(copy);
            return null;
        }
        mount.vfs = vfs;
        mount.references = 1;
        mount.source = copy;
        mount.Superblock = superblock.Get();
        mount.Root = root.Get();
        mount.Flags = flags & MountFlags.PerMount;
        mount.Number = vfs.Mounts.NextNumber();
        return mount;
    }

    public Mount Get()
    {
        references++;
        return this;
    }

    public void Put()
    {
        if (references <= 0)
            Panic.Now("mount put without a reference"u8);
        if (--references > 0)
            return;
        Superblock superblock = Superblock;
        Root.Put();
        if (source is not null)
            vfs.Arrays.Free(source);
        vfs.Mounts.Objects.Free(this);
        superblock.Put();
    }

    /// <summary>Hangs the mount into the tree; the tree takes a reference. <paramref name="point"/> none: the root of all.</summary>
    internal void Attach(in PathRef point)
    {
        Get();
        IsAttached = true;
        if (point.IsNone)
            return;
        Parent = point.Mount.Get();
        Point = point.Dentry.Get();
        NextOnDentry = Point.Mounts;
        Point.Mounts = this;
        Parent.ChildCount++;
    }

    /// <summary>Takes the mount out of the tree; gives the tree's reference back.</summary>
    internal void Detach()
    {
        IsAttached = false;
        Mount? parent = Parent;
        Dentry? point = Point;
        Parent = null;
        Point = null;
        if (parent is not null && point is not null)
        {
            ref Mount? link = ref point.Mounts;
            while (!ReferenceEquals(link, this))
                link = ref link!.NextOnDentry;
            link = NextOnDentry;
            NextOnDentry = null;
            parent.ChildCount--;
            point.Put();
            parent.Put();
        }
        Put();
    }
}
