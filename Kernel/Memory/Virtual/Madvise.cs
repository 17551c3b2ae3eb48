using NanoVm.Core;
using NanoVm.Memory.Faults;

namespace NanoVm.Memory.Virtual;

/// <summary>What a program tells about its use of memory.</summary>
/// <remarks>Linux: <c>MADV_*</c>.</remarks>
internal enum MemoryAdvice
{
    Normal = 0,
    Random = 1,
    Sequential = 2,
    WillNeed = 3,
    DontNeed = 4,
    Free = 8,
    Remove = 9,
    DontFork = 10,
    DoFork = 11,
    Mergeable = 12,
    Unmergeable = 13,
    HugePage = 14,
    NoHugePage = 15,
    DontDump = 16,
    DoDump = 17,
    WipeOnFork = 18,
    KeepOnFork = 19,
    Cold = 20,
    PageOut = 21,
    PopulateRead = 22,
    PopulateWrite = 23,
    DontNeedLocked = 24,
    Collapse = 25,
}

/// <summary>Takes advice about memory: the <c>madvise</c> call.</summary>
/// <remarks>
/// Linux: <c>do_madvise</c>. Two sorts: what changes an area's flags holds the lock for writing and cuts and merges areas as <c>mprotect</c> does;
/// what acts on pages at once holds it for reading. Areas before the one that refuses keep what was done to them; holes are passed over
/// and reported at the end.
/// </remarks>
internal sealed partial class MmStruct
{
    /// <returns>The errors of madvise(2).</returns>
    /// <remarks>Takes <see cref="MmapLock"/>.</remarks>
    public Errno Madvise(VirtAddr start, ulong length, MemoryAdvice advice)
    {
        // Decode and check, in Linux's order.
        if (!IsKnown(advice) || !start.IsPageAligned)
            return Errno.EINVAL;
        ulong bytes = (length + PageSize.Mask) & ~PageSize.Mask;
        if (length != 0 && bytes == 0)
            return Errno.EINVAL;
        VirtAddr end = start + bytes;
        if (end < start)
            return Errno.EINVAL;
        if (end == start)
            return Errno.None;

        bool changesFlags = ChangesFlags(advice);
        if (changesFlags)
        {
            if (MmapLock.WriteLockKillable() != Errno.None)
                return Errno.EINTR;
        }
        else
        {
            MmapLock.ReadLock();
        }

        Errno error = AdviseAreas(start, end, advice, changesFlags);
        if (changesFlags)
        {
            ValidateInDebug();
            MmapLock.WriteUnlock();
        }
        else
        {
            MmapLock.ReadUnlock();
        }

        return error;
    }

    private static bool IsKnown(MemoryAdvice advice)
        => advice is (>= MemoryAdvice.Normal and <= MemoryAdvice.DontNeed) or (>= MemoryAdvice.Free and <= MemoryAdvice.Collapse);

    private static bool ChangesFlags(MemoryAdvice advice)
        => advice is not (MemoryAdvice.Remove or MemoryAdvice.WillNeed or MemoryAdvice.DontNeed or MemoryAdvice.DontNeedLocked
            or MemoryAdvice.Cold or MemoryAdvice.PageOut or MemoryAdvice.Free or MemoryAdvice.PopulateRead or MemoryAdvice.PopulateWrite);

    private Errno AdviseAreas(VirtAddr start, VirtAddr end, MemoryAdvice advice, bool changesFlags)
    {
        Errno hole = Errno.None;
        VmArea? area = FindVmaPrev(start, out VmArea? previous);
        if (area is not null && start > area.Start)
            previous = area;
        while (true)
        {
            if (area is null)
                return Errno.ENOMEM;
            if (start < area.Start)
            {
                hole = Errno.ENOMEM;
                start = area.Start;
                if (start >= end)
                    return hole;
            }

            var part = new PageRange(start, VirtAddr.Min(area.End, end));
            Errno error;
            if (changesFlags)
            {
                error = AdviseFlags(ref previous, area, part, advice);
            }
            else
            {
                error = AdvisePages(ref area, ref part, advice);
                // These let the lock go meanwhile: the area may not be there any more.
                previous = advice is MemoryAdvice.Remove or MemoryAdvice.WillNeed or MemoryAdvice.PopulateRead or MemoryAdvice.PopulateWrite ? null : area;
            }

            if (error != Errno.None)
                return error;
            start = part.End;
            if (previous is not null && start < previous.End)
                start = previous.End;
            if (start >= end)
                return hole;
            area = previous is null ? FindVma(start) : previous.Next;
        }
    }

    /// <summary>Advice that stays with the area. Linux: <c>madvise_vma_behavior</c>, second half.</summary>
    private Errno AdviseFlags(ref VmArea? previous, VmArea area, PageRange part, MemoryAdvice advice)
    {
        VmFlags flags = area.Flags;
        switch (advice)
        {
            case MemoryAdvice.Normal:
                flags &= ~(VmFlags.RandomRead | VmFlags.SequentialRead);
                break;
            case MemoryAdvice.Random:
                flags = (flags & ~VmFlags.SequentialRead) | VmFlags.RandomRead;
                break;
            case MemoryAdvice.Sequential:
                flags = (flags & ~VmFlags.RandomRead) | VmFlags.SequentialRead;
                break;
            case MemoryAdvice.DontFork:
                flags |= VmFlags.DontCopy;
                break;
            case MemoryAdvice.DoFork:
                if ((flags & VmFlags.Io) != 0)
                    return Errno.EINVAL;
                flags &= ~VmFlags.DontCopy;
                break;
            case MemoryAdvice.WipeOnFork:
                if (area.File is not null || (flags & VmFlags.Shared) != 0)
                    return Errno.EINVAL;
                flags |= VmFlags.WipeOnFork;
                break;
            case MemoryAdvice.KeepOnFork:
                flags &= ~VmFlags.WipeOnFork;
                break;
            case MemoryAdvice.DontDump:
                flags |= VmFlags.DontDump;
                break;
            case MemoryAdvice.DoDump:
                if ((flags & VmFlags.HugeTlb) == 0 && (flags & VmFlags.Special) != 0)
                    return Errno.EINVAL;
                flags &= ~VmFlags.DontDump;
                break;
            case MemoryAdvice.HugePage:
                flags = (flags & ~VmFlags.NoHugePage) | VmFlags.HugePage;
                break;
            case MemoryAdvice.NoHugePage:
                flags = (flags & ~VmFlags.HugePage) | VmFlags.NoHugePage;
                break;
            case MemoryAdvice.Mergeable:
                if ((flags & (VmFlags.Special | VmFlags.Shared | VmFlags.MayShare)) == 0)
                    flags |= VmFlags.Mergeable;
                break;
            case MemoryAdvice.Unmergeable:
                flags &= ~VmFlags.Mergeable;
                break;
            case MemoryAdvice.Collapse:
                previous = area;
                return CollapseRange(area, part);
        }

        if (flags == area.Flags)
        {
            previous = area;
            return Errno.None;
        }

        Errno error = ApplyFlags(ref previous, area, part, flags, out VmArea covering);
        if (error == Errno.None)
            previous = covering;
        return error == Errno.ENOMEM ? Errno.EAGAIN : error;        // not the hole's ENOMEM: try again later
    }

    /// <summary>Advice that is followed at once. Linux: <c>madvise_vma_behavior</c>, first half.</summary>
    /// <param name="area">Another object may cover the part in the end: a watcher was told meanwhile, without the lock.</param>
    /// <param name="part">Less may have been done than was asked, up to the end of that area.</param>
    private Errno AdvisePages(ref VmArea area, ref PageRange part, MemoryAdvice advice)
    {
        if ((area.Flags & VmFlags.HugeTlb) != 0 && advice is (MemoryAdvice.DontNeed or MemoryAdvice.DontNeedLocked))
        {
            // Whole huge pages only: what lies behind the last whole one stays.
            if ((part.Start.Value & (PageSize.LargeBytes - 1)) != 0)
                return Errno.EINVAL;
            part = new PageRange(part.Start, part.End.AlignDown(PageSize.LargeBytes));
            if (part.IsEmpty)
                return Errno.None;
        }

        switch (advice)
        {
            case MemoryAdvice.DontNeed:
            case MemoryAdvice.DontNeedLocked:
            case MemoryAdvice.Free:
                return DropPages(ref area, ref part, advice);
            case MemoryAdvice.Cold or MemoryAdvice.PageOut:
                return CoolPages(area, part, advice == MemoryAdvice.PageOut);
            case MemoryAdvice.Remove:
                return RemovePages(area, part);
            case MemoryAdvice.WillNeed:
                WillNeed(area, part);
                return Errno.None;
            case MemoryAdvice.PopulateRead or MemoryAdvice.PopulateWrite:
                return PopulatePart(part, advice == MemoryAdvice.PopulateWrite);
            default:
                return Errno.EINVAL;
        }
    }

    /// <summary>Linux: <c>madvise_dontneed_free</c>.</summary>
    private Errno DropPages(ref VmArea area, ref PageRange part, MemoryAdvice advice)
    {
        VmFlags forbidden = advice == MemoryAdvice.DontNeedLocked ? VmFlags.PfnMap : VmFlags.PfnMap | VmFlags.Locked;
        if ((area.Flags & forbidden) != 0)
            return Errno.EINVAL;
        if (area.Userfault is not null)
        {
            Errno error = TellRemoval(area, part, out bool released);
            if (error != Errno.None)
                return error;
            if (released)
            {
                if (LookupVma(part.Start) is not { } now)
                    return Errno.ENOMEM;
                if ((now.Flags & forbidden) != 0)
                    return Errno.EINVAL;
                area = now;
                part = part.Intersect(now.Range);
            }
        }

        if (advice != MemoryAdvice.Free)
            ZapPageRange(area, part);
        else if (area.IsAnonymous)
            FreeLazily(part);
        else
            return Errno.EINVAL;
        return Errno.None;
    }

    /// <summary>Unmaps the pages of a part of an area; the next touch finds zeros, or the file again. Linux: <c>zap_page_range</c>.</summary>
    internal void ZapPageRange(VmArea area, PageRange range)
    {
        var batch = new TlbBatch(this);
        UnmapPages(area, range, ref batch);
        batch.Finish();
    }

    /// <summary>Makes a hole in the file behind shared memory.</summary>
    private Errno RemovePages(VmArea area, PageRange part)
    {
        if ((area.Flags & VmFlags.Locked) != 0 || area.File is not { } file)
            return Errno.EINVAL;
        // That it could be made writable is enough.
        if ((area.Flags & (VmFlags.Shared | VmFlags.MayWrite)) != (VmFlags.Shared | VmFlags.MayWrite))
            return Errno.EACCES;
        // The file's lock comes before ours, and so the hole is made without ours; the reference keeps the file.
        ulong offset = area.PageIndexOf(part.Start) << PageSize.Shift;
        file.Get();
        Errno error = TellRemoval(area, part, out _);
        if (error != Errno.None)
        {
            file.Put();
            return error;
        }

        MmapLock.ReadUnlock();
        error = file.RemoveRange(offset, offset + part.Bytes);
        file.Put();
        MmapLock.ReadLock();
        return error;
    }

    /// <summary>Brings in a part of an area as if each page were read or written. Linux: <c>madvise_populate</c>.</summary>
    /// <returns><see cref="Errno.EINVAL"/> when the area forbids the access, <see cref="Errno.EFAULT"/> when nothing lies behind a page.</returns>
    private Errno PopulatePart(PageRange part, bool write)
    {
        VirtAddr at = part.Start;
        while (at < part.End)
        {
            // Each time anew: the lock may have been let go for a fault that a program answers.
            if (LookupVma(at) is not { } area)
                return Errno.ENOMEM;
            if (!MayReach(area, write, anyRight: false))
                return Errno.EINVAL;
            Errno error = FaultIn(area, ref at, VirtAddr.Min(area.End, part.End), write);
            if (error != Errno.None)
                return error;
        }

        return Errno.None;
    }
}
