using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Swap;

namespace NanoVm.Memory.Virtual;

/// <summary>Pages will be used soon: what is on a disk is read before it is touched.</summary>
/// <remarks>Linux: <c>madvise_willneed</c>.</remarks>
internal sealed partial class MmStruct
{
    /// <summary>Follows the advice while memory is free; what cannot be read is no error.</summary>
    /// <remarks>Holds <see cref="MmapLock"/> for reading, but not while a file reads: the area may be gone afterwards.</remarks>
    private void WillNeed(VmArea area, PageRange part)
    {
        if (area.File is not { } file)
        {
            ReadSwapped(area, part);
            return;
        }

        ulong first = area.PageIndexOf(part.Start);
        file.Get();
        MmapLock.ReadUnlock();
        file.WillNeed(first, part.Count.Value);
        file.Put();
        MmapLock.ReadLock();
    }

    /// <summary>Reads swapped anonymous pages into the swap cache, where faults find them. Linux: <c>swapin_walk_pmd_entry</c>.</summary>
    private void ReadSwapped(VmArea area, PageRange part)
    {
        VirtAddr address = part.Start;
        while (SwapEntries != 0 && System.Frames.HasRoomForReadAhead && TryFindSwapped(new PageRange(address, part.End), -1, out address, out SwapEntry slot))
        {
            if (System.Swap!.FindOrRead(slot, out _).TryGet(out Pfn page, out Errno error))
                System.Frames.LetGo(page);
            else if (error == Errno.ENOMEM)
                return;
            address += PageSize.Bytes;
        }
    }

    /// <summary>The first entry of a range that names a slot, of one swap area or (−1) of any.</summary>
    internal bool TryFindSwapped(PageRange range, int number, out VirtAddr address, out SwapEntry slot)
    {
        var walk = new PteTableWalk(this, range, HugeVisit.Look);
        while (walk.MoveNext())
        {
            if (walk.IsHuge)
                continue;
            for (int i = walk.FirstIndex; i <= walk.LastIndex; i++)
            {
                Pte entry = walk.Table[i];
                slot = new SwapEntry(entry);
                if (!entry.IsSwap() || (number >= 0 && slot.Area != number))
                    continue;
                address = walk.AddressOf(i);
                return true;
            }
        }

        address = range.End;
        slot = default;
        return false;
    }
}
