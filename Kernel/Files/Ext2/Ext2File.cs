using System;
using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Ext2;

/// <summary>An open file of an ext2: copies between the caller and the page cache.</summary>
/// <remarks>Linux: <c>ext2_file_operations</c>, <c>generic_file_read_iter</c>, <c>generic_perform_write</c>. <c>O_DIRECT</c>: <c>Ext2File.Direct.cs</c>.</remarks>
internal sealed partial class Ext2File : OpenFile
{
    /// <summary>How much of an asked-for range one round of <c>posix_fadvise</c> starts.</summary>
    private const ulong AdviceBatch = 512;

    private Ext2Inode inode = null!;
    private Ext2Mapping pages = null!;

    // The failures that this file has been told of: see ErrorSequence.
    private uint seenErrors;

    public override AddressSpace? Mapping => pages;

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
        file.seenErrors = file.pages.WriteErrors.Sample();
        return file;
    }

    public override Errno Mmap(VmArea area)
    {
        area.Operations = inode.Superblock.Ext2.MapOperations;
        inode.TouchAccess(Path);
        return Errno.None;
    }

    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position)
    {
        long start = position;
        Errno error = Errno.None;
        if ((Flags & OpenFlags.Direct) != 0 && !to.IsKernel && to.Remaining > 0)
            error = ReadDirect(who, ref to, ref position);
        else
            error = ReadCached(ref to, ref position);
        if ((Flags & OpenFlags.NoAccessTime) == 0)
            inode.TouchAccess(Path);
        return position > start ? position - start : error == Errno.None ? 0L : error;
    }

    public override Result<long> Write(TaskFiles who, ref IovIter from, ref long position)
    {
        inode.Lock.Lock();
        Result<long> result = WriteLocked(who, ref from, ref position);
        inode.Lock.Unlock();
        pages.BalanceDirty();
        // O_SYNC, RWF_SYNC and their kin: the write is done when the disk has it. Linux: generic_write_sync.
        if (result.IsOk && result.Value > 0 && ((Flags & OpenFlags.DataSync) != 0 || from.Durability != WriteDurability.None))
        {
            bool dataOnly = (Flags & OpenFlags.Sync) != OpenFlags.Sync && from.Durability != WriteDurability.All;
            ulong start = (ulong)(position - result.Value);
            Errno error = inode.Synchronize(Path.Dentry, start >> PageSize.Shift, ((ulong)position - 1) >> PageSize.Shift, dataOnly, ref seenErrors);
            if (error != Errno.None)
                return error;
        }
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
                if (offset < 0 || offset >= size)
                    return Errno.ENXIO;
                if (!inode.FindDataOrHole((ulong)offset, origin == SeekOrigin.Data).TryGet(out ulong found, out Errno error))
                    return error;
                target = (long)found;
                break;
        }
        if (target < 0 || (ulong)target > inode.Superblock.MaximumSize)
            return Errno.EINVAL;
        Position = target;
        return target;
    }

    /// <summary>For <c>msync</c>.</summary>
    public override Errno SyncRange(ulong startByte, ulong endByte)
        => startByte >= endByte
            ? Errno.None
            : inode.Synchronize(Path.Dentry, startByte >> PageSize.Shift, (endByte - 1) >> PageSize.Shift, dataOnly: false, ref seenErrors);

    public override Errno Synchronize(bool dataOnly) => inode.Synchronize(Path.Dentry, 0, ulong.MaxValue, dataOnly, ref seenErrors);

    /// <summary>Contents only: no inode, no flush of the disk's own cache. Linux: <c>sync_file_range</c>.</summary>
    public override Errno SyncPages(ulong first, ulong last, SyncSteps steps)
    {
        if ((steps & SyncSteps.WaitBefore) != 0)
            pages.WaitWriteback(first, last);
        if ((steps & SyncSteps.Write) != 0)
            pages.StartWriteback(first, last, ulong.MaxValue);
        if ((steps & SyncSteps.WaitAfter) != 0)
            pages.WaitWriteback(first, last);
        return (steps & (SyncSteps.WaitBefore | SyncSteps.WaitAfter)) != 0 ? pages.WriteErrors.Check(ref seenErrors) : Errno.None;
    }

    /// <summary>posix_fadvise. Linux: <c>generic_fadvise</c>.</summary>
    public override Errno Advise(long offset, long length, FileAdvice advice)
    {
        ulong start = (ulong)Math.Max(offset, 0);
        ulong end = length <= 0 || start + (ulong)length < start ? ulong.MaxValue : start + (ulong)length;
        switch (advice)
        {
            case FileAdvice.Normal:
                ReadAhead.Hint = ReadAheadHint.Normal;
                break;
            case FileAdvice.Sequential:
                ReadAhead.Hint = ReadAheadHint.Sequential;
                break;
            case FileAdvice.Random:
                ReadAhead.Hint = ReadAheadHint.Random;
                break;
            case FileAdvice.WillNeed:
                ulong first = start >> PageSize.Shift;
                WillNeed(first, end == ulong.MaxValue ? ulong.MaxValue : PageCount.FromBytesRoundedUp(end).Value - first);
                break;
            case FileAdvice.DontNeed:
                // Only whole pages: a neighbour's bytes may be wanted. The page that the file ends in is whole for this.
                ulong from = PageCount.FromBytesRoundedUp(start).Value;
                ulong behind = end >= inode.Size ? ulong.MaxValue : end >> PageSize.Shift;
                pages.StartWriteback(start >> PageSize.Shift, ulong.MaxValue, ulong.MaxValue);
                if (from < behind)
                    pages.DropClean(from, behind - 1);
                break;
        }
        return Errno.None;
    }

    /// <inheritdoc/>
    public override void WillNeed(ulong firstPage, ulong count)
    {
        ulong size = pages.SizePages;
        ulong end = firstPage >= size ? firstPage : Math.Min(size, count > size - firstPage ? size : firstPage + count);
        // No more than there is room for: what is read too early pushes out what is needed now.
        ulong most = pages.Cache.DirtyablePages / 2;
        for (ulong index = firstPage; index < end && index - firstPage < most; index += AdviceBatch)
        {
            pages.ReadAhead(index, Math.Min(AdviceBatch, end - index));
            PerCpu.Scheduler.CondResched();
        }
    }

    protected override void FreeObject() => inode.Superblock.Ext2.Files.Free(this);

    private Errno ReadCached(ref IovIter to, ref long position)
    {
        Errno error = Errno.None;
        while (to.Remaining > 0 && error == Errno.None)
        {
            ulong size = inode.Size;                         // again each time: the file may shrink meanwhile
            if ((ulong)position >= size)
                break;
            ulong index = (ulong)position >> PageSize.Shift;
            int offset = (int)((ulong)position & PageSize.Mask);
            int count = (int)Math.Min(Math.Min(PageSize.Bytes - (ulong)offset, size - (ulong)position), to.Remaining);
            ulong wanted = PageCount.FromBytesRoundedUp((ulong)offset + Math.Min(to.Remaining, size - (ulong)position)).Value;
            if (!pages.FindOrReadAhead(index, ref ReadAhead, wanted).TryGet(out Pfn page, out error))
                break;
            ReadAhead.Moved(index);
            error = to.CopyToIter(DirectMap.Page(page).Slice(offset, count), out int copied);
            pages.Cache.Frames.LetGo(page);
            position += copied;
        }
        return error;
    }

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
        inode.TouchModified();

        long start = position;
        if ((Flags & OpenFlags.Direct) != 0 && !from.IsKernel)
            error = WriteDirect(who, ref from, ref position);
        else
            error = WriteCached(ref from, ref position);
        return position > start ? position - start : error;
    }

    private Errno WriteCached(ref IovIter from, ref long position)
    {
        Errno error = Errno.None;
        Pfn whole = Pfn.None;
        if ((ulong)position > inode.Size)
            inode.BeginGrowth();
        while (from.Remaining > 0 && error == Errno.None)
        {
            int offset = (int)((ulong)position & PageSize.Mask);
            int count = (int)Math.Min(PageSize.Bytes - (ulong)offset, from.Remaining);
            if (!from.FaultInReadable())
            {
                error = Errno.EFAULT;
                break;
            }
            // A whole page that the disk has and memory has not: it need not be read to be written over.
            if (count == (int)PageSize.Bytes && (ulong)position + PageSize.Bytes <= inode.Size && !pages.IsResident((ulong)position >> PageSize.Shift)
                && (!whole.IsNone || pages.Cache.Frames.Allocate(AllocationFlags.None, out whole) == Errno.None))
                error = Overwrite(ref from, ref position, whole);
            else
                error = WriteIntoPage(ref from, ref position, offset, count);
        }
        if (!whole.IsNone)
            pages.Cache.Frames.Put(whole);
        // Blocks behind the end that the write did not reach go back.
        if (error != Errno.None && (ulong)position <= inode.Size)
            inode.TruncateBlocks(inode.Size);
        return error;
    }

    private Errno WriteIntoPage(ref IovIter from, ref long position, int offset, int count)
    {
        // The page first, so that a hole is zeros in memory before its blocks, with what they had before, belong to the file.
        if (!pages.FindOrCreatePage((ulong)position >> PageSize.Shift).TryGet(out Pfn page, out Errno error))
            return error;
        error = inode.TakeBlocks((ulong)position, (ulong)position + (ulong)count);
        int copied = 0;
        if (error == Errno.None)
        {
            if ((ulong)position + (ulong)count > inode.Size)
                inode.BeginGrowth();
            error = from.CopyFromIter(DirectMap.Page(page).Slice(offset, count), out copied);
        }
        position += copied;
        if ((ulong)position > inode.Size)
        {
            inode.Size = (ulong)position;
            inode.MarkInodeDirty();
        }
        pages.MarkDirty(page);                               // also when nothing was copied: new blocks have to become what the page is
        pages.Cache.Frames.LetGo(page);
        return error;
    }

    /// <summary>Writes over a whole page inside the file.</summary>
    /// <param name="buffer">A frame of ours: what comes from the caller must be at hand before the page is locked, for the caller's memory may be that page.</param>
    private Errno Overwrite(ref IovIter from, ref long position, Pfn buffer)
    {
        Errno copyError = from.CopyFromIter(DirectMap.Page(buffer), out int copied);
        if (copied == 0)
            return copyError;
        ulong index = (ulong)position >> PageSize.Shift;
        bool isFresh = false;
        Result<Pfn> taken = copied == (int)PageSize.Bytes ? pages.BeginOverwrite(index, out isFresh) : pages.FindOrCreatePage(index);
        if (!taken.TryGet(out Pfn page, out Errno error))
            return error;
        error = inode.TakeBlocks((ulong)position, (ulong)position + (ulong)copied);
        if (error == Errno.None)
            DirectMap.Page(buffer)[..copied].CopyTo(DirectMap.Page(page));
        if (isFresh)
            pages.FinishOverwrite(page, index, error);
        else
            pages.MarkDirty(page);
        pages.Cache.Frames.LetGo(page);
        if (error != Errno.None)
            return error;
        position += copied;
        return copyError;
    }
}
