using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>Grows and shrinks the heap: the <c>brk</c> call.</summary>
/// <remarks>
/// Linux: <c>brk</c>, <c>do_brk_flags</c>. Lecture 000, "Extending the process heap".
/// <code>
///   StartBreak       Break               new Break         StartBreak     new Break      Break
///       [  heap  . . .|         →             |      or         [ heap . . .|   ←          |
///       [  heap area  ]  + area, or extended  ]                 [ area      ]   unmapped   ]
/// </code>
/// The program sees bytes, the areas have pages: only crossing a page border changes an area.
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Moves the end of the heap to <paramref name="wanted"/>.</summary>
    /// <param name="populate">The new pages, when the mm's future memory is locked; the caller brings them in without the lock. Else empty.</param>
    /// <returns>Where the heap ends now: <paramref name="wanted"/>, or the old end when that was refused, as brk(2) answers.</returns>
    /// <remarks>Holds <see cref="MmapLock"/> for writing.</remarks>
    public VirtAddr DoBrk(VirtAddr wanted, out PageRange populate)
    {
        MmapLock.AssertHeldForWriting();
        populate = default;
        VirtAddr old = Break;
        if (wanted < StartBreak)
            return old;

        // RLIMIT_DATA counts heap and data segment.
        ulong limit = TaskMemory.Current.Limits.Soft(Resource.Data);
        if (limit != ResourceLimits.Infinity && (wanted - StartBreak) + (EndData - StartData) > limit)
            return old;
        if (wanted.Value > TaskSize.Value)
            return old;

        VirtAddr newEnd = wanted.PageUp();
        VirtAddr oldEnd = old.PageUp();
        if (newEnd == oldEnd)
        {
            Break = wanted;
            return wanted;
        }

        if (wanted <= old)
        {
            // Nothing of a heap there any more: the program has unmapped it behind brk's back.
            if (FindVma(newEnd) is not { } heap || heap.Start >= oldEnd)
                return old;
            if (DoMunmap(new PageRange(newEnd, oldEnd)) != Errno.None)
                return old;
            Break = wanted;
            return wanted;
        }

        // One page must stay free above, and a stack its gap.
        var range = new PageRange(oldEnd, newEnd);
        if (FindVma(oldEnd) is { } above && newEnd + PageSize.Bytes > above.StartWithGap)
            return old;
        if (BrkRegion(range, VmFlags.None) != Errno.None)
            return old;
        Break = wanted;
        if ((DefaultFlags & VmFlags.Locked) != 0)
            populate = range;
        ValidateInDebug();
        return wanted;
    }

    /// <summary>Anonymous private memory at a place that exec chose: the part of a data segment that its file does not fill. Linux: <c>vm_brk_flags</c>.</summary>
    /// <param name="range">Whole pages, free.</param>
    /// <returns><see cref="Errno.ENOMEM"/>, or none.</returns>
    /// <remarks>Holds <see cref="MmapLock"/> for writing.</remarks>
    public Errno MapBss(PageRange range, bool executable)
    {
        if (range.IsEmpty)
            return Errno.None;
        Errno error = DoMunmap(range);
        return error != Errno.None ? error : BrkRegion(range, executable ? VmFlags.Execute : VmFlags.None);
    }

    private Errno BrkRegion(PageRange range, VmFlags extra)
    {
        if (!GetUnmappedArea(null, range.Start, range.Bytes, 0, MapFlags.Fixed).TryGet(out _, out Errno error))
            return error;
        VmFlags flags = VmFlags.DataDefault | VmFlags.Account | DefaultFlags | extra;
        error = MayLockMore(flags, range.Bytes);
        if (error != Errno.None)
            return error;

        ulong pages = range.Count.Value;
        if (!MayExpandVm(flags, pages) || MapCount > System.MaxMapCount)
            return Errno.ENOMEM;
        if (System.Commit(this, pages) != Errno.None)
            return Errno.ENOMEM;

        ulong pageOffset = range.Start.Value >> PageSize.Shift;
        if (TryMergeNew(null, range, flags, pageOffset) is null)
        {
            if (AllocateArea(range, flags, pageOffset) is not { } area)
            {
                System.Uncommit(pages);
                return Errno.ENOMEM;
            }

            ProtectionMap.Apply(area);
            LinkArea(area);
        }

        MarkNew(range.Start);
        AccountVm(flags, (long)pages);
        if ((flags & VmFlags.Locked) != 0)
            LockedVm += pages;
        return Errno.None;
    }
}
