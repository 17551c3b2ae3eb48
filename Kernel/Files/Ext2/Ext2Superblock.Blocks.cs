using System;
using NanoVm.Core;
using static NanoVm.Files.Ext2.Ext2Layout;

namespace NanoVm.Files.Ext2;

/// <summary>Blocks: taken near a goal, and given back.</summary>
internal sealed partial class Ext2Superblock
{
    /// <summary>Takes a block for <paramref name="inode"/>, as near behind <paramref name="goal"/> as there is one. Linux: <c>ext2_new_blocks</c>.</summary>
    /// <returns>ENOSPC (the last reserved blocks are root's), EIO.</returns>
    public Result<uint> TakeBlock(Ext2Inode inode, uint goal)
    {
        bool mayUseReserve = MayUseReserve();
        while (true)
        {
            AllocationLock.Lock();
            Result<uint> result = TakeBlockLocked(inode, goal, mayUseReserve);
            AllocationLock.Unlock();
            // Deleted files may still hold what is wanted.
            if (result.Error != Errno.ENOSPC || !HasPending)
                return result;
            FreePending();
        }
    }

    /// <summary>Whether a number from the disk can be that of a block of a file.</summary>
    public bool IsDataBlock(uint block) => block > firstDataBlock && block < blockCount;

    /// <summary>The last blocks are for those who may use more than there is. Linux: <c>ext2_has_free_blocks</c>.</summary>
    private bool MayUseReserve()
    {
        if (PerCpu.CurrentOrNull is not TaskFiles who || who.Credentials is not { } credentials)
            return true;                                     // a thread of the kernel's own
        return credentials.Has(Capability.SysResource) || credentials.FileUid == reservedUid || (reservedGid != 0 && credentials.IsInGroup(reservedGid));
    }

    /// <summary>Gives a block back. A number that cannot be a file's block is left alone: the disk says nonsense.</summary>
    public void FreeBlock(uint block)
    {
        if (block < firstDataBlock || block >= blockCount)
            return;
        Metadata.Forget(block);
        AllocationLock.Lock();
        uint group = (block - firstDataBlock) / blocksPerGroup;
        uint bit = (block - firstDataBlock) % blocksPerGroup;
        if (ReadGroup(group, out int at).TryGet(out Pfn page, out _))
        {
            Span<byte> groups = Metadata.Bytes(page);
            if (!IsSystemBlock(groups, at, block) && Metadata.Read(Get32(groups, at + Group.BlockBitmap)).TryGet(out Pfn bitmapPage, out _))
            {
                Span<byte> bitmap = Metadata.Bytes(bitmapPage);
                if (Ext2Bitmap.Has(bitmap, bit))
                {
                    Ext2Bitmap.Clear(bitmap, bit);
                    Metadata.MarkDirty(bitmapPage);
                    Set16(groups, at + Group.FreeBlocks, (ushort)(Get16(groups, at + Group.FreeBlocks) + 1));
                    Metadata.MarkDirty(page);
                    AddToSuper(Super.FreeBlocks, 1);
                }
                Metadata.Release(bitmapPage);
            }
            Metadata.Release(page);
        }
        AllocationLock.Unlock();
    }

    /// <summary>Where files of an inode's group begin: the goal when there is no better one.</summary>
    public uint FirstBlockNear(uint inodeNumber) => firstDataBlock + GroupOfInode(inodeNumber) % groupCount * blocksPerGroup;

    /// <summary>The page of a group's descriptor, to be released, and the offset in it.</summary>
    internal Result<Pfn> ReadGroup(uint group, out int offset)
    {
        uint perBlock = blockSize / Group.Size;
        offset = (int)(group % perBlock * Group.Size);
        return Metadata.Read(GroupBlock(group));
    }

    private uint GroupBlock(uint group) => firstDataBlock + 1 + group / (blockSize / Group.Size);

    /// <summary>Marks the disk as one that has files of 2 GiB and more.</summary>
    internal void RequireLargeFiles(Ext2Inode inode)
    {
        if (!ReadSuper().TryGet(out Pfn page, out _))
            return;
        Span<byte> super = SuperBytes(page);
        uint features = Get32(super, Super.ReadOnlyCompat);
        if ((features & ReadOnlyLargeFile) == 0 && Get32(super, Super.Revision) != 0)
        {
            Set32(super, Super.ReadOnlyCompat, features | ReadOnlyLargeFile);
            Metadata.MarkDirty(page);
            inode.Touch(Super.Offset / blockSize);
        }
        Metadata.Release(page);
    }

    /// <summary>Marks the disk as one whose files may have extended attributes. False when it is of the revision that has no marks.</summary>
    internal bool RequireAttributes(Ext2Inode inode)
    {
        if (!ReadSuper().TryGet(out Pfn page, out _))
            return false;
        Span<byte> super = SuperBytes(page);
        bool canBe = Get32(super, Super.Revision) != 0;
        uint features = Get32(super, Super.Compat);
        if (canBe && (features & CompatAttributes) == 0)
        {
            Set32(super, Super.Compat, features | CompatAttributes);
            Metadata.MarkDirty(page);
            inode.Touch(Super.Offset / blockSize);
        }
        Metadata.Release(page);
        return canBe;
    }

    private Result<uint> TakeBlockLocked(Ext2Inode inode, uint goal, bool mayUseReserve)
    {
        if (!ReadSuper().TryGet(out Pfn superPage, out Errno error))
            return error;
        uint free = Get32(SuperBytes(superPage), Super.FreeBlocks);
        Metadata.Release(superPage);
        if (free == 0 || (free <= reservedBlocks && !mayUseReserve))
            return Errno.ENOSPC;
        if (goal < firstDataBlock || goal >= blockCount)
            goal = firstDataBlock;

        uint startGroup = (goal - firstDataBlock) / blocksPerGroup;
        // The goal's group behind the goal, the other groups, and last the goal's group from its start.
        for (uint i = 0; i <= groupCount; i++)
        {
            uint group = (startGroup + i) % groupCount;
            uint from = i == 0 ? (goal - firstDataBlock) % blocksPerGroup : 0;
            Result<uint> found = TakeBlockIn(inode, group, from);
            if (found.Error != Errno.ENOSPC)
                return found;
        }
        return Errno.ENOSPC;
    }

    private Result<uint> TakeBlockIn(Ext2Inode inode, uint group, uint from)
    {
        if (!ReadGroup(group, out int at).TryGet(out Pfn page, out Errno error))
            return error;
        Result<uint> result = Errno.ENOSPC;
        Span<byte> groups = Metadata.Bytes(page);
        if (Get16(groups, at + Group.FreeBlocks) != 0)
        {
            if (Metadata.Read(Get32(groups, at + Group.BlockBitmap)).TryGet(out Pfn bitmapPage, out error))
            {
                uint first = firstDataBlock + group * blocksPerGroup;
                uint end = Math.Min(blocksPerGroup, blockCount - first);
                Span<byte> bitmap = Metadata.Bytes(bitmapPage);
                int bit = Ext2Bitmap.FindZero(bitmap, from, end);
                // A hostile bitmap may call the group's own tables free.
                while (bit >= 0 && IsSystemBlock(groups, at, first + (uint)bit))
                {
                    Ext2Bitmap.Set(bitmap, (uint)bit);
                    bit = Ext2Bitmap.FindZero(bitmap, (uint)bit, end);
                }
                if (bit >= 0)
                {
                    Ext2Bitmap.Set(bitmap, (uint)bit);
                    Metadata.MarkDirty(bitmapPage);
                    Set16(groups, at + Group.FreeBlocks, (ushort)(Get16(groups, at + Group.FreeBlocks) - 1));
                    Metadata.MarkDirty(page);
                    inode.Touch(Get32(groups, at + Group.BlockBitmap));
                    inode.Touch(GroupBlock(group));
                    AddToSuper(Super.FreeBlocks, -1);
                    result = first + (uint)bit;
                }
                Metadata.Release(bitmapPage);
            }
            else
            {
                result = error;
            }
        }
        Metadata.Release(page);
        return result;
    }

    private bool IsSystemBlock(ReadOnlySpan<byte> groups, int at, uint block)
    {
        uint table = Get32(groups, at + Group.InodeTable);
        return block == Get32(groups, at + Group.BlockBitmap) || block == Get32(groups, at + Group.InodeBitmap)
            || (block >= table && block - table < InodeTableBlocks);
    }

    private void AddToSuper(int field, int change)
    {
        if (!ReadSuper().TryGet(out Pfn page, out _))
            return;
        Span<byte> super = SuperBytes(page);
        Set32(super, field, (uint)((int)Get32(super, field) + change));
        Metadata.MarkDirty(page);
        Metadata.Release(page);
    }
}
