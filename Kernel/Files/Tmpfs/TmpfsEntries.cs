using System;
using NanoVm.Core;

namespace NanoVm.Files.Tmpfs;

/// <summary>Makes entries of a tmpfs without a task that asks: for the initramfs and for /dev.</summary>
internal static class TmpfsEntries
{
    /// <summary>Makes a directory, a node, a FIFO or an empty file.</summary>
    /// <param name="mode">Kind and permissions; no umask applies.</param>
    /// <returns>The new entry, which the tree keeps; EEXIST, ENOSPC, ENOMEM.</returns>
    public static Result<Dentry> Make(Dentry parent, ReadOnlySpan<byte> name, uint mode, ulong device)
    {
        var superblock = (TmpfsSuperblock)parent.Superblock;
        if (parent.Children.Find(name, Dentry.HashName(name)) is not null)
            return Errno.EEXIST;
        if (!superblock.MakeInode(mode, 0, 0, device).TryGet(out TmpfsInode inode, out Errno error))
            return error;
        return AddOrFree(parent, name, inode);
    }

    /// <summary>Removes an entry that is no directory.</summary>
    public static void Remove(Dentry entry)
    {
        entry.Get();
        entry.Inode!.Links--;
        ((TmpfsInode)entry.Parent.Inode!).EntryRemoved();
        entry.Delete();
        entry.Put();
    }

    /// <summary>Gives an inode a name. Takes over the reference to a new inode on success; an old one gets a further link.</summary>
    internal static Result<Dentry> Add(Dentry parent, ReadOnlySpan<byte> name, TmpfsInode inode, bool isNew)
    {
        Dentry? entry = Dentry.Allocate(parent.Superblock.Vfs, parent.Superblock, parent, name);
        if (entry is null)
            return Errno.ENOMEM;
        var directory = (TmpfsInode)parent.Inode!;
        directory.EntryAdded();
        if (inode.IsDirectory)
            directory.Links++;
        if (!isNew)
        {
            inode.Get();
            inode.Links++;
        }
        entry.Attach(inode);
        entry.Hash();
        entry.Put();                                         // hashed and pinned: the tree keeps it
        return entry;
    }

    private static Result<Dentry> AddOrFree(Dentry parent, ReadOnlySpan<byte> name, TmpfsInode inode)
    {
        Result<Dentry> entry = Add(parent, name, inode, isNew: true);
        if (!entry.IsOk)
        {
            inode.Links = 0;
            inode.Put();
        }
        return entry;
    }
}
