using System;
using NanoVm.Core;
using NanoVm.Hal;
using static NanoVm.Files.Ext2.Ext2Layout;

namespace NanoVm.Files.Ext2;

/// <summary>Which block of the disk is which block of the file.</summary>
/// <remarks>
/// <code>
///   pointers   0 … 11        12              13                    14
///              direct        indirect        double indirect       triple indirect
///              blocks        → p blocks      → p → p blocks        → p → p → p blocks      p = block size / 4
/// </code>
/// Linux: <c>ext2_get_block</c>, <c>ext2_truncate_blocks</c>. A pointer of 0 is a hole. Under <see cref="MapLock"/>.
/// </remarks>
internal sealed partial class Ext2Inode
{
    private uint SectorsPerBlock => superblock.BlockSize >> BlockDevice.SectorShift;

    /// <summary>True when the pointers are block numbers: not a device, not a link whose text lies in their place.</summary>
    private bool HasBlocks => !FileMode.IsDevice(Mode) && (Mode & FileMode.TypeMask) is not (FileMode.Fifo or FileMode.Socket) && !IsFastLink;

    private bool IsFastLink => FileMode.IsSymbolicLink(Mode) && sectors == (fileAcl != 0 ? SectorsPerBlock : 0);

    /// <summary>The block of the disk that holds block <paramref name="index"/> of the file; 0: a hole.</summary>
    public Result<uint> FindBlock(ulong index)
    {
        MapLock.Lock();
        Result<uint> result = Map(index, allocate: false, out _);
        MapLock.Unlock();
        return result;
    }

    /// <summary>As <see cref="FindBlock"/>, but a hole is filled.</summary>
    /// <param name="isNew">The block has just been taken: what is on the disk there means nothing.</param>
    public Result<uint> FindOrTakeBlock(ulong index, out bool isNew)
    {
        MapLock.Lock();
        Result<uint> result = Map(index, allocate: true, out isNew);
        MapLock.Unlock();
        return result;
    }

    /// <summary>Takes blocks for the bytes [start, end) of the file where there are none.</summary>
    /// <returns>ENOSPC, EIO; what was taken before stays.</returns>
    public Errno TakeBlocks(ulong start, ulong end)
    {
        uint size = superblock.BlockSize;
        MapLock.Lock();
        Errno error = Errno.None;
        for (ulong index = start / size; index * size < end && error == Errno.None; index++)
            Map(index, allocate: true, out _).TryGet(out _, out error);
        MapLock.Unlock();
        return error;
    }

    /// <summary>Where data begins at or behind an offset inside the file, or where a hole does: the end of the file is one. Linux: <c>SEEK_DATA</c>.</summary>
    /// <returns>ENXIO when there is no more data; EIO.</returns>
    /// <remarks>O(blocks looked at); whole tables that are missing are passed over in one step.</remarks>
    public Result<ulong> FindDataOrHole(ulong offset, bool data)
    {
        uint size = superblock.BlockSize;
        ulong end = (Size + size - 1) / size;
        ulong index = offset / size;
        while (index < end)
        {
            MapLock.Lock();
            Result<uint> found = Map(index, allocate: false, out _, out ulong span);
            MapLock.Unlock();
            if (!found.TryGet(out uint block, out Errno error))
                return error;
            if (block != 0 == data)
                return Math.Max(offset, index * size);
            index += block != 0 ? 1 : span;
            PerCpu.Scheduler.CondResched();
        }
        return data ? Errno.ENXIO : Size;
    }

    /// <summary>Gives all blocks back that lie wholly behind <paramref name="size"/> bytes.</summary>
    public void TruncateBlocks(ulong size)
    {
        ulong first = (size + superblock.BlockSize - 1) / superblock.BlockSize;
        MapLock.Lock();
        ulong p = superblock.PointersPerBlock;
        for (ulong i = first; i < DirectBlocks; i++)
            FreeBranch(ref pointers[(int)i], 0, 0);
        ulong start = DirectBlocks;
        ulong span = p;
        for (int level = 1; level <= 3; level++)
        {
            if (first < start + span)
                FreeBranch(ref pointers[DirectBlocks + level - 1], level, first > start ? first - start : 0);
            start += span;
            span *= p;
        }
        lastAllocated = 0;
        MapLock.Unlock();
        MarkInodeDirty();
        if (superblock.HasManyPending)
            superblock.FreePending();
    }

    // Frees what a pointer leads to, from block "keep" of its range on; the pointer too when nothing is kept.
    private void FreeBranch(ref uint pointer, int level, ulong keep)
    {
        if (pointer == 0)
            return;
        if (level > 0)
        {
            ulong below = 1;
            for (int i = 1; i < level; i++)
                below *= superblock.PointersPerBlock;
            if (!superblock.Metadata.Read(pointer).TryGet(out Pfn page, out _))
                return;
            Span<byte> block = superblock.Metadata.Bytes(page);
            bool changed = false;
            for (ulong i = keep / below; i < superblock.PointersPerBlock; i++)
            {
                uint child = Get32(block, (int)i * 4);
                if (child == 0)
                    continue;
                uint before = child;
                FreeBranch(ref child, level - 1, i == keep / below ? keep % below : 0);
                if (child == before)
                    continue;
                Set32(block, (int)i * 4, child);
                changed = true;
            }
            if (changed)
                superblock.Metadata.MarkDirty(page);
            // A table whose last entry went goes too.
            bool isEmpty = IsAllZero(block);
            superblock.Metadata.Release(page);
            if (keep > 0 && !isEmpty)
                return;
        }
        uint gone = pointer;
        pointer = 0;
        sectors -= Math.Min(sectors, SectorsPerBlock);
        if (IsDying)
            superblock.FreeBlock(gone);
        else
            superblock.FreeLater(this, gone);
    }

    private static bool IsAllZero(ReadOnlySpan<byte> block)
    {
        for (int at = 0; at < block.Length; at += 4)
        {
            if (Get32(block, at) != 0)
                return false;
        }
        return true;
    }

    private Result<uint> Map(ulong index, bool allocate, out bool isNew) => Map(index, allocate, out isNew, out _);

    // "hole": how many blocks from here on, at least, are missing when this one is.
    private Result<uint> Map(ulong index, bool allocate, out bool isNew, out ulong hole)
    {
        isNew = false;
        hole = 1;
        if (index < DirectBlocks)
        {
            Result<uint> direct = TakePointer(ref pointers[(int)index], allocate, isTable: false, out isNew);
            return direct.IsOk && direct.Value != 0 && !superblock.IsDataBlock(direct.Value) ? Errno.EIO : direct;
        }
        ulong p = superblock.PointersPerBlock;
        index -= DirectBlocks;
        ulong span = p;
        int level = 1;
        while (index >= span)
        {
            index -= span;
            span *= p;
            if (++level > 3)
                return Errno.EFBIG;
        }
        hole = span - index;
        // Down from the inode's pointer, one table a level.
        Result<uint> current = TakePointer(ref pointers[DirectBlocks + level - 1], allocate, isTable: true, out _);
        while (level > 0 && current.IsOk && current.Value != 0)
        {
            level--;
            span /= p;
            hole = span - index % span;
            int slot = (int)(index / span);
            index %= span;
            uint table = current.Value;
            if (!superblock.IsDataBlock(table))
                return Errno.EIO;
            if (!superblock.Metadata.Read(table).TryGet(out Pfn page, out Errno error))
                return error;
            Span<byte> entries = superblock.Metadata.Bytes(page);
            uint pointer = Get32(entries, slot * 4);
            uint before = pointer;
            current = TakePointer(ref pointer, allocate, isTable: level > 0, out isNew);
            if (pointer != before)
            {
                Set32(entries, slot * 4, pointer);
                superblock.Metadata.MarkDirty(page);
                Touch(table);
            }
            superblock.Metadata.Release(page);
        }
        return current.IsOk && current.Value != 0 && !superblock.IsDataBlock(current.Value) ? Errno.EIO : current;
    }

    // A pointer that leads nowhere yet gets a block, if wanted; a table begins as zeros.
    private Result<uint> TakePointer(ref uint pointer, bool allocate, bool isTable, out bool isNew)
    {
        isNew = false;
        if (pointer != 0 || !allocate)
            return pointer;
        uint goal = lastAllocated != 0 ? lastAllocated + 1 : superblock.FirstBlockNear((uint)Number);
        if (!superblock.TakeBlock(this, goal).TryGet(out uint block, out Errno error))
            return error;
        if (isTable)
        {
            error = ClearTable(block);
            if (error != Errno.None)
            {
                superblock.FreeBlock(block);
                return error;
            }
        }
        pointer = block;
        lastAllocated = block;
        sectors += SectorsPerBlock;
        isNew = true;
        MarkInodeDirty();
        return block;
    }

    private Errno ClearTable(uint block)
    {
        if (!superblock.Metadata.Read(block).TryGet(out Pfn page, out Errno error))
            return error;
        superblock.Metadata.Bytes(page).Clear();
        superblock.Metadata.MarkDirty(page);
        superblock.Metadata.Release(page);
        Touch(block);
        return Errno.None;
    }
}
