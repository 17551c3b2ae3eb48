using NanoVm.Core;
using NanoVm.Memory.Mapping;

namespace NanoVm.Memory.Virtual;

/// <summary>Lets a stack grow down to where it was touched.</summary>
/// <remarks>
/// Linux: <c>expand_stack</c>, <c>expand_downwards</c>, <c>acct_stack_growth</c>. Lecture 000: "the only case where a reference to an unmapped
/// memory area can be properly handled".
/// <code>
///      [ other )      guard gap      address        [ stack area
///              |◄─── 256 pages ────►|    v
///                                   [ new part . . .|
/// </code>
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Extends <paramref name="area"/> down to the page of <paramref name="address"/>, which lies below it.</summary>
    /// <returns><see cref="Errno.ENOMEM"/> when the limit, the guard gap or memory forbids it; <see cref="Errno.EPERM"/> below the lowest address.</returns>
    /// <remarks>
    /// Holds <see cref="MmapLock"/> at least for reading. Two faulting threads may come here at once, so the area's start and the tree
    /// change under <see cref="PageTableLock"/>; who searches with the lock for reading sees the old or the new start.
    /// </remarks>
    public Errno ExpandStack(VmArea area, VirtAddr address)
    {
        if ((area.Flags & VmFlags.GrowsDown) == 0)
            return Errno.EFAULT;
        VirtAddr start = address.PageDown();
        if (start.Value < System.MmapMinAddress)
            return Errno.EPERM;

        // The area below keeps its distance, unless it is a stack itself or nobody may touch it (a guard that the program made).
        if (area.Previous is { } below && (below.Flags & VmFlags.GrowsDown) == 0 && (below.Flags & VmFlags.AccessMask) != 0
            && start - below.End < System.StackGuardGapBytes)
            return Errno.ENOMEM;
        if (area.Previous is { } neighbour && start < neighbour.End)
            return Errno.ENOMEM;

        // As on Linux from the first growth on, touched or not: it decides with which neighbours the area can be joined.
        if (area.AnonVma is null && AnonVma.Prepare(area) != Errno.None)
            return Errno.ENOMEM;
        if (start >= area.Start)
            return Errno.None;
        ulong pages = (area.Start - start) >> PageSize.Shift;
        if (pages > area.PageOffset)
            return Errno.ENOMEM;

        Errno error = MayGrowStack(area, area.End - start, pages);
        if (error != Errno.None)
            return error;

        LeaveReverseTrees(area);
        bool enabled = PageTableLock.AcquireRaw();
        if ((area.Flags & VmFlags.Locked) != 0)
            LockedVm += pages;
        AccountVm(area.Flags, (long)pages);
        ChangeBounds(area, start, area.End, area.PageOffset - pages);
        PageTableLock.ReleaseRaw(enabled);
        EnterReverseTrees(area);
        System.Statistics.Count(VmCounter.StackExpansions);
        return Errno.None;
    }

    /// <summary>The limits. Linux: <c>acct_stack_growth</c>.</summary>
    private Errno MayGrowStack(VmArea area, ulong bytes, ulong pages)
    {
        if (!MayExpandVm(area.Flags, pages))
            return Errno.ENOMEM;
        if (bytes > TaskMemory.Current.Limits.Soft(Resource.Stack))
            return Errno.ENOMEM;
        if (MayLockMore(area.Flags, pages << PageSize.Shift) != Errno.None)
            return Errno.ENOMEM;
        return (area.Flags & VmFlags.Account) != 0 ? System.Commit(this, pages) : Errno.None;
    }

    /// <summary>The area that contains <paramref name="address"/> or, being a stack, now grew to do so. Linux: <c>find_extend_vma</c>.</summary>
    internal VmArea? FindExtendVma(VirtAddr address)
    {
        VmArea? area = FindVma(address);
        if (area is null || area.Start <= address)
            return area;
        return (area.Flags & VmFlags.GrowsDown) != 0 && ExpandStack(area, address) == Errno.None ? area : null;
    }
}
