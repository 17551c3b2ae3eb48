using NanoVm.Core;
using NanoVm.Memory.Faults;

namespace NanoVm.Memory.Virtual;

/// <summary>What the operations on the map do for a program that watches it.</summary>
internal sealed partial class MmStruct
{
    /// <summary>Prepares the events of unmapping <paramref name="range"/>, one for each watcher. Linux: <c>userfaultfd_unmap_prep</c>.</summary>
    /// <param name="first">The first area in the range.</param>
    /// <returns><see cref="Errno.ENOMEM"/>; then none is prepared for this range.</returns>
    private static Errno PrepareUnmapEvents(VmArea first, PageRange range)
    {
        UserfaultEvent? before = UserfaultContext.LastPrepared;
        for (VmArea? area = first; area is not null && area.Start < range.End; area = area.Next)
        {
            if (area.Userfault is not { } context || !context.Has(UserfaultFeatures.EventUnmap) || IsPrepared(context, range))
                continue;
            if (context.Prepare(UserfaultEventKind.Unmap, range.Start.Value, range.End.Value) is null)
            {
                UserfaultContext.TakeBackAfter(before);
                return Errno.ENOMEM;
            }
        }

        return Errno.None;
    }

    private static bool IsPrepared(UserfaultContext context, PageRange range)
    {
        for (UserfaultEvent? at = TaskMemory.Current.UserfaultEvents; at is not null; at = at.NextToTell)
        {
            if (ReferenceEquals(at.Context, context) && at.Kind == UserfaultEventKind.Unmap
                && at.Argument0 == range.Start.Value && at.Argument1 == range.End.Value)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The child's copy of a watched area is watched too if the program asked for it, by a context of the child's own. Linux: <c>dup_userfaultfd</c>.</summary>
    /// <returns><see cref="Errno.ENOMEM"/>.</returns>
    private static Errno ForkUserfault(VmArea copy, UserfaultContext? context)
    {
        if (context is null || !context.Has(UserfaultFeatures.EventFork))
        {
            copy.Flags &= ~VmFlags.UserfaultMask;
            return Errno.None;
        }

        UserfaultEvent? prepared = TaskMemory.Current.UserfaultEvents;
        while (prepared is not null && !(ReferenceEquals(prepared.Context, context) && prepared.Kind == UserfaultEventKind.Fork))
            prepared = prepared.NextToTell;
        if (prepared is null)
        {
            MemorySystem system = copy.Mm.System;
            if (system.UserfaultContexts.Allocate() is not { } child)
                return Errno.ENOMEM;
            child.Initialize(copy.Mm);
            child.Features = context.Features;
            child.UserModeOnly = context.UserModeOnly;
            prepared = context.Prepare(UserfaultEventKind.Fork, 0, 0);
            if (prepared is null)
            {
                child.Put();
                return Errno.ENOMEM;
            }

            prepared.Child = child;
        }

        ReplaceUserfault(copy, prepared.Child);
        return Errno.None;
    }

    /// <summary>Prepares the event of a move; without the feature the new place is not watched. Linux: <c>mremap_userfaultfd_prep</c>.</summary>
    /// <param name="context">What watches the old place.</param>
    private static bool TryPrepareRemap(UserfaultContext? context, VirtAddr from, VirtAddr to, ulong oldLength)
        => context is null || !context.Has(UserfaultFeatures.EventRemap)
            || context.Prepare(UserfaultEventKind.Remap, from.Value, to.Value, oldLength) is not null;

    /// <summary>Tells that pages of <paramref name="part"/> are about to be taken away by <c>madvise</c>. Linux: <c>userfaultfd_remove</c>.</summary>
    /// <param name="released">The lock was let go and taken again: the area has to be looked up anew.</param>
    /// <remarks>Holds <see cref="MmapLock"/> for reading.</remarks>
    private Errno TellRemoval(VmArea area, PageRange part, out bool released)
    {
        released = false;
        if (area.Userfault is not { } context || !context.Has(UserfaultFeatures.EventRemove))
            return Errno.None;
        if (context.Prepare(UserfaultEventKind.Remove, part.Start.Value, part.End.Value) is null)
            return Errno.ENOMEM;
        MmapLock.ReadUnlock();
        UserfaultContext.TellAll();
        MmapLock.ReadLock();
        released = true;
        return Errno.None;
    }
}
