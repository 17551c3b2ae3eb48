using System;
using NanoVm.Core;

namespace NanoVm.Files.Tmpfs;

/// <summary>One tmpfs: how much it may hold and how much it does.</summary>
/// <remarks>Linux: <c>shmem_sb_info</c>. Counts change in code that does not sleep between test and change.</remarks>
internal sealed class TmpfsSuperblock : Superblock
{
    /// <summary>Linux: <c>TMPFS_MAGIC</c>.</summary>
    private const ulong Magic = 0x0102_1994;

    /// <summary>Linux: <c>HUGETLBFS_MAGIC</c>.</summary>
    private const ulong HugeMagic = 0x9584_58F6;

    private TmpfsCaches caches = null!;
    private TmpfsOptions limits;
    private ulong usedBlocks;
    private ulong usedInodes;
    private ulong lastNumber;

    /// <summary>Its files are of huge pages of the pool: <c>mount -t hugetlbfs</c>, and what <c>MAP_HUGETLB</c> and its kin stand on.</summary>
    public bool IsHuge { get; private set; }

    /// <inheritdoc/>
    public override uint BlockSize => IsHuge ? (uint)PageSize.LargeBytes : (uint)PageSize.Bytes;

    public override DentryRetention Retention => DentryRetention.Pinned;
    public TmpfsCaches Caches => caches;

    public static Result<TmpfsSuperblock> Allocate(Vfs vfs, TmpfsType type, MountFlags flags, in TmpfsOptions options)
    {
        TmpfsSuperblock? superblock = type.Caches.Superblocks.Allocate();
        if (superblock is null)
            return Errno.ENOMEM;
        superblock.caches = type.Caches;
        superblock.limits = options;
        superblock.IsHuge = type.IsHuge;
        superblock.Initialize(vfs, type, vfs.AllocateDevice(), flags & MountFlags.ReadOnly);
        Errno error = superblock.MakeInode(FileMode.Directory | options.Mode, options.Uid, options.Gid, 0).TryGet(out TmpfsInode root, out Errno failure)
            ? superblock.SetRoot(root)
            : failure;
        if (error == Errno.None)
            return superblock;
        type.Caches.Superblocks.Free(superblock);
        return error;
    }

    /// <summary>A new inode with one reference and, but for a directory's two, one link.</summary>
    /// <returns>ENOSPC when there are as many as the mount allows, ENOMEM.</returns>
    public Result<TmpfsInode> MakeInode(uint mode, uint uid, uint gid, ulong device)
    {
        if (!TryReserveInode())
            return Errno.ENOSPC;
        TmpfsInode? inode = TmpfsInode.Allocate(this, ++lastNumber, mode, uid, gid, device);
        if (inode is not null)
            return inode;
        usedInodes--;
        return Errno.ENOMEM;
    }

    internal bool TryReserveInode()
    {
        if (limits.Inodes != 0 && usedInodes >= limits.Inodes)
            return false;
        usedInodes++;
        return true;
    }

    /// <summary>Takes one page from what the mount allows. Linux: <c>shmem_inode_acct_block</c>.</summary>
    public Errno ReserveBlock()
    {
        if (limits.Blocks != 0 && usedBlocks >= limits.Blocks)
            return Errno.ENOSPC;
        usedBlocks++;
        return Errno.None;
    }

    /// <summary>May this many more pages be taken?</summary>
    public bool HasRoomFor(ulong blocks) => limits.Blocks == 0 || blocks <= limits.Blocks - Math.Min(usedBlocks, limits.Blocks);

    public void ReleaseBlocks(ulong count) => usedBlocks -= count;

    internal void InodeFreed() => usedInodes--;

    public override void GetStatistics(ref FileSystemStat stat)
    {
        stat.Type = IsHuge ? HugeMagic : Magic;
        stat.BlockSize = BlockSize;
        stat.NameLength = Vfs.NameMaximum;
        if (limits.Blocks != 0)
        {
            stat.Blocks = limits.Blocks;
            stat.BlocksFree = stat.BlocksAvailable = limits.Blocks - Math.Min(usedBlocks, limits.Blocks);
        }
        if (limits.Inodes != 0)
        {
            stat.Files = limits.Inodes;
            stat.FilesFree = limits.Inodes - Math.Min(usedInodes, limits.Inodes);
        }
    }

    public override Errno Remount(MountFlags flags, ReadOnlySpan<byte> options)
    {
        TmpfsOptions changed = limits;
        Errno error = changed.Parse(options, caches.Memory.Frames.TotalFrames.Value);
        if (error != Errno.None)
            return error;
        // A limit may vanish, but not fall below what is used, nor appear where nobody has counted from the beginning.
        if (changed.Blocks != 0 && changed.Blocks != limits.Blocks && (limits.Blocks == 0 || changed.Blocks < usedBlocks))
            return Errno.EINVAL;
        if (changed.Inodes != 0 && changed.Inodes != limits.Inodes && (limits.Inodes == 0 || changed.Inodes < usedInodes))
            return Errno.EINVAL;
        error = base.Remount(flags, options);
        if (error != Errno.None)
            return error;
        limits.Blocks = changed.Blocks;
        limits.Inodes = changed.Inodes;
        limits.Huge = changed.Huge;
        limits.HasShortNumbers = changed.HasShortNumbers;
        return Errno.None;
    }

    public override void WriteOptions(ref TextWriter writer)
    {
        ulong usual = caches.Memory.Frames.TotalFrames.Value / 2;
        if (limits.Blocks != usual)
        {
            writer.Text(",size="u8);
            writer.Decimal(limits.Blocks * (PageSize.Bytes / 1024));
            writer.Byte((byte)'k');
        }
        if (limits.Inodes != usual)
        {
            writer.Text(",nr_inodes="u8);
            writer.Decimal(limits.Inodes);
        }
        if (limits.Mode != 0x3FF)
        {
            writer.Text(",mode="u8);
            writer.Octal(limits.Mode, 3);
        }
        if (limits.Uid != 0)
        {
            writer.Text(",uid="u8);
            writer.Decimal(limits.Uid);
        }
        if (limits.Gid != 0)
        {
            writer.Text(",gid="u8);
            writer.Decimal(limits.Gid);
        }
        writer.Text(limits.HasShortNumbers ? ",inode32"u8 : ",inode64"u8);
        if (limits.Huge != TmpfsHuge.Never)
        {
            writer.Text(",huge="u8);
            writer.Text(TmpfsOptions.HugeWord(limits.Huge));
        }
    }

    protected override void FreeObject() => caches.Superblocks.Free(this);
}
