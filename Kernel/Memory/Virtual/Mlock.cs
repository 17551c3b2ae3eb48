using System;
using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>The <c>flags</c> argument of <c>mlockall</c>.</summary>
[Flags]
internal enum LockAllFlags : uint
{
    Current = 1,
    Future = 2,
    OnFault = 4,
}

/// <summary>Keeps memory resident: <c>mlock</c>, <c>mlock2</c>, <c>munlock</c>, <c>mlockall</c>, <c>munlockall</c>.</summary>
/// <remarks>Linux: <c>do_mlock</c>, <c>mlock_fixup</c>. Locked pages are all faulted in at once, unless ONFAULT asks for that to happen by touch.</remarks>
internal sealed partial class MmStruct
{
    /// <param name="onFault"><c>MLOCK_ONFAULT</c>.</param>
    /// <returns>The errors of mlock(2).</returns>
    /// <remarks>Takes <see cref="MmapLock"/> for writing, then for reading.</remarks>
    public Errno Mlock(VirtAddr start, ulong length, bool onFault)
    {
        if (!MayLock())
            return Errno.EPERM;
        ulong bytes = (length + start.PageOffset + PageSize.Mask) & ~PageSize.Mask;
        start = start.PageDown();
        ulong pages = bytes >> PageSize.Shift;
        TaskMemory task = TaskMemory.Current;
        ulong limit = task.Limits.Soft(Resource.LockedMemory) >> PageSize.Shift;
        bool unlimited = task.HasCapability(TaskMemory.CapIpcLock);

        if (MmapLock.WriteLockKillable() != Errno.None)
            return Errno.EINTR;
        Errno error = Errno.ENOMEM;
        ulong locked = pages + LockedVm;
        if (locked > limit && !unlimited)
            locked -= CountLocked(start, bytes);        // pages locked already do not count twice
        if (locked <= limit || unlimited)
            error = ApplyLock(start, bytes, VmFlags.Locked | (onFault ? VmFlags.LockOnFault : VmFlags.None));
        ValidateInDebug();
        MmapLock.WriteUnlock();
        if (error != Errno.None)
            return error;

        error = PopulateLocked(new PageRange(start, start + bytes), ignoreErrors: false);
        return error switch
        {
            Errno.EFAULT => Errno.ENOMEM,               // POSIX's words for a part that is not there
            Errno.ENOMEM => Errno.EAGAIN,               // and for a page that could not be brought in
            _ => error,
        };
    }

    /// <returns>The errors of munlock(2).</returns>
    public Errno Munlock(VirtAddr start, ulong length)
    {
        ulong bytes = (length + start.PageOffset + PageSize.Mask) & ~PageSize.Mask;
        if (MmapLock.WriteLockKillable() != Errno.None)
            return Errno.EINTR;
        Errno error = ApplyLock(start.PageDown(), bytes, VmFlags.None);
        ValidateInDebug();
        MmapLock.WriteUnlock();
        return error;
    }

    /// <returns>The errors of mlockall(2).</returns>
    public Errno MlockAll(LockAllFlags flags)
    {
        if (flags == 0 || (flags & ~(LockAllFlags.Current | LockAllFlags.Future | LockAllFlags.OnFault)) != 0 || flags == LockAllFlags.OnFault)
            return Errno.EINVAL;
        if (!MayLock())
            return Errno.EPERM;
        TaskMemory task = TaskMemory.Current;
        ulong limit = task.Limits.Soft(Resource.LockedMemory) >> PageSize.Shift;

        if (MmapLock.WriteLockKillable() != Errno.None)
            return Errno.EINTR;
        Errno error = Errno.ENOMEM;
        if ((flags & LockAllFlags.Current) == 0 || TotalVm <= limit || task.HasCapability(TaskMemory.CapIpcLock))
        {
            error = Errno.None;
            ApplyLockAll(flags);
        }

        ValidateInDebug();
        MmapLock.WriteUnlock();
        if (error == Errno.None && (flags & LockAllFlags.Current) != 0)
            Populate(new PageRange(VirtAddr.Zero, TaskSize));
        return error;
    }

    public Errno MunlockAll()
    {
        if (MmapLock.WriteLockKillable() != Errno.None)
            return Errno.EINTR;
        ApplyLockAll(0);
        ValidateInDebug();
        MmapLock.WriteUnlock();
        return Errno.None;
    }

    private void ApplyLockAll(LockAllFlags flags)
    {
        VmFlags locked = VmFlags.Locked | ((flags & LockAllFlags.OnFault) != 0 ? VmFlags.LockOnFault : VmFlags.None);
        DefaultFlags &= ~VmFlags.LockedMask;
        if ((flags & LockAllFlags.Future) != 0)
        {
            DefaultFlags |= locked;
            if ((flags & LockAllFlags.Current) == 0)
                return;
        }

        VmFlags wanted = (flags & LockAllFlags.Current) != 0 ? locked : VmFlags.None;
        VmArea? previous = null;
        for (VmArea? area = Areas.First; area is not null; area = previous?.Next)
            _ = LockArea(ref previous, area, area.Range, (area.Flags & ~VmFlags.LockedMask) | wanted);     // what cannot be locked is not
    }

    /// <summary>Linux: <c>apply_vma_lock_flags</c>.</summary>
    private Errno ApplyLock(VirtAddr start, ulong bytes, VmFlags wanted)
    {
        VirtAddr end = start + bytes;
        if (end < start)
            return Errno.EINVAL;
        if (end == start)
            return Errno.None;
        if (LookupVma(start) is not { } area)
            return Errno.ENOMEM;
        VmArea? previous = start > area.Start ? area : area.Previous;
        while (true)
        {
            VirtAddr partEnd = VirtAddr.Min(area.End, end);
            Errno error = LockArea(ref previous, area, new PageRange(start, partEnd), (area.Flags & ~VmFlags.LockedMask) | wanted);
            if (error != Errno.None)
                return error;
            start = VirtAddr.Max(partEnd, previous!.End);
            if (start >= end)
                return Errno.None;
            if (previous.Next is not { } next || next.Start != start)
                return Errno.ENOMEM;
            area = next;
        }
    }

    /// <summary>Linux: <c>mlock_fixup</c>.</summary>
    private Errno LockArea(ref VmArea? previous, VmArea area, PageRange part, VmFlags flags)
    {
        VmFlags old = area.Flags;
        if (flags == old || (old & (VmFlags.Special | VmFlags.HugeTlb)) != 0)
        {
            previous = area;            // device memory neither comes nor goes
            return Errno.None;
        }

        Errno error = ApplyFlags(ref previous, area, part, flags, out VmArea covering);
        if (error != Errno.None)
        {
            previous = covering;        // mlockall goes on behind it
            return error;
        }

        previous = covering;
        ulong pages = part.Count.Value;
        bool locks = (flags & VmFlags.Locked) != 0;
        if (locks == ((old & VmFlags.Locked) != 0))
            return Errno.None;
        LockedVm = locks ? LockedVm + pages : LockedVm - pages;
        LockPresentPages(part, locks);
        return Errno.None;
    }

    /// <summary>Tells the pages that are there that they may not go, or may again. Linux: <c>mlock_vma_pages_range</c>.</summary>
    private void LockPresentPages(PageRange range, bool locks)
    {
        var walk = new PteTableWalk(this, range);
        while (walk.MoveNext())
        {
            if (walk.IsHuge)
                continue;                       // looked at as a whole, and then its area says that it is locked
            bool enabled = PageTableLock.AcquireRaw();
            for (int i = walk.FirstIndex; i <= walk.LastIndex; i++)
            {
                Pte entry = walk.Table[i];
                if (!entry.IsMapped() || entry.IsSpecial)
                    continue;
                if (locks)
                    System.LockPage(entry.Pfn);
                else
                    System.UnlockPage(entry.Pfn);
            }

            PageTableLock.ReleaseRaw(enabled);
        }
    }

    private ulong CountLocked(VirtAddr start, ulong bytes)
    {
        VirtAddr end = start + bytes;
        if (end < start)
            end = TaskSize;
        var range = new PageRange(start, end);
        ulong count = 0;
        for (VmArea? area = FindVma(start); area is not null && area.Start < end; area = area.Next)
        {
            if ((area.Flags & VmFlags.Locked) != 0)
                count += area.Range.Intersect(range).Count.Value;
        }

        return count;
    }
}
