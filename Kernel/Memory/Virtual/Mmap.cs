using NanoVm.Core;
using NanoVm.Memory.Mapping;

namespace NanoVm.Memory.Virtual;

/// <summary>Creates mappings: the <c>mmap</c> call.</summary>
/// <remarks>
/// Linux: <c>do_mmap</c>, <c>mmap_region</c>. Lecture 004, "mmap system call implementation". The four kinds:
/// <code>
///                 anonymous                              file
///   private       demand-zero memory: heap, stacks       text and data of programs; writes copy
///   shared        memory shared with children            the file itself: writes are seen by all
/// </code>
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Maps what <paramref name="request"/> says.</summary>
    /// <param name="populate">Bytes from the result that the caller should now bring in with <see cref="Populate"/>, without the lock; 0 for none.</param>
    /// <returns>The first address, or the errors of mmap(2). A failed call has changed nothing.</returns>
    /// <remarks>Holds <see cref="MmapLock"/> for writing.</remarks>
    public Result<VirtAddr> DoMmap(in MmapRequest request, out ulong populate)
    {
        MmapLock.AssertHeldForWriting();
        populate = 0;

        // Decode and check, in Linux's order.
        if (request.Length == 0)
            return Errno.EINVAL;
        MapFlags flags = request.Flags;
        if ((flags & MapFlags.FixedNoReplace) != 0)
            flags |= MapFlags.Fixed;
        VirtAddr hint = request.Address;
        if ((flags & MapFlags.Fixed) == 0)
            hint = RoundHint(hint);
        ulong length = (request.Length + PageSize.Mask) & ~PageSize.Mask;
        if (length == 0)
            return Errno.ENOMEM;
        ulong pages = length >> PageSize.Shift;
        ulong pageOffset = request.PageOffset;
        if (pageOffset + pages < pageOffset)
            return Errno.EOVERFLOW;
        if (MapCount > System.MaxMapCount)
            return Errno.ENOMEM;

        if (!GetUnmappedArea(request.File, hint, length, pageOffset, flags).TryGet(out VirtAddr address, out Errno error))
            return error;
        var range = new PageRange(address, address + length);
        if ((flags & MapFlags.FixedNoReplace) != 0 && FindVmaIntersection(range) is not null)
            return Errno.EEXIST;

        int key = request.Protection == Protection.Execute ? GetExecuteOnlyKey() : 0;
        VmFlags areaFlags = FlagsOf(request.Protection, flags) | (VmFlags)((ulong)key << VmFlagsExtensions.ProtectionKeyShift) | DefaultFlags | VmFlags.MayAccessMask | request.ExtraFlags;
        if ((flags & MapFlags.Locked) != 0 && !MayLock())
            return Errno.EPERM;
        error = MayLockMore(areaFlags, length);
        if (error != Errno.None)
            return error;

        if (request.File is { IsHuge: true })
        {
            areaFlags |= VmFlags.HugeTlb | VmFlags.DontExpand;
            // The pool's promises are strict unless the program says otherwise, whatever the policy for other memory.
            if ((flags & MapFlags.NoReserve) != 0)
                areaFlags |= VmFlags.NoReserve;
        }

        error = request.File is { } file
            ? CheckFile(file, file.Allowed & ~request.Withheld, request.Protection, flags, pageOffset, pages, ref areaFlags)
            : CheckAnonymous(flags, address, ref pageOffset, ref areaFlags);
        if (error != Errno.None)
            return error;
        if ((flags & MapFlags.NoReserve) != 0 && System.OvercommitPolicy != OvercommitPolicy.Never)
            areaFlags |= VmFlags.NoReserve;

        error = MmapRegion(request.File, range, areaFlags, pageOffset);
        if (error != Errno.None)
            return error;
        if ((areaFlags & VmFlags.Locked) != 0 || (flags & (MapFlags.Populate | MapFlags.NonBlock)) == MapFlags.Populate)
            populate = length;
        ValidateInDebug();
        return address;
    }

    /// <summary>As above, for callers in the kernel that do not populate.</summary>
    public Result<VirtAddr> DoMmap(in MmapRequest request) => DoMmap(request, out _);

    /// <summary>A hint below the lowest allowed address means that address. Linux: <c>round_hint_to_min</c>.</summary>
    private VirtAddr RoundHint(VirtAddr hint)
    {
        hint = hint.PageDown();
        return !hint.IsZero && hint.Value < System.MmapMinAddress ? new VirtAddr(System.MmapMinAddress).PageUp() : hint;
    }

    /// <summary>From the words of the call to those of an area. Linux: <c>calc_vm_prot_bits</c>, <c>calc_vm_flag_bits</c>.</summary>
    private static VmFlags FlagsOf(Protection protection, MapFlags flags)
    {
        var result = (VmFlags)(ulong)(protection & Protection.AccessMask);       // the three bits are the same
        if ((flags & MapFlags.GrowsDown) != 0)
            result |= VmFlags.GrowsDown;
        if ((flags & MapFlags.Locked) != 0)
            result |= VmFlags.Locked;
        if ((flags & MapFlags.Sync) != 0)
            result |= VmFlags.Sync;
        return result;
    }

    private static Errno CheckAnonymous(MapFlags flags, VirtAddr address, ref ulong pageOffset, ref VmFlags areaFlags)
    {
        switch (flags & MapFlags.TypeMask)
        {
            case MapFlags.Shared:
                if ((areaFlags & VmFlags.GrowsDown) != 0)
                    return Errno.EINVAL;
                pageOffset = 0;                                     // the offset of nothing means nothing
                areaFlags |= VmFlags.Shared | VmFlags.MayShare;
                return Errno.None;
            case MapFlags.Private:
                pageOffset = address.Value >> PageSize.Shift;       // so that neighbours continue each other and merge
                return Errno.None;
            default:
                return Errno.EINVAL;
        }
    }

    private static Errno CheckFile(MappableFile file, Access allowed, Protection protection, MapFlags flags, ulong pageOffset, ulong pages, ref VmFlags areaFlags)
    {
        const ulong mostPages = (ulong)long.MaxValue >> PageSize.Shift;
        if (pages > mostPages || pageOffset > mostPages - pages)
            return Errno.EOVERFLOW;

        bool readable = (allowed & Access.Read) != 0;
        bool writable = (allowed & Access.Write) != 0;
        MapFlags type = flags & MapFlags.TypeMask;
        switch (type)
        {
            case MapFlags.Shared:
            case MapFlags.SharedValidate:
                // Plain MAP_SHARED ignores what it does not know, as it always has; the other one refuses.
                if (type == MapFlags.SharedValidate && (flags & ~(MapFlags.LegacyMask | MapFlags.SharedValidate)) != 0)
                    return Errno.EOPNOTSUPP;
                if ((protection & Protection.Write) != 0 && !writable)
                    return Errno.EACCES;
                if (file.IsAppendOnly && writable)
                    return Errno.EACCES;
                areaFlags |= VmFlags.Shared | VmFlags.MayShare;
                if (!writable)
                    areaFlags &= ~(VmFlags.MayWrite | VmFlags.Shared);
                break;
            case MapFlags.Private:
                break;
            default:
                return Errno.EINVAL;
        }

        if (!readable)
            return Errno.EACCES;
        if ((allowed & Access.Execute) == 0)                   // a file system mounted noexec
        {
            if ((areaFlags & VmFlags.Execute) != 0)
                return Errno.EPERM;
            areaFlags &= ~VmFlags.MayExecute;
        }

        if (!file.CanMap)
            return Errno.ENODEV;
        if ((areaFlags & VmFlags.GrowsDown) != 0)
            return Errno.EINVAL;
        return type != MapFlags.Private && (protection & Protection.Write) != 0 && file.IsSealedAgainstWriting ? Errno.EPERM : Errno.None;
    }

    /// <summary>Makes the area at <paramref name="range"/>, in place of what is there. Linux: <c>mmap_region</c>.</summary>
    private Errno MmapRegion(MappableFile? file, PageRange range, VmFlags flags, ulong pageOffset)
    {
        ulong pages = range.Count.Value;
        VmArea? replaced = FindVmaIntersection(range);
        CountReplaced(replaced, range, out ulong replacedPages, out ulong replacedAccounted);
        if (!MayExpandVm(flags, pages - replacedPages))
            return Errno.ENOMEM;

        // Reserve: the promise of memory, the rest of what is cut, the area itself, the file's consent.
        Errno error = Errno.None;
        bool accounted = flags.IsPrivateWritable();
        if (accounted)
        {
            error = System.Commit(this, pages, replacedAccounted);
            accounted = error == Errno.None;
            flags |= VmFlags.Account;
        }
        else if (file is null && (flags & (VmFlags.Shared | VmFlags.NoReserve)) == VmFlags.Shared && !System.MayCommitShared(pages))
        {
            error = Errno.ENOMEM;
        }

        bool refused = error != Errno.None;
        VmArea? upperRest = null;
        if (replaced is not null && ReserveCuts(replaced, range, out upperRest) != Errno.None)
        {
            error = Errno.ENOMEM;               // also where it is the edge of a huge page that cannot be cut
            refused = false;
        }

        VmArea? area = null;
        if (error == Errno.None && (file is not null || (flags & VmFlags.Shared) != 0 || replaced is not null))
        {
            error = PrepareArea(file, range, ref flags, pageOffset, out area);
            refused = error is not (Errno.None or Errno.ENOMEM or Errno.EINTR);
        }

        if (error == Errno.None && replaced is null && area is null)
        {
            // Fast path: anonymous memory at a free place often just extends what is there, and then needs no area.
            if (TryMergeNew(null, range, flags, pageOffset) is null)
            {
                area = AllocateArea(range, flags, pageOffset);
                if (area is null)
                    error = Errno.ENOMEM;
                else
                    ProtectionMap.Apply(area);
            }
        }

        if (error == Errno.None && replaced is not null)
        {
            error = PrepareUnmapEvents(replaced, range);
            if (error != Errno.None && area is not null)
                FreeArea(area);
        }

        if (error != Errno.None)
        {
            // Where memory is not promised or a file refuses (a sealed memfd), what was there has gone all the same, as on Linux, which asks
            // them last. Where something could not be allocated nothing has changed.
            if (refused && replaced is not null && PrepareUnmapEvents(replaced, range) == Errno.None)
                RemoveRange(replaced, range, upperRest);
            else if (upperRest is not null)
                FreeArea(upperRest, opened: false);
            if (accounted)
                System.Uncommit(pages);
            ValidateInDebug();
            return error;
        }

        // Commit: nothing below can fail.
        if (replaced is not null)
            RemoveRange(replaced, range, upperRest);
        if (area is not null)
        {
            if ((file is not null || replaced is not null) && TryMergeNew(area, range, flags, pageOffset) is not null)
                FreeArea(area);
            else
                LinkArea(area);
            if ((flags & VmFlags.PfnMap) != 0)
                area.Operations!.Mapped(area);      // such an area is never merged into another
        }

        MarkNew(range.Start);
        AccountVm(flags, (long)pages);
        if ((flags & VmFlags.Locked) != 0)
            LockedVm += pages;
        return Errno.None;
    }

    /// <summary>
    /// An area that was made, or has grown, is changed memory for who tracks changes (<c>clear_refs</c>, <c>pagemap</c>), though no page of it was
    /// written. Linux: "New (or expanded) vma always get soft dirty status".
    /// </summary>
    private void MarkNew(VirtAddr start)
    {
        if (LookupVma(start) is not { } area || (area.Flags & VmFlags.SoftDirty) != 0)
            return;
        area.Flags |= VmFlags.SoftDirty;
        ProtectionMap.Apply(area);
    }

    /// <summary>Allocates the area and lets its file, or shared memory, set it up.</summary>
    private Errno PrepareArea(MappableFile? file, PageRange range, ref VmFlags flags, ulong pageOffset, out VmArea? area)
    {
        area = AllocateArea(range, flags, pageOffset);
        if (area is null)
            return Errno.ENOMEM;

        Errno error = Errno.None;
        if (file is not null)
        {
            file.Get();
            area.File = file;
            error = file.Mmap(area);
        }
        else if ((flags & VmFlags.Shared) != 0)
        {
            error = System.SetUpSharedAnonymous(area);
        }

        // Shared memory without operations would be taken for private demand-zero memory.
        if (error == Errno.None && (area.Flags & VmFlags.Shared) != 0 && area.Operations is null)
            error = Errno.ENODEV;
        if (error != Errno.None)
        {
            FreeArea(area, opened: false);
            area = null;
            return error;
        }

        if ((area.Flags & VmFlags.Locked) != 0 && (area.Flags & VmFlags.Special) != 0)
            area.Flags &= ~VmFlags.LockedMask;      // device memory is where it is
        flags = area.Flags;
        ProtectionMap.Apply(area);
        return Errno.None;
    }

    private VmArea? TryMergeNew(VmArea? area, PageRange range, VmFlags flags, ulong pageOffset)
    {
        VmArea? above = FindVma(range.Start);
        VmArea? previous = above is null ? Areas.Last : above.Previous;
        // Nothing touches the range: by far the most common case, and no question of what is alike.
        if (!(previous is not null && previous.End == range.Start) && !(above is not null && above.Start == range.End))
            return null;
        var wanted = new AreaAttributes
        {
            Flags = flags,
            File = area?.File,
            Operations = area?.Operations,
            PageOffset = pageOffset,
            IsNew = true,
        };
        VmArea? merged = VmaMerge(previous, range, wanted);
        if (merged is not null)
            merged.Flags |= VmFlags.SoftDirty;      // all of it: an area is either or
        return merged;
    }

    private static void CountReplaced(VmArea? first, PageRange range, out ulong pages, out ulong accounted)
    {
        pages = 0;
        accounted = 0;
        for (VmArea? area = first; area is not null && area.Start < range.End; area = area.Next)
        {
            ulong part = area.Range.Intersect(range).Count.Value;
            pages += part;
            if ((area.Flags & VmFlags.Account) != 0)
                accounted += part;
        }
    }
}
