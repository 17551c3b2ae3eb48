using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>Changes what a range of memory allows: the <c>mprotect</c> and <c>pkey_mprotect</c> calls.</summary>
/// <remarks>
/// Linux: <c>do_mprotect_pkey</c>, <c>mprotect_fixup</c>, <c>change_protection</c>. Linux works area by area and stops at the first that refuses;
/// those before it stay changed, and so it is here.
/// <code>
///                start       end                start is cut off, end is cut off, and what lies between
///   [ A          :    A ][ B  :    B ]          gets new flags; where these equal a neighbour's, they merge
///   [ A         ][ A'   ][ B' ][   B ]          (case 4, 5, 6, 7 or 8 of VmaMerge) instead of being cut.
/// </code>
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Sets the protection of [<paramref name="start"/>, +<paramref name="length"/>).</summary>
    /// <param name="key">The protection key, or -1 to leave that to the kernel.</param>
    /// <returns>The errors of mprotect(2) and pkey_mprotect(2).</returns>
    /// <remarks>Takes <see cref="MmapLock"/> for writing.</remarks>
    public Errno Mprotect(VirtAddr start, ulong length, Protection protection, int key = -1)
    {
        // Decode and check.
        Protection grows = protection & (Protection.GrowsDown | Protection.GrowsUp);
        protection &= ~grows;
        if (grows == (Protection.GrowsDown | Protection.GrowsUp))
            return Errno.EINVAL;
        if (!start.IsPageAligned)
            return Errno.EINVAL;
        if (length == 0)
            return Errno.None;
        length = (length + PageSize.Mask) & ~PageSize.Mask;
        VirtAddr end = start + length;
        if (end <= start)
            return Errno.ENOMEM;
        if ((protection & ~(Protection.AccessMask | Protection.Semaphore)) != 0)
            return Errno.EINVAL;

        if (MmapLock.WriteLockKillable() != Errno.None)
            return Errno.EINTR;
        Errno error = key != -1 && !IsKeyAllocated(key)
            ? Errno.EINVAL
            : ProtectLocked(start, end, protection, grows, key);
        ValidateInDebug();
        MmapLock.WriteUnlock();
        return error;
    }

    private Errno ProtectLocked(VirtAddr start, VirtAddr end, Protection protection, Protection grows, int key)
    {
        if (FindVma(start) is not { } area)
            return Errno.ENOMEM;
        if (grows == Protection.GrowsDown)
        {
            if (area.Start >= end)
                return Errno.ENOMEM;
            start = area.Start;
            if ((area.Flags & VmFlags.GrowsDown) == 0)
                return Errno.EINVAL;
        }
        else
        {
            if (area.Start > start)
                return Errno.ENOMEM;
            if (grows == Protection.GrowsUp)
                return Errno.EINVAL;                    // no area grows up on x86
        }

        VmArea? previous = start > area.Start ? area : area.Previous;
        VirtAddr at = start;
        var batch = new TlbBatch(this);
        Errno error = Errno.None;
        while (true)
        {
            VmFlags flags = (area.Flags & ~(VmFlags.AccessMask | VmFlags.ProtectionKeyMask)) | (VmFlags)(ulong)(protection & Protection.AccessMask);
            int newKey = KeyFor(area, protection, key);
            flags |= (VmFlags)((ulong)newKey << VmFlagsExtensions.ProtectionKeyShift);

            // Each MAY bit stands four places above its access bit.
            if (((flags & ~(VmFlags)((ulong)flags >> 4)) & VmFlags.AccessMask) != 0)
            {
                error = Errno.EACCES;
                break;
            }

            VirtAddr partEnd = VirtAddr.Min(area.End, end);
            if (area.Operations is { } operations)
            {
                error = operations.MayProtect(area, new PageRange(at, partEnd), flags);
                if (error != Errno.None)
                    break;
            }

            error = ProtectArea(ref previous, area, new PageRange(at, partEnd), flags, ref batch);
            if (error != Errno.None)
                break;

            // A merge may have moved the border further than the part.
            at = partEnd;
            if (at < previous!.End)
                at = previous.End;
            if (at >= end)
                break;
            VmArea? next = previous.Next;
            if (next is null || next.Start != at)
            {
                error = Errno.ENOMEM;
                break;
            }

            area = next;
        }

        batch.Finish();
        return error;
    }

    /// <summary>Gives the part of one area new flags. Linux: <c>mprotect_fixup</c>.</summary>
    /// <param name="previous">In: the area before the part (or the one that it is cut from); out: the area that covers the part.</param>
    private Errno ProtectArea(ref VmArea? previous, VmArea area, PageRange part, VmFlags flags, ref TlbBatch batch)
    {
        VmFlags old = area.Flags;
        if (flags == old)
        {
            previous = area;
            return Errno.None;
        }

        ulong pages = part.Count.Value;
        bool charged = false;
        if ((flags & VmFlags.Write) != 0)
        {
            // Private memory that becomes writable counts from now on; against RLIMIT_DATA only if it did not before.
            if (!MayExpandVm(flags, pages) && MayExpandVm(old, pages))
                return Errno.ENOMEM;
            if ((old & (VmFlags.Account | VmFlags.Write | VmFlags.HugeTlb | VmFlags.Shared | VmFlags.NoReserve)) == 0)
            {
                if (System.Commit(this, pages) != Errno.None)
                    return Errno.ENOMEM;
                charged = true;
                flags |= VmFlags.Account;
            }
        }

        Errno error = ApplyFlags(ref previous, area, part, flags, out VmArea covering);
        if (error != Errno.None)
        {
            if (charged)
                System.Uncommit(pages);
            return error;
        }

        ProtectionMap.Apply(covering);
        ChangeProtection(covering, part, ref batch);
        AccountVm(old, -(long)pages);
        AccountVm(flags, (long)pages);
        previous = covering;

        // Locked pages that become writable are copied now: their owner has locked them so that no touch has to wait.
        if ((old & (VmFlags.Write | VmFlags.Shared | VmFlags.LockedMask)) == VmFlags.Locked && (flags & VmFlags.Write) != 0 && MayReach(covering, write: true, anyRight: true))
        {
            batch.Finish();
            VirtAddr at = part.Start;
            _ = FaultIn(covering, ref at, part.End, write: true, mayWait: false);
        }

        return Errno.None;
    }

    /// <summary>
    /// Makes <paramref name="part"/> of <paramref name="area"/> an area with <paramref name="flags"/>: by merging with a neighbour or by cutting
    /// off what is outside. The step that <c>mprotect</c>, <c>madvise</c> and <c>mlock</c> share.
    /// </summary>
    /// <returns><see cref="Errno.ENOMEM"/>: too many areas, or no memory. A cut at the start may have been made; it changes no meaning.</returns>
    private Errno ApplyFlags(ref VmArea? previous, VmArea area, PageRange part, VmFlags flags, out VmArea covering)
        => ApplyAttributes(ref previous, area, part, AreaAttributes.Of(area, part.Start, flags), out covering);

    /// <summary>As <see cref="ApplyFlags"/> where the watcher or the policy change: the caller puts those into <paramref name="covering"/>.</summary>
    private Errno ApplyAttributes(ref VmArea? previous, VmArea area, PageRange part, in AreaAttributes wanted, out VmArea covering)
    {
        VmFlags flags = wanted.Flags;
        if (VmaMerge(previous, part, wanted) is { } merged)
        {
            merged.Flags |= flags & VmFlags.SoftDirty;
            previous = merged;
            covering = merged;
            return Errno.None;
        }

        covering = area;
        if (part.Start != area.Start)
        {
            if (!SplitVma(area, part.Start).TryGet(out VmArea upper, out Errno error))
                return error;
            previous = area;
            covering = upper;
        }

        if (part.End != covering.End && !SplitVma(covering, part.End).TryGet(out _, out Errno atEnd))
            return atEnd;

        covering.Flags = flags;
        return Errno.None;
    }

    /// <summary>Rewrites the entries of <paramref name="range"/> to the area's new rights. Linux: <c>change_protection</c>.</summary>
    internal void ChangeProtection(VmArea area, PageRange range, ref TlbBatch batch)
    {
        PteFlags protection = area.PageProtection;
        // A private page that this mm alone holds may become writable at once, which spares the next write its fault.
        bool mayWrite = (area.Flags & (VmFlags.Write | VmFlags.Shared)) == VmFlags.Write;
        bool noteWrites = (area.Flags & VmFlags.SoftDirty) == 0;        // somebody looks for what is written: that takes the fault
        var walk = new PteTableWalk(this, range);
        while (walk.MoveNext())
        {
            if (walk.IsHuge)
            {
                ProtectHuge(walk.Huge, walk.Start, protection, ref batch);
                continue;
            }

            bool enabled = PageTableLock.AcquireRaw();
            PageTable<Pte> table = walk.Table;
            VirtAddr address = walk.Start;
            int last = walk.LastIndex;
            for (int i = walk.FirstIndex; i <= last; i++, address += PageSize.Bytes)
            {
                Pte entry = table[i];
                if (!entry.IsMapped())
                    continue;
                Pte changed = entry.WithProtection(protection);
                if (mayWrite && !entry.IsSpecial && !entry.Has(PteFlags.UserfaultWriteProtect) && (entry.IsSoftDirty || !noteWrites)
                    && CanReuse(ref System.Frames[entry.Pfn]))
                    changed = changed.WithWritable();
                if (changed == entry)
                    continue;
                table[i] = changed;
                // Only lost rights must leave the TLB; gained ones at worst cost a spurious fault.
                if (LosesRights(entry, changed))
                    batch.NoteChange(address);
            }

            PageTableLock.ReleaseRaw(enabled);
        }
    }

    /// <summary>Whether a stale copy of <paramref name="before"/> in the TLB would allow what <paramref name="after"/> forbids.</summary>
    private static bool LosesRights(Pte before, Pte after)
    {
        if (!before.IsPresent)
            return false;
        return !after.IsPresent || (before.IsWritable && !after.IsWritable) || (!before.IsNoExecute && after.IsNoExecute)
            || before.ProtectionKey != after.ProtectionKey;
    }

    /// <summary>Whether an anonymous frame has this one user (and devices that write to it for him), so that writing in place harms nobody.</summary>
    internal static bool CanReuse(ref PageFrame frame) => frame.IsAnonymous && frame.UnpinnedReferences == 1 && frame.MapCount == 1;
}
