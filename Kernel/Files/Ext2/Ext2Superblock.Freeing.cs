using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Mapping;

namespace NanoVm.Files.Ext2;

/// <summary>What files gave back, whole or in part, waits until the disk has forgotten that it was theirs.</summary>
/// <remarks>
/// If blocks were free at once they could become another file's, and be written, while an inode on the disk still claims them. After a crash two files
/// share blocks then; and where the old file had a table of block numbers, e2fsck would "repair" what is a synced file's content now. And if a deleted
/// inode reached the disk before the directory does, a crash in the middle of <c>rename</c> over an old file would leave a name that leads
/// nowhere: neither the old file nor the new one. So, for many at a time:
/// <code>
///   directories, and inodes that were cut     are written
///   inodes that were deleted                  are written as such
///   their numbers and all the blocks          are free in memory
/// </code>
/// It happens with each sync, when much has come together, and when somebody finds the disk full or asks how full it is. Linux's ext2 has no such
/// order.
/// </remarks>
internal sealed partial class Ext2Superblock
{
    /// <summary>So many files, or blocks, are freed together at the latest.</summary>
    private const int MostDead = 1024;
    private const ulong MostPendingBlocks = 32768;

    private Ext2Inode? firstDead;
    private int deadCount;

    // Inodes that were cut, each with a reference, and the numbers of the blocks that they lost.
    private Ext2Inode? firstCut;
    private XArray pendingBlocks;
    private ulong pendingCount;

    /// <summary>One at a time frees. Outside of <see cref="AllocationLock"/> and of dead inodes' <see cref="Ext2Inode.MapLock"/>.</summary>
    private Mutex freeLock;

    internal bool HasPending => firstDead is not null || firstCut is not null || pendingCount != 0;

    /// <summary>So much waits that it should be freed now; asked by who holds no lock of a map.</summary>
    internal bool HasManyPending => pendingCount > MostPendingBlocks && !freeLock.IsHeld;

    /// <summary>The last user of a deleted file has gone: the object stays until its blocks may be free.</summary>
    internal override bool KeepUnusedInode(Inode inode)
    {
        var dead = (Ext2Inode)inode;
        if (dead.Links != 0 || dead.IsBad || dead.IsDying)
            return false;
        dead.BecomeDead();
        dead.NextDead = firstDead;
        firstDead = dead;
        if (++deadCount >= MostDead && !freeLock.IsHeld)
            FreePending();
        return true;
    }

    /// <summary>A file that lives on lost a block: it is free when the file's inode is on the disk without it.</summary>
    internal void FreeLater(Ext2Inode inode, uint block)
    {
        if (!IsDataBlock(block))
            return;
        Metadata.Forget(block);
        if (pendingBlocks.Load(block) != 0)
            return;
        if (pendingBlocks.Store(block, 1) != Errno.None)
        {
            FreeBlock(block);                                // no memory for care
            return;
        }
        pendingCount++;
        if (inode.IsCut)
            return;
        inode.IsCut = true;
        inode.Get();
        inode.NextCut = firstCut;
        firstCut = inode;
    }

    /// <summary>Frees what was given back up to now. Sleeps; the caller may hold locks of inodes that are not deleted.</summary>
    internal Errno FreePending()
    {
        if (!HasPending)
            return Errno.None;
        freeLock.Lock();
        XArray blocks = pendingBlocks;
        pendingBlocks = default;
        pendingBlocks.Initialize(type.PageCache.Nodes);
        pendingCount = 0;

        // Only then the dead: a file that was cut and then removed dies when the list of those that were cut lets go of it.
        Errno error = WriteCutInodes();
        Ext2Inode? batch = firstDead;
        firstDead = null;
        deadCount = 0;
        Keep(ref error, WriteAllMetadata());
        for (Ext2Inode? inode = batch; inode is not null; inode = inode.NextDead)
            Keep(ref error, inode.WriteAsDeleted());
        if (batch is not null)
            Keep(ref error, WriteAllMetadata());

        // Also when the disk has failed: what was given back is free.
        ulong block = 0;
        while (blocks.TryFind(ref block, ulong.MaxValue, out _))
        {
            blocks.Erase(block);
            FreeBlock((uint)block++);
        }
        while (batch is { } dead)
        {
            batch = dead.NextDead;
            dead.NextDead = null;
            dead.IsDying = true;
            dead.Get();
            dead.Put();
        }
        freeLock.Unlock();
        return error;
    }

    private Errno WriteCutInodes()
    {
        Errno error = Errno.None;
        while (firstCut is { } inode)
        {
            firstCut = inode.NextCut;
            inode.NextCut = null;
            inode.IsCut = false;
            Keep(ref error, inode.WriteBack());
            inode.Put();
        }
        return error;
    }
}
