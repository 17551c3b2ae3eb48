using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Mapping;

namespace NanoVm.Files.Ext2;

/// <summary>The blocks that are not file contents: superblock, groups, bitmaps, inode tables, indirect blocks, directories.</summary>
/// <remarks>
/// One page a block, whatever the block size: so a block that is written never takes a neighbour with it that is some file's data.
/// Linux keeps them as buffers of the device's page cache (<c>sb_bread</c>).
/// </remarks>
internal sealed class Ext2Metadata : AddressSpace
{
    private BlockDevice device = null!;
    private uint blockSize;
    private ulong blocks;

    public override ulong SizeBytes => blocks << PageSize.Shift;

    internal void Initialize(PageCache cache, BlockDevice device, uint blockSize, ulong blocks)
    {
        this.device = device;
        this.blockSize = blockSize;
        this.blocks = blocks;
        Initialize(cache);
    }

    /// <summary>Reads a block, or finds it in memory. The page is held until <see cref="Release"/>; its first bytes are the block.</summary>
    /// <returns>EIO for a number outside of the file system: the disk says nonsense.</returns>
    public Result<Pfn> Read(uint block) => block >= blocks ? Errno.EIO : FindOrCreatePage(block);

    public Span<byte> Bytes(Pfn page) => DirectMap.Page(page)[..(int)blockSize];

    public void Release(Pfn page) => Cache.Frames.Put(page);

    /// <summary>The block was freed: what is in memory of it must never reach the disk, where it is another's soon.</summary>
    public void Forget(uint block) => PunchHole((ulong)block << PageSize.Shift, ((ulong)block + 1) << PageSize.Shift);

    public override Errno ReadPage(Pfn page, ulong index)
        => device.Transfer(BlockDirection.Read, index * (blockSize >> BlockDevice.SectorShift), [new BlockSegment(page.Address, blockSize)]);

    protected override Errno WriteRun(ulong first, ReadOnlySpan<Pfn> pages)
    {
        Span<BlockSegment> segments = stackalloc BlockSegment[MaximumRun];
        for (int i = 0; i < pages.Length; i++)
            segments[i] = new BlockSegment(pages[i].Address, blockSize);
        return device.Transfer(BlockDirection.Write, first * (blockSize >> BlockDevice.SectorShift), segments[..pages.Length]);
    }
}
