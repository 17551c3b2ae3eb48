using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Mapping;

namespace NanoVm.Files.Ext2;

/// <summary>The page cache of an ext2 file.</summary>
/// <remarks>Linux: <c>ext2_aops</c>. A page is one block or several, which may lie anywhere; blocks that lie side by side go in one transfer.</remarks>
internal sealed class Ext2Mapping : AddressSpace
{
    private Ext2Inode inode = null!;
    private Ext2Superblock superblock = null!;

    public override ulong SizeBytes => inode.Size;

    internal void Initialize(Ext2Inode inode, Ext2Superblock superblock)
    {
        this.inode = inode;
        this.superblock = superblock;
        Initialize(superblock.Ext2.PageCache);
    }

    public override Errno ReadPage(Pfn page, ulong index)
    {
        uint size = superblock.BlockSize;
        uint perPage = (uint)PageSize.Bytes / size;
        for (uint i = 0; i < perPage; i++)
        {
            ulong block = index * perPage + i;
            if (block * size >= inode.Size && i > 0)
                break;                                       // the frame is zeros
            if (!inode.FindBlock(block).TryGet(out uint where, out Errno error))
                return error;
            if (where == 0)
                continue;
            error = superblock.Disk.Transfer(BlockDirection.Read, ToSector(where), [new BlockSegment(page.Address + i * size, size)]);
            if (error != Errno.None)
                return error;
        }
        // What lies behind the end on the disk is nobody's business.
        ulong start = index << PageSize.Shift;
        if (inode.Size > start && inode.Size - start < PageSize.Bytes)
            DirectMap.Page(page)[(int)(inode.Size - start)..].Clear();
        return Errno.None;
    }

    /// <summary>A shared mapping is about to write a page: its blocks must be there, or the write would be lost later.</summary>
    public override Errno PrepareSharedWrite(ulong index)
    {
        ulong start = index << PageSize.Shift;
        ulong end = Math.Min(start + PageSize.Bytes, inode.Size);
        if (start >= end)
            return Errno.EFAULT;
        inode.ModifyTime = inode.ChangeTime = inode.Vfs.Now;
        inode.MarkInodeDirty();
        return inode.TakeBlocks(start, end);
    }

    protected override Errno WriteRun(ulong first, ReadOnlySpan<Pfn> pages)
    {
        uint size = superblock.BlockSize;
        uint perPage = (uint)PageSize.Bytes / size;
        Span<BlockSegment> segments = stackalloc BlockSegment[MaximumRun];
        int count = 0;
        uint runStart = 0;
        uint runNext = 0;
        Errno result = Errno.None;
        for (int p = 0; p < pages.Length; p++)
        {
            for (uint i = 0; i < perPage; i++)
            {
                if (!inode.FindBlock((first + (ulong)p) * perPage + i).TryGet(out uint where, out Errno error))
                {
                    result = error;
                    continue;
                }
                if (where == 0)
                    continue;                                // a hole, or behind the end
                if (count > 0 && (where != runNext || count == MaximumRun))
                {
                    error = superblock.Disk.Transfer(BlockDirection.Write, ToSector(runStart), segments[..count]);
                    if (error != Errno.None)
                        result = error;
                    count = 0;
                }
                if (count == 0)
                    runStart = where;
                segments[count++] = new BlockSegment(pages[p].Address + i * size, size);
                runNext = where + 1;
            }
        }
        if (count > 0)
        {
            Errno error = superblock.Disk.Transfer(BlockDirection.Write, ToSector(runStart), segments[..count]);
            if (error != Errno.None)
                result = error;
        }
        return result;
    }

    private ulong ToSector(uint block) => (ulong)block * (superblock.BlockSize >> BlockDevice.SectorShift);
}
