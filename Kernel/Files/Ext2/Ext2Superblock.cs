using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Hal;
using NanoVm.Memory.Structures;
using static NanoVm.Files.Ext2.Ext2Layout;

namespace NanoVm.Files.Ext2;

/// <summary>One mounted ext2: its numbers, its inodes in memory, and how all of it reaches the disk.</summary>
/// <remarks>
/// Linux: <c>fs/ext2/super.c</c>. The disk says "clean" exactly while nothing that was changed is missing on it: the mark goes before the
/// first change is written and comes back with the end of each <see cref="Sync"/>. Parts: blocks (<c>.Blocks.cs</c>), inodes (<c>.Inodes.cs</c>),
/// the way to the disk (<c>.Sync.cs</c>), what was deleted (<c>.Freeing.cs</c>).
/// <para>Lock order: directory inode → file inode → <see cref="Ext2Inode.MapLock"/> → <see cref="AllocationLock"/>. No user memory is
/// touched under the last two.</para>
/// </remarks>
internal sealed partial class Ext2Superblock : Superblock
{
    private const ulong StatMagic = 0xEF53;

    private Ext2Type type = null!;
    private uint blockSize;
    private uint inodeSize;
    private uint inodesPerGroup;
    private uint blocksPerGroup;
    private uint firstDataBlock;
    private uint blockCount;
    private uint inodeCount;
    private uint reservedBlocks;
    private uint reservedUid;
    private uint reservedGid;
    private uint firstInode;
    private uint groupCount;
    private uint generation;
    private bool hasFileType;
    private bool hasSparseCopies;
    private bool mayOnlyRead;

    // Inodes in memory, by number.
    private RedBlackTree<Ext2Inode, Ext2Inode.ByNumber> inodes;
    private WaitQueue evictions;

    /// <summary>Guards bitmaps and free counts.</summary>
    public Mutex AllocationLock;

    internal Ext2Superblock? NextInstance;

    public BlockDevice Disk { get; private set; } = null!;
    public Ext2Metadata Metadata { get; private set; } = null!;
    public Ext2Type Ext2 => type;
    public bool HasFileType => hasFileType;

    /// <summary>For the hashes of names in memory.</summary>
    internal ulong NameSeed { get; private set; }

    /// <summary>Bytes of a record in the inode table.</summary>
    public uint InodeSize => inodeSize;
    public override DentryRetention Retention => DentryRetention.Cached;
    public override uint BlockSize => blockSize;

    /// <summary>Block pointers in one block.</summary>
    public uint PointersPerBlock => blockSize / 4;

    /// <summary>Limited by the pointers of an inode, and by its 32-bit count of sectors.</summary>
    public override ulong MaximumSize
    {
        get
        {
            ulong p = PointersPerBlock;
            ulong mapped = (DirectBlocks + p + p * p + p * p * p) * blockSize;
            return Math.Min(mapped, ((ulong)uint.MaxValue << BlockDevice.SectorShift) - (p * p + 2 * p + 3) * blockSize);
        }
    }

    /// <summary>Reads the superblock of a disk and checks all that later code relies on.</summary>
    /// <returns>EINVAL when this is no ext2, or one with features that must be known; EIO.</returns>
    public static Result<Ext2Superblock> Open(Vfs vfs, Ext2Type type, BlockDevice disk, MountFlags flags)
    {
        Ext2Superblock? superblock = type.Superblocks.Allocate();
        Ext2Metadata? metadata = type.Metadata.Allocate();
        Errno error = Errno.ENOMEM;
        if (superblock is not null && metadata is not null)
        {
            superblock.type = type;
            superblock.Disk = disk;
            superblock.pendingBlocks.Initialize(type.PageCache.Nodes);
            error = superblock.ReadNumbers(vfs, flags);
            if (error == Errno.None)
            {
                superblock.Metadata = metadata;
                metadata.Initialize(type.PageCache, superblock, superblock.blockSize, superblock.blockCount);
                superblock.Initialize(vfs, type, disk.Number, flags & MountFlags.ReadOnly);
                error = superblock.ReadRoot();
                if (error == Errno.None)
                    return superblock;
                metadata.Evict();
            }
        }
        if (metadata is not null)
            type.Metadata.Free(metadata);
        if (superblock is not null)
            type.Superblocks.Free(superblock);
        return error;
    }

    public override void GetStatistics(ref FileSystemStat stat)
    {
        stat.Type = StatMagic;
        stat.BlockSize = blockSize;
        stat.Files = inodeCount;
        stat.NameLength = Vfs.NameMaximum;
        FreePending();                                          // what was deleted is free, as far as anybody can tell
        if (!ReadSuper().TryGet(out Pfn page, out _))
            return;
        ReadOnlySpan<byte> super = SuperBytes(page);
        // What bitmaps and tables take is no room for files ("minixdf" would say otherwise).
        uint overhead = firstDataBlock + groupCount * (2 + (inodesPerGroup * inodeSize + blockSize - 1) / blockSize);
        uint descriptorBlocks = (groupCount * Group.Size + blockSize - 1) / blockSize;
        for (uint group = 0; group < groupCount; group++)
        {
            if (HasSuperblockCopy(group))
                overhead += 1 + descriptorBlocks;
        }
        stat.Blocks = blockCount - Math.Min(overhead, blockCount);
        stat.BlocksFree = Get32(super, Super.FreeBlocks);
        stat.BlocksAvailable = stat.BlocksFree > reservedBlocks ? stat.BlocksFree - reservedBlocks : 0;
        stat.FilesFree = Get32(super, Super.FreeInodes);
        Metadata.Release(page);
    }

    /// <summary>Linux: <c>ext2_remount</c>.</summary>
    public override Errno Remount(MountFlags flags, ReadOnlySpan<byte> options)
    {
        bool toWritable = (flags & MountFlags.ReadOnly) == 0 && (Flags & MountFlags.ReadOnly) != 0;
        if (toWritable && mayOnlyRead)
        {
            Log.Warn($"ext2: features of the disk are not known, it stays read-only");
            return Errno.EROFS;
        }
        if ((flags & MountFlags.ReadOnly) == 0 && Disk.IsReadOnly)
            return Errno.EACCES;
        if ((flags & MountFlags.ReadOnly) != 0 && Writers == 0)
            Sync();
        return base.Remount(flags, options);
    }

    /// <summary>The superblock's page, to be released.</summary>
    internal Result<Pfn> ReadSuper() => Metadata.Read(Super.Offset / blockSize);

    internal Span<byte> SuperBytes(Pfn page) => Metadata.Bytes(page)[(int)(Super.Offset % blockSize)..];

    protected override void FreeObject()
    {
        Sync();
        if (!inodes.IsEmpty)
            Panic.Now("an ext2 is unmounted with inodes in use"u8);
        type.Remove(this);
        Metadata.Evict();
        type.Metadata.Free(Metadata);
        type.Superblocks.Free(this);
    }

    // With "sparse_super" only the groups 0, 1 and the powers of 3, 5 and 7 have copies.
    private bool HasSuperblockCopy(uint group)
    {
        if (group <= 1 || !hasSparseCopies)
            return true;
        for (uint root = 3; root <= 7; root += 2)
        {
            ulong power = root;
            while (power < group)
                power *= root;
            if (power == group)
                return true;
        }
        return false;
    }

    // Before the block size is known: the 1,024 bytes of the superblock, through a frame.
    private Errno ReadNumbers(Vfs vfs, MountFlags flags)
    {
        Errno error = vfs.Memory.Frames.Allocate(Memory.Physical.AllocationFlags.None, out Pfn frame);
        if (error != Errno.None)
            return error;
        error = Disk.Transfer(BlockDirection.Read, Super.Offset >> BlockDevice.SectorShift, [new BlockSegment(frame.Address, 1024)]);
        if (error == Errno.None)
            error = TakeNumbers(DirectMap.Page(frame)[..1024], flags);
        vfs.Memory.Frames.Put(frame);
        return error == Errno.EIO ? Errno.EINVAL : error;   // too small for a superblock: no ext2
    }

    private Errno TakeNumbers(ReadOnlySpan<byte> super, MountFlags flags)
    {
        if (Get16(super, Super.Magic) != Magic || Get32(super, Super.LogBlockSize) > 2)
            return Errno.EINVAL;
        bool dynamic = Get32(super, Super.Revision) != 0;
        uint incompat = dynamic ? Get32(super, Super.Incompat) : 0;
        uint readOnly = dynamic ? Get32(super, Super.ReadOnlyCompat) : 0;
        if (!Ext2Features.MayMount(super, incompat, readOnly, (flags & MountFlags.ReadOnly) != 0))
            return Errno.EINVAL;
        blockSize = 1024u << (int)Get32(super, Super.LogBlockSize);
        inodeSize = dynamic ? Get16(super, Super.InodeSize) : (uint)Node.Length;
        inodesPerGroup = Get32(super, Super.InodesPerGroup);
        blocksPerGroup = Get32(super, Super.BlocksPerGroup);
        firstDataBlock = Get32(super, Super.FirstDataBlock);
        blockCount = Get32(super, Super.Blocks);
        inodeCount = Get32(super, Super.Inodes);
        reservedBlocks = Get32(super, Super.ReservedBlocks);
        reservedUid = Get16(super, Super.ReservedUid);
        reservedGid = Get16(super, Super.ReservedGid);
        firstInode = dynamic ? Get32(super, Super.FirstInode) : FirstInodeOfRevision0;
        mayOnlyRead = (readOnly & ~ReadOnlyKnown) != 0;
        hasSparseCopies = (readOnly & ReadOnlySparseSuper) != 0;
        hasFileType = (incompat & IncompatFileType) != 0;
        cleanOnDisk = (Get16(super, Super.State) & StateValid) != 0;
        // A bitmap is one block; a table entry does not cross blocks; all blocks lie on the disk.
        if (inodeSize < Node.Length || inodeSize > blockSize || (inodeSize & (inodeSize - 1)) != 0
            || inodesPerGroup == 0 || inodesPerGroup > blockSize * 8 || blocksPerGroup == 0 || blocksPerGroup > blockSize * 8
            || firstDataBlock != (blockSize == 1024 ? 1u : 0u) || blockCount <= firstDataBlock + 1
            || (ulong)blockCount * (blockSize >> BlockDevice.SectorShift) > Disk.SectorCount)
            return Errno.EINVAL;
        groupCount = (blockCount - firstDataBlock + blocksPerGroup - 1) / blocksPerGroup;
        if ((ulong)groupCount * inodesPerGroup != inodeCount || inodeCount < firstInode)
            return Errno.EINVAL;
        generation = (uint)Core.Random.Next();
        NameSeed = Core.Random.Next();
        if (!cleanOnDisk)
            Log.Warn($"ext2: the disk was not unmounted, e2fsck should look at it");
        return Errno.None;
    }

    private Errno ReadRoot()
    {
        if (!GetInode(RootInode).TryGet(out Ext2Inode root, out Errno error))
            return error;
        if (!root.IsDirectory || root.Links == 0)
        {
            root.Put();
            return Errno.EINVAL;
        }
        error = SetRoot(root);
        if (error != Errno.None || (Flags & MountFlags.ReadOnly) != 0 || !ReadSuper().TryGet(out Pfn page, out _))
            return error;
        Span<byte> super = SuperBytes(page);
        Set16(super, Super.MountCount, (ushort)(Get16(super, Super.MountCount) + 1));
        Set32(super, Super.MountTime, (uint)Vfs.Now.Seconds);
        Metadata.MarkDirty(page);
        Metadata.Release(page);
        return Errno.None;
    }
}
