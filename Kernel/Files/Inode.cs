using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Files.Pipes;
using NanoVm.Files.Sockets;
using NanoVm.Memory.Mapping;

namespace NanoVm.Files;

/// <summary>A file, whatever its names are: attributes, and the operations that its file system gives it.</summary>
/// <remarks>
/// Linux: <c>inode</c> with <c>inode_operations</c>. Directory operations get a negative, unhashed-or-hashed <see cref="Dentry"/> of a
/// directory that is this inode, whose <see cref="Lock"/> the VFS holds; rights, types and names have been checked. On success a creating
/// operation attaches an inode to the entry. What a file system does not override answers as Linux does for a missing operation.
/// </remarks>
internal abstract class Inode
{
    private int references;
    private int writers;

    /// <summary>Linux: <c>i_rwsem</c>. Held for changes of a directory's contents, of a file's size, and while a file is written.</summary>
    public Mutex Lock;

    public Superblock Superblock { get; private set; } = null!;

    /// <summary>The inode number, unique in its file system.</summary>
    public ulong Number { get; protected set; }

    /// <summary>Kind and permission bits, see <see cref="FileMode"/>.</summary>
    public uint Mode;
    public uint Uid;
    public uint Gid;

    /// <summary>Number of names, for a directory 2 and one for each directory in it. Guarded by the lock of the directory that changes.</summary>
    public uint Links;

    /// <summary>The device that a device node stands for, as <see cref="DeviceNumber"/> packs it.</summary>
    public ulong Rdev;

    /// <summary>Length in bytes; guarded by <see cref="Lock"/>.</summary>
    public ulong Size;
    public FileTime AccessTime;
    public FileTime ModifyTime;
    public FileTime ChangeTime;
    public FileTime BirthTime;

    /// <summary>Set when the directory has been removed: nothing may be created in it any more. Linux: <c>S_DEAD</c>.</summary>
    public bool IsDead;

    /// <summary>Made by <c>O_TMPFILE</c> and not linked yet: it may get its first name although it has none.</summary>
    public bool IsUnnamed;

    /// <summary>Record locks, leases and <c>flock</c> locks on this file; null while there are none. Linux: <c>file_lock_context</c>.</summary>
    internal FileLocks? Locks;

    /// <summary>The pipe behind a FIFO while somebody has it open; owned by <see cref="Pipes"/>.</summary>
    internal Pipe? Pipe;

    /// <summary>The socket that is bound to this socket file; owned by <see cref="Sockets"/>.</summary>
    internal Socket? BoundSocket;

    /// <summary>The page cache of the file; null for what has none.</summary>
    public virtual AddressSpace? Mapping => null;

    /// <summary>Pages are swapped to the file: nobody writes, shortens, renames or removes it. Linux: <c>IS_SWAPFILE</c>.</summary>
    public bool IsSwapFile => Mapping is { IsSwapFile: true };

    public Vfs Vfs => Superblock.Vfs;
    public bool IsDirectory => FileMode.IsDirectory(Mode);
    public bool IsRegular => FileMode.IsRegular(Mode);

    /// <summary>Sets up what every inode has. Linux: <c>inode_init_always</c>. One reference, for the caller.</summary>
    protected void Initialize(Superblock superblock, ulong number, uint mode, uint uid, uint gid)
    {
        Superblock = superblock;
        superblock.InodeCount++;
        Number = number;
        Mode = mode;
        Uid = uid;
        Gid = gid;
        Links = 1;
        references = 1;
        AccessTime = ModifyTime = ChangeTime = BirthTime = superblock.Vfs.Now;
    }

    public Inode Get()
    {
        references++;
        return this;
    }

    /// <summary>Linux: <c>iput</c>. Gives a reference back; with the last one the inode goes, unless its file system keeps it.</summary>
    public void Put()
    {
        if (references <= 0)
            Panic.Now("inode put without a reference"u8);
        if (--references > 0)
            return;
        if (Superblock.KeepUnusedInode(this))
            return;
        Evict();
        Locks?.Free();
        Locks = null;
        Superblock superblock = Superblock;
        superblock.InodeCount--;
        FreeObject();
    }

    // ---- Directories -------------------------------------------------------------------------------------------------------------

    /// <summary>Looks a name up: attaches the inode to <paramref name="entry"/>, or leaves it negative when there is no such name.</summary>
    /// <returns>An error only when the directory could not be read.</returns>
    public virtual Errno Lookup(Dentry entry, TaskFiles who) => Errno.ENOENT;

    /// <summary>True while a cached entry still tells the truth. Linux: <c>d_revalidate</c>; for /proc, whose processes come and go.</summary>
    public virtual bool IsEntryValid(Dentry entry) => true;

    public virtual Errno Create(Dentry entry, uint mode, TaskFiles who) => Errno.EACCES;
    public virtual Errno MakeDirectory(Dentry entry, uint mode, TaskFiles who) => Errno.EPERM;
    public virtual Errno MakeNode(Dentry entry, uint mode, ulong device, TaskFiles who) => Errno.EPERM;
    public virtual Errno MakeSymbolicLink(Dentry entry, ReadOnlySpan<byte> target, TaskFiles who) => Errno.EPERM;

    /// <summary>Makes a file without a name, attached to the unhashed <paramref name="entry"/>. Linux: <c>tmpfile</c>.</summary>
    public virtual Errno CreateUnnamed(Dentry entry, uint mode, TaskFiles who) => Errno.EOPNOTSUPP;
    public virtual Errno Link(Dentry entry, Inode target) => Errno.EPERM;
    public virtual Errno Unlink(Dentry entry) => Errno.EPERM;
    public virtual Errno RemoveDirectory(Dentry entry) => Errno.EPERM;

    /// <summary>Moves <paramref name="old"/> of this directory over <paramref name="target"/> of <paramref name="targetDirectory"/>.</summary>
    /// <param name="whiteout">
    /// An entry with the old name that is not in its directory yet: it gets a whiteout (<see cref="RenameFlags.Whiteout"/>), or the call is EINVAL.
    /// Null without the flag.
    /// </param>
    /// <remarks>Checks what only the file system knows (a directory that is not empty) and changes its own records; the VFS moves entries.</remarks>
    public virtual Errno Rename(Dentry old, Inode targetDirectory, Dentry target, RenameFlags flags, Dentry? whiteout, TaskFiles who) => Errno.EPERM;

    // ---- Links -------------------------------------------------------------------------------------------------------------------

    /// <summary>Reads a symbolic link's text, cut off at the length of <paramref name="to"/>, without a NUL.</summary>
    /// <returns>The number of bytes; <see cref="Errno.EINVAL"/> when this is no symbolic link.</returns>
    public virtual Result<int> ReadLink(TaskFiles who, Span<byte> to) => Errno.EINVAL;

    /// <summary>The text of a symbolic link that lies in memory; empty when it has to be read with <see cref="ReadLink"/>.</summary>
    public virtual ReadOnlySpan<byte> LinkText => default;

    /// <summary>True for links such as <c>/proc/self/exe</c> that lead to a place and not to a name. Linux: "magic links".</summary>
    public virtual bool IsMagicLink => false;

    /// <summary>Where a magic link leads; the answer holds references. Linux: <c>nd_jump_link</c>.</summary>
    public virtual Errno FollowMagicLink(TaskFiles who, out PathRef target)
    {
        target = default;
        return Errno.ENOENT;
    }

    // ---- Files -------------------------------------------------------------------------------------------------------------------

    /// <summary>Makes an open file of this inode. Called without <see cref="Lock"/>.</summary>
    /// <param name="path">Where it was found; the open file takes references of its own.</param>
    /// <remarks>Device nodes, FIFOs and sockets never come here: the VFS opens them.</remarks>
    public virtual Result<OpenFile> Open(TaskFiles who, in PathRef path, OpenFlags flags) => Errno.ENXIO;

    /// <summary>Changes attributes; the VFS has checked the rights. Holds <see cref="Lock"/>. Linux: <c>setattr</c>.</summary>
    public virtual Errno SetAttributes(in AttributeChange change) => ApplyAttributes(change);

    /// <summary>Linux: <c>getattr</c>, <c>generic_fillattr</c>.</summary>
    public virtual void GetAttributes(ref FileStat stat)
    {
        stat.Device = Superblock.Device;
        stat.InodeNumber = Number;
        stat.Mode = Mode;
        stat.Links = Links;
        stat.Uid = Uid;
        stat.Gid = Gid;
        stat.Rdev = Rdev;
        stat.Size = Size;
        stat.BlockSize = Superblock.BlockSize;
        stat.AccessTime = AccessTime;
        stat.ModifyTime = ModifyTime;
        stat.ChangeTime = ChangeTime;
        stat.BirthTime = BirthTime;
    }

    /// <summary>Checks the rights of <paramref name="who"/>; file systems with rules of their own override it.</summary>
    public virtual Errno CheckAccess(TaskFiles who, FileAccess wanted) => Permission.CheckGeneric(this, who.Credentials, wanted);

    public virtual Result<int> GetXattr(ReadOnlySpan<byte> name, Span<byte> value) => Errno.EOPNOTSUPP;
    public virtual Errno SetXattr(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags flags) => Errno.EOPNOTSUPP;
    public virtual Errno RemoveXattr(ReadOnlySpan<byte> name) => Errno.EOPNOTSUPP;

    /// <summary>Writes all names, each ended by a NUL; with an empty span only tells how long they are.</summary>
    public virtual Result<int> ListXattrs(Span<byte> to) => 0;

    /// <summary>Writes attributes that changed to the disk, if there is one. Linux: <c>write_inode</c>.</summary>
    public virtual Errno WriteBack() => Errno.None;

    /// <summary>Linux: <c>evict_inode</c>. The last reference is gone: drop pages and, when <see cref="Links"/> is 0, what is stored.</summary>
    protected virtual void Evict()
    {
    }

    /// <summary>Gives the object back to the cache it came from.</summary>
    protected abstract void FreeObject();

    // ---- Writing against running -------------------------------------------------------------------------------------------------

    /// <summary>Linux: <c>get_write_access</c>. Counts an opening for writing; refused while the file runs as a program.</summary>
    public Errno GetWriteAccess()
    {
        if (writers < 0)
            return Errno.ETXTBSY;
        writers++;
        return Errno.None;
    }

    public void PutWriteAccess() => writers--;

    /// <summary>Linux: <c>deny_write_access</c>. Counts a running program; refused while the file is open for writing.</summary>
    public Errno DenyWriteAccess()
    {
        if (writers > 0)
            return Errno.ETXTBSY;
        writers--;
        return Errno.None;
    }

    public void AllowWriteAccess() => writers++;

    /// <summary>Linux: <c>setattr_copy</c>. Stores everything but the size.</summary>
    protected Errno ApplyAttributes(in AttributeChange change)
    {
        if ((change.Valid & Attributes.Uid) != 0)
            Uid = change.Uid;
        if ((change.Valid & Attributes.Gid) != 0)
            Gid = change.Gid;
        if ((change.Valid & Attributes.AccessTime) != 0)
            AccessTime = change.AccessTime;
        if ((change.Valid & Attributes.ModifyTime) != 0)
            ModifyTime = change.ModifyTime;
        if ((change.Valid & Attributes.ChangeTime) != 0)
            ChangeTime = change.ChangeTime;
        if ((change.Valid & Attributes.Mode) != 0)
            Mode = (Mode & ~FileMode.PermissionMask) | (change.Mode & FileMode.PermissionMask);
        return Errno.None;
    }
}

/// <summary>Flags of <c>setxattr</c>. Linux: <c>XATTR_*</c>.</summary>
[Flags]
internal enum XattrFlags : uint
{
    None = 0,
    Create = 1,
    Replace = 2,
}
