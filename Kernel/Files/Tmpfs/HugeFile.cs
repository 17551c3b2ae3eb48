using System;
using NanoVm.Core;
using NanoVm.Memory.Hugetlb;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Tmpfs;

/// <summary>The huge pages of a file of hugetlbfs.</summary>
internal sealed class HugeFileSpace : HugeSpace
{
    private TmpfsInode inode = null!;

    /// <inheritdoc/>
    public override ulong SizeBytes => inode.Size;

    internal void Initialize(TmpfsInode inode, TmpfsCaches caches)
    {
        this.inode = inode;
        Initialize(caches.PageCache, caches.HugePool);
    }

    /// <summary>Changes the file's length, a multiple of 2 MiB; holds the inode's lock.</summary>
    internal void Resize(ulong size)
    {
        bool shrinks = size < inode.Size;
        inode.Size = size;
        if (shrinks)
            Remove(size >> PageSize.LargeShift, ulong.MaxValue, evenPrivateCopies: true);
    }
}

/// <summary>An open file of hugetlbfs: to be mapped, and read; it cannot be written by calls.</summary>
/// <remarks>Linux: <c>hugetlbfs_file_operations</c>. Nameless ones stand behind <c>MAP_HUGETLB</c>, <c>MFD_HUGETLB</c> and <c>SHM_HUGETLB</c>.</remarks>
internal sealed class HugeFile : OpenFile
{
    private TmpfsInode inode = null!;
    private HugeFileSpace pages = null!;

    /// <inheritdoc/>
    public override AddressSpace? Mapping => pages;

    /// <inheritdoc/>
    public override bool IsHuge => true;

    /// <summary>Null when memory is out.</summary>
    internal static HugeFile? Allocate(TmpfsCaches caches, in PathRef path, OpenFlags flags)
    {
        HugeFile? file = caches.HugeFiles.Allocate();
        if (file is null)
            return null;
        file.Initialize(path, flags);
        file.inode = (TmpfsInode)file.Inode;
        file.pages = file.inode.Huge!;
        return file;
    }

    /// <inheritdoc/>
    public override Errno Mmap(VmArea area)
    {
        if ((inode.Seals & (FileSeals.Write | FileSeals.FutureWrite)) != 0 && area.Has(VmFlags.Shared))
        {
            if (area.Has(VmFlags.Write))
                return Errno.EPERM;
            area.Flags &= ~VmFlags.MayWrite;
        }

        TmpfsCaches caches = inode.Caches;
        Errno error = (inode.Segment is null ? caches.HugeOperations : caches.HugeSegmentOperations).Prepare(area, pages);
        if (error != Errno.None)
            return error;
        inode.Segment?.Attached();
        // Who may write the mapping lengthens the file by it.
        ulong end = (area.PageOffset << PageSize.Shift) + area.Bytes;
        if (area.Has(VmFlags.Write) && inode.Size < end)
            inode.Size = end;
        TouchAtime.Touch(Path);
        return Errno.None;
    }

    /// <inheritdoc/>
    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position)
    {
        long start = position;
        Errno error = Errno.None;
        while (to.Remaining > 0 && error == Errno.None && (ulong)position < inode.Size)
        {
            ulong at = (ulong)position;
            int offset = (int)(at & PageSize.Mask);
            int count = (int)Math.Min(Math.Min(PageSize.Bytes - (ulong)offset, inode.Size - at), to.Remaining);
            int copied;
            if (pages.TryHold(at >> PageSize.LargeShift, out Pfn page))
            {
                Pfn small = page + ((at & (PageSize.LargeBytes - 1)) >> PageSize.Shift);
                error = to.CopyToIter(DirectMap.Page(small).Slice(offset, count), out copied);
                pages.Cache.Frames.LetGo(page);
            }
            else
            {
                error = to.ZeroToIter(count, out copied);    // a hole
            }

            position += copied;
        }

        return position > start ? position - start : error == Errno.None ? 0L : error;
    }

    /// <inheritdoc/>
    public override Result<long> Seek(long offset, SeekOrigin origin)
    {
        // Linux: generic_file_llseek, to which every byte of a file is data and its end the first hole.
        long size = (long)inode.Size;
        if (origin is SeekOrigin.Data or SeekOrigin.Hole && (offset < 0 || offset >= size))
            return Errno.ENXIO;
        long target = origin switch
        {
            SeekOrigin.Data => offset,
            SeekOrigin.Hole => size,
            SeekOrigin.Start => offset,
            SeekOrigin.Current => Position + offset,
            SeekOrigin.End => size + offset,
            _ => -1,
        };
        if (target < 0)
            return Errno.EINVAL;
        Position = target;
        return target;
    }

    /// <inheritdoc/>
    public override Errno Synchronize(bool dataOnly) => Errno.None;

    /// <inheritdoc/>
    public override Errno Allocate(TaskFiles who, FallocateMode mode, ulong offset, ulong length)
    {
        if ((mode & ~(FallocateMode.KeepSize | FallocateMode.PunchHole)) != 0)
            return Errno.EOPNOTSUPP;
        inode.Lock.Lock();
        Errno error = (mode & FallocateMode.PunchHole) != 0 ? RemoveRange(offset, offset + length) : Preallocate(mode, offset, length);
        inode.Lock.Unlock();
        return error;
    }

    /// <summary>Whole huge pages inside the range go; for <c>MADV_REMOVE</c> and <c>fallocate</c>.</summary>
    public override Errno RemoveRange(ulong startByte, ulong endByte)
    {
        if ((inode.Seals & (FileSeals.Write | FileSeals.FutureWrite)) != 0)
            return Errno.EPERM;
        ulong first = (startByte + PageSize.LargeBytes - 1) >> PageSize.LargeShift;
        ulong end = endByte >> PageSize.LargeShift;
        if (first < end)
            pages.Remove(first, end, evenPrivateCopies: false);
        inode.ModifyTime = inode.ChangeTime = Vfs.Now;
        return Errno.None;
    }

    private Errno Preallocate(FallocateMode mode, ulong offset, ulong length)
    {
        ulong end = offset + length;
        if ((inode.Seals & FileSeals.Grow) != 0 && end > inode.Size)
            return Errno.EPERM;
        for (ulong index = offset >> PageSize.LargeShift; index << PageSize.LargeShift < end; index++)
        {
            if (!pages.FindOrCreate(index).TryGet(out Pfn page, out Errno error))
                return error;
            pages.Pool.RemoveUse(page);
        }

        if ((mode & FallocateMode.KeepSize) == 0 && end > inode.Size)
            inode.Size = end;
        inode.ChangeTime = Vfs.Now;
        return Errno.None;
    }

    /// <inheritdoc/>
    public override Result<long> Control(TaskFiles who, uint command, ulong argument)
        => TmpfsFile.IsSealCommand(command) ? TmpfsFile.ControlSeals(this, inode, command, argument) : base.Control(who, command, argument);

    /// <inheritdoc/>
    protected override void FreeObject() => inode.Caches.HugeFiles.Free(this);
}

/// <summary>How areas of System V segments of huge pages behave: they are counted, too.</summary>
internal sealed class HugeSegmentMapOperations(HugetlbSystem system) : HugeMapOperations(system)
{
    /// <inheritdoc/>
    public override void Open(VmArea area)
    {
        base.Open(area);
        SegmentMapOperations.SegmentOf(area)?.Attached();
    }

    /// <inheritdoc/>
    public override void Close(VmArea area)
    {
        base.Close(area);
        SegmentMapOperations.SegmentOf(area)?.Detached();
    }
}
