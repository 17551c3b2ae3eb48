using System;
using NanoVm.Core;
using static NanoVm.Files.Ext2.Ext2Layout;

namespace NanoVm.Files.Ext2;

/// <summary>Inodes: found in memory or in their table, made, and given back.</summary>
internal sealed partial class Ext2Superblock
{
    /// <summary>The inode of a number, with a reference. Linux: <c>ext2_iget</c>.</summary>
    /// <returns>EIO when the number or the inode makes no sense, ENOMEM.</returns>
    public Result<Ext2Inode> GetInode(uint number)
    {
        if (number != RootInode && (number < firstInode || number > inodeCount))
            return Errno.EIO;
        for (; ; )
        {
            Ext2Inode? inode = FindInMemory(number);
            if (inode is { IsEvicting: true })
            {
                WaitForEviction(number);
                continue;
            }
            if (inode is not null)
            {
                if (inode.IsDeleted)
                    return Errno.EIO;                        // a name of a deleted file: the disk is damaged
                inode.Get();
                // Another task may be reading it just now: it holds the lock until that has come to an end.
                inode.MapLock.Lock();
                inode.MapLock.Unlock();
                if (!inode.IsBad)
                    return inode;
                inode.Put();
                return Errno.EIO;
            }
            Ext2Inode? made = type.Inodes.Allocate();
            Ext2Mapping? mapping = type.Mappings.Allocate();
            if (made is null || mapping is null)
            {
                if (made is not null)
                    type.Inodes.Free(made);
                if (mapping is not null)
                    type.Mappings.Free(mapping);
                return Errno.ENOMEM;
            }
            if (FindInMemory(number) is not null)
            {
                type.Inodes.Free(made);
                type.Mappings.Free(mapping);
                continue;
            }
            made.Prepare(this, number, mapping);
            AddToMemory(made);
            made.MapLock.Lock();
            Errno error = made.ReadFromDisk();
            made.MapLock.Unlock();
            if (error == Errno.None)
                return made;
            made.Put();
            return error;
        }
    }

    /// <summary>Makes an inode, in the group of its directory if there is room. Linux: <c>ext2_new_inode</c>.</summary>
    /// <param name="parent">The directory that it will be in.</param>
    /// <returns>An inode with one reference and no link yet; ENOSPC, EIO, ENOMEM.</returns>
    public Result<Ext2Inode> MakeInode(Ext2Inode parent, uint mode, uint uid, uint gid)
    {
        Ext2Inode? inode = type.Inodes.Allocate();
        Ext2Mapping? mapping = type.Mappings.Allocate();
        Errno error = Errno.ENOMEM;
        if (inode is not null && mapping is not null)
        {
            Result<uint> number = TakeInodeNumber(FileMode.IsDirectory(mode), GroupOfInode((uint)parent.Number));
            if (number.Error == Errno.ENOSPC && HasPending)
            {
                FreePending();
                number = TakeInodeNumber(FileMode.IsDirectory(mode), GroupOfInode((uint)parent.Number));
            }
            if (number.TryGet(out uint value, out error))
            {
                // An old inode of this number may still be on its way out.
                Ext2Inode? old;
                while ((old = FindInMemory(value)) is { IsEvicting: true })
                    WaitForEviction(value);
                if (old is null)
                {
                    inode.Prepare(this, value, mapping);
                    AddToMemory(inode);
                    inode.Fill(mode, uid, gid, ++generation);
                    TouchInodeBitmap(inode);
                    return inode;
                }
                // A damaged bitmap called a number free that is in use. It is marked now, and stays so.
                error = Errno.EIO;
            }
        }
        if (inode is not null)
            type.Inodes.Free(inode);
        if (mapping is not null)
            type.Mappings.Free(mapping);
        return error;
    }

    /// <summary>Where an inode lies in its table: the page of its block, to be released, and the offset in it.</summary>
    internal Result<Pfn> ReadInodeBlock(uint number, out int offset, out uint block)
    {
        offset = 0;
        block = 0;
        uint group = GroupOfInode(number);
        uint index = (number - 1) % inodesPerGroup;
        if (!ReadGroup(group, out int at).TryGet(out Pfn page, out Errno error))
            return error;
        uint table = Get32(Metadata.Bytes(page), at + Group.InodeTable);
        Metadata.Release(page);
        uint perBlock = blockSize / inodeSize;
        offset = (int)(index % perBlock * inodeSize);
        block = table + index / perBlock;
        return IsInodeTable(table) ? Metadata.Read(block) : Errno.EIO;
    }

    /// <summary>Marks the number of an inode as free. Linux: <c>ext2_free_inode</c>.</summary>
    internal void FreeInodeNumber(uint number, bool isDirectory)
    {
        AllocationLock.Lock();
        uint group = GroupOfInode(number);
        if (ReadGroup(group, out int at).TryGet(out Pfn page, out _))
        {
            Span<byte> groups = Metadata.Bytes(page);
            if (Metadata.Read(Get32(groups, at + Group.InodeBitmap)).TryGet(out Pfn bitmapPage, out _))
            {
                uint bit = (number - 1) % inodesPerGroup;
                Span<byte> bitmap = Metadata.Bytes(bitmapPage);
                if ((bitmap[(int)(bit >> 3)] & (1 << (int)(bit & 7))) != 0)
                {
                    bitmap[(int)(bit >> 3)] &= (byte)~(1 << (int)(bit & 7));
                    Metadata.MarkDirty(bitmapPage);
                    Set16(groups, at + Group.FreeInodes, (ushort)(Get16(groups, at + Group.FreeInodes) + 1));
                    if (isDirectory)
                        Set16(groups, at + Group.Directories, (ushort)(Get16(groups, at + Group.Directories) - 1));
                    Metadata.MarkDirty(page);
                    AddToSuper(Super.FreeInodes, 1);
                }
                Metadata.Release(bitmapPage);
            }
            Metadata.Release(page);
        }
        AllocationLock.Unlock();
    }

    /// <summary>The inode leaves memory: the last act of its eviction.</summary>
    internal void RemoveFromMemory(Ext2Inode inode)
    {
        inodes.Remove(inode);
        evictions.WakeAll();
    }

    private Ext2Inode? FindInMemory(uint number)
    {
        Ext2Inode? inode = inodes.Root;
        while (inode is not null && inode.Number != number)
            inode = number < inode.Number ? inode.InMemory.Left : inode.InMemory.Right;
        return inode;
    }

    private void AddToMemory(Ext2Inode inode) => inodes.Insert<Ext2Inode.ByNumber>(inode);

    private void WaitForEviction(uint number)
    {
        Core.Sync.WaitNode node = PerCpu.Current.WaitNode;
        for (; ; )
        {
            evictions.PrepareToWait(node, ThreadState.Uninterruptible);
            if (FindInMemory(number) is not { IsEvicting: true })
                break;
            PerCpu.Scheduler.Schedule();
        }
        evictions.FinishWait(node);
    }

    private uint GroupOfInode(uint number) => (number - 1) / inodesPerGroup;

    // Files stay with their directory; a new directory goes where most inodes are free, so that trees spread over the disk.
    private Result<uint> TakeInodeNumber(bool isDirectory, uint parentGroup)
    {
        using Core.Sync.Mutex.Guard guard = AllocationLock.Acquire();
        uint start = isDirectory ? GroupWithMostFreeInodes(parentGroup) : parentGroup;
        for (uint i = 0; i < groupCount; i++)
        {
            uint group = (start + i) % groupCount;
            if (!ReadGroup(group, out int at).TryGet(out Pfn page, out Errno error))
                return error;
            Result<uint> found = TakeInodeIn(group, page, at, isDirectory);
            Metadata.Release(page);
            if (found.Error != Errno.ENOSPC)
                return found;
        }
        return Errno.ENOSPC;
    }

    private Result<uint> TakeInodeIn(uint group, Pfn groupPage, int at, bool isDirectory)
    {
        Span<byte> groups = Metadata.Bytes(groupPage);
        if (Get16(groups, at + Group.FreeInodes) == 0)
            return Errno.ENOSPC;
        if (!Metadata.Read(Get32(groups, at + Group.InodeBitmap)).TryGet(out Pfn page, out Errno error))
            return error;
        Span<byte> bitmap = Metadata.Bytes(page);
        uint from = group == 0 ? firstInode - 1 : 0;
        int bit = Ext2Bitmap.FindZero(bitmap, from, inodesPerGroup);
        if (bit < 0)
        {
            Metadata.Release(page);
            return Errno.ENOSPC;                             // the count was wrong
        }
        Ext2Bitmap.Set(bitmap, (uint)bit);
        Metadata.MarkDirty(page);
        Metadata.Release(page);
        Set16(groups, at + Group.FreeInodes, (ushort)(Get16(groups, at + Group.FreeInodes) - 1));
        if (isDirectory)
            Set16(groups, at + Group.Directories, (ushort)(Get16(groups, at + Group.Directories) + 1));
        Metadata.MarkDirty(groupPage);
        AddToSuper(Super.FreeInodes, -1);
        return group * inodesPerGroup + (uint)bit + 1;
    }

    // What an fsync of the new inode has to write of its group.
    private void TouchInodeBitmap(Ext2Inode inode)
    {
        uint group = GroupOfInode((uint)inode.Number);
        if (!ReadGroup(group, out int at).TryGet(out Pfn page, out _))
            return;
        inode.Touch(Get32(Metadata.Bytes(page), at + Group.InodeBitmap));
        inode.Touch(GroupBlock(group));
        Metadata.Release(page);
    }

    private bool IsInodeTable(uint table) => table > firstDataBlock && (ulong)table + InodeTableBlocks <= blockCount;

    private uint InodeTableBlocks => (inodesPerGroup * inodeSize + blockSize - 1) / blockSize;

    private uint GroupWithMostFreeInodes(uint otherwise)
    {
        uint best = otherwise;
        uint most = 0;
        for (uint group = 0; group < groupCount; group++)
        {
            if (!ReadGroup(group, out int at).TryGet(out Pfn page, out _))
                continue;
            ReadOnlySpan<byte> bytes = Metadata.Bytes(page);
            uint free = Get16(bytes, at + Group.FreeBlocks) == 0 ? 0u : Get16(bytes, at + Group.FreeInodes);
            Metadata.Release(page);
            if (free > most)
            {
                most = free;
                best = group;
            }
        }
        return best;
    }
}
