using System;
using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Ext2;

/// <summary>An open file of an ext2: copies between the caller and the page cache.</summary>
/// <remarks>Linux: <c>ext2_file_operations</c>, <c>generic_file_read_iter</c>, <c>generic_perform_write</c>.</remarks>
internal sealed partial class Ext2File : OpenFile
{
    private Ext2Inode inode = null!;
    private Ext2Mapping pages = null!;

    // A hint: two readers of one open file may disturb it, and nothing depends on it.
    private ReadAheadState ahead;

    public override AddressSpace? Mapping => pages;

    /// <summary>O_DIRECT is accepted; the page cache serves it all the same, so that all views agree.</summary>
    public override bool CanDirect => true;

    /// <summary>Null when memory is out.</summary>
    internal static Ext2File? Allocate(Ext2Type type, in PathRef path, OpenFlags flags)
    {
        Ext2File? file = type.Files.Allocate();
        if (file is null)
            return null;
        file.Initialize(path, flags);
        file.inode = (Ext2Inode)file.Inode;
        file.pages = file.inode.Pages;
        return file;
    }

    public override Errno Mmap(VmArea area)
    {
        area.Operations = inode.Superblock.Ext2.MapOperations;
        TouchAtime.Touch(Path);
        return Errno.None;
    }

    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position)
    {
        long start = position;
        Errno error = Errno.None;
        while (to.Remaining > 0 && error == Errno.None)
        {
            ulong size = inode.Size;                         // again each time: the file may shrink meanwhile
            if ((ulong)position >= size)
                break;
            int offset = (int)((ulong)position & PageSize.Mask);
            int count = (int)Math.Min(Math.Min(PageSize.Bytes - (ulong)offset, size - (ulong)position), to.Remaining);
            if (!pages.FindOrReadAhead((ulong)position >> PageSize.Shift, ref ahead).TryGet(out Pfn page, out error))
                break;
            error = to.CopyToIter(DirectMap.Page(page).Slice(offset, count), out int copied);
            pages.Cache.Frames.Put(page);
            position += copied;
        }
        if ((Flags & OpenFlags.NoAccessTime) == 0 && !Path.Mount.IsReadOnly)
        {
            FileTime before = inode.AccessTime;
            TouchAtime.Touch(Path);
            if (inode.AccessTime.Seconds != before.Seconds)
                inode.MarkInodeDirty();
        }
        return position > start ? position - start : error == Errno.None ? 0L : error;
    }

    public override Result<long> Write(TaskFiles who, ref IovIter from, ref long position)
    {
        inode.Lock.Lock();
        Result<long> result = WriteLocked(who, ref from, ref position);
        inode.Lock.Unlock();
        // Who makes pages dirty faster than the disk takes them writes his own. Linux: balance_dirty_pages.
        if (pages.Cache.DirtyPages.Value > pages.Cache.DirtyLimit)
            pages.WriteDirtyPages(0, ulong.MaxValue);
        return result;
    }

    public override Result<long> Seek(long offset, SeekOrigin origin)
    {
        long size = (long)inode.Size;
        long target;
        switch (origin)
        {
            case SeekOrigin.Start:
                target = offset;
                break;
            case SeekOrigin.Current:
                target = Position + offset;
                break;
            case SeekOrigin.End:
                target = size + offset;
                break;
            default:
                // As the generic Linux code: all of the file is data, and the hole begins at its end.
                if (offset < 0 || offset >= size)
                    return Errno.ENXIO;
                target = origin == SeekOrigin.Data ? offset : size;
                break;
        }
        if (target < 0 || (ulong)target > inode.Superblock.MaximumSize)
            return Errno.EINVAL;
        Position = target;
        return target;
    }

    /// <summary>For <c>msync</c>.</summary>
    public override Errno SyncRange(ulong startByte, ulong endByte) => inode.Superblock.SyncFile(inode);

    public override Errno Synchronize(bool dataOnly) => inode.Superblock.SyncFile(inode);

    /// <summary>posix_fadvise: how far ahead to read; pages that will be wanted are read at once, clean ones that will not are left to reclaim.</summary>
    public override Errno Advise(long offset, long length, FileAdvice advice)
    {
        const int Most = 512;
        switch (advice)
        {
            case FileAdvice.Normal:
                ahead.Hint = ReadAheadHint.Normal;
                break;
            case FileAdvice.Sequential:
                ahead.Hint = ReadAheadHint.Sequential;
                break;
            case FileAdvice.Random:
                ahead.Hint = ReadAheadHint.Random;
                break;
            case FileAdvice.WillNeed when offset >= 0:
                ulong index = (ulong)offset >> PageSize.Shift;
                ulong end = Math.Min(pages.SizePages, length <= 0 ? ulong.MaxValue : ((ulong)offset + (ulong)length + PageSize.Mask) >> PageSize.Shift);
                for (int read = 0; index < end && read < Most; read += 32, index += 32)
                    pages.ReadAhead(index, (int)Math.Min(32, end - index));
                break;
        }
        return Errno.None;
    }

    protected override void FreeObject() => inode.Superblock.Ext2.Files.Free(this);

    private Result<long> WriteLocked(TaskFiles who, ref IovIter from, ref long position)
    {
        if ((Flags & OpenFlags.Append) != 0 || from.AtEnd)
            position = (long)inode.Size;
        if (from.Remaining == 0)
            return 0L;
        Errno error = AttributeOperations.CheckWriteLimits(who, inode, ref from, position);
        if (error != Errno.None)
            return error;
        AttributeOperations.RemovePrivileges(who, inode);
        inode.ModifyTime = inode.ChangeTime = Vfs.Now;
        inode.MarkInodeDirty();

        long start = position;
        if ((ulong)position > inode.Size)
            inode.ClearTail();
        while (from.Remaining > 0)
        {
            int offset = (int)((ulong)position & PageSize.Mask);
            int count = (int)Math.Min(PageSize.Bytes - (ulong)offset, from.Remaining);
            // The page first, so that a hole is zeros in memory before its blocks, with what they had before, belong to the file.
            if (!pages.FindOrCreatePage((ulong)position >> PageSize.Shift).TryGet(out Pfn page, out error))
                break;
            error = inode.TakeBlocks((ulong)position, (ulong)position + (ulong)count);
            int copied = 0;
            if (error == Errno.None)
            {
                error = from.CopyFromIter(DirectMap.Page(page).Slice(offset, count), out copied);
                pages.MarkDirty(page);
            }
            pages.Cache.Frames.Put(page);
            position += copied;
            if ((ulong)position > inode.Size)
                inode.Size = (ulong)position;
            if (error != Errno.None)
                break;
        }
        // Blocks behind the end that the write did not reach go back.
        if (error != Errno.None && (ulong)position <= inode.Size)
            inode.TruncateBlocks(inode.Size);
        return position > start ? position - start : error;
    }
}
