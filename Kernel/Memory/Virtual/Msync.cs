using System;
using NanoVm.Core;
using NanoVm.Memory.Mapping;

namespace NanoVm.Memory.Virtual;

/// <summary>The <c>flags</c> argument of <c>msync</c>.</summary>
[Flags]
internal enum SyncFlags : uint
{
    Async = 1,
    Invalidate = 2,
    Sync = 4,
}

/// <summary>Brings shared file mappings to their file: the <c>msync</c> call.</summary>
internal sealed partial class MmStruct
{
    /// <returns>The errors of msync(2).</returns>
    /// <remarks>Takes <see cref="MmapLock"/> for reading, and lets it go while a file is written.</remarks>
    public Errno Msync(VirtAddr start, ulong length, SyncFlags flags)
    {
        if ((flags & ~(SyncFlags.Async | SyncFlags.Invalidate | SyncFlags.Sync)) != 0 || !start.IsPageAligned)
            return Errno.EINVAL;
        if ((flags & (SyncFlags.Async | SyncFlags.Sync)) == (SyncFlags.Async | SyncFlags.Sync))
            return Errno.EINVAL;
        VirtAddr end = start + ((length + PageSize.Mask) & ~PageSize.Mask);
        if (end < start)
            return Errno.ENOMEM;
        if (end == start)
            return Errno.None;

        Errno hole = Errno.None;
        MmapLock.ReadLock();
        VmArea? area = FindVma(start);
        while (true)
        {
            if (area is null)
            {
                MmapLock.ReadUnlock();
                return Errno.ENOMEM;
            }

            if (start < area.Start)
            {
                hole = Errno.ENOMEM;
                start = area.Start;
                if (start >= end)
                    break;
            }

            if ((flags & SyncFlags.Invalidate) != 0 && (area.Flags & VmFlags.Locked) != 0)
            {
                MmapLock.ReadUnlock();
                return Errno.EBUSY;
            }

            MappableFile? file = area.File;
            ulong from = area.PageIndexOf(start) << PageSize.Shift;
            VirtAddr partEnd = VirtAddr.Min(area.End, end);
            ulong bytes = partEnd - start;
            start = area.End;
            if ((flags & SyncFlags.Sync) != 0 && file is not null && (area.Flags & VmFlags.Shared) != 0)
            {
                file.Get();
                MmapLock.ReadUnlock();
                Errno error = file.SyncRange(from, from + bytes);
                file.Put();
                if (error != Errno.None || start >= end)
                    return error != Errno.None ? error : hole;
                MmapLock.ReadLock();
                area = FindVma(start);
            }
            else
            {
                if (start >= end)
                    break;
                area = area.Next;
            }
        }

        MmapLock.ReadUnlock();
        return hole;
    }
}
