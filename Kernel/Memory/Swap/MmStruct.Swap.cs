using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Swap;

namespace NanoVm.Memory.Virtual;

internal sealed partial class MmStruct
{
    /// <summary>Takes a page out of one entry, which may be found again: through its slot in swap, or in its file.</summary>
    /// <remarks>Linux: the body of <c>try_to_unmap_one</c>. Under <see cref="PageTableLock"/>; the page is locked and, when anonymous, in the swap cache.</remarks>
    internal void TakeEntry(ref Pte entry, VirtAddr address, Pfn page)
    {
        ref PageFrame frame = ref System.Frames[page];
        Pte old = entry;
        NotePeakRss();
        if (frame.IsAnonymous)
        {
            var slot = new SwapEntry(frame.Private);
            System.Swap!.ChangeUses(slot, 1);
            entry = slot.ToPte(old);
            AnonymousPages--;
            SwapEntries++;
        }
        else
        {
            entry = default;
            if (old.IsDirty)
                System.MarkFileFrameDirty(ref frame, page);
            if ((frame.Flags & FrameFlags.SwapBacked) != 0)
                ShmemPages--;
            else
                FilePages--;
        }

        System.RemoveMapping(ref frame);
        TlbBatch.FlushPage(this, address);
        System.Frames.Put(page);
    }

    /// <summary>Empties one entry of an anonymous page that nobody needs any more. Under <see cref="PageTableLock"/>; the page is locked.</summary>
    internal void DropEntry(ref Pte entry, VirtAddr address, Pfn page)
    {
        NotePeakRss();
        entry = default;
        AnonymousPages--;
        System.RemoveMapping(ref System.Frames[page]);
        TlbBatch.FlushPage(this, address);
        System.Frames.Put(page);
    }
}

internal sealed partial class MemorySystem
{
    /// <summary>Swap areas; null on a machine that was built without (a test's).</summary>
    public SwapSystem? Swap;

    /// <summary>What frees pages; null on a machine that was built without.</summary>
    public PageReclaim? Reclaim;

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
