using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Swap;

namespace NanoVm.Memory.Virtual;

internal sealed partial class MmStruct
{
    /// <summary>Lets the entry at <paramref name="address"/>, if it maps <paramref name="page"/>, name <paramref name="slot"/> instead.</summary>
    /// <remarks>Linux: the body of <c>try_to_unmap_one</c>. The page is locked and in the swap cache. Never sleeps.</remarks>
    internal void SwapOutEntry(VirtAddr address, Pfn page, SwapEntry slot)
    {
        if (!TryFindPte(address, out PageTable<Pte> table))
            return;
        NotePeakRss();
        bool enabled = PageTableLock.AcquireRaw();
        ref Pte entry = ref table[Pte.IndexOf(address)];
        bool mine = AnonymousRmap.IsFor(entry, page);
        if (mine)
        {
            System.Swap!.ChangeUses(slot, 1);
            entry = slot.ToPte();
            AnonymousPages--;
            SwapEntries++;
            System.RemoveMapping(ref System.Frames[page]);
        }

        PageTableLock.ReleaseRaw(enabled);
        if (!mine)
            return;
        TlbBatch.FlushPage(this, address);
        System.Frames.Put(page);
    }
}

internal sealed partial class MemorySystem
{
    /// <summary>Swap areas; null on a machine that was built without (a test's).</summary>
    public SwapSystem? Swap;

    /// <summary>The thread that writes dirty pages; woken early when reclaim finds nothing else. Null without a disk.</summary>
    public KernelThread? FlushThread;

    /// <summary>The first address space in use after <paramref name="mm"/>, or of all, grabbed.</summary>
    internal MmStruct? FirstMmAfter(MmStruct? mm)
    {
        bool enabled = MmListLock.AcquireRaw();
        MmStruct? next = (mm ?? InitMm).NextMm;
        while (next is not null && next.Users == 0)
            next = next.NextMm;
        next?.Grab();
        MmListLock.ReleaseRaw(enabled);
        return next;
    }
}
