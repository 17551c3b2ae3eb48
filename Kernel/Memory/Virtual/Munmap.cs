using NanoVm.Core;
using NanoVm.Memory.Mapping;

namespace NanoVm.Memory.Virtual;

/// <summary>Removes mappings: the <c>munmap</c> call and everything that has to clear a range first.</summary>
/// <remarks>
/// Linux: <c>do_munmap</c>. Lecture 001, "Removing an Address Interval".
/// <code>
///               start          end
///                 v             v
///   before   [ A  :  A ][ B ][ C:C C ]     A and C are cut, B goes whole;
///   after    [ A  ]             [C C ]     holes in the range are no error.
///
///   before   [ A  :             :  A ]     the one case that makes an area more: the upper rest
///   after    [ A  ]             [ A' ]     is reserved before anything changes.
/// </code>
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Unmaps every page of <paramref name="range"/>.</summary>
    /// <param name="range">Whole pages inside user space, not empty; the system call has checked and rounded it.</param>
    /// <returns>
    /// <see cref="Errno.ENOMEM"/> when a cut would exceed <c>max_map_count</c> or no <see cref="VmArea"/> can be allocated; a kind's own
    /// reason not to be cut. Then nothing has changed.
    /// </returns>
    /// <remarks>Holds <see cref="MmapLock"/> for writing. Cost: O(log areas + areas in range + pages present in range).</remarks>
    public Errno DoMunmap(PageRange range)
    {
        MmapLock.AssertHeldForWriting();
        VmArea? first = FindVmaIntersection(range);
        if (first is null)
            return Errno.None;

        // Reserve.
        Errno error = ReserveCuts(first, range, out VmArea? upperRest);
        if (error != Errno.None)
            return error;
        error = PrepareUnmapEvents(first, range);
        if (error != Errno.None)
        {
            if (upperRest is not null)
                FreeArea(upperRest, opened: false);
            return error;
        }

        // Commit: nothing below can fail.
        RemoveRange(first, range, upperRest);
        ValidateInDebug();
        return Errno.None;
    }

    /// <summary>Asks all that may be asked, and allocates what a cut in the middle of one area needs.</summary>
    /// <param name="upperRest">The area for what lies above the range, when it and what lies below belong to one area now.</param>
    private Errno ReserveCuts(VmArea first, PageRange range, out VmArea? upperRest)
    {
        upperRest = null;
        bool cutsBelow = first.Start < range.Start;
        if (cutsBelow && first.Operations is { } below && below.MaySplit(first, range.Start) is not Errno.None and var refusedBelow)
            return refusedBelow;

        if (cutsBelow && first.End > range.End)
        {
            if (MapCount >= System.MaxMapCount)
                return Errno.ENOMEM;
            if (first.Operations is { } above && above.MaySplit(first, range.End) is not Errno.None and var refusedAbove)
                return refusedAbove;
            if (DuplicateArea(this, first) is not { } rest)
                return Errno.ENOMEM;
            rest.Start = range.End;
            rest.PageOffset = first.PageIndexOf(range.End);
            if (AnonVma.Clone(rest, first) != Errno.None)
            {
                FreeArea(rest, opened: false);
                return Errno.ENOMEM;
            }

            upperRest = rest;
            return Errno.None;
        }

        // Only an area with operations can object to being cut at the end; most have none.
        VmArea? last = FindVma(range.End - 1);
        if (last is not null && last.Start < range.End && last.End > range.End
            && last.Operations is { } atEnd && atEnd.MaySplit(last, range.End) is not Errno.None and var refusedEnd)
            return refusedEnd;
        return Errno.None;
    }

    /// <summary>Clears the range, which begins in or before <paramref name="first"/>. Cannot fail.</summary>
    private void RemoveRange(VmArea first, PageRange range, VmArea? upperRest)
    {
        var batch = new TlbBatch(this);
        NotePeakVm();
        VmArea? below = first.Start < range.Start ? first : first.Previous;
        VmArea? area = first;
        VmArea? removed = null;         // whole areas that go, chained by Next, closed after the flush
        while (area is not null && area.Start < range.End)
        {
            VmArea? next = area.Next;
            PageRange part = area.Range.Intersect(range);
            UnmapPages(area, part, ref batch);
            ForgetPart(area, part.Count.Value);
            if ((area.Flags & VmFlags.HugeTlb) != 0 && part != area.Range)
                Hugetlb.HugeReservation.Released(area, part);

            if (part == area.Range)
            {
                UnlinkArea(area);
                area.Next = removed;
                removed = area;
            }
            else
            {
                CutPart(area, part, upperRest);
            }

            area = next;
        }

        // What stands on both sides now bounds the hole, and so which tables serve nobody any more.
        VmArea? above = upperRest ?? (below is null ? Areas.First : below.Next);
        VirtAddr floor = below is null ? VirtAddr.Zero : below.End;
        VirtAddr ceiling = above is null ? TablesEnd : above.Start;
        FreePageTables(range, new PageRange(floor, ceiling), ref batch);
        batch.Finish();

        while (removed is not null)
        {
            VmArea next = removed;
            removed = next.Next;
            next.Next = null;
            FreeArea(next);
        }
    }

    /// <summary>One past what the user's tables can cover: the whole lower half, so that the last tables go, too.</summary>
    internal VirtAddr TablesEnd => new(System.PagingLevels == 5 ? 1UL << 56 : 1UL << 47);

    /// <summary>Takes <paramref name="pages"/> of <paramref name="area"/> off all books that count areas' pages.</summary>
    private void ForgetPart(VmArea area, ulong pages)
    {
        if ((area.Flags & VmFlags.Locked) != 0)
            LockedVm -= pages;
        if ((area.Flags & VmFlags.Account) != 0)
            System.Uncommit(pages);
        AccountVm(area.Flags, -(long)pages);
    }

    private void CutPart(VmArea area, PageRange part, VmArea? upperRest)
    {
        if (part.Start > area.Start)
        {
            // The lower rest keeps the object; the middle case hands the upper one to the reserved area.
            SetBounds(area, area.Start, part.Start, area.PageOffset);
            if (upperRest is not null)
            {
                upperRest.Operations?.Open(upperRest);
                LinkArea(upperRest);
                System.Statistics.Count(VmCounter.VmaSplits);
            }
        }
        else
        {
            ulong offset = area.PageIndexOf(part.End);
            SetBounds(area, part.End, area.End, offset);
        }
    }
}
