using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>Faults that a program answers itself: handing one over, and which areas are watched.</summary>
/// <remarks>
/// Linux: <c>handle_userfault</c>, <c>userfaultfd_register</c>, <c>userfaultfd_unregister</c>, <c>userfaultfd_release</c>. Which kinds of fault:
/// <code>
///                    anonymous memory                shared memory (tmpfs, memfd, MAP_SHARED | MAP_ANONYMOUS)
///   missing          the entry is empty              the page is not in the cache
///   minor            -                               the page is in the cache, and not mapped here
///   write-protect    the entry is marked so          -
/// </code>
/// What the answers do is in <c>UserfaultFill.cs</c>.
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Hands a fault to the program that watches the area.</summary>
    /// <returns>
    /// <see cref="PageFaultResult.Retry"/>: it was answered, a signal came, or the watcher is leaving; <see cref="MmapLock"/>, which was held for reading, is <b>released</b>.
    /// <see cref="PageFaultResult.Sigbus"/> when nobody can be asked.
    /// </returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private PageFaultResult HandleUserfault(ref VmFault fault, ulong reason)
    {
        UserfaultContext? context = fault.Area.Userfault;
        if (context is null || context.Has(UserfaultFeatures.Sigbus) || (fault.Flags & FaultFlags.AllowRetry) == 0 || TaskMemory.Current.IsLeaving)
            return PageFaultResult.Sigbus;
        bool fromUser = (fault.Flags & FaultFlags.User) != 0;
        if (context.UserModeOnly && !fromUser)
            return PageFaultResult.Sigbus;
        if (context.IsReleased)
        {
            // Its areas are being set free just now: fault again. Who does that waits for the lock that is held here.
            MmapLock.ReadUnlock();
            return PageFaultResult.Retry;
        }

        if (System.UserfaultWaiters.Allocate() is not { } waiter)
            return PageFaultResult.OutOfMemory;
        // The allocation may have slept, and the answer come meanwhile; who queued up after it would never be woken.
        if (fault.Entry != fault.Original)
        {
            System.UserfaultWaiters.Free(waiter);
            return PageFaultResult.Handled;
        }

        TaskMemory task = TaskMemory.Current;
        waiter.Page = fault.Address;
        waiter.Exact = fault.Exact;
        waiter.Flags = reason | (fault.IsWrite ? UserfaultContext.FaultWrite : 0);
        waiter.ThreadId = task.ThreadId;
        context.Get();
        context.Enqueue(waiter);
        MmapLock.ReadUnlock();

        context.WaitFor(waiter, task, fromUser ? ThreadState.Interruptible : ThreadState.Killable);
        System.UserfaultWaiters.Free(waiter);
        context.Put();
        return PageFaultResult.Retry;
    }

    /// <summary>Whether the fault of shared memory is for a program to answer. Linux: the userfaultfd part of <c>shmem_get_folio_gfp</c>.</summary>
    /// <param name="answer">With true: as <see cref="HandleUserfault"/>, the lock released.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal bool AskUserfault(ref VmFault fault, AddressSpace mapping, out PageFaultResult answer)
    {
        bool isThere = mapping.IsOccupied(fault.PageIndex);
        VmFlags mode = isThere ? VmFlags.UserfaultMinor : VmFlags.UserfaultMissing;
        answer = default;
        if ((fault.Area.Flags & mode) == 0)
            return false;
        answer = HandleUserfault(ref fault, isThere ? UserfaultContext.FaultMinor : 0);
        return true;
    }

    /// <summary>Registers the areas of <paramref name="range"/>. Linux: <c>userfaultfd_register</c>.</summary>
    /// <param name="modes">Of <see cref="VmFlags.UserfaultMask"/>; in place of those that <paramref name="context"/> had there.</param>
    /// <returns>EINVAL: no area, or one that cannot be watched so; EBUSY: watched by another; EPERM: never writable; ENOMEM.</returns>
    /// <remarks>Takes <see cref="MmapLock"/> for writing.</remarks>
    public Errno RegisterUserfault(PageRange range, UserfaultContext context, VmFlags modes)
    {
        MmapLock.WriteLock();
        Errno error = CheckRegister(range, context, modes);
        VmArea? area = error == Errno.None ? FindVma(range.Start) : null;
        VmArea? previous = area is not null && range.Start > area.Start ? area : area?.Previous;
        while (area is not null && area.Start < range.End)
        {
            bool already = ReferenceEquals(area.Userfault, context) && (area.Flags & modes) == modes;
            previous = area;
            if (!already)
                error = SetWatcher(ref previous, area, area.Range.Intersect(range), context, modes);
            if (error != Errno.None)
                break;
            area = previous.Next;
        }

        ValidateInDebug();
        MmapLock.WriteUnlock();
        return error;
    }

    private Errno CheckRegister(PageRange range, UserfaultContext context, VmFlags modes)
    {
        VmArea? area = FindVma(range.Start);
        if (area is null)
            return Errno.ENOMEM;
        if (area.Start >= range.End)
            return Errno.EINVAL;
        for (; area is not null && area.Start < range.End; area = area.Next)
        {
            if (!CanWatch(area, modes))
                return Errno.EINVAL;
            if ((area.Flags & VmFlags.MayWrite) == 0)
                return Errno.EPERM;
            if (area.Userfault is not null && !ReferenceEquals(area.Userfault, context))
                return Errno.EBUSY;
        }

        return Errno.None;
    }

    /// <summary>Linux: <c>vma_can_userfault</c>.</summary>
    private static bool CanWatch(VmArea area, VmFlags modes)
    {
        if (area.IsAnonymous)
            return (modes & VmFlags.UserfaultMinor) == 0;
        return area.Operations!.IsShmem(area) && (modes & VmFlags.UserfaultWriteProtect) == 0;
    }

    /// <summary>Nobody watches the areas of <paramref name="range"/> any more; their waiting faults go their ordinary way. Linux: <c>userfaultfd_unregister</c>.</summary>
    /// <returns>EINVAL: no area, or one that can never be watched; ENOMEM.</returns>
    /// <remarks>Takes <see cref="MmapLock"/> for writing.</remarks>
    public Errno UnregisterUserfault(PageRange range)
    {
        MmapLock.WriteLock();
        Errno error = CheckUnregister(range);
        VmArea? area = error == Errno.None ? FindVma(range.Start) : null;
        VmArea? previous;
        while (area is not null && area.Start < range.End)
        {
            previous = area;
            if (area.Userfault is { } context)
            {
                PageRange part = area.Range.Intersect(range);
                context.Wake(part);
                error = SetWatcher(ref previous, area, part, null, VmFlags.None);
                if (error != Errno.None)
                    break;
            }

            area = previous.Next;
        }

        ValidateInDebug();
        MmapLock.WriteUnlock();
        return error;
    }

    private Errno CheckUnregister(PageRange range)
    {
        VmArea? area = FindVma(range.Start);
        if (area is null)
            return Errno.ENOMEM;
        if (area.Start >= range.End)
            return Errno.EINVAL;
        for (; area is not null && area.Start < range.End; area = area.Next)
        {
            if (!CanWatch(area, area.Flags))
                return Errno.EINVAL;
        }

        return Errno.None;
    }

    /// <summary>Makes <paramref name="part"/> watched by <paramref name="context"/>, or by nobody.</summary>
    /// <param name="previous">Out: the area that covers the part.</param>
    private Errno SetWatcher(ref VmArea previous, VmArea area, PageRange part, UserfaultContext? context, VmFlags modes)
    {
        if ((area.Flags & ~modes & VmFlags.UserfaultWriteProtect) != 0)
            SetWriteProtection(area, part, protect: false);
        VmArea? before = part.Start > area.Start ? area : area.Previous;
        VmFlags flags = (area.Flags & ~VmFlags.UserfaultMask) | modes;
        AreaAttributes wanted = AreaAttributes.Of(area, part.Start, flags);
        wanted.Userfault = context;
        Errno error = ApplyAttributes(ref before, area, part, wanted, out VmArea covering);
        if (error != Errno.None)
            return error;
        ReplaceUserfault(covering, context);
        previous = covering;
        return Errno.None;
    }

    private static void ReplaceUserfault(VmArea area, UserfaultContext? context)
    {
        if (ReferenceEquals(area.Userfault, context))
            return;
        context?.Get();
        UserfaultContext? old = area.Userfault;
        area.Userfault = context;
        old?.Put();
    }

    /// <summary>The descriptor is closed: all areas that it watched are ordinary again. Linux: <c>userfaultfd_release</c>.</summary>
    public void DropUserfault(UserfaultContext context)
    {
        context.IsReleased = true;
        if (TryGet())
        {
            MmapLock.WriteLock();
            for (VmArea? area = Areas.First; area is not null; area = area.Next)
            {
                if (!ReferenceEquals(area.Userfault, context))
                    continue;
                // The whole of an area needs no cut and so no memory; where a neighbour is alike now, the two become one.
                VmArea covering = area;
                _ = SetWatcher(ref covering, area, area.Range, null, VmFlags.None);
                area = covering;
            }

            ValidateInDebug();
            MmapLock.WriteUnlock();
            Put();
        }

        context.Release();
    }
}
