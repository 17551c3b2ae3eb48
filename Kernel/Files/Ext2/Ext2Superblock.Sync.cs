using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Hal;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Structures;
using static NanoVm.Files.Ext2.Ext2Layout;

namespace NanoVm.Files.Ext2;

/// <summary>How what is in memory reaches the disk, and in which order.</summary>
/// <remarks>
/// A machine may stop at any moment. So that what a crash leaves can be repaired without loss of what was synced, each step waits for the one before:
/// <code>
///   mark "not clean"  →  contents  →  inodes, bitmaps, indirect blocks, directories  →  inodes of deleted files  →  mark "clean"
///                                                                                        (then their blocks are free)
/// </code>
/// A deleted file's blocks are given to others only when no name and no inode on the disk leads to them any more (<c>Ext2Superblock.Freeing.cs</c>).
/// Linux: <c>ext2_sync_fs</c>, <c>writeback_sb_inodes</c>.
/// </remarks>
internal sealed partial class Ext2Superblock
{
    // Inodes that are dirty, or have dirty pages or pages on their way, the longest dirty first.
    private Ext2Inode? firstDirty;
    private Ext2Inode? lastDirty;
    private ulong syncPass;

    private ulong nameStamps;
    private bool unknownMetadata;
    private bool cleanOnDisk;

    /// <summary>One synchronisation of all at a time.</summary>
    private Mutex syncLock;

    /// <summary>Guards <see cref="cleanOnDisk"/> and the superblock's mark on the disk. Innermost.</summary>
    private Mutex stateLock;

    /// <summary>Failures of writing anything, for <c>syncfs</c>. Linux: <c>s_wb_err</c>.</summary>
    public ErrorSequence WriteErrors;

    /// <summary>Names that came up to here are on the disk.</summary>
    internal ulong SyncedNames { get; private set; }

    internal ulong NextNameStamp() => ++nameStamps;

    /// <summary>Some inode that has left memory knew of metadata that is not on the disk.</summary>
    internal void MarkUnknownMetadata() => unknownMetadata = true;

    internal ulong SectorOf(uint block) => (ulong)block * (blockSize >> BlockDevice.SectorShift);

    /// <summary>Writes everything, and last the mark that the disk is clean.</summary>
    public override Errno Sync()
    {
        if (cleanOnDisk && !HasChanges)
            return Errno.None;
        syncLock.Lock();
        Errno error = WriteAll(ulong.MaxValue);
        syncLock.Unlock();
        return error;
    }

    public override Errno CheckErrors(ref uint since) => WriteErrors.Check(ref since);

    public override uint SampleErrors() => WriteErrors.Sample();

    /// <summary>Writes what has been dirty for a while, or all when that is asked for; called by the writeback thread.</summary>
    public override Errno WriteBack(bool all)
    {
        if ((cleanOnDisk && !HasChanges) || !syncLock.TryLock())
            return Errno.None;
        ulong now = Time.MonotonicNanoseconds;
        ulong expire = type.PageCache.DirtyExpire;
        Errno error = WriteAll(all ? ulong.MaxValue : now > expire ? now - expire : 0);
        syncLock.Unlock();
        return error;
    }

    /// <summary>The metadata of one file, and of the directories above while its name is new.</summary>
    internal Errno SyncMetadataOf(Ext2Inode inode, Dentry name)
    {
        if (unknownMetadata)
            return Sync();
        Errno error = inode.WriteMetadata();
        // Up to the first directory whose own name the disk has already.
        Ext2Inode child = inode;
        Dentry entry = name.Get();
        while (error == Errno.None && child.HasNewName && !entry.IsRoot)
        {
            Dentry parent = entry.Parent.Get();
            entry.Put();
            entry = parent;
            ulong stamp = child.NameStamp;
            var directory = (Ext2Inode)parent.Inode!;
            error = directory.WriteMetadata();
            if (error == Errno.None)
                child.NameIsWritten(stamp);
            child = directory;
        }
        entry.Put();
        return error;
    }

    /// <summary>Writes all blocks of metadata that are dirty, and waits.</summary>
    internal Errno WriteAllMetadata()
    {
        ulong failures = Metadata.WriteFailures;
        Metadata.WriteAndWait(0, ulong.MaxValue);
        return Metadata.WriteFailures == failures ? Errno.None : Errno.EIO;
    }

    /// <summary>Before anything is written the disk loses its mark "clean". Called before each write, and cheap.</summary>
    internal Errno BeforeWrite()
    {
        if (!cleanOnDisk)
            return Errno.None;
        stateLock.Lock();
        Errno error = Errno.None;
        if (cleanOnDisk)
        {
            error = WriteState(0);
            cleanOnDisk = error != Errno.None;
        }
        stateLock.Unlock();
        return error;
    }

    internal void AddDirty(Ext2Inode inode)
    {
        if (inode.IsInDirtyList)
            return;
        inode.IsInDirtyList = true;
        inode.DirtySince = Time.MonotonicNanoseconds;
        inode.PreviousDirty = lastDirty;
        inode.NextDirty = null;
        if (lastDirty is null)
            firstDirty = inode;
        else
            lastDirty.NextDirty = inode;
        lastDirty = inode;
    }

    internal void RemoveDirty(Ext2Inode inode)
    {
        if (!inode.IsInDirtyList)
            return;
        inode.IsInDirtyList = false;
        if (inode.PreviousDirty is null)
            firstDirty = inode.NextDirty;
        else
            inode.PreviousDirty.NextDirty = inode.NextDirty;
        if (inode.NextDirty is null)
            lastDirty = inode.PreviousDirty;
        else
            inode.NextDirty.PreviousDirty = inode.PreviousDirty;
        inode.NextDirty = inode.PreviousDirty = null;
    }

    private bool HasChanges => firstDirty is not null || HasPending || unknownMetadata || Metadata.HasDirtyPages || Metadata.IsUnderWriteback;

    // Writes what became dirty before a moment. Holds syncLock.
    private Errno WriteAll(ulong before)
    {
        ulong names = nameStamps;
        bool wasUnknown = unknownMetadata;
        unknownMetadata = false;
        bool all = before == ulong.MaxValue;
        // All files are started, so that the disk has enough to do; then each is waited for, and its inode follows its contents.
        Errno error = all ? VisitDirty(before, wait: false) : Errno.None;
        Keep(ref error, VisitDirty(before, wait: true));
        if (all || (Metadata.HasDirtyPages && Metadata.DirtySince < before))
        {
            Keep(ref error, WriteAllMetadata());
            if (HasPending)
            {
                Keep(ref error, FreePending());
                Keep(ref error, WriteAllMetadata());
            }
        }
        if (!all)
        {
            unknownMetadata |= wasUnknown;
            return error;
        }
        Keep(ref error, Disk.Flush());
        if (error == Errno.None)
        {
            SyncedNames = names;
            for (Ext2Inode? inode = inodes.First(); inode is not null; inode = RedBlackTree<Ext2Inode, Ext2Inode.ByNumber>.Next(inode))
                inode.ForgetWritten();
        }
        else
        {
            unknownMetadata |= wasUnknown;
        }
        if (error == Errno.None && !HasChanges && !cleanOnDisk)
            SumFreeCounts();
        stateLock.Lock();
        if (error == Errno.None && !HasChanges && !cleanOnDisk)
        {
            cleanOnDisk = true;                              // who writes from here on waits for us, and takes the mark away again
            error = WriteState(StateValid);
            cleanOnDisk = error == Errno.None;
        }
        stateLock.Unlock();
        return error;
    }

    // The list changes while one of it is written: each that was seen goes to its end with the number of the pass, until the first has it.
    private Errno VisitDirty(ulong before, bool wait)
    {
        ulong pass = ++syncPass;
        Errno error = Errno.None;
        while (firstDirty is { } inode && inode.SyncPass != pass && inode.DirtySince < before)
        {
            if (inode.IsEvicting)
            {
                WaitForEviction((uint)inode.Number);
                continue;
            }
            inode.SyncPass = pass;
            ulong since = inode.DirtySince;
            inode.Get();
            RemoveDirty(inode);
            AddDirty(inode);
            if (!wait)
            {
                inode.DirtySince = since;
                inode.Pages.StartWriteback(0, ulong.MaxValue, ulong.MaxValue);
            }
            else
            {
                ulong failures = inode.Pages.WriteFailures;
                inode.Pages.WriteAndWait(0, ulong.MaxValue);
                if (inode.Pages.WriteFailures != failures)
                    Keep(ref error, Errno.EIO);
                Keep(ref error, inode.WriteBack());
                if (inode.IsClean)
                    RemoveDirty(inode);
            }
            inode.Put();
        }
        return error;
    }

    // Writes the superblock at once, with the state given. Holds stateLock.
    private Errno WriteState(ushort state)
    {
        if (!ReadSuper().TryGet(out Pfn page, out Errno error))
            return error;
        System.Span<byte> super = SuperBytes(page);
        Set16(super, Super.State, (ushort)((Get16(super, Super.State) & ~StateValid) | state));
        Set32(super, Super.WriteTime, (uint)Vfs.Now.Seconds);
        error = Disk.Transfer(BlockDirection.Write, SectorOf(Super.Offset / blockSize), [new BlockSegment(page.Address, blockSize)]);
        Metadata.Release(page);
        return error == Errno.None ? Disk.Flush() : error;
    }

    // The superblock's counts of what is free are the sums of the groups'. Where a change of one could not be noted, because the superblock
    // could not be read then, they are right again from here on. Linux: ext2_sync_super.
    private void SumFreeCounts()
    {
        using Mutex.Guard guard = AllocationLock.Acquire();
        uint blocks = 0, inodes = 0;
        for (uint group = 0; group < groupCount; group++)
        {
            if (!ReadGroup(group, out int at).TryGet(out Pfn page, out _))
                return;
            blocks += Get16(Metadata.Bytes(page), at + Group.FreeBlocks);
            inodes += Get16(Metadata.Bytes(page), at + Group.FreeInodes);
            Metadata.Release(page);
        }
        if (!ReadSuper().TryGet(out Pfn superPage, out _))
            return;
        System.Span<byte> super = SuperBytes(superPage);
        Set32(super, Super.FreeBlocks, blocks);
        Set32(super, Super.FreeInodes, inodes);
        Metadata.Release(superPage);                         // written with the mark "clean"
    }

    private static void Keep(ref Errno first, Errno next)
    {
        if (first == Errno.None)
            first = next;
    }
}
