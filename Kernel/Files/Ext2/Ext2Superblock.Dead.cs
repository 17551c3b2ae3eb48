using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Files.Ext2;

/// <summary>Files that were deleted and that nobody has open any more: their blocks wait until the disk has forgotten them, too.</summary>
/// <remarks>
/// If the blocks were free at once they could become another file's, and be written, while an inode on the disk still claims them: after a crash
/// two files would share blocks. And if a deleted inode reached the disk before the directory does, a crash in the middle of <c>rename</c> over an
/// old file would leave a name that leads nowhere: neither the old file nor the new one. So, for many at a time:
/// <code>
///   directories are written  →  the inodes are written as deleted  →  numbers and blocks are free in memory
/// </code>
/// It happens with each sync, when there are many, and when somebody finds the disk full or asks how full it is. Linux's ext2 has no such order.
/// </remarks>
internal sealed partial class Ext2Superblock
{
    /// <summary>So many are freed together at the latest.</summary>
    private const int MostDead = 1024;

    private Ext2Inode? firstDead;
    private int deadCount;

    /// <summary>One at a time frees. Outside of <see cref="AllocationLock"/> and of dead inodes' <see cref="Ext2Inode.MapLock"/>.</summary>
    private Mutex deadLock;

    internal bool HasDead => firstDead is not null;

    /// <summary>The last user of a deleted file has gone: the object stays until its blocks may be free.</summary>
    internal override bool KeepUnusedInode(Inode inode)
    {
        var dead = (Ext2Inode)inode;
        if (dead.Links != 0 || dead.IsBad || dead.IsDying)
            return false;
        dead.BecomeDead();
        dead.NextDead = firstDead;
        firstDead = dead;
        if (++deadCount >= MostDead && !deadLock.IsHeld)
            FreeDead();
        return true;
    }

    /// <summary>Frees what was deleted up to now. Sleeps; the caller may hold locks of inodes that are not deleted.</summary>
    internal Errno FreeDead()
    {
        if (!HasDead)
            return Errno.None;
        deadLock.Lock();
        Ext2Inode? batch = firstDead;
        firstDead = null;
        deadCount = 0;
        Errno error = batch is null ? Errno.None : WriteAllMetadata();
        for (Ext2Inode? inode = batch; inode is not null; inode = inode.NextDead)
            Keep(ref error, inode.WriteAsDeleted());
        if (batch is not null)
            Keep(ref error, WriteAllMetadata());
        // Also when the disk has failed: what was deleted is deleted.
        while (batch is { } dead)
        {
            batch = dead.NextDead;
            dead.NextDead = null;
            dead.IsDying = true;
            dead.Get();
            dead.Put();
        }
        deadLock.Unlock();
        return error;
    }
}
