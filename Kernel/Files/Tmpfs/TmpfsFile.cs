using System;
using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Tmpfs;

/// <summary>An open file of a tmpfs: copies between the caller and the page cache.</summary>
/// <remarks>Linux: <c>shmem_file_operations</c>. Readers take no lock; writers hold the inode's, so that a write is one piece.</remarks>
internal sealed class TmpfsFile : OpenFile
{
    /// <summary>Commands of fcntl. Linux: <c>F_ADD_SEALS</c>, <c>F_GET_SEALS</c>.</summary>
    private const uint AddSeals = 1033;
    private const uint GetSeals = 1034;

    private TmpfsInode inode = null!;
    private TmpfsMapping pages = null!;

    public override AddressSpace? Mapping => pages;

    /// <summary>Null when memory is out.</summary>
    internal static TmpfsFile? Allocate(TmpfsCaches caches, in PathRef path, OpenFlags flags)
    {
        TmpfsFile? file = caches.Files.Allocate();
        if (file is null)
            return null;
        file.Initialize(path, flags);
        file.inode = (TmpfsInode)file.Inode;
        file.pages = file.inode.Pages!;
        return file;
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
            int copied;
            if (pages.FindOrSwapIn((ulong)position >> PageSize.Shift).TryGet(out Pfn page, out error))
            {
                error = to.CopyToIter(DirectMap.Page(page).Slice(offset, count), out copied);
                pages.Cache.Frames.LetGo(page);
            }
            else if (error == Errno.ENOENT)
            {
                error = to.ZeroToIter(count, out copied);    // a hole
            }
            else
            {
                break;
            }

            position += copied;
        }
        if ((Flags & OpenFlags.NoAccessTime) == 0)
            TouchAtime.Touch(Path);
        return position > start ? position - start : error == Errno.None ? 0L : error;
    }

    public override Result<long> Write(TaskFiles who, ref IovIter from, ref long position)
    {
        inode.Lock.Lock();
        Result<long> result = WriteLocked(who, ref from, ref position);
        inode.Lock.Unlock();
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
                if (offset == 0)
                    return Position;
                target = Position + offset;
                break;
            case SeekOrigin.End:
                target = size + offset;
                break;
            default:
                return SeekDataOrHole(offset, size, origin);
        }
        if (target < 0)
            return Errno.EINVAL;
        Position = target;
        return target;
    }

    public override bool IsSealedAgainstWriting => (inode.Seals & FileSeals.Write) != 0;

    /// <summary>Maps the page cache itself. A sealed file refuses shared mappings that could ever write.</summary>
    public override Errno Mmap(VmArea area)
    {
        if ((inode.Seals & (FileSeals.Write | FileSeals.FutureWrite)) != 0 && area.Has(VmFlags.Shared))
        {
            if (area.Has(VmFlags.Write))
                return Errno.EPERM;
            area.Flags &= ~VmFlags.MayWrite;                 // mprotect shall not make it writable later
        }
        area.Operations = inode.Caches.MapOperations;
        if (inode.Segment is { } segment)
        {
            area.Operations = segment.Table.MapOperations;
            segment.Attached();
        }
        TouchAtime.Touch(Path);
        return Errno.None;
    }

    public override Errno Synchronize(bool dataOnly) => Errno.None;

    public override Errno Allocate(TaskFiles who, FallocateMode mode, ulong offset, ulong length)
    {
        if ((mode & ~(FallocateMode.KeepSize | FallocateMode.PunchHole)) != 0)
            return Errno.EOPNOTSUPP;
        inode.Lock.Lock();
        Errno error = (mode & FallocateMode.PunchHole) != 0 ? PunchHole(offset, length) : Preallocate(who, mode, offset, length);
        inode.Lock.Unlock();
        return error;
    }

    public override Result<long> Control(TaskFiles who, uint command, ulong argument)
        => IsSealCommand(command) ? ControlSeals(this, inode, command, argument) : base.Control(who, command, argument);

    internal static bool IsSealCommand(uint command) => command is AddSeals or GetSeals;

    /// <summary>Shows or adds seals of a memory file, of small or huge pages.</summary>
    internal static Result<long> ControlSeals(OpenFile file, TmpfsInode inode, uint command, ulong argument)
        => command == GetSeals ? (long)inode.Seals : SealWith(file, inode, (FileSeals)argument);

    protected override void FreeObject() => inode.Caches.Files.Free(this);

    // Linux: generic_file_write_iter with shmem_write_begin. Holds the inode's lock.
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

        long start = position;
        while (from.Remaining > 0)
        {
            int offset = (int)((ulong)position & PageSize.Mask);
            int count = (int)Math.Min(PageSize.Bytes - (ulong)offset, from.Remaining);
            // What cannot be read makes neither a page nor the file longer, and comes before what the seals say.
            if (!from.FaultInReadable())
            {
                error = Errno.EFAULT;
                break;
            }
            // A file that may not grow is written up to its last page.
            if ((inode.Seals & (FileSeals.Write | FileSeals.FutureWrite)) != 0
                || ((inode.Seals & FileSeals.Grow) != 0 && (ulong)position + (ulong)count > inode.Size))
            {
                error = Errno.EPERM;
                break;
            }
            if (!pages.FindOrCreatePage((ulong)position >> PageSize.Shift).TryGet(out Pfn page, out error))
                break;
            error = from.CopyFromIter(DirectMap.Page(page).Slice(offset, count), out int copied);
            if (copied > 0)
                pages.MarkDirty(page);
            pages.Cache.Frames.LetGo(page);
            position += copied;
            if ((ulong)position > inode.Size)
                inode.Size = (ulong)position;
            // Where a copy ended, the next round asks again: when the memory is this very file's, it may go on now that the file is longer.
            if (error != Errno.None && copied == 0)
                break;
        }
        return position > start ? position - start : error;
    }

    // A page that was written is data, also when all its bytes are zero.
    private Result<long> SeekDataOrHole(long offset, long size, SeekOrigin origin)
    {
        if (offset < 0 || offset >= size)
            return Errno.ENXIO;
        ulong lastPage = (ulong)(size - 1) >> PageSize.Shift;
        ulong index = (ulong)offset >> PageSize.Shift;
        if (origin == SeekOrigin.Data)
        {
            ulong found = index;
            if (!pages.TryNextData(ref found, lastPage))
                return Errno.ENXIO;
            Position = found == index ? offset : (long)(found << PageSize.Shift);
            return Position;
        }
        long hole = (long)(pages.NextHole(index, lastPage) << PageSize.Shift);
        Position = hole > size ? size : hole < offset ? offset : hole;
        return Position;
    }

    public override void WillNeed(ulong firstPage, ulong count) => pages.SwapInRange(firstPage, firstPage + count - 1);

    /// <summary>For <c>MADV_REMOVE</c>.</summary>
    public override Errno RemoveRange(ulong startByte, ulong endByte) => PunchHole(startByte, endByte - startByte);

    private Errno PunchHole(ulong offset, ulong length)
    {
        if ((inode.Seals & (FileSeals.Write | FileSeals.FutureWrite)) != 0)
            return Errno.EPERM;
        pages.PunchHole(offset, offset + length);
        inode.ModifyTime = inode.ChangeTime = Vfs.Now;
        return Errno.None;
    }

    // Linux: shmem_fallocate. All or nothing as far as the mount's size says; the room is checked before a page is taken.
    private Errno Preallocate(TaskFiles who, FallocateMode mode, ulong offset, ulong length)
    {
        ulong end = offset + length;
        if ((inode.Seals & FileSeals.Grow) != 0 && end > inode.Size)
            return Errno.EPERM;
        if ((mode & FallocateMode.KeepSize) == 0)
        {
            Errno tooLong = AttributeOperations.CheckSize(who, inode, end);
            if (tooLong != Errno.None)
                return tooLong;
        }
        ulong first = offset >> PageSize.Shift;
        ulong last = (end - 1) >> PageSize.Shift;
        if (!inode.HasRoomFor(last - first + 1 - pages.CountStored(first, last)))
            return Errno.ENOSPC;
        for (ulong index = first; index <= last; index++)
        {
            Errno error = who.SignalPending ? Errno.EINTR : pages.ReservePage(index);
            if (error == Errno.None)
                continue;
            if (index > first)
                pages.UnreservePages(first, index - 1);
            return error;
        }
        if ((mode & FallocateMode.KeepSize) == 0 && end > inode.Size)
            pages.Resize(end);
        inode.ChangeTime = Vfs.Now;
        return Errno.None;
    }

    // Linux: memfd_add_seals.
    private static Result<long> SealWith(OpenFile file, TmpfsInode inode, FileSeals seals)
    {
        if (!file.CanWrite)
            return Errno.EPERM;
        if ((seals & ~FileSeals.Known) != 0)
            return Errno.EINVAL;
        inode.Lock.Lock();
        Errno error = Errno.None;
        if ((inode.Seals & FileSeals.Seal) != 0)
            error = Errno.EPERM;
        else if ((seals & FileSeals.Write) != 0 && (inode.Seals & FileSeals.Write) == 0 && inode.Mapping!.WritableSharedAreas > 0)
            error = Errno.EBUSY;
        else
            inode.Seals |= seals;
        inode.Lock.Unlock();
        return error == Errno.None ? 0L : error;
    }
}
