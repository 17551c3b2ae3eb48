using System;
using NanoVm.Core;
using NanoVm.Memory.Mapping;

namespace NanoVm.Files.Tmpfs;

/// <summary>A file, directory, link or node of a tmpfs. One class for all: only a file has a <see cref="TmpfsMapping"/>, only a link a text.</summary>
/// <remarks>Linux: <c>shmem_inode_info</c>. A directory's contents are its dentries.</remarks>
internal sealed class TmpfsInode : Inode
{
    /// <summary>What a directory's size counts for each entry. Linux: <c>BOGO_DIRENT_SIZE</c>.</summary>
    private const ulong EntrySize = 20;

    /// <summary>Linux: <c>SHORT_SYMLINK_LEN</c>, which counts the zero behind the text.</summary>
    private const int ShortLink = 128;

    private TmpfsSuperblock superblock = null!;
    private TmpfsMapping? mapping;
    private HugeFileSpace? huge;
    private byte[]? linkText;

    public override AddressSpace? Mapping => (AddressSpace?)mapping ?? huge;

    /// <summary>The pages of a file of hugetlbfs; null for all others.</summary>
    public HugeFileSpace? Huge => huge;
    public TmpfsMapping? Pages => mapping;
    public TmpfsCaches Caches => superblock.Caches;

    /// <summary>May this many more pages be taken from the mount?</summary>
    public bool HasRoomFor(ulong pages) => superblock.HasRoomFor(pages);
    public override ReadOnlySpan<byte> LinkText => linkText;

    /// <summary>The System V segment whose memory this is; null for files.</summary>
    internal SharedSegment? Segment;

    /// <summary>What <c>memfd_create</c> and F_ADD_SEALS forbid.</summary>
    public FileSeals Seals { get; set; }

    /// <summary>Null when memory is out.</summary>
    internal static TmpfsInode? Allocate(TmpfsSuperblock superblock, ulong number, uint mode, uint uid, uint gid, ulong device)
    {
        TmpfsCaches caches = superblock.Caches;
        TmpfsInode? inode = caches.Inodes.Allocate();
        if (inode is null)
            return null;
        if (FileMode.IsRegular(mode) && superblock.IsHuge)
        {
            inode.huge = caches.HugeSpaces.Allocate();
            if (inode.huge is null)
            {
                caches.Inodes.Free(inode);
                return null;
            }
            inode.huge.Initialize(inode, caches);
        }
        else if (FileMode.IsRegular(mode))
        {
            inode.mapping = caches.Mappings.Allocate();
            if (inode.mapping is null)
            {
                caches.Inodes.Free(inode);
                return null;
            }
            inode.mapping.Initialize(inode, superblock);
        }
        inode.superblock = superblock;
        inode.Initialize(superblock, number, mode, uid, gid);
        inode.Seals = FileSeals.Seal;
        inode.Rdev = device;
        if (FileMode.IsDirectory(mode))
        {
            inode.Links = 2;
            inode.Size = 2 * EntrySize;
        }
        return inode;
    }

    // ---- Directories -------------------------------------------------------------------------------------------------------------

    public override Errno Create(Dentry entry, uint mode, TaskFiles who) => Make(entry, mode, 0, default, who);

    public override Errno MakeDirectory(Dentry entry, uint mode, TaskFiles who)
    {
        if (Links >= int.MaxValue)
            return Errno.EMLINK;
        Errno error = Make(entry, mode, 0, default, who);
        if (error == Errno.None)
            Links++;                                         // the new directory's ".."
        return error;
    }

    public override Errno MakeNode(Dentry entry, uint mode, ulong device, TaskFiles who) => Make(entry, mode, device, default, who);

    public override Errno MakeSymbolicLink(Dentry entry, ReadOnlySpan<byte> target, TaskFiles who)
        => Make(entry, FileMode.SymbolicLink | 0x1FF, 0, target, who);

    public override Errno CreateUnnamed(Dentry entry, uint mode, TaskFiles who)
    {
        if (!superblock.MakeInode(mode, who.Credentials.FileUid, GroupFor(who, ref mode), 0).TryGet(out TmpfsInode inode, out Errno error))
            return error;
        inode.Links = 0;
        inode.IsUnnamed = true;
        entry.Attach(inode);
        return Errno.None;
    }

    /// <summary>Each further name counts as an inode, too: names are memory that only their removal frees. Linux: <c>shmem_link</c>.</summary>
    public override Errno Link(Dentry entry, Inode target)
    {
        if (target.Links > 0 && !superblock.TryReserveInode())
            return Errno.ENOSPC;
        target.Links++;
        target.ChangeTime = EntryAdded();
        entry.Attach(target.Get());
        return Errno.None;
    }

    public override Errno Unlink(Dentry entry)
    {
        Inode inode = entry.Inode!;
        DropLink(inode);
        inode.ChangeTime = EntryRemoved();
        return Errno.None;
    }

    public override Errno RemoveDirectory(Dentry entry)
    {
        if (entry.Children.Count > 0)
            return Errno.ENOTEMPTY;
        Inode inode = entry.Inode!;
        inode.Links = 0;
        Links--;
        inode.ChangeTime = EntryRemoved();
        return Errno.None;
    }

    public override Errno Rename(Dentry old, Inode targetDirectory, Dentry target, RenameFlags flags, Dentry? whiteout, TaskFiles who)
    {
        Inode moved = old.Inode!;
        Inode? victim = target.Inode;
        var to = (TmpfsInode)targetDirectory;
        bool exchange = (flags & RenameFlags.Exchange) != 0;
        if (victim is { IsDirectory: true } && !exchange && target.Children.Count > 0)
            return Errno.ENOTEMPTY;
        if (whiteout is not null)
        {
            Errno error = Make(whiteout, FileMode.CharacterDevice, 0, default, who);
            if (error != Errno.None)
                return error;
        }

        // Each directory below counts once in its parent's links.
        int leaving = moved.IsDirectory ? 1 : 0;
        int replaced = victim is { IsDirectory: true } ? 1 : 0;
        FileTime now = Vfs.Now;
        if (exchange)
        {
            Links = (uint)((int)Links - leaving + replaced);
            to.Links = (uint)((int)to.Links + leaving - replaced);
            victim!.ChangeTime = now;
        }
        else
        {
            Links -= (uint)leaving;
            to.Links += (uint)(leaving - replaced);
            Size -= EntrySize;
            if (victim is null)
            {
                to.Size += EntrySize;
            }
            else
            {
                if (victim.IsDirectory)
                    victim.Links = 0;
                else
                    DropLink(victim);
                victim.ChangeTime = now;
            }
        }
        ModifyTime = ChangeTime = to.ModifyTime = to.ChangeTime = moved.ChangeTime = now;
        return Errno.None;
    }

    // ---- Files -------------------------------------------------------------------------------------------------------------------

    public override Result<int> ReadLink(TaskFiles who, Span<byte> to)
    {
        if (linkText is null)
            return Errno.EINVAL;
        int length = Math.Min(to.Length, linkText.Length);
        linkText.AsSpan(0, length).CopyTo(to);
        return length;
    }

    public override Result<OpenFile> Open(TaskFiles who, in PathRef path, OpenFlags flags)
    {
        if (IsDirectory)
            return DirectoryFile.Allocate(path, flags) is { } directory ? directory : Errno.ENOMEM;
        if (!IsRegular)
            return Errno.ENXIO;
        if ((flags & OpenFlags.Direct) != 0)
            return Errno.EINVAL;
        if (huge is not null)
            return HugeFile.Allocate(superblock.Caches, path, flags) is { } hugeFile ? hugeFile : Errno.ENOMEM;
        return TmpfsFile.Allocate(superblock.Caches, path, flags) is { } file ? file : Errno.ENOMEM;
    }

    public override Errno SetAttributes(in AttributeChange change)
    {
        // The same size, too, gives back what fallocate took behind it.
        if ((change.Valid & Attributes.Size) != 0 && mapping is not null)
        {
            if ((change.Size < Size && (Seals & FileSeals.Shrink) != 0) || (change.Size > Size && (Seals & FileSeals.Grow) != 0))
                return Errno.EPERM;
            mapping.Resize(change.Size);
        }
        if ((change.Valid & Attributes.Size) != 0 && huge is not null)
        {
            if ((change.Size & (PageSize.LargeBytes - 1)) != 0)
                return Errno.EINVAL;
            if ((change.Size < Size && (Seals & FileSeals.Shrink) != 0) || (change.Size > Size && (Seals & FileSeals.Grow) != 0))
                return Errno.EPERM;
            huge.Resize(change.Size);
        }
        return ApplyAttributes(change);
    }

    public override void GetAttributes(ref FileStat stat)
    {
        base.GetAttributes(ref stat);
        if (huge is not null)
        {
            stat.Blocks = huge.HugePages * (PageSize.LargeBytes / 512);
            return;
        }
        stat.Blocks = (mapping is null ? IsLongLink ? 1UL : 0 : mapping.StoredPages) * (PageSize.Bytes / 512);
    }

    /// <summary>A text that Linux would keep in a page of its own, which the mount's limit counts.</summary>
    private bool IsLongLink => linkText is { Length: >= ShortLink };

    /// <summary>Sets the text of a link. For the unpacker, which makes inodes itself.</summary>
    /// <returns>ENOSPC, ENOMEM.</returns>
    internal Errno SetLinkText(ReadOnlySpan<byte> text)
    {
        if (text.Length >= ShortLink && superblock.ReserveBlock() is not Errno.None and var full)
            return full;
        byte[]? copy = superblock.Caches.Memory.Arrays.Allocate<byte>(text.Length);
        if (copy is null)
        {
            if (text.Length >= ShortLink)
                superblock.ReleaseBlocks(1);
            return Errno.ENOMEM;
        }

        text.CopyTo(copy);
        linkText = copy;
        Size = (ulong)text.Length;
        return Errno.None;
    }

    /// <summary>Counts a new entry of this directory. Answers the time that it set.</summary>
    internal FileTime EntryAdded()
    {
        Size += EntrySize;
        return ModifyTime = ChangeTime = Vfs.Now;
    }

    /// <summary>Counts an entry less.</summary>
    internal FileTime EntryRemoved()
    {
        Size -= EntrySize;
        return ModifyTime = ChangeTime = Vfs.Now;
    }

    protected override void Evict()
    {
        mapping?.Evict();
        huge?.Evict();
    }

    protected override void FreeObject()
    {
        TmpfsCaches caches = superblock.Caches;
        superblock.InodeFreed();
        if (mapping is not null)
            caches.Mappings.Free(mapping);
        if (huge is not null)
            caches.HugeSpaces.Free(huge);
        if (IsLongLink)
            superblock.ReleaseBlocks(1);
        if (linkText is not null)
            caches.Memory.Arrays.Free(linkText);
        caches.Inodes.Free(this);
    }

    private void DropLink(Inode inode)
    {
        if (inode.Links-- > 1)
            superblock.InodeFreed();
    }

    // Linux: shmem_mknod, shmem_symlink. Reserve the inode and its text, then nothing can fail.
    private Errno Make(Dentry entry, uint mode, ulong device, ReadOnlySpan<byte> text, TaskFiles who)
    {
        uint gid = GroupFor(who, ref mode);
        if (!superblock.MakeInode(mode, who.Credentials.FileUid, gid, device).TryGet(out TmpfsInode inode, out Errno error))
            return error;
        if (!text.IsEmpty)
        {
            error = inode.SetLinkText(text);
            if (error != Errno.None)
            {
                inode.Links = 0;
                inode.Put();
                return error;
            }
        }
        EntryAdded();
        entry.Attach(inode);
        return Errno.None;
    }

    // Linux: inode_init_owner. A set-group-ID directory gives its group to what is made in it, and directories inherit the bit.
    private uint GroupFor(TaskFiles who, ref uint mode)
    {
        if ((Mode & FileMode.SetGid) == 0)
            return who.Credentials.FileGid;
        if (FileMode.IsDirectory(mode))
            mode |= FileMode.SetGid;
        else if ((mode & (FileMode.SetGid | FileMode.GroupExecute)) == (FileMode.SetGid | FileMode.GroupExecute)
            && !who.Credentials.IsInGroup(Gid) && !who.Credentials.Has(Capability.FileSetId))
            mode &= ~FileMode.SetGid;
        return Gid;
    }
}

/// <summary>What may no longer be done to a memory file. Linux: <c>F_SEAL_*</c>; man 2 fcntl.</summary>
[Flags]
internal enum FileSeals : uint
{
    None = 0,

    /// <summary>No further seals.</summary>
    Seal = 1,
    Shrink = 2,
    Grow = 4,
    Write = 8,
    FutureWrite = 16,
    Execute = 32,
    Known = 31,
}
