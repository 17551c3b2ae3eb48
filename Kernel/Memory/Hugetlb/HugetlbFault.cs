using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Hugetlb;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>Faults on huge pages of the pool.</summary>
/// <remarks>
/// Linux: <c>hugetlb_fault</c>, <c>hugetlb_no_page</c>, <c>hugetlb_wp</c>.
/// <code>
///   empty, beyond the file's end ─────────────── SIGBUS
///   empty, shared ────────────────────────────── the file's page, made if need be
///   empty, private, the file has the page ────── that one, read-only; a write copies
///   empty, private, it has not ───────────────── a page of the program's own
///   write to read-only, nobody else has it ───── writable in place
///   write to read-only ───────────────────────── a copy; without a page for it the one who reserved takes it from the others
///   no page in the pool ──────────────────────── SIGBUS
/// </code>
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Huge pages of the pool that are mapped; they are not resident pages. Guarded by <see cref="PageTableLock"/>. Linux: <c>hugetlb_usage</c>.</summary>
    public ulong HugetlbPages;

    private PageFaultResult HugetlbFault(ref VmFault fault, PmdPlace place)
    {
        VmArea area = fault.Area;
        VirtAddr block = fault.Address.AlignDown(PageSize.LargeBytes);
        if (area.File?.Mapping is not HugeSpace space)
            return PageFaultResult.Sigbus;
        if (place.Entry.IsNone)
        {
            PageFaultResult result = MapHugetlb(ref fault, space, block, place);
            if (result != PageFaultResult.Handled || !fault.IsWrite)
                return result;
        }

        Pmd entry = place.Entry;
        if (!fault.IsWrite || entry.IsWritable || entry.IsNone)
        {
            bool enabled = PageTableLock.AcquireRaw();
            if (place.Entry == entry && entry.IsHuge)
                place.Entry = entry.With(fault.IsWrite ? PteFlags.Accessed | PteFlags.Dirty | PteFlags.SoftDirty : PteFlags.Accessed);
            PageTableLock.ReleaseRaw(enabled);
            TlbBatch.FlushPage(this, block);
            return PageFaultResult.Handled;
        }

        if ((area.Flags & VmFlags.Write) == 0)
            return PageFaultResult.SegvAccerr;              // a debugger's forced write: not into these
        return CopyHugetlb(area, space, block, place, entry);
    }

    private PageFaultResult MapHugetlb(ref VmFault fault, HugeSpace space, VirtAddr block, PmdPlace place)
    {
        VmArea area = fault.Area;
        ulong index = area.PageIndexOf(block) >> FrameAllocator.HugeOrder;
        if (index >= space.SizeBytes >> PageSize.LargeShift)
            return PageFaultResult.Sigbus;

        // Reserve.
        Pfn page;
        bool isShared = (area.Flags & VmFlags.MayShare) != 0;
        if (isShared)
        {
            if (!space.FindOrCreate(index).TryGet(out page, out Errno error))
                return error == Errno.ENOMEM ? PageFaultResult.OutOfMemory : PageFaultResult.Sigbus;
        }
        else if (!space.TryFind(index, out page))
        {
            if (AllocateOwn(area, space, index, out page) != Errno.None)
                return PageFaultResult.Sigbus;
            HugePool.Clear(page);
            System.Frames[page].SetFlags(FrameFlags.Anonymous);
        }

        // Commit. (What a shared mapping may write it may write at once.)
        bool enabled = PageTableLock.AcquireRaw();
        bool mine = place.Entry.IsNone;
        if (mine)
        {
            place.Entry = new Pmd(page, area.PageProtection | PteFlags.Huge | PteFlags.HugePool);
            HugetlbPages++;
        }

        PageTableLock.ReleaseRaw(enabled);
        if (!mine)
            space.Pool.RemoveUse(page);
        return PageFaultResult.Handled;
    }

    /// <summary>A page for this mapping alone: one that it was promised, or one that nobody was.</summary>
    private static Errno AllocateOwn(VmArea area, HugeSpace space, ulong index, out Pfn page)
    {
        var reservation = area.PrivateData as HugeReservation;
        bool isPromised = reservation is not null && reservation.TryUse(index);
        Errno error = space.Pool.Allocate(isPromised, out page);
        if (error != Errno.None && isPromised)
            reservation!.Unuse(index);
        return error;
    }

    private PageFaultResult CopyHugetlb(VmArea area, HugeSpace space, VirtAddr block, PmdPlace place, Pmd original)
    {
        Pfn old = original.Pfn;
        if ((area.Flags & VmFlags.MayShare) != 0)
        {
            MakeHugetlbWritable(place, block);
            return PageFaultResult.Handled;
        }

        bool isOwn = System.Frames[old].Has(FrameFlags.Anonymous);
        if (isOwn && CanReuseHugetlb(old))
        {
            MakeHugetlbWritable(place, block);
            return PageFaultResult.Handled;
        }

        // Reserve. The promise for this page was used when it was first mapped, unless the file's own page stood there.
        ulong index = area.PageIndexOf(block) >> FrameAllocator.HugeOrder;
        Errno error = isOwn ? space.Pool.Allocate(isReserved: false, out Pfn copy) : AllocateOwn(area, space, index, out copy);
        if (error != Errno.None)
        {
            if (!isOwn || area.PrivateData is not HugeReservation)
                return PageFaultResult.Sigbus;
            space.UnmapFromOthers(area, area.PageIndexOf(block));
            if (!CanReuseHugetlb(old))
                return PageFaultResult.Sigbus;
            MakeHugetlbWritable(place, block);
            return PageFaultResult.Handled;
        }

        System.Frames[copy].SetFlags(FrameFlags.Anonymous);
        for (ulong i = 0; i < FrameAllocator.HugeFrames; i++)
            DirectMap.CopyPage(copy + i, old + i);

        // Commit.
        bool enabled = PageTableLock.AcquireRaw();
        bool mine = place.Entry == original;
        if (mine)
        {
            place.Entry = default;
            TlbBatch.FlushPage(this, block);
            place.Entry = new Pmd(copy, area.PageProtection | PteFlags.Huge | PteFlags.HugePool | PteFlags.Writable | PteFlags.Dirty | PteFlags.SoftDirty);
        }

        PageTableLock.ReleaseRaw(enabled);
        space.Pool.RemoveUse(mine ? old : copy);
        return PageFaultResult.Handled;
    }

    private bool CanReuseHugetlb(Pfn page)
    {
        ref PageFrame frame = ref System.Frames[page];
        return frame.UseCount == 1 && frame.UnpinnedReferences == 1;
    }

    private void MakeHugetlbWritable(PmdPlace place, VirtAddr block)
    {
        bool enabled = PageTableLock.AcquireRaw();
        place.Entry = place.Entry.With(PteFlags.Writable | PteFlags.Accessed | PteFlags.Dirty | PteFlags.SoftDirty);
        PageTableLock.ReleaseRaw(enabled);
        TlbBatch.FlushPage(this, block);
    }

    /// <summary>Takes a page of the pool out of this address space. Linux: <c>__unmap_hugepage_range</c>.</summary>
    private void UnmapHugetlb(PmdPlace place, VirtAddr block, bool keepPrivateCopies, ref TlbBatch batch)
    {
        bool enabled = PageTableLock.AcquireRaw();
        Pfn page = place.Entry.Pfn;
        bool goes = !keepPrivateCopies || !System.Frames[page].Has(FrameFlags.Anonymous);
        if (goes)
        {
            place.Entry = default;
            HugetlbPages--;
        }

        PageTableLock.ReleaseRaw(enabled);
        if (!goes)
            return;
        batch.FlushNow(block);
        System.Hugetlb.Pool.RemoveUse(page);
    }

    /// <summary>The child of a fork gets the pages of a private mapping, too, read-only on both sides. Linux: <c>copy_hugetlb_page_range</c>.</summary>
    private Errno CopyHugetlb(MmStruct child, PmdPlace place, VirtAddr block)
    {
        if (!child.TryAllocatePmd(block, out PmdPlace target))
            return Errno.ENOMEM;
        bool enabled = PageTableLock.AcquireRaw();
        Pmd entry = place.Entry.Without(PteFlags.Writable);
        place.Entry = entry;
        target.Entry = entry.Without(PteFlags.Accessed);
        child.HugetlbPages++;
        PageTableLock.ReleaseRaw(enabled);
        System.Hugetlb.Pool.AddUse(entry.Pfn);
        return Errno.None;
    }
}
