using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Hal;
using static NanoVm.Files.Ext2.Ext2Layout;

namespace NanoVm.Files.Ext2;

/// <summary>One mounted ext2: its numbers, its inodes in memory, and how all of it reaches the disk.</summary>
/// <remarks>
/// Linux: <c>fs/ext2/super.c</c>. The disk says "clean" exactly while nothing that was changed is missing on it: the mark goes before the
/// first change is written and comes back with the end of each <see cref="Sync"/>.
/// <para>Lock order: directory inode → file inode → <see cref="Ext2Inode.MapLock"/> → <see cref="AllocationLock"/>. No user memory is
/// touched under the last two.</para>
/// </remarks>
internal sealed partial class Ext2Superblock : Superblock
{
    private const ulong StatMagic = 0xEF53;
    private const int HashSize = 1024;

    private Ext2Type type = null!;
    private uint blockSize;
    private uint inodeSize;
    private uint inodesPerGroup;
    private uint blocksPerGroup;
    private uint firstDataBlock;
    private uint blockCount;
    private uint inodeCount;
    private uint reservedBlocks;
    private uint firstInode;
    private uint groupCount;
    private uint generation;
    private bool hasFileType;
    private bool hasSparseCopies;
    private bool cleanOnDisk;

    // Inodes in memory by number, and one list of all.
    private Ext2Inode?[] hash = null!;
    private Ext2Inode? firstInodeInMemory;
    private WaitQueue evictions;

    /// <summary>Guards bitmaps and free counts.</summary>
    public Mutex AllocationLock;

    /// <summary>One synchronisation at a time.</summary>
    private Mutex syncLock;

    internal Ext2Superblock? NextInstance;

    public BlockDevice Disk { get; private set; } = null!;
    public Ext2Metadata Metadata { get; private set; } = null!;
    public Ext2Type Ext2 => type;
    public bool HasFileType => hasFileType;
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
        Ext2Inode?[]? hash = vfs.Arrays.Allocate<Ext2Inode?>(HashSize);
        Errno error = Errno.ENOMEM;
        if (superblock is not null && metadata is not null && hash is not null)
        {
            superblock.type = type;
            superblock.Disk = disk;
            superblock.hash = hash;
            error = superblock.ReadNumbers(vfs, flags);
            if (error == Errno.None)
            {
                superblock.Metadata = metadata;
                metadata.Initialize(type.PageCache, disk, superblock.blockSize, superblock.blockCount);
                superblock.Initialize(vfs, type, disk.Number, flags & MountFlags.ReadOnly);
                error = superblock.ReadRoot();
                if (error == Errno.None)
                    return superblock;
                metadata.Evict();
            }
        }
        if (hash is not null)
            vfs.Arrays.Free(hash);
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

    /// <summary>Writes everything: contents, inodes, metadata, and last the mark that the disk is clean.</summary>
    public override Errno Sync()
    {
        if ((Flags & MountFlags.ReadOnly) != 0 && cleanOnDisk)
            return Errno.None;
        syncLock.Lock();
        Errno error = WriteAll(markClean: true);
        syncLock.Unlock();
        return error;
    }

    /// <summary>Writes one file's contents and all metadata, so that the file is found again. Linux: <c>ext2_fsync</c>.</summary>
    public Errno SyncFile(Ext2Inode inode)
    {
        syncLock.Lock();
        Errno error = MarkUnclean();
        Errno written = inode.Mapping is { } pages ? pages.WriteDirtyPages(0, ulong.MaxValue) : Errno.None;
        Errno saved = inode.WriteBack();
        // The way to the file: its directories' blocks and inodes.
        for (Ext2Inode? other = GetNext(firstInodeInMemory); other is not null; other = PutAndGetNext(other))
        {
            if (other.IsDirectory)
                Keep(ref saved, other.WriteBack());
        }
        Keep(ref error, written);
        Keep(ref error, saved);
        Keep(ref error, Metadata.WriteDirtyPages(0, ulong.MaxValue));
        Keep(ref error, Disk.Flush());
        syncLock.Unlock();
        return error;
    }

    /// <summary>Writes what has been dirty for a while; called by the writeback thread.</summary>
    public override Errno WriteBack()
    {
        if (!syncLock.TryLock())
            return Errno.None;                               // somebody is at it
        Errno error = cleanOnDisk && !HasChanges() ? Errno.None : WriteAll(markClean: true);
        syncLock.Unlock();
        return error;
    }

    public override Errno Remount(MountFlags flags, ReadOnlySpan<byte> options)
    {
        if ((flags & MountFlags.ReadOnly) == 0 && Disk.IsReadOnly)
            return Errno.EACCES;
        if ((flags & MountFlags.ReadOnly) != 0 && Writers == 0)
            Sync();
        return base.Remount(flags, options);
    }

    internal override bool KeepUnusedInode(Inode inode) => false;

    /// <summary>The superblock's page, to be released.</summary>
    internal Result<Pfn> ReadSuper() => Metadata.Read(Super.Offset / blockSize);

    internal Span<byte> SuperBytes(Pfn page) => Metadata.Bytes(page)[(int)(Super.Offset % blockSize)..];

    protected override void FreeObject()
    {
        if (firstInodeInMemory is not null)
            Panic.Now("an ext2 is unmounted with inodes in use"u8);
        Sync();
        type.Remove(this);
        Metadata.Evict();
        type.Metadata.Free(Metadata);
        Vfs.Arrays.Free(hash);
        type.Superblocks.Free(this);
    }

    private Errno WriteAll(bool markClean)
    {
        Errno error = MarkUnclean();
        for (Ext2Inode? inode = GetNext(firstInodeInMemory); inode is not null; inode = PutAndGetNext(inode))
        {
            if (inode.Mapping is { HasDirtyPages: true } pages)
                Keep(ref error, pages.WriteDirtyPages(0, ulong.MaxValue));
            Keep(ref error, inode.WriteBack());
        }
        Keep(ref error, Metadata.WriteDirtyPages(0, ulong.MaxValue));
        Keep(ref error, Disk.Flush());
        if (markClean && error == Errno.None && !HasChanges())
        {
            error = WriteState(StateValid);
            cleanOnDisk = error == Errno.None;
        }
        return error;
    }

    // The list is walked over sleeps: an inode that is held keeps its place in it.
    private static Ext2Inode? GetNext(Ext2Inode? inode)
    {
        while (inode is { IsEvicting: true })
            inode = inode.NextInMemory;
        inode?.Get();
        return inode;
    }

    private static Ext2Inode? PutAndGetNext(Ext2Inode inode)
    {
        Ext2Inode? next = GetNext(inode.NextInMemory);
        inode.Put();
        return next;
    }

    private bool HasChanges()
    {
        if (Metadata.HasDirtyPages)
            return true;
        for (Ext2Inode? inode = firstInodeInMemory; inode is not null; inode = inode.NextInMemory)
        {
            if (inode.IsDirty || inode.Mapping is { HasDirtyPages: true })
                return true;
        }
        return false;
    }

    private Errno MarkUnclean()
    {
        if (!cleanOnDisk || !HasChanges())
            return Errno.None;
        cleanOnDisk = false;
        return WriteState(0);
    }

    // Writes the superblock at once, with the state given.
    private Errno WriteState(ushort state)
    {
        if (!ReadSuper().TryGet(out Pfn page, out Errno error))
            return error;
        Span<byte> super = SuperBytes(page);
        Set16(super, Super.State, (ushort)((Get16(super, Super.State) & ~StateValid) | state));
        Set32(super, Super.WriteTime, (uint)Vfs.Now.Seconds);
        Metadata.MarkDirty(page);
        Metadata.Release(page);
        uint index = Super.Offset / blockSize;
        error = Metadata.WriteDirtyPages(index, index);
        return error == Errno.None ? Disk.Flush() : error;
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
        if ((incompat & ~IncompatFileType) != 0)
        {
            Log.Warn($"ext2: features {incompat} of the disk are not known");
            return Errno.EINVAL;
        }
        if ((readOnly & ~ReadOnlyKnown) != 0 && (flags & MountFlags.ReadOnly) == 0)
        {
            Log.Warn($"ext2: because of features {readOnly} the disk can be mounted read-only only");
            return Errno.EINVAL;
        }
        blockSize = 1024u << (int)Get32(super, Super.LogBlockSize);
        inodeSize = dynamic ? Get16(super, Super.InodeSize) : (uint)Node.Length;
        inodesPerGroup = Get32(super, Super.InodesPerGroup);
        blocksPerGroup = Get32(super, Super.BlocksPerGroup);
        firstDataBlock = Get32(super, Super.FirstDataBlock);
        blockCount = Get32(super, Super.Blocks);
        inodeCount = Get32(super, Super.Inodes);
        reservedBlocks = Get32(super, Super.ReservedBlocks);
        firstInode = dynamic ? Get32(super, Super.FirstInode) : FirstInodeOfRevision0;
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

    private static void Keep(ref Errno first, Errno next)
    {
        if (first == Errno.None)
            first = next;
    }
}
