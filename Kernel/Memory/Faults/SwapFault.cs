using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Swap;

namespace NanoVm.Memory.Virtual;

/// <summary>A page that was swapped out is touched again.</summary>
/// <remarks>
/// Linux: <c>do_swap_page</c>. Lecture 000, "Handling page faults", case 3. A minor fault when the page is still in the swap cache, else a
/// major one. The page stays in the cache, mapped read-only, while other entries name its slot: they will find it there instead of reading it again.
/// </remarks>
internal sealed partial class MmStruct
{
    private PageFaultResult DoSwapPage(ref VmFault fault)
    {
        VmArea area = fault.Area;
        if (System.Swap is not { } swap)
        {
            Panic.Now("a swap entry without swap"u8);
            return PageFaultResult.Sigbus;
        }

        // Reserve.
        if (area.AnonVma is null && AnonVma.Prepare(area) != Errno.None)
            return PageFaultResult.OutOfMemory;
        var slot = new SwapEntry(fault.Original);
        if (!swap.FindOrRead(slot, out bool hasWaited).TryGet(out Pfn page, out Errno error))
        {
            if (error == Errno.ENOENT)
                return PageFaultResult.Handled;                 // the entry has changed: the access faults again if it must
            return error == Errno.ENOMEM ? PageFaultResult.OutOfMemory : PageFaultResult.Sigbus;
        }

        fault.IsMajor = hasWaited;
        System.Statistics.Count(hasWaited ? VmCounter.FaultSwapIn : VmCounter.FaultSwapCache);
        swap.Locks.Lock(page);
        bool enabled = PageTableLock.AcquireRaw();
        ref Pte entry = ref fault.Entry;
        ref PageFrame frame = ref System.Frames[page];
        if (entry != fault.Original || !frame.Has(FrameFlags.SwapCache) || frame.Private != (nuint)slot.Value)
        {
            PageTableLock.ReleaseRaw(enabled);
            swap.Locks.Unlock(page);
            System.Frames.LetGo(page);
            return PageFaultResult.Handled;
        }

        // Commit.
        bool alone = frame.MapCount == 0 && swap.OtherUses(page) == 1;
        if (frame.MapCount++ == 0)
        {
            // Others in the family of forks may map it later: then all of them must be found from the page.
            AnonVma owner = area.AnonVma!;
            while (!alone && owner.Parent is { } parent)
                owner = parent;
            frame.SetAnonymousOwner(owner, area.PageIndexOf(fault.Address));
            System.AnonymousPages++;
        }

        if ((area.Flags & VmFlags.Locked) != 0)
            System.LockPage(page);
        AnonymousPages++;
        // Only a write makes it writable: who tracks writes (soft-dirty, a userfault) must see the first one.
        bool watched = fault.Original.Has(PteFlags.UserfaultWriteProtect);
        var made = new Pte(page, area.PageProtection | (PteFlags)(fault.Original.Value & (ulong)SwapEntry.Kept));
        if (alone && fault.IsWrite && (area.Flags & VmFlags.Write) != 0 && !watched)
            made = made.With(PteFlags.Writable | PteFlags.Dirty | PteFlags.SoftDirty);
        entry = made;
        SwapEntries--;
        PageTableLock.ReleaseRaw(enabled);

        // The entry's use of the slot goes; the reference to the page becomes the entry's.
        System.Frames.Keep(page);
        swap.ChangeUses(slot, -1);
        swap.TryFreeCached(page, lockedByCaller: true);
        swap.Locks.Unlock(page);
        return PageFaultResult.Handled;
    }

    /// <summary>Brings back all pages that are in swap area <paramref name="number"/>. Linux: <c>unuse_mm</c>. Sleeps.</summary>
    internal Errno BringBackSwapped(int number)
    {
        if (SwapEntries == 0)
            return Errno.None;
        MmapLock.ReadLock();
        Errno error = Errno.None;
        for (VmArea? area = Areas.First; area is not null && error == Errno.None; area = area.Next)
        {
            VirtAddr next = area.Start;
            while (error == Errno.None && next < area.End && TryFindSwapped(new PageRange(next, area.End), number, out next, out _))
            {
                PageFaultResult result = HandleMmFault(area, next, FaultFlags.Remote | FaultFlags.Uncounted);
                if (result is PageFaultResult.OutOfMemory or PageFaultResult.Sigbus)
                    error = result == PageFaultResult.Sigbus ? Errno.EIO : Errno.ENOMEM;
                if (TaskMemory.Current.SignalPending)
                    error = Errno.EINTR;
                next += PageSize.Bytes;
            }
        }

        MmapLock.ReadUnlock();
        return error;
    }
}
