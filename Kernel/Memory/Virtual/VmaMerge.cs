using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Numa;

namespace NanoVm.Memory.Virtual;

/// <summary>Makes one area of neighbours that do not differ.</summary>
/// <remarks>
/// Linux: <c>vma_merge</c>, <c>can_vma_merge_before</c>, <c>can_vma_merge_after</c>. Lecture 004, "vma_merge() – Possible ways to merge".
/// P is the area before the range, N the one after it, X an area inside the range (for <c>mprotect</c>, <c>madvise</c> and the like,
/// whose range lies in one area and is about to get new flags); '*' is the range.
/// <code>
///    1   PPP***NNN   →  PPPPPPPPP      the range is free and fits both: N goes
///    2   PPP*** NN   →  PPPPPP NN      fits only P
///    3   PP ***NNN   →  PP NNNNNN      fits only N
///    4   PPP****  with the range cut from P's end and fitting N:   PPPP****NNN  →  PPPPNNNNNNN     the border moves down
///    5   PPP****XXX with the range cut from X's start, fitting P:  PPP****XXX   →  PPPPPPPXXX      the border moves up
///    6   PPPXXXXNNN  →  PPPPPPPPPP     the range is all of X and fits both: X and N go
///    7   PPPXXXX NN  →  PPPPPPP NN     the range is all of X and fits P: X goes
///    8   PP XXXXNNN  →  PP NNNNNNN     the range is all of X and fits N: X goes
/// </code>
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>What decides whether memory at an address is alike.</summary>
    internal ref struct AreaAttributes
    {
        public VmFlags Flags;
        public AnonVma? AnonVma;
        public MappableFile? File;
        public VmOperations? Operations;
        public Faults.UserfaultContext? Userfault;
        public MemoryPolicy? Policy;

        /// <summary>Memory that <c>mmap</c> makes, which nobody has touched yet.</summary>
        public bool IsNew;

        /// <summary>The page of the file, or of the anonymous object, at the start of the range.</summary>
        public ulong PageOffset;

        /// <summary>Those of <paramref name="area"/> at <paramref name="start"/>, with other flags.</summary>
        public static AreaAttributes Of(VmArea area, VirtAddr start, VmFlags flags) => new()
        {
            Flags = flags,
            AnonVma = area.AnonVma,
            File = area.File,
            Operations = area.Operations,
            Userfault = area.Userfault,
            Policy = area.Policy,
            PageOffset = area.PageIndexOf(start),
        };
    }

    /// <summary>Extends a neighbour over <paramref name="range"/> when it does not differ from <paramref name="wanted"/>.</summary>
    /// <param name="previous">The area before the range, or the one that the range is cut from the end of; null when there is none.</param>
    /// <returns>The area that now covers the range; null when nothing merged, and then nothing has changed.</returns>
    /// <remarks>Holds <see cref="MmapLock"/> for writing. The caller accounts.</remarks>
    internal VmArea? VmaMerge(VmArea? previous, PageRange range, in AreaAttributes wanted)
    {
        if ((wanted.Flags & VmFlags.Special) != 0)
            return null;

        VmArea? next = previous is null ? Areas.First : previous.Next;
        VmArea? inside = next;                                      // X, when it starts in the range
        if (inside is not null && inside.End == range.End && inside.Start < range.End)
            next = inside.Next;                                     // cases 6, 7, 8: X ends where the range does

        bool withPrevious = previous is not null && previous.End == range.Start && CanMergeAfter(previous, wanted);
        bool withNext = next is not null && next.Start == range.End && CanMergeBefore(next, wanted, range.Count.Value);

        // New memory is joined with what is above it first, and then with what is below only as far as that fits the one above.
        if (withPrevious && withNext && wanted.IsNew && !HaveMergeableAnonVmas(next!.AnonVma, previous!.AnonVma, previous))
            withPrevious = false;

        if (withPrevious && withNext && HaveMergeableAnonVmas(previous!.AnonVma, next!.AnonVma, null))
            return MergeBoth(previous, inside, next);               // 1, 6
        if (withPrevious)
            return MergeIntoPrevious(previous!, inside, range);     // 2, 5, 7
        if (withNext)
            return MergeIntoNext(previous, inside, next!, range);   // 3, 4, 8
        return null;
    }

    private VmArea? MergeBoth(VmArea previous, VmArea? inside, VmArea next)
    {
        // The survivor inherits the anonymous pages of those that go; at most one of the three has any that P lacks.
        VmArea? exporter = next.AnonVma is not null && previous.AnonVma is null ? next : null;
        bool insideGoes = inside is not null && !ReferenceEquals(inside, next);
        if (insideGoes && exporter is null && inside!.AnonVma is not null && previous.AnonVma is null)
            exporter = inside;
        if (exporter is not null && AnonVma.Clone(previous, exporter) != Errno.None)
            return null;

        VirtAddr end = next.End;
        if (insideGoes)
            RemoveMerged(inside!);
        RemoveMerged(next);
        SetBounds(previous, previous.Start, end, previous.PageOffset);
        System.Statistics.Count(VmCounter.VmaMerges);
        return previous;
    }

    private VmArea? MergeIntoPrevious(VmArea previous, VmArea? inside, PageRange range)
    {
        bool overlaps = inside is not null && inside.Start < range.End;
        if (overlaps && inside!.AnonVma is not null && previous.AnonVma is null && AnonVma.Clone(previous, inside) != Errno.None)
            return null;

        if (overlaps && inside!.End == range.End)
        {
            RemoveMerged(inside);                                   // 7
        }
        else if (overlaps)
        {
            ulong offset = inside!.PageIndexOf(range.End);          // 5: X loses its start
            SetBounds(inside, range.End, inside.End, offset);
        }

        SetBounds(previous, previous.Start, range.End, previous.PageOffset);
        System.Statistics.Count(VmCounter.VmaMerges);
        return previous;
    }

    private VmArea? MergeIntoNext(VmArea? previous, VmArea? inside, VmArea next, PageRange range)
    {
        bool cutsPrevious = previous is not null && range.Start < previous.End;
        VmArea? exporter = cutsPrevious ? previous : inside is not null && !ReferenceEquals(inside, next) ? inside : null;
        if (exporter is { AnonVma: not null } && next.AnonVma is null && AnonVma.Clone(next, exporter) != Errno.None)
            return null;

        ulong offset = next.PageOffset - range.Count.Value;
        if (cutsPrevious)
        {
            SetBounds(previous!, previous!.Start, range.Start, previous.PageOffset);    // 4: P loses its end
        }
        else if (inside is not null && !ReferenceEquals(inside, next))
        {
            RemoveMerged(inside);                                   // 8
        }

        SetBounds(next, range.Start, next.End, offset);
        System.Statistics.Count(VmCounter.VmaMerges);
        return next;
    }

    private static bool CanMergeAfter(VmArea area, in AreaAttributes wanted)
        => IsAlike(area, wanted) && HaveMergeableAnonVmas(wanted.AnonVma, area.AnonVma, area)
            && area.PageOffset + area.Pages.Value == wanted.PageOffset;

    private static bool CanMergeBefore(VmArea area, in AreaAttributes wanted, ulong pages)
        => IsAlike(area, wanted) && HaveMergeableAnonVmas(wanted.AnonVma, area.AnonVma, area)
            && area.PageOffset == wanted.PageOffset + pages;

    private static bool IsAlike(VmArea area, in AreaAttributes wanted)
        => ((area.Flags ^ wanted.Flags) & ~VmFlags.SoftDirty) == 0
            && ReferenceEquals(area.File, wanted.File)
            && ReferenceEquals(area.Operations, wanted.Operations)
            && ReferenceEquals(area.Userfault, wanted.Userfault)
            && MemoryPolicy.AreAlike(area.Policy, wanted.Policy)
            && area.Operations is not { NeedsClose: true };

    /// <summary>
    /// Two lists of anonymous pages fit when they are one, or one is missing; then the surviving area's must not have come by fork, or pages
    /// of parent and child would share a lock for ever. As in Linux 6.1, an area without any does not take over its neighbour's.
    /// Linux: <c>is_mergeable_anon_vma</c>.
    /// </summary>
    private static bool HaveMergeableAnonVmas(AnonVma? left, AnonVma? right, VmArea? area)
    {
        if ((left is null || right is null) && (area is null || AnonVma.IsSingular(area)))
            return true;
        return ReferenceEquals(left, right);
    }
}
