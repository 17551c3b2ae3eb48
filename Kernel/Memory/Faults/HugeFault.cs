using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>A fault where no last-level table is: perhaps 2 MiB at once are the answer.</summary>
/// <remarks>
/// Linux: <c>create_huge_pmd</c>, <c>do_huge_pmd_anonymous_page</c>, <c>wp_huge_pmd</c>, <c>do_huge_pmd_wp_page</c>.
/// <code>
///   entry of the second level empty?
///     yes ── huge pages wanted, 2 MiB fit the area, frames in a piece?  yes ── read  → the huge page of zeros
///      │                                                                 └──── write → 512 zeroed frames
///      │                                                                no ─── a table, and the small page
///     no, a huge page
///      ├─ the access is allowed ── settled already
///      └─ write to read-only ───── nobody else has it ── writable in place
///                               └─ split it, and copy the one small page
/// </code>
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Set by <c>prctl(PR_SET_THP_DISABLE)</c>; inherited by fork and exec. Linux: <c>MMF_DISABLE_THP</c>.</summary>
    public bool IsThpDisabled;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private PageFaultResult HandlePmdFault(ref VmFault fault)
    {
        if (!TryAllocatePmd(fault.Address, out PmdPlace place))
            return PageFaultResult.OutOfMemory;
        if ((fault.Area.Flags & VmFlags.HugeTlb) != 0)
            return HugetlbFault(ref fault, place);
        PageFaultResult result = PageFaultResult.Handled;
        Pmd entry = place.Entry;
        if (entry.IsHuge)
        {
            if (TryHugePage(ref fault, place, entry))
                return PageFaultResult.Handled;
        }
        else if (entry.IsNone && HugePagePolicy.Fits(fault.Area, fault.Address) && System.HugePages.Allows(fault.Area))
        {
            if (TryNewHugePage(ref fault, place, out result))
                return result;
        }

        if (TryAllocatePte(fault.Address, out fault.Table))
            return HandlePteFault(ref fault);
        // A huge page came in between, from another thread: then the access goes on, or faults again.
        return place.Entry.IsHuge ? PageFaultResult.Handled : PageFaultResult.OutOfMemory;
    }

    /// <summary>The first touch of 2 MiB.</summary>
    /// <returns>False when a small page has to do.</returns>
    private bool TryNewHugePage(ref VmFault fault, PmdPlace place, out PageFaultResult result)
    {
        VmArea area = fault.Area;
        result = PageFaultResult.OutOfMemory;
        if ((area.Flags & VmFlags.UserfaultMissing) != 0)
            return false;                                       // the program is asked for each small page

        // Reserve: where the pages will be found again, the table to split it into, the frames.
        if (area.AnonVma is null && AnonVma.Prepare(area) != Errno.None)
            return true;
        HugePagePolicy policy = System.HugePages;
        bool isZero = !fault.IsWrite && policy.UseZeroPage;
        AllocationFlags flags = policy.FlagsFor(area, System.Frames);
        Pfn first;
        if (isZero ? !System.TryGetHugeZero(flags, out first) : System.Frames.AllocateHuge(flags | AllocationFlags.Zeroed, out first) != Errno.None)
        {
            System.Statistics.Count(VmCounter.ThpFaultFallback);
            return false;
        }

        if (!TryAllocateTable(out Pfn table))
        {
            ReturnHuge(first, isZero);
            return true;
        }

        // Commit.
        result = PageFaultResult.Handled;
        VirtAddr block = fault.Address.AlignDown(PageSize.LargeBytes);
        bool enabled = PageTableLock.AcquireRaw();
        if (!place.Entry.IsNone)
        {
            PageTableLock.ReleaseRaw(enabled);
            ReturnHuge(first, isZero);                          // another thread was faster
            System.Frames.Put(table);
            return true;
        }

        PteFlags rights = area.PageProtection | PteFlags.Huge;
        if (isZero)
        {
            SetHuge(place, new Pmd(first, rights | PteFlags.Special), table);
        }
        else
        {
            rights |= PteFlags.Dirty | PteFlags.SoftDirty;
            if ((area.Flags & VmFlags.Write) != 0)
                rights |= PteFlags.Writable;
            System.AddNewHuge(area, block, first);
            SetHuge(place, new Pmd(first, rights), table);
            System.Statistics.Count(VmCounter.ThpFaultAlloc);
        }

        PageTableLock.ReleaseRaw(enabled);
        return true;
    }

    private void ReturnHuge(Pfn first, bool isZero)
    {
        if (isZero)
            System.PutHugeZero();
        else
            System.Frames.FreeHuge(first);
    }

    /// <summary>An access to a huge page that is there.</summary>
    /// <returns>False when it was split, and the small page must be looked at.</returns>
    private bool TryHugePage(ref VmFault fault, PmdPlace place, Pmd original)
    {
        bool isZero = original.Has(PteFlags.Special);
        bool enabled = PageTableLock.AcquireRaw();
        ref Pmd entry = ref place.Entry;
        bool isSettled = entry != original;                     // it changed meanwhile: the access faults again if it must
        if (!isSettled && (!fault.IsWrite || entry.IsWritable))
        {
            entry = entry.With(fault.IsWrite ? PteFlags.Accessed | PteFlags.Dirty | PteFlags.SoftDirty : PteFlags.Accessed);
            System.Statistics.Count(VmCounter.FaultSpurious);
            isSettled = true;
        }
        else if (!isSettled && !isZero && !entry.Has(PteFlags.UserfaultWriteProtect) && (fault.Area.Flags & VmFlags.Write) != 0
            && CanReuseHuge(entry.Pfn))
        {
            entry = entry.With(PteFlags.Accessed | PteFlags.Dirty | PteFlags.SoftDirty | PteFlags.Writable);
            System.Statistics.Count(VmCounter.WpReuse);
            isSettled = true;
        }

        PageTableLock.ReleaseRaw(enabled);
        if (isSettled)
            TlbBatch.FlushPage(this, fault.Address);
        else
            SplitHuge(place, fault.Address);
        return isSettled;
    }
}
