using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Mapping;

namespace NanoVm.Files.Ext2;

/// <summary>A file that pages are swapped to: its blocks are found once, then swap goes past the file system.</summary>
internal sealed partial class Ext2File
{
    public override BlockDevice? Disk => inode.IsRegular ? inode.Superblock.Disk : null;

    public override ulong DiskPages => inode.Size >> PageSize.Shift;

    /// <summary>Holds off writers for good, then has written what they wrote: mappings are read-only then, and their next store is refused.</summary>
    public override Errno BeginSwap()
    {
        if (pages.IsSwapFile)
            return Errno.EBUSY;
        inode.Lock.Lock();
        pages.IsSwapFile = true;
        inode.Lock.Unlock();
        ulong failures = pages.WriteFailures;
        pages.WriteAndWait(0, ulong.MaxValue);
        Errno error = pages.WriteFailures == failures ? Errno.None : Errno.EIO;
        if (error != Errno.None)
            pages.IsSwapFile = false;
        return error;
    }

    public override void EndSwap() => pages.IsSwapFile = false;

    public override Result<DiskPlacement> FindOnDisk(ulong page, out ulong sector)
    {
        uint size = inode.Superblock.BlockSize;
        ulong perPage = PageSize.Bytes / size;
        sector = 0;
        uint first = 0;
        var placement = DiskPlacement.Whole;
        for (ulong i = 0; i < perPage; i++)
        {
            if (!inode.FindBlock(page * perPage + i).TryGet(out uint block, out Errno error))
                return error;
            if (block == 0)
                return DiskPlacement.Hole;
            if (i == 0)
                first = block;
            else if (block != first + i)
                placement = DiskPlacement.Scattered;
        }

        sector = (ulong)first * (size >> BlockDevice.SectorShift);
        return placement;
    }
}
