using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>Faults that a program answers itself: <c>userfaultfd</c> for anonymous memory, missing and write-protect mode.</summary>
/// <remarks>Linux: <c>handle_userfault</c>, <c>mfill_atomic</c>, <c>mwriteprotect_range</c>, <c>userfaultfd_register</c>.</remarks>
internal sealed partial class MmStruct
{
    /// <summary>Hands a fault to the program that watches the area.</summary>
    /// <returns>
    /// <see cref="PageFaultResult.Retry"/>: it was answered, or a signal came; <see cref="MmapLock"/>, which was held for reading, is <b>released</b>.
    /// <see cref="PageFaultResult.Sigbus"/> when nobody can be asked.
    /// </returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private PageFaultResult HandleUserfault(ref VmFault fault, ulong reason)
    {
        UserfaultContext? context = fault.Area.Userfault;
        if (context is null || context.GivesSigbus || (fault.Flags & FaultFlags.AllowRetry) == 0)
            return PageFaultResult.Sigbus;
        bool fromUser = (fault.Flags & FaultFlags.User) != 0;
        if (context.UserModeOnly && !fromUser)
            return PageFaultResult.Sigbus;
        if (context.IsReleased)
            return PageFaultResult.Handled;         // its areas are being set free just now: fault again
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

    /// <summary>Registers the areas of <paramref name="range"/>, or with no context takes them back.</summary>
    /// <param name="modes">Of <see cref="VmFlags.UserfaultMask"/>; none to unregister.</param>
    /// <returns>EINVAL: no area, or one that cannot be watched; EBUSY: watched by another; EPERM; ENOMEM.</returns>
    /// <remarks>Takes <see cref="MmapLock"/> for writing.</remarks>
    public Errno SetUserfault(PageRange range, UserfaultContext? context, VmFlags modes)
    {
        MmapLock.WriteLock();
        Errno error = CheckUserfault(range, context);
        VmArea? area = error == Errno.None ? FindVma(range.Start) : null;
        VmArea? previous = area is not null && range.Start > area.Start ? area : area?.Previous;
        while (area is not null && area.Start < range.End)
        {
            PageRange part = area.Range.Intersect(range);
            VmFlags flags = (area.Flags & ~VmFlags.UserfaultMask) | modes;
            if (context is null && (area.Flags & VmFlags.UserfaultWriteProtect) != 0)
                SetWriteProtection(area, part, protect: false);
            if (flags != area.Flags || !ReferenceEquals(area.Userfault, context))
            {
                error = ApplyFlags(ref previous, area, part, flags, context, out VmArea covering);
                if (error != Errno.None)
                    break;
                ReplaceUserfault(covering, context);
                previous = covering;
            }
            else
            {
                previous = area;
            }

            area = previous!.Next;
        }

        ValidateInDebug();
        MmapLock.WriteUnlock();
        return error;
    }

    private Errno CheckUserfault(PageRange range, UserfaultContext? context)
    {
        VmArea? area = FindVmaIntersection(range);
        if (area is null)
            return Errno.EINVAL;
        for (; area is not null && area.Start < range.End; area = area.Next)
        {
            if (!area.IsAnonymous || (area.Flags & (VmFlags.Shared | VmFlags.Special)) != 0)
                return Errno.EINVAL;
            if (context is null)
                continue;
            if ((area.Flags & VmFlags.MayWrite) == 0)
                return Errno.EPERM;
            if (area.Userfault is not null && !ReferenceEquals(area.Userfault, context))
                return Errno.EBUSY;
        }

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

    /// <summary>The descriptor is closed: all areas that it watched are ordinary again.</summary>
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
                if ((area.Flags & VmFlags.UserfaultWriteProtect) != 0)
                    SetWriteProtection(area, area.Range, protect: false);
                area.Flags &= ~VmFlags.UserfaultMask;
                ReplaceUserfault(area, null);
            }

            MmapLock.WriteUnlock();
            Put();
        }

        context.Release();
    }

    /// <summary>Puts one page in place of a missing one: with <paramref name="content"/>'s bytes, or the zero page when that is <see cref="Pfn.None"/>.</summary>
    /// <param name="content">A frame whose reference goes to the entry, also when an error is answered it is taken.</param>
    /// <returns>EEXIST: something is there; ENOENT: not memory that somebody watches; ENOMEM.</returns>
    /// <remarks>Takes <see cref="MmapLock"/> for reading.</remarks>
    public Errno FillMissing(VirtAddr address, Pfn content, bool writeProtected)
    {
        MmapLock.ReadLock();
        Errno error = FillMissingLocked(address, content, writeProtected);
        MmapLock.ReadUnlock();
        if (error != Errno.None && !content.IsNone)
            System.Frames.Put(content);
        return error;
    }

    private Errno FillMissingLocked(VirtAddr address, Pfn content, bool writeProtected)
    {
        if (LookupVma(address) is not { Userfault: not null } area)
            return Errno.ENOENT;
        if (writeProtected && (area.Flags & VmFlags.UserfaultWriteProtect) == 0)
            return Errno.EINVAL;
        if (!content.IsNone && area.AnonVma is null && AnonVma.Prepare(area) != Errno.None)
            return Errno.ENOMEM;
        if (!TryAllocatePte(address, out PageTable<Pte> table))
            return ReadPte(address).IsNone ? Errno.ENOMEM : Errno.EEXIST;       // a huge page is there

        bool enabled = PageTableLock.AcquireRaw();
        ref Pte entry = ref table[Pte.IndexOf(address)];
        Errno error = Errno.None;
        if (!entry.IsNone)
        {
            error = Errno.EEXIST;
        }
        else if (content.IsNone)
        {
            entry = new Pte(System.ZeroPage, area.PageProtection | PteFlags.Special);
        }
        else
        {
            PteFlags rights = area.PageProtection | PteFlags.Dirty | PteFlags.SoftDirty;
            if (writeProtected)
                rights |= PteFlags.UserfaultWriteProtect;
            else if ((area.Flags & VmFlags.Write) != 0)
                rights |= PteFlags.Writable;
            System.AddNewAnonymous(area, address, content);
            AnonymousPages++;
            entry = new Pte(content, rights);
        }

        PageTableLock.ReleaseRaw(enabled);
        return error;
    }

    /// <summary>Protects pages so that the next write is reported, or lifts that.</summary>
    /// <returns>ENOENT when some area of the range is not watched for writes.</returns>
    /// <remarks>Takes <see cref="MmapLock"/> for reading.</remarks>
    public Errno ProtectForUserfault(PageRange range, bool protect)
    {
        MmapLock.ReadLock();
        Errno error = Errno.ENOENT;
        VirtAddr at = range.Start;
        for (VmArea? area = FindVma(at); area is not null && at < range.End && area.Start <= at; area = area.Next)
        {
            if (area.Userfault is null || (area.Flags & VmFlags.UserfaultWriteProtect) == 0)
                break;
            VirtAddr end = VirtAddr.Min(area.End, range.End);
            SetWriteProtection(area, new PageRange(at, end), protect);
            at = end;
        }

        if (at >= range.End)
            error = Errno.None;
        MmapLock.ReadUnlock();
        return error;
    }

    private void SetWriteProtection(VmArea area, PageRange range, bool protect)
    {
        var batch = new TlbBatch(this);
        var walk = new PteTableWalk(this, range);
        while (walk.MoveNext())
        {
            bool enabled = PageTableLock.AcquireRaw();
            if (walk.IsHuge)
            {
                ref Pmd huge = ref walk.Huge.Entry;
                if (huge.IsWritable && protect)
                    batch.NoteChange(walk.Start);
                huge = protect
                    ? huge.Without(PteFlags.Writable).With(PteFlags.UserfaultWriteProtect)
                    : huge.Without(PteFlags.UserfaultWriteProtect);
                PageTableLock.ReleaseRaw(enabled);
                continue;
            }

            for (int i = walk.FirstIndex; i <= walk.LastIndex; i++)
            {
                Pte entry = walk.Table[i];
                if (entry.IsNone)
                    continue;
                // Lifted protection gives no right: the write fault that follows knows whether the page may be written in place.
                walk.Table[i] = protect
                    ? entry.Without(PteFlags.Writable).With(PteFlags.UserfaultWriteProtect)
                    : entry.Without(PteFlags.UserfaultWriteProtect);
                if (entry.IsWritable && protect)
                    batch.NoteChange(walk.AddressOf(i));
            }

            PageTableLock.ReleaseRaw(enabled);
        }

        batch.Finish();
    }
}
