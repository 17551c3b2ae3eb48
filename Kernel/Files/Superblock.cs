using System;
using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Files;

/// <summary>What a file system wants done with entries that nobody uses.</summary>
internal enum DentryRetention : byte
{
    /// <summary>Entries are the directory itself (tmpfs): kept until unlinked.</summary>
    Pinned,

    /// <summary>Entries, negative ones too, are a cache of a disk: kept while memory lasts.</summary>
    Cached,

    /// <summary>Entries are forgotten at once: asking again is cheap and the answer may have changed (/proc).</summary>
    Dropped,
}

/// <summary>One instance of a file system: its root, its numbers, and how its inodes are kept.</summary>
/// <remarks>Linux: <c>super_block</c> with <c>super_operations</c>. Made by <see cref="FileSystemType.Create"/>, dies with its last mount.</remarks>
internal abstract class Superblock
{
    private int references;

    /// <summary>Linux: <c>s_vfs_rename_mutex</c>. Two directories are only locked together under it.</summary>
    public Mutex RenameLock;

    public Vfs Vfs { get; private set; } = null!;
    public FileSystemType Type { get; private set; } = null!;

    /// <summary>The root directory; the superblock holds a reference.</summary>
    public Dentry Root { get; private set; } = null!;

    /// <summary>What <c>stat.st_dev</c> shows.</summary>
    public ulong Device { get; private set; }

    /// <summary>Flags of <c>mount</c> that hold for the whole instance (read-only).</summary>
    public MountFlags Flags { get; set; }

    /// <summary>What becomes of unused entries.</summary>
    public abstract DentryRetention Retention { get; }

    public virtual uint BlockSize => 4096;

    /// <summary>The largest file, in bytes. Linux: <c>s_maxbytes</c>.</summary>
    public virtual ulong MaximumSize => long.MaxValue;

    /// <summary>Files open for writing, through any mount.</summary>
    public int Writers { get; internal set; }

    /// <summary>Inodes in memory.</summary>
    public ulong InodeCount { get; internal set; }

    /// <summary>Sets up what every superblock has. One reference, for the caller.</summary>
    protected void Initialize(Vfs vfs, FileSystemType type, ulong device, MountFlags flags)
    {
        Vfs = vfs;
        Type = type;
        Device = device;
        Flags = flags;
        references = 1;
    }

    /// <summary>Gives the instance its root directory. Linux: <c>d_make_root</c>. Takes over the caller's reference to the inode, also on failure.</summary>
    protected Errno SetRoot(Inode inode)
    {
        Dentry? root = Dentry.Allocate(Vfs, this, null, default);
        if (root is null)
        {
            inode.Put();
            return Errno.ENOMEM;
        }
        root.Attach(inode);
        Root = root;
        return Errno.None;
    }

    public Superblock Get()
    {
        references++;
        return this;
    }

    /// <summary>Linux: <c>deactivate_super</c>. With the last reference all entries go, pinned ones too, then the instance.</summary>
    public void Put()
    {
        if (--references > 0)
            return;
        Sync();
        Vfs.Dentries.FreeAll(this);
        DropTree(Root);
        Root.Put();
        Root = null!;
        FreeObject();
    }

    /// <summary>Numbers for <c>statfs</c>.</summary>
    public abstract void GetStatistics(ref FileSystemStat stat);

    /// <summary>Writes everything that changed to the disk, and waits.</summary>
    public virtual Errno Sync() => Errno.None;

    /// <summary>Whether anything could not be written since; who asks is told once.</summary>
    public virtual Errno CheckErrors(ref uint since) => Errno.None;

    /// <summary>What a file that is opened now need not be told. See <see cref="CheckErrors"/>.</summary>
    public virtual uint SampleErrors() => 0;

    /// <summary>Writes what has waited for a while; called now and then by the writeback thread.</summary>
    /// <param name="all">Memory is short, or too much of it is dirty: what is younger goes, too.</param>
    public virtual Errno WriteBack(bool all) => Errno.None;

    /// <summary>Applies a remount's options. Linux: <c>reconfigure</c>.</summary>
    public virtual Errno Remount(MountFlags flags, ReadOnlySpan<byte> options)
    {
        if ((flags & MountFlags.ReadOnly) != 0 && Writers > 0)
            return Errno.EBUSY;
        Flags = (Flags & ~MountFlags.ReadOnly) | (flags & MountFlags.ReadOnly);
        return Errno.None;
    }

    /// <summary>True when an inode without users stays in memory for now; the file system then finds it again itself.</summary>
    internal virtual bool KeepUnusedInode(Inode inode) => false;

    /// <summary>Writes options for /proc/mounts, each with a comma before it.</summary>
    public virtual void WriteOptions(ref TextWriter writer)
    {
    }

    /// <summary>What stands in the first column of /proc/mounts when the mounter gave no name.</summary>
    public virtual ReadOnlySpan<byte> DefaultSource => Type.Name;

    /// <summary>Gives the object back to where it came from.</summary>
    protected abstract void FreeObject();

    /// <summary>Unhashes everything below <paramref name="root"/>, leaves first; what is still open elsewhere lives on without a name.</summary>
    /// <remarks>Without recursion: down to a leaf, drop it, back to its parent.</remarks>
    private static void DropTree(Dentry root)
    {
        Dentry current = root;
        for (; ; )
        {
            if (current.Children.Any is { } child)
            {
                current = child;
                continue;
            }
            if (ReferenceEquals(current, root))
                return;
            Dentry parent = current.Parent;
            current.Get();
            current.Unhash();
            current.Put();
            current = parent;
        }
    }
}
