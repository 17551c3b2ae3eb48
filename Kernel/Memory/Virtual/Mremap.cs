using System;
using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Mapping;

namespace NanoVm.Memory.Virtual;

/// <summary>The <c>flags</c> argument of <c>mremap</c>.</summary>
/// <remarks>Linux: <c>MREMAP_*</c>.</remarks>
[Flags]
internal enum RemapFlags : uint
{
    None = 0,
    MayMove = 1,
    Fixed = 2,
    /// <summary>The pages move, the old area stays, empty.</summary>
    DontUnmap = 4,
}

/// <summary>Resizes and moves mappings: the <c>mremap</c> call.</summary>
/// <remarks>
/// Linux: <c>mremap</c>, <c>mremap_to</c>, <c>move_vma</c>, <c>move_page_tables</c>.
/// <code>
///   shrink            [ area    :rest ]      →   [ area    ]            the rest is unmapped
///   grow in place     [ area    ] free       →   [ area         ]       when nothing is in the way
///   move              [ area ]               →                [ area      ]   page-table entries move, no page is copied
///   DONTUNMAP         [ area ]               →   [ empty ]    [ area ]
/// </code>
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Resizes or moves the mapping of <paramref name="oldLength"/> bytes at <paramref name="address"/>.</summary>
    /// <param name="populate">Pages that belong to locked memory and should be brought in without the lock. Else empty.</param>
    /// <returns>Where it is now, or the errors of mremap(2).</returns>
    /// <remarks>Takes <see cref="MmapLock"/> for writing.</remarks>
    public Result<VirtAddr> Mremap(VirtAddr address, ulong oldLength, ulong newLength, RemapFlags flags, VirtAddr newAddress, out PageRange populate)
    {
        populate = default;
        if ((flags & ~(RemapFlags.Fixed | RemapFlags.MayMove | RemapFlags.DontUnmap)) != 0)
            return Errno.EINVAL;
        if ((flags & RemapFlags.Fixed) != 0 && (flags & RemapFlags.MayMove) == 0)
            return Errno.EINVAL;
        // What stays behind must be as large as what went.
        if ((flags & RemapFlags.DontUnmap) != 0 && ((flags & RemapFlags.MayMove) == 0 || oldLength != newLength))
            return Errno.EINVAL;
        if (!address.IsPageAligned)
            return Errno.EINVAL;
        oldLength = (oldLength + PageSize.Mask) & ~PageSize.Mask;
        newLength = (newLength + PageSize.Mask) & ~PageSize.Mask;
        if (newLength == 0)
            return Errno.EINVAL;

        if (MmapLock.WriteLockKillable() != Errno.None)
            return Errno.EINTR;
        Result<VirtAddr> result = MremapLocked(address, oldLength, newLength, flags, newAddress, ref populate);
        ValidateInDebug();
        MmapLock.WriteUnlock();
        UserfaultContext.TellAll();
        return result;
    }

    private Result<VirtAddr> MremapLocked(VirtAddr address, ulong oldLength, ulong newLength, RemapFlags flags, VirtAddr newAddress, ref PageRange populate)
    {
        if (LookupVma(address) is not { } area)
            return Errno.EFAULT;
        if ((area.Flags & VmFlags.HugeTlb) != 0)
        {
            // In units of huge pages; and never larger, since a promise cannot be cut and grow.
            const ulong mask = PageSize.LargeBytes - 1;
            oldLength = (oldLength + mask) & ~mask;
            newLength = (newLength + mask) & ~mask;
            if ((address.Value & mask) != 0 || (newAddress.Value & mask) != 0 || newLength > oldLength)
                return Errno.EINVAL;
        }

        if ((flags & (RemapFlags.Fixed | RemapFlags.DontUnmap)) != 0)
            return RemapTo(address, oldLength, newAddress, newLength, flags, ref populate);

        if (oldLength >= newLength)
        {
            // Shrinking always works in place; MAYMOVE does not matter.
            if (oldLength > newLength)
            {
                Errno error = UnmapChecked(address + newLength, oldLength - newLength);
                if (error != Errno.None)
                    return error;
            }

            return address;
        }

        Errno refused = MayResize(area, address, oldLength, newLength, flags);
        if (refused != Errno.None)
            return refused;

        // In place, when the old range reaches the area's end and nothing follows.
        if (oldLength == area.End - address && CanExpandInPlace(area, newLength - oldLength))
        {
            ulong pages = (newLength - oldLength) >> PageSize.Shift;
            if (ExpandInPlace(area, pages) is not Errno.None and var cannot)
                return cannot;
            if ((area.Flags & VmFlags.Locked) != 0)
                populate = new PageRange(address + oldLength, address + newLength);
            return address;
        }

        if ((flags & RemapFlags.MayMove) == 0)
            return Errno.ENOMEM;
        MapFlags place = (area.Flags & VmFlags.MayShare) != 0 ? MapFlags.Shared : MapFlags.None;
        if (!GetUnmappedArea(area.File, VirtAddr.Zero, newLength, area.PageIndexOf(address), place).TryGet(out VirtAddr target, out Errno nowhere))
            return nowhere;
        return MoveArea(area, address, oldLength, target, newLength, flags, ref populate);
    }

    /// <summary>To an address of the caller's choice, or one where the old area stays. Linux: <c>mremap_to</c>.</summary>
    private Result<VirtAddr> RemapTo(VirtAddr address, ulong oldLength, VirtAddr newAddress, ulong newLength, RemapFlags flags, ref PageRange populate)
    {
        if (!newAddress.IsPageAligned)
            return Errno.EINVAL;
        if (newLength > TaskSize.Value || newAddress.Value > TaskSize.Value - newLength)
            return Errno.EINVAL;
        if (address.Value + oldLength > newAddress.Value && newAddress.Value + newLength > address.Value)
            return Errno.EINVAL;                            // old and new overlap
        // The worst case makes three areas more: both ends of the old one and the new place.
        if (MapCount + 2 >= System.MaxMapCount - 3)
            return Errno.ENOMEM;

        if ((flags & RemapFlags.Fixed) != 0)
        {
            Errno error = UnmapChecked(newAddress, newLength);
            if (error != Errno.None)
                return error;
        }

        if (oldLength > newLength)
        {
            Errno error = UnmapChecked(address + newLength, oldLength - newLength);
            if (error != Errno.None)
                return error;
            oldLength = newLength;
        }

        if (LookupVma(address) is not { } area)
            return Errno.EFAULT;
        Errno refused = MayResize(area, address, oldLength, newLength, flags);
        if (refused != Errno.None)
            return refused;
        // DONTUNMAP keeps the old pages counted as well.
        if ((flags & RemapFlags.DontUnmap) != 0 && !MayExpandVm(area.Flags, oldLength >> PageSize.Shift))
            return Errno.ENOMEM;

        MapFlags place = (flags & RemapFlags.Fixed) != 0 ? MapFlags.Fixed : MapFlags.None;
        if ((area.Flags & VmFlags.MayShare) != 0)
            place |= MapFlags.Shared;
        if (!GetUnmappedArea(area.File, newAddress, newLength, area.PageIndexOf(address), place).TryGet(out VirtAddr target, out Errno nowhere))
            return nowhere;
        // Without FIXED the address is a hint.
        return MoveArea(area, address, oldLength, target, newLength, flags, ref populate);
    }

    /// <summary>Whether the part of <paramref name="area"/> may get another size or place. Linux: <c>vma_to_resize</c>.</summary>
    private Errno MayResize(VmArea area, VirtAddr address, ulong oldLength, ulong newLength, RemapFlags flags)
    {
        // Length 0 asks for a second view of the same pages, which only shared memory has.
        if (oldLength == 0 && (area.Flags & (VmFlags.Shared | VmFlags.MayShare)) == 0)
            return Errno.EINVAL;
        if ((flags & RemapFlags.DontUnmap) != 0 && (area.Flags & (VmFlags.DontExpand | VmFlags.PfnMap)) != 0)
            return Errno.EINVAL;
        if (oldLength > area.End - address)
            return Errno.EFAULT;                            // mremap does not cross areas
        if (newLength == oldLength)
            return Errno.None;

        ulong index = area.PageIndexOf(address);
        if (index + (newLength >> PageSize.Shift) < index)
            return Errno.EINVAL;
        if ((area.Flags & (VmFlags.DontExpand | VmFlags.PfnMap)) != 0)
            return Errno.EFAULT;
        Errno error = MayLockMore(area.Flags, newLength - oldLength);
        if (error != Errno.None)
            return error;
        return MayExpandVm(area.Flags, (newLength - oldLength) >> PageSize.Shift) ? Errno.None : Errno.ENOMEM;
    }

    /// <summary>Linux: <c>vma_expandable</c>.</summary>
    private bool CanExpandInPlace(VmArea area, ulong bytes)
    {
        VirtAddr end = area.End + bytes;
        if (end < area.End || end.Value > TaskSize.Value)
            return false;
        return area.Next is not { } next || end <= next.Start;
    }

    private Errno ExpandInPlace(VmArea area, ulong pages)
    {
        bool accounted = (area.Flags & VmFlags.Account) != 0;
        if (accounted && System.Commit(this, pages) != Errno.None)
            return Errno.ENOMEM;
        var range = new PageRange(area.End, area.End + (pages << PageSize.Shift));
        VmFlags flags = area.Flags;
        AreaAttributes wanted = AreaAttributes.Of(area, range.Start, flags);
        if (VmaMerge(area, range, wanted) is null)
        {
            // The area itself may be of a kind that never merges, with room behind it all the same.
            SetBounds(area, area.Start, range.End, area.PageOffset);
        }

        AccountVm(flags, (long)pages);
        if ((flags & VmFlags.Locked) != 0)
            LockedVm += pages;
        return Errno.None;
    }

    /// <summary>Moves <paramref name="oldLength"/> bytes from <paramref name="from"/> to <paramref name="to"/>. Linux: <c>move_vma</c>.</summary>
    private Result<VirtAddr> MoveArea(VmArea area, VirtAddr from, ulong oldLength, VirtAddr to, ulong newLength, RemapFlags flags, ref PageRange populate)
    {
        // Reserve. The old area may be cut at both ends and the new one added.
        if (MapCount >= System.MaxMapCount - 3)
            return Errno.ENOMEM;
        if (area.Operations is { } operations)
        {
            if (area.Start != from && operations.MaySplit(area, from) is not Errno.None and var atStart)
                return atStart;
            if (area.End != from + oldLength && operations.MaySplit(area, from + oldLength) is not Errno.None and var atEnd)
                return atEnd;
            if (operations.MayMove(area) is not Errno.None and var refused)
                return refused;
        }

        bool keep = (flags & RemapFlags.DontUnmap) != 0;
        VmFlags areaFlags = area.Flags;
        bool accounted = (areaFlags & VmFlags.Account) != 0;
        ulong newPages = newLength >> PageSize.Shift;
        if (accounted && System.Commit(this, newPages, keep ? 0 : oldLength >> PageSize.Shift) != Errno.None)
            return Errno.ENOMEM;

        var source = new PageRange(from, from + oldLength);
        var target = new PageRange(to, to + newLength);
        UserfaultEvent? before = UserfaultContext.LastPrepared;
        Errno error = TryPrepareRemap(area.Userfault, from, to, oldLength) ? ReserveTables(source, to) : Errno.ENOMEM;
        if (error == Errno.None)
            error = CopyAreaTo(area, source, target, keep);
        if (error != Errno.None)
        {
            UserfaultContext.TakeBackAfter(before);
            FreeUnusedTables(target);
            if (accounted)
                System.Uncommit(newPages);
            return error;
        }

        // Commit.
        MovePageTables(source, to);
        AccountVm(areaFlags, (long)newPages);
        bool locked = (areaFlags & VmFlags.Locked) != 0;
        if (keep)
        {
            // What was moved stays, with nothing in it and therefore not locked: a part of a locked area becomes an area of its own, which is
            // joined with no neighbour. Without memory for that it stays locked. A merge may have replaced the object.
            VmArea left = LookupVma(from)!;
            if (locked)
            {
                if ((left.Start == source.Start || SplitVma(left, source.Start).TryGet(out left, out _))
                    && (left.End == source.End || SplitVma(left, source.End).TryGet(out _, out _)))
                    left.Flags &= ~VmFlags.LockedMask;
                else
                    LockedVm += newPages;
                left = LookupVma(from)!;
            }

            if (left.Range == source && left.AnonChain is not null)
                AnonVma.Unlink(left);
        }
        else if (oldLength != 0)
        {
            if (locked)
                LockedVm += newPages;
            if ((areaFlags & VmFlags.HugeTlb) != 0)
                Hugetlb.HugeReservation.Moved(area, source);
            // A cut in the middle of an area needs one more, and there may be no memory for it: the area then stays, empty.
            // (Its pages are gone from here, and it keeps its count in the books.)
            _ = DoMunmap(source);
        }
        else if (locked)
        {
            LockedVm += newPages;
        }

        if (locked && newLength > oldLength)
            populate = new PageRange(to + oldLength, to + newLength);
        return to;
    }

    /// <summary>An area like <paramref name="area"/> at the target: a neighbour that is extended, or a new one. Linux: <c>copy_vma</c>.</summary>
    /// <param name="keep">The source stays, an area of its own: where the two would be joined, the new one is joined with nobody.</param>
    private Errno CopyAreaTo(VmArea area, PageRange source, PageRange target, bool keep)
    {
        AreaAttributes wanted = AreaAttributes.Of(area, source.Start, area.Flags);
        // Memory that was never touched takes the page numbers of its new place, so that it can merge there.
        bool untouched = area.IsAnonymous && area.AnonVma is null;
        if (untouched)
            wanted.PageOffset = target.Start.Value >> PageSize.Shift;

        VmArea? above = FindVma(target.Start);
        VmArea? previous = above is null ? Areas.Last : above.Previous;
        bool wouldJoin = untouched && area.PageOffset == area.Start.Value >> PageSize.Shift
            && (target.Start == area.End || target.End == area.Start);
        if (!(keep && wouldJoin) && VmaMerge(previous, target, wanted) is not null)
            return Errno.None;                              // perhaps with the old area itself: removing the source cuts it again

        if (DuplicateArea(this, area) is not { } made)
            return Errno.ENOMEM;
        made.Start = target.Start;
        made.End = target.End;
        made.PageOffset = wanted.PageOffset;
        if (AnonVma.Clone(made, area) != Errno.None)
        {
            FreeArea(made, opened: false);
            return Errno.ENOMEM;
        }

        if (area.Userfault is { } watcher && !watcher.Has(UserfaultFeatures.EventRemap))
        {
            // Who watches the old place does not know of the new one.
            made.Flags &= ~VmFlags.UserfaultMask;
            ReplaceUserfault(made, null);
        }

        made.Operations?.Open(made);
        LinkArea(made);
        return Errno.None;
    }

    /// <summary>Makes the tables that the entries of <paramref name="source"/> will need from <paramref name="to"/> on.</summary>
    private Errno ReserveTables(PageRange source, VirtAddr to)
    {
        var walk = new PteTableWalk(this, source);
        while (walk.MoveNext())
        {
            if (walk.IsHuge && MovesWhole(to + (walk.Start - source.Start)))
            {
                if (!TryAllocatePmd(to + (walk.Start - source.Start), out _))
                    return Errno.ENOMEM;
                continue;
            }

            // One source table covers parts of at most two target tables; a table too many is freed with the area.
            VirtAddr first = to + (walk.Start - source.Start);
            VirtAddr last = to + (walk.End - PageSize.Bytes - source.Start);
            if (!TryAllocatePte(first, out _) || !TryAllocatePte(last, out _))
                return Errno.ENOMEM;
        }

        return Errno.None;
    }

    /// <summary>Whether a huge page can move to <paramref name="block"/> as one: 2 MiB there have no table. If not, it is split on the way.</summary>
    private bool MovesWhole(VirtAddr block)
        => (block.Value & (PageSize.LargeBytes - 1)) == 0 && (!TryFindPmd(block, out PmdPlace place) || place.Entry.IsNone);

    /// <summary>Frees what <see cref="ReserveTables"/> made for a move that does not happen.</summary>
    private void FreeUnusedTables(PageRange range)
    {
        VmArea? above = FindVma(range.Start);
        VmArea? below = above is null ? Areas.Last : above.Previous;
        var hole = new PageRange(below is null ? VirtAddr.Zero : below.End, above is null ? TablesEnd : above.Start);
        var batch = new TlbBatch(this);
        FreePageTables(range, hole, ref batch);
        batch.Finish();
    }

    /// <summary>Moves the entries of <paramref name="source"/> to the same offsets from <paramref name="to"/>, whose tables exist. Linux: <c>move_page_tables</c>.</summary>
    private void MovePageTables(PageRange source, VirtAddr to)
    {
        var walk = new PteTableWalk(this, source);
        var batch = new TlbBatch(this);
        while (walk.MoveNext())
        {
            if (walk.IsHuge)
            {
                VirtAddr block = to + (walk.Start - source.Start);
                if (MovesWhole(block) && TryFindPmd(block, out PmdPlace place))
                {
                    MoveHuge(walk.Huge, place);
                    batch.NoteChange(walk.Start);
                    continue;
                }

                SplitHuge(walk.Huge, walk.Start);
                walk.TakeSplit();
            }

            PageTable<Pte> target = default;
            ulong targetBlock = ulong.MaxValue;
            bool enabled = PageTableLock.AcquireRaw();
            int last = walk.LastIndex;
            for (int i = walk.FirstIndex; i <= last; i++)
            {
                Pte entry = walk.Table[i];
                if (entry.IsNone)
                    continue;
                VirtAddr address = walk.AddressOf(i);
                VirtAddr destination = to + (address - source.Start);
                if (destination.Value >> PageSize.LargeShift != targetBlock)
                {
                    if (!TryFindPte(destination, out target))
                        Panic.Now("a table reserved for mremap is missing"u8);
                    targetBlock = destination.Value >> PageSize.LargeShift;
                }

                walk.Table[i] = default;
                target[Pte.IndexOf(destination)] = entry.IsMapped() ? entry.With(PteFlags.SoftDirty) : entry;
                batch.NoteChange(address);
            }

            PageTableLock.ReleaseRaw(enabled);
        }

        batch.Finish();
    }

    private Errno UnmapChecked(VirtAddr start, ulong bytes)
    {
        if (bytes > TaskSize.Value || start.Value > TaskSize.Value - bytes || bytes == 0)
            return Errno.EINVAL;
        return DoMunmap(new PageRange(start, start + bytes));
    }
}
