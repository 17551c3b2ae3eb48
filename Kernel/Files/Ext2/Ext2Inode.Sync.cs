using NanoVm.Core;
using NanoVm.Memory.Mapping;
using static NanoVm.Files.Ext2.Ext2Layout;

namespace NanoVm.Files.Ext2;

/// <summary>What of an inode is not on the disk yet.</summary>
/// <remarks>
/// Three things: its pages (in <see cref="Ext2Mapping"/>), its record in the inode table (<see cref="IsDirty"/>), and the blocks of metadata that were
/// changed for it: indirect blocks, a directory's blocks, bitmaps, group descriptors, the block of the table. An <c>fsync</c> writes those
/// and no other. Linux: <c>i_mapping-&gt;private_list</c>, <c>inode-&gt;i_state</c>, <c>i_io_list</c>.
/// </remarks>
internal sealed partial class Ext2Inode
{
    // Numbers of blocks that were changed for this inode. When one cannot be noted, all metadata is written instead.
    private XArray touched;
    private bool touchedUnknown;

    // When the name, or the only name that we know, was put into its directory; in the superblock's count of such changes.
    private ulong nameStamp;

    // The size, or where the blocks are, changed: fdatasync may not leave the record out.
    private bool dataChanged;

    internal Ext2Inode? NextDirty;
    internal Ext2Inode? PreviousDirty;
    internal bool IsInDirtyList;
    internal ulong DirtySince;

    /// <summary>The last pass over all dirty inodes that has looked at this one.</summary>
    internal ulong SyncPass;

    /// <summary>Something differs from the inode table.</summary>
    public bool IsDirty { get; private set; }

    /// <summary>Nothing waits to be written, and nothing is being written.</summary>
    internal bool IsClean => !IsDirty && !mapping.HasDirtyPages && !mapping.IsUnderWriteback;

    /// <summary>Its last name is not on the disk as far as we know.</summary>
    internal bool HasNewName => nameStamp > superblock.SyncedNames;

    /// <summary>Marks that the inode table has to be written. Linux: <c>mark_inode_dirty</c>.</summary>
    internal void MarkInodeDirty()
    {
        dataChanged = true;
        MarkTimesDirty();
    }

    /// <summary>As <see cref="MarkInodeDirty"/>, but <c>fdatasync</c> need not care.</summary>
    internal void MarkTimesDirty()
    {
        IsDirty = true;
        JoinDirty();
    }

    /// <summary>The content changes: its times say so.</summary>
    internal void TouchModified()
    {
        ModifyTime = ChangeTime = Now;
        MarkTimesDirty();
    }

    /// <summary>The content was read. Linux: <c>touch_atime</c>.</summary>
    internal void TouchAccess(in PathRef path)
    {
        FileTime before = AccessTime;
        TouchAtime.Touch(path);
        if (AccessTime.Seconds == before.Seconds && AccessTime.Nanoseconds == before.Nanoseconds)
            return;
        AccessTime = Round(AccessTime);
        MarkTimesDirty();
    }

    /// <summary>The inode has something for the flusher. Never sleeps.</summary>
    internal void JoinDirty()
    {
        if (!IsDeleted)
            superblock.AddDirty(this);
    }

    /// <summary>A block of metadata was changed for this inode.</summary>
    internal void Touch(uint block)
    {
        if (touched.Load(block) == 0 && touched.Store(block, 1) != Errno.None)
            touchedUnknown = true;
    }

    /// <summary>The inode got a name.</summary>
    internal void MarkNamed() => nameStamp = superblock.NextNameStamp();

    /// <summary>Puts the inode into its table, which is written with the other metadata. Linux: <c>ext2_write_inode</c>.</summary>
    public override Errno WriteBack()
    {
        if (!IsDirty || IsBad)
            return Errno.None;
        if (!superblock.ReadInodeBlock((uint)Number, out int at, out uint block).TryGet(out Pfn page, out Errno error))
            return error;
        IsDirty = dataChanged = false;
        PutRecord(superblock.Metadata.Bytes(page).Slice(at, (int)superblock.InodeSize));
        superblock.Metadata.MarkDirty(page);
        superblock.Metadata.Release(page);
        Touch(block);
        return Errno.None;
    }

    /// <summary>Writes the contents and all that is needed to find them again, but no other file's. Linux: <c>ext2_fsync</c>.</summary>
    /// <param name="name">Where the file was opened: the directories above may have to be written, too.</param>
    internal Errno Synchronize(Dentry name, ulong firstPage, ulong lastPage, bool dataOnly, ref uint seenErrors)
    {
        mapping.WriteAndWait(firstPage, lastPage);
        Errno result = mapping.WriteErrors.Check(ref seenErrors);
        Errno error = Errno.None;
        if (!dataOnly || dataChanged || HasTouched || HasNewName)
            error = superblock.SyncMetadataOf(this, name);
        if (result == Errno.None)
            result = error;
        error = superblock.Disk.Flush();
        if (error != Errno.None)
            superblock.WriteErrors.Record(error);
        return result == Errno.None ? error : result;
    }

    /// <summary>Writes the record and the blocks of metadata that were changed for this inode, and waits.</summary>
    internal Errno WriteMetadata()
    {
        ulong stamp = nameStamp;
        Errno error = WriteBack();
        if (error != Errno.None)
            return error;
        if (touchedUnknown)
        {
            error = superblock.WriteAllMetadata();
            touchedUnknown = error != Errno.None;
            return error;
        }
        // All are started first, then all are waited for.
        Ext2Metadata metadata = superblock.Metadata;
        ulong block = 0;
        while (touched.TryFind(ref block, uint.MaxValue, out _))
        {
            ulong last = block;
            while (touched.Load(last + 1) != 0)
                last++;
            metadata.StartWriteback(block, last, ulong.MaxValue);
            block = last + 1;
        }
        for (block = 0; touched.TryFind(ref block, uint.MaxValue, out _); block++)
        {
            Errno failed = metadata.WaitFor((uint)block);
            if (failed != Errno.None)
                error = failed;
            else if (!metadata.IsDirty((uint)block))
                touched.Erase(block);
        }
        if (error == Errno.None && nameStamp == stamp && IsClean)
            superblock.RemoveDirty(this);
        return error;
    }

    /// <summary>The name is on the disk with the directories above.</summary>
    internal void NameIsWritten(ulong stamp)
    {
        if (nameStamp == stamp)
            nameStamp = 0;
    }

    internal ulong NameStamp => nameStamp;

    private bool HasTouched => !touched.IsEmpty || touchedUnknown;

    /// <summary>All metadata was written: what is not dirty again need not be remembered. Never sleeps.</summary>
    internal void ForgetWritten()
    {
        ulong block = 0;
        while (touched.TryFind(ref block, uint.MaxValue, out _))
        {
            if (!superblock.Metadata.IsDirty((uint)block))
                touched.Erase(block);
            block++;
        }
    }

    // The inode leaves memory: what it knew of metadata that is still to be written, the superblock has to know.
    private void ForgetTouched()
    {
        bool lost = touchedUnknown || HasNewName;
        ulong block = 0;
        while (touched.TryFind(ref block, uint.MaxValue, out _))
        {
            lost |= superblock.Metadata.IsDirty((uint)block);
            touched.Erase(block++);
        }
        if (lost && Links != 0)
            superblock.MarkUnknownMetadata();
    }
}
