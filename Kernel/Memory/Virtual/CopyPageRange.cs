using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Swap;

namespace NanoVm.Memory.Virtual;

/// <summary>Gives the child of a fork the parent's pages, shared until one of the two writes.</summary>
/// <remarks>
/// Linux: <c>copy_page_range</c>, <c>copy_present_pte</c>. Lecture 004, "fork(): COW mapping – set 'write protect' for src/dst PTEs".
/// <code>
///   before   parent's entry  rw → frame (1 user)
///   after    parent's entry  r- → frame (2 users) ← r-  child's entry
/// </code>
/// A frame that a device writes to just now is not shared, or the parent's next write would take him away from it: the child gets a copy.
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Whether the pages must be copied, or the child's own faults can find them again. Linux: <c>vma_needs_copy</c>.</summary>
    private static bool NeedsCopy(VmArea area)
        => area.AnonVma is not null || (area.Flags & (VmFlags.HugeTlb | VmFlags.MayShare)) == VmFlags.HugeTlb || (area.Flags & (VmFlags.PfnMap | VmFlags.MixedMap)) != 0;

    /// <returns><see cref="Errno.ENOMEM"/> when a table or a copy cannot be made; what was copied belongs to the child and goes with it.</returns>
    private Errno CopyPageRange(MmStruct child, VmArea copy, VmArea area)
    {
        if (!NeedsCopy(area))
            return Errno.None;
        bool cow = area.Flags.IsCow();
        bool isWatched = (copy.Flags & VmFlags.UserfaultWriteProtect) != 0;
        var walk = new PteTableWalk(this, area.Range);
        while (walk.MoveNext())
        {
            if (walk.IsHuge && HasPinned && IsAnyPinned(walk.Huge.Entry))
            {
                SplitHuge(walk.Huge, walk.Start);
                walk.TakeSplit();
            }

            if (walk.IsHuge)
            {
                Errno error = walk.Huge.Entry.IsFromPool ? CopyHugetlb(child, walk.Huge, walk.Start) : CopyHuge(child, walk.Huge, walk.Start, isWatched);
                if (error != Errno.None)
                    return Errno.ENOMEM;
                continue;
            }

            if (!child.TryAllocatePte(walk.Start, out PageTable<Pte> target))
                return Errno.ENOMEM;
            Pfn spare = Pfn.None;
            int next = walk.FirstIndex;
            while ((next = CopyTable(child, copy, ref walk, next, target, ref spare, cow, isWatched)) <= walk.LastIndex)
            {
                if (System.Frames.Allocate(AllocationFlags.None, out spare) != Errno.None)
                    return Errno.ENOMEM;
            }

            if (!spare.IsNone)
                System.Frames.Put(spare);
        }

        return Errno.None;
    }

    /// <summary>Copies entries from index <paramref name="from"/> on.</summary>
    /// <param name="spare">A frame for the copy of a pinned page, or none; it is none again when it was used.</param>
    /// <returns>The index of a pinned page for which there was no frame; else one past the last.</returns>
    private int CopyTable(MmStruct child, VmArea copy, ref PteTableWalk walk, int from, PageTable<Pte> target, ref Pfn spare, bool cow, bool isWatched)
    {
        ulong anonymous = 0;
        ulong file = 0;
        ulong shmem = 0;
        FrameTable frames = System.Frames.Table;
        // The child has not touched it yet; a shared page's changes are the parent's to write back; whom nobody watches nobody protects.
        PteFlags parentsOwn = PteFlags.Accessed | (cow ? PteFlags.None : PteFlags.Dirty) | (isWatched ? PteFlags.None : PteFlags.UserfaultWriteProtect);
        PageTable<Pte> source = walk.Table;
        int last = walk.LastIndex;
        bool looksForPins = HasPinned && cow;
        bool enabled = PageTableLock.AcquireRaw();
        int i;
        for (i = from; i <= last; i++)
        {
            Pte entry = source[i];
            if (entry.IsNone)
                continue;
            if (!entry.IsMapped())
            {
                System.DuplicateSwapEntry(child, entry);
                target[i] = isWatched ? entry : entry.Without(PteFlags.UserfaultWriteProtect);
                continue;
            }

            if (looksForPins && IsPinned(entry))
            {
                if (spare.IsNone)
                    break;
                DirectMap.CopyPage(spare, entry.Pfn);
                System.AddNewAnonymous(copy, walk.AddressOf(i), spare);
                target[i] = new Pte(spare, copy.PageProtection | PteFlags.Dirty | (PteFlags)(entry.Value & (ulong)~parentsOwn & (ulong)SwapEntry.Kept));
                spare = Pfn.None;
                child.AnonymousPages++;
                continue;
            }

            if (cow && entry.IsWritable)
            {
                entry = entry.WithoutWritable();
                source[i] = entry;
            }

            if (!entry.IsSpecial)
            {
                ref PageFrame frame = ref frames[entry.Pfn];
                frame.ReferenceCount++;
                frame.MapCount++;
                if (frame.IsAnonymous)
                    anonymous++;
                else if ((frame.Flags & FrameFlags.SwapBacked) != 0)
                    shmem++;
                else
                    file++;
            }

            target[i] = entry.Without(parentsOwn);
        }

        PageTableLock.ReleaseRaw(enabled);
        child.AnonymousPages += anonymous;
        child.FilePages += file;
        child.ShmemPages += shmem;
        System.Statistics.Add(VmCounter.ForkPagesShared, anonymous + file + shmem);
        return i;
    }

    private bool IsPinned(Pte entry) => !entry.IsSpecial && System.Frames[entry.Pfn] is { IsAnonymous: true, Pins: > 0 };

    /// <summary>Whether a device may be writing to a frame of a huge page. Those of the pool are not told apart. O(512).</summary>
    private bool IsAnyPinned(Pmd huge)
    {
        if (huge.IsFromPool || huge.Has(PteFlags.Special))
            return false;
        for (int i = 0; i < PageSize.TableEntries; i++)
        {
            if (IsPinned(huge.ToPte(i)))
                return true;
        }

        return false;
    }
}
