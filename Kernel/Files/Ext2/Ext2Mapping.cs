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

    public override Errno ReadPage(Pfn page, ulong index) => Move(BlockDirection.Read, index, [page]);

    protected override Errno ReadRun(ulong first, ReadOnlySpan<Pfn> pages) => Move(BlockDirection.Read, first, pages);

    protected override Errno WriteRun(ulong first, ReadOnlySpan<Pfn> pages) => Move(BlockDirection.Write, first, pages);

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

    // Holes are left out: a frame to be read is zeros already, and nothing is written where the file has no block.
    private Errno Move(BlockDirection direction, ulong first, ReadOnlySpan<Pfn> pages)
    {
        uint size = superblock.BlockSize;
        uint perPage = (uint)PageSize.Bytes / size;
        Span<BlockSegment> segments = stackalloc BlockSegment[MaximumRun];
        int count = 0;
        uint runStart = 0;
        uint runNext = 0;
        Errno result = Errno.None;
        ulong end = (inode.Size + size - 1) / size;
        for (int p = 0; p < pages.Length; p++)
        {
            for (uint i = 0; i < perPage; i++)
            {
                ulong block = (first + (ulong)p) * perPage + i;
                if (block >= end)
                    break;                                   // behind the end
                if (!inode.FindBlock(block).TryGet(out uint where, out Errno error))
                {
                    result = error;
                    continue;
                }
                if (where == 0)
                    continue;
                PhysAddr memory = pages[p].Address + i * size;
                if (count > 0 && where == runNext)
                {
                    BlockSegment last = segments[count - 1];
                    runNext++;
                    if (last.Address + last.Bytes == memory)
                    {
                        segments[count - 1] = new BlockSegment(last.Address, last.Bytes + size);
                        continue;
                    }
                    if (count < MaximumRun)
                    {
                        segments[count++] = new BlockSegment(memory, size);
                        continue;
                    }
                }
                Flush(direction, runStart, segments[..count], ref result);
                segments[0] = new BlockSegment(memory, size);
                count = 1;
                runStart = where;
                runNext = where + 1;
            }
        }
        Flush(direction, runStart, segments[..count], ref result);
        if (direction == BlockDirection.Read && result == Errno.None)
            ClearBehindEnd(first, pages);
        return result;
    }

    private void Flush(BlockDirection direction, uint block, ReadOnlySpan<BlockSegment> segments, ref Errno result)
    {
        if (segments.IsEmpty)
            return;
        Errno error = superblock.Disk.Transfer(direction, ToSector(block), segments);
        if (result == Errno.None)
            result = error;
    }

    // What lies behind the end in the last block on the disk is nobody's business.
    private void ClearBehindEnd(ulong first, ReadOnlySpan<Pfn> pages)
    {
        ulong size = inode.Size;
        ulong last = size >> PageSize.Shift;
        if ((size & PageSize.Mask) != 0 && last >= first && last - first < (ulong)pages.Length)
            DirectMap.Page(pages[(int)(last - first)])[(int)(size & PageSize.Mask)..].Clear();
    }

    private ulong ToSector(uint block) => (ulong)block * (superblock.BlockSize >> BlockDevice.SectorShift);
}
