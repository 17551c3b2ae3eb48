using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Files.Ext2;

/// <summary>The blocks that are not file contents: superblock, groups, bitmaps, inode tables, indirect blocks, directories.</summary>
/// <remarks>
/// One page a block, whatever the block size: so a block that is written never takes a neighbour with it that is some file's data.
/// Linux keeps them as buffers of the device's page cache (<c>sb_bread</c>). A block that could not be written stays dirty and is tried again:
/// what it says is nowhere else.
/// </remarks>
internal sealed class Ext2Metadata : AddressSpace
{
    private Ext2Superblock superblock = null!;
    private uint blockSize;
    private ulong blocks;

    public override ulong SizeBytes => blocks << PageSize.Shift;

    /// <summary>Since when something is dirty; nanoseconds since boot.</summary>
    public ulong DirtySince { get; private set; }

    internal void Initialize(PageCache cache, Ext2Superblock superblock, uint blockSize, ulong blocks)
    {
        this.superblock = superblock;
        this.blockSize = blockSize;
        this.blocks = blocks;
        Initialize(cache);
    }

    /// <summary>Reads a block, or finds it in memory. The page is held until <see cref="Release"/>; its first bytes are the block.</summary>
    /// <returns>EIO for a number outside of the file system: the disk says nonsense.</returns>
    public Result<Pfn> Read(uint block) => block >= blocks ? Errno.EIO : FindOrCreatePage(block);

    public Span<byte> Bytes(Pfn page) => DirectMap.Page(page)[..(int)blockSize];

    public void Release(Pfn page) => Cache.Frames.LetGo(page);

    /// <summary>The block was freed: what is in memory of it must never reach the disk, where it is another's soon.</summary>
    public void Forget(uint block)
    {
        if (IsResident(block))
            PunchHole((ulong)block << PageSize.Shift, ((ulong)block + 1) << PageSize.Shift);
    }

    /// <summary>Waits for the writing of a block that was started.</summary>
    /// <returns>EIO when it has failed.</returns>
    public Errno WaitFor(uint block)
    {
        if (!FindPage(block).TryGet(out Pfn page, out _))
            return Errno.None;
        Cache.Locks.WaitWritten(page);
        Errno error = Cache.Frames[page].Has(FrameFlags.Error) ? Errno.EIO : Errno.None;
        Cache.Frames.LetGo(page);
        return error;
    }

    /// <summary>Whether what is in memory of the block is newer than what the disk has, or will have soon.</summary>
    public bool IsDirty(uint block)
    {
        if (!FindPage(block).TryGet(out Pfn page, out _))
            return false;
        bool dirty = Cache.Frames[page].HasAny(FrameFlags.Dirty | FrameFlags.Writeback);
        Cache.Frames.LetGo(page);
        return dirty;
    }

    public override Errno ReadPage(Pfn page, ulong index)
        => superblock.Disk.Transfer(BlockDirection.Read, superblock.SectorOf((uint)index), [new BlockSegment(page.Address, blockSize)]);

    protected override void StartTransfer(PageTransfer transfer)
    {
        Errno error = transfer.Direction == BlockDirection.Write ? superblock.BeforeWrite() : Errno.None;
        if (error != Errno.None)
        {
            transfer.Fail(error);
            return;
        }
        var runs = new BlockRuns(stackalloc BlockSegment[Math.Min(PageTransfer.Most, superblock.Disk.MaximumSegments)], superblock.Disk, transfer, transfer.Direction);
        ReadOnlySpan<Pfn> pages = transfer.Pages;
        for (int i = 0; i < pages.Length; i++)
            runs.Add(superblock.SectorOf((uint)transfer.First + (uint)i), pages[i].Address, blockSize);
        runs.Finish();
    }

    protected override void BecameDirty() => DirtySince = Time.MonotonicNanoseconds;

    protected override void WriteFailed(Errno error)
    {
        base.WriteFailed(error);
        superblock.WriteErrors.Record(error);
    }

    protected override void PageWritten(Pfn page, Errno error)
    {
        ref PageFrame frame = ref Cache.Frames[page];
        if (error == Errno.None)
        {
            frame.ClearFlags(FrameFlags.Error);
            return;
        }
        frame.SetFlags(FrameFlags.Error);
        MarkDirty(page);
    }
}
