using System;
using System.Runtime.InteropServices;
using NanoVm.Core;
using static NanoVm.Files.Ext2.Ext2Layout;

namespace NanoVm.Files.Ext2;

/// <summary>What the VFS asks of a directory, and the texts of symbolic links.</summary>
/// <remarks>Linux: <c>fs/ext2/namei.c</c>. Each operation does what can fail first.</remarks>
internal sealed partial class Ext2Inode
{
    public override Errno Lookup(Dentry entry, TaskFiles who)
    {
        Errno error = FindEntry(entry.Name, out EntryPlace place);
        if (error != Errno.None)
            return error;
        if (!superblock.GetInode(place.Inode).TryGet(out Ext2Inode inode, out error))
            return error == Errno.ENOENT ? Errno.EIO : error;
        entry.Attach(inode);
        return Errno.None;
    }

    public override Errno Create(Dentry entry, uint mode, TaskFiles who) => Make(entry, mode, 0, default, who);

    public override Errno MakeNode(Dentry entry, uint mode, ulong device, TaskFiles who) => Make(entry, mode, device, default, who);

    public override Errno MakeSymbolicLink(Dentry entry, ReadOnlySpan<byte> target, TaskFiles who)
        => target.Length + 1 > superblock.BlockSize ? Errno.ENAMETOOLONG : Make(entry, FileMode.SymbolicLink | 0x1FF, 0, target, who);

    public override Errno MakeDirectory(Dentry entry, uint mode, TaskFiles who)
    {
        if (Links >= MaximumLinks)
            return Errno.EMLINK;
        if (!MakeChild(mode, who).TryGet(out Ext2Inode child, out Errno error))
            return error;
        error = child.MakeEmpty((uint)Number);
        if (error == Errno.None)
            error = AddEntry(entry.Name, (uint)child.Number, child.Mode);
        if (error != Errno.None)
        {
            child.Put();                                     // no links yet: it goes with all it has
            return error;
        }
        child.Links = 2;
        child.MarkInodeDirty();
        child.MarkNamed();
        Links++;
        MarkInodeDirty();
        entry.Attach(child);
        return Errno.None;
    }

    public override Errno CreateUnnamed(Dentry entry, uint mode, TaskFiles who)
    {
        if (!MakeChild(mode, who).TryGet(out Ext2Inode child, out Errno error))
            return error;
        child.IsUnnamed = true;
        entry.Attach(child);
        return Errno.None;
    }

    public override Errno Link(Dentry entry, Inode target)
    {
        var inode = (Ext2Inode)target;
        if (inode.Links >= MaximumLinks)
            return Errno.EMLINK;
        Errno error = AddEntry(entry.Name, (uint)inode.Number, inode.Mode);
        if (error != Errno.None)
            return error;
        inode.Links++;
        inode.ChangeTime = Now;
        inode.MarkInodeDirty();
        inode.MarkNamed();
        entry.Attach(inode.Get());
        return Errno.None;
    }

    public override Errno Unlink(Dentry entry)
    {
        Errno error = FindEntry(entry.Name, out EntryPlace place);
        if (error == Errno.None)
            error = RemoveEntry(place);
        if (error != Errno.None)
            return error;
        var inode = (Ext2Inode)entry.Inode!;
        inode.Links--;
        inode.ChangeTime = ChangeTime;
        inode.MarkInodeDirty();
        return Errno.None;
    }

    public override Errno RemoveDirectory(Dentry entry)
    {
        var inode = (Ext2Inode)entry.Inode!;
        if (!inode.IsEmptyDirectory().TryGet(out bool empty, out Errno error))
            return error;
        if (!empty)
            return Errno.ENOTEMPTY;
        error = FindEntry(entry.Name, out EntryPlace place);
        if (error == Errno.None)
            error = RemoveEntry(place);
        if (error != Errno.None)
            return error;
        inode.Links = 0;
        inode.ChangeTime = ChangeTime;
        inode.MarkInodeDirty();
        Links--;
        MarkInodeDirty();
        return Errno.None;
    }

    public override Errno Rename(Dentry old, Inode targetDirectory, Dentry target, RenameFlags renameFlags, Dentry? whiteout, TaskFiles who)
    {
        if (whiteout is not null)
            return Errno.EINVAL;
        var to = (Ext2Inode)targetDirectory;
        var moved = (Ext2Inode)old.Inode!;
        var victim = (Ext2Inode?)target.Inode;
        bool sameParent = ReferenceEquals(this, to);
        if ((renameFlags & RenameFlags.Exchange) != 0)
            return Exchange(old, to, target, moved, victim!);

        bool movesDirectory = moved.IsDirectory && !sameParent;
        if (victim is { IsDirectory: true })
        {
            if (!victim.IsEmptyDirectory().TryGet(out bool empty, out Errno unreadable))
                return unreadable;
            if (!empty)
                return Errno.ENOTEMPTY;
        }
        else if (movesDirectory && victim is null && to.Links >= MaximumLinks)
        {
            return Errno.EMLINK;
        }
        Errno error = FindEntry(old.Name, out EntryPlace from);
        EntryPlace parentEntry = default;
        if (error == Errno.None && movesDirectory)
            error = moved.FindEntry(".."u8, out parentEntry);
        if (error != Errno.None)
            return error;

        // The new name first: a crash in between leaves two names and not none.
        if (victim is not null)
        {
            error = to.FindEntry(target.Name, out EntryPlace place);
            if (error == Errno.None)
                error = to.ReplaceEntry(place, (uint)moved.Number, moved.Mode);
        }
        else
        {
            error = to.AddEntry(target.Name, (uint)moved.Number, moved.Mode);
        }
        if (error != Errno.None)
            return error;
        // The old record may have got another neighbour, or moved: look again.
        error = FindEntry(old.Name, out from);
        if (error == Errno.None)
            error = RemoveEntry(from);
        if (error != Errno.None)
            return error;

        if (victim is not null)
        {
            victim.Links = victim.IsDirectory ? 0 : victim.Links - 1;
            victim.ChangeTime = Now;
            victim.MarkInodeDirty();
            if (victim.IsDirectory)
            {
                to.Links--;
                to.MarkInodeDirty();
            }
        }
        if (moved.IsDirectory)
        {
            if (movesDirectory)
                moved.ReplaceEntry(parentEntry, (uint)to.Number, FileMode.Directory);
            Links--;
            to.Links++;
            MarkInodeDirty();
            to.MarkInodeDirty();
        }
        moved.ChangeTime = Now;
        moved.MarkInodeDirty();
        moved.MarkNamed();
        return Errno.None;
    }

    public override ReadOnlySpan<byte> LinkText
    {
        get
        {
            if (!IsFastLink)
                return default;
            // The text lies where other inodes have their pointers, 60 bytes at most.
            Span<byte> bytes = MemoryMarshal.AsBytes((Span<uint>)pointers);
            return bytes[..(int)Math.Min(Size, (ulong)bytes.Length)];
        }
    }

    public override Result<int> ReadLink(TaskFiles who, Span<byte> to)
    {
        if (!FileMode.IsSymbolicLink(Mode))
            return Errno.EINVAL;
        if (!mapping.FindOrCreatePage(0).TryGet(out Pfn page, out Errno error))
            return error;
        int length = (int)Math.Min(Math.Min(Size, PageSize.Bytes), (ulong)to.Length);
        DirectMap.Page(page)[..length].CopyTo(to);
        mapping.Cache.Frames.LetGo(page);
        return length;
    }

    private Errno Make(Dentry entry, uint mode, ulong device, ReadOnlySpan<byte> text, TaskFiles who)
    {
        if (!MakeChild(mode, who).TryGet(out Ext2Inode child, out Errno error))
            return error;
        if (FileMode.IsDevice(mode))
        {
            child.Rdev = device;
            child.EncodeDevice(device);
        }
        if (!text.IsEmpty)
            error = child.SetLinkText(text);
        if (error == Errno.None)
            error = AddEntry(entry.Name, (uint)child.Number, child.Mode);
        if (error != Errno.None)
        {
            child.Put();
            return error;
        }
        child.Links = 1;
        child.MarkInodeDirty();
        child.MarkNamed();
        entry.Attach(child);
        return Errno.None;
    }

    private Result<Ext2Inode> MakeChild(uint mode, TaskFiles who)
    {
        uint gid = who.Credentials.FileGid;
        if ((Mode & FileMode.SetGid) != 0)
        {
            gid = Gid;
            if (FileMode.IsDirectory(mode))
                mode |= FileMode.SetGid;
            else if ((mode & (FileMode.SetGid | FileMode.GroupExecute)) == (FileMode.SetGid | FileMode.GroupExecute)
                && !who.Credentials.IsInGroup(Gid) && !who.Credentials.Has(Capability.FileSetId))
                mode &= ~FileMode.SetGid;
        }
        return superblock.MakeInode(this, mode, who.Credentials.FileUid, gid);
    }

    private Errno SetLinkText(ReadOnlySpan<byte> text)
    {
        if (text.Length < BlockPointers * 4)
        {
            text.CopyTo(MemoryMarshal.AsBytes((Span<uint>)pointers));
            Size = (ulong)text.Length;
            return Errno.None;
        }
        if (!mapping.FindOrCreatePage(0).TryGet(out Pfn page, out Errno error))
            return error;
        error = TakeBlocks(0, (ulong)text.Length);
        if (error == Errno.None)
        {
            text.CopyTo(DirectMap.Page(page));
            mapping.MarkDirty(page);
            Size = (ulong)text.Length;
        }
        mapping.Cache.Frames.LetGo(page);
        return error;
    }

    private Errno Exchange(Dentry old, Ext2Inode to, Dentry target, Ext2Inode moved, Ext2Inode other)
    {
        bool sameParent = ReferenceEquals(this, to);
        Errno error = FindEntry(old.Name, out EntryPlace first);
        EntryPlace second = default;
        EntryPlace movedParent = default;
        EntryPlace otherParent = default;
        if (error == Errno.None)
            error = to.FindEntry(target.Name, out second);
        if (error == Errno.None && moved.IsDirectory && !sameParent)
            error = moved.FindEntry(".."u8, out movedParent);
        if (error == Errno.None && other.IsDirectory && !sameParent)
            error = other.FindEntry(".."u8, out otherParent);
        if (error == Errno.None)
            error = ReplaceEntry(first, (uint)other.Number, other.Mode);
        if (error == Errno.None)
            error = to.ReplaceEntry(second, (uint)moved.Number, moved.Mode);
        if (error != Errno.None)
            return error;
        if (moved.IsDirectory && !sameParent)
        {
            moved.ReplaceEntry(movedParent, (uint)to.Number, FileMode.Directory);
            Links--;
            to.Links++;
        }
        if (other.IsDirectory && !sameParent)
        {
            other.ReplaceEntry(otherParent, (uint)Number, FileMode.Directory);
            Links++;
            to.Links--;
        }
        moved.ChangeTime = other.ChangeTime = Now;
        moved.MarkNamed();
        other.MarkNamed();
        moved.MarkInodeDirty();
        other.MarkInodeDirty();
        MarkInodeDirty();
        to.MarkInodeDirty();
        return Errno.None;
    }
}
