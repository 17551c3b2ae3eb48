using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Mapping;

namespace NanoVm.Files.Ext2;

/// <summary>The page cache of an ext2 file.</summary>
/// <remarks>Linux: <c>ext2_aops</c>. A page is one block or several, which may lie anywhere; blocks that lie side by side go in one request.</remarks>
internal sealed class Ext2Mapping : AddressSpace
{
    /// <summary>Pieces of memory of one request; four blocks of 1 KiB may make four of a page.</summary>
    private const int MostSegments = 64;

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
        var runs = new BlockRuns(stackalloc BlockSegment[(int)PageSize.Bytes / BlockDevice.SectorBytes], superblock.Disk, null, BlockDirection.Read);
        AddPage(ref runs, index, page);
        Errno error = runs.Finish();
        ulong size = inode.Size;
        // What lies behind the end in the last block on the disk is nobody's business.
        if (error == Errno.None && index == size >> PageSize.Shift)
            DirectMap.Page(page)[(int)(size & PageSize.Mask)..].Clear();
        return error;
    }

    /// <summary>A shared mapping is about to write a page: its blocks must be there, or the write would be lost later.</summary>
    public override Errno PrepareSharedWrite(ulong index)
    {
        ulong start = index << PageSize.Shift;
        ulong end = Math.Min(start + PageSize.Bytes, inode.Size);
        if (start >= end)
            return Errno.EFAULT;
        inode.TouchModified();
        return inode.TakeBlocks(start, end);
    }

    protected override void StartTransfer(PageTransfer transfer)
    {
        if (transfer.Direction == BlockDirection.Write)
        {
            Errno error = superblock.BeforeWrite();
            if (error != Errno.None)
            {
                transfer.Fail(error);
                return;
            }
            ClearBehindEnd(transfer);
        }
        var runs = new BlockRuns(stackalloc BlockSegment[Math.Min(MostSegments, superblock.Disk.MaximumSegments)], superblock.Disk, transfer, transfer.Direction);
        ReadOnlySpan<Pfn> pages = transfer.Pages;
        for (int i = 0; i < pages.Length; i++)
            AddPage(ref runs, transfer.First + (ulong)i, pages[i]);
        Errno failed = runs.Finish();
        if (failed != Errno.None)
            transfer.Fail(failed);
    }

    protected override void BecameDirty() => inode.JoinDirty();

    protected override void WriteFailed(Errno error)
    {
        base.WriteFailed(error);
        superblock.WriteErrors.Record(error);
    }

    // Holes are left out: a frame to be read is zeros already, and nothing is written where the file has no block.
    private void AddPage(ref BlockRuns runs, ulong index, Pfn page)
    {
        uint size = superblock.BlockSize;
        uint perPage = (uint)PageSize.Bytes / size;
        ulong end = (inode.Size + size - 1) / size;
        for (uint i = 0; i < perPage; i++)
        {
            ulong block = index * perPage + i;
            if (block >= end)
                return;                                      // behind the end
            if (!inode.FindBlock(block).TryGet(out uint where, out Errno error))
                runs.Fail(error);
            else if (where != 0)
                runs.Add(superblock.SectorOf(where), page.Address + i * size, size);
        }
    }

    // A mapping may have written behind the end in the last page. The disk gets zeros there: whoever makes the file longer must see none of it.
    private void ClearBehindEnd(PageTransfer transfer)
    {
        ulong size = inode.Size;
        ulong last = size >> PageSize.Shift;
        if ((size & PageSize.Mask) != 0 && last >= transfer.First && last - transfer.First < (ulong)transfer.Pages.Length)
            DirectMap.Page(transfer.Pages[(int)(last - transfer.First)])[(int)(size & PageSize.Mask)..].Clear();
    }
}
