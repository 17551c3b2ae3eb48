using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Swap;

namespace NanoVm.Memory.Virtual;

/// <summary>The counts of frames that page tables map: one place for each way in and out.</summary>
/// <remarks>Linux: <c>page_add_new_anon_rmap</c>, <c>page_dup_rmap</c>, <c>page_add_file_rmap</c>, <c>page_remove_rmap</c>. Under the mm's page-table lock.</remarks>
internal sealed partial class MemorySystem
{
    /// <summary>A fresh frame becomes an anonymous page with its first mapping.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void AddNewAnonymous(VmArea area, VirtAddr address, Pfn pfn)
    {
        ref PageFrame frame = ref Frames[pfn];
        frame.SetAnonymous(area.AnonVma, area.PageIndexOf(address));
        frame.MapCount = 1;
        AnonymousPages++;
        if ((area.Flags & VmFlags.Locked) != 0)
            LockPage(pfn);
        Frames.Lru.Add(pfn, LruKind.InactiveAnonymous);
    }

    /// <summary>An entry in a locked area maps the page: reclaim leaves it alone from now on. Linux: <c>mlock_page</c>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal void LockPage(Pfn pfn)
    {
        if (Frames[pfn].MlockCount++ != 0)
            return;
        MlockedPages++;
        Statistics.Count(VmCounter.UnevictableMlocked);
        Frames.Lru.Move(pfn, LruKind.Unevictable);
    }

    /// <summary>One such entry has gone, or its area is locked no more. Linux: <c>munlock_page</c>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal void UnlockPage(Pfn pfn)
    {
        ref PageFrame frame = ref Frames[pfn];
        if (frame.MlockCount == 0 || --frame.MlockCount != 0)
            return;
        MlockedPages--;
        Statistics.Count(VmCounter.UnevictableMunlocked);
        Frames.Lru.Move(pfn, (frame.Flags & FrameFlags.SwapBacked) != 0 ? LruKind.InactiveAnonymous : LruKind.InactiveFile);
    }

    /// <summary>A page of the page cache is mapped.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void AddFileMapping(ref PageFrame frame)
    {
        if (frame.MapCount++ == 0)
            FileMappedPages++;
    }

    /// <summary>One mapping of a frame is gone; its reference follows after the flush.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void RemoveMapping(ref PageFrame frame)
    {
        if (--frame.MapCount != 0)
            return;
        if (frame.IsAnonymous)
        {
            AnonymousPages--;
            if ((frame.Flags & FrameFlags.SwapCache) != 0)
                FreeSwapCache(ref frame);
        }
        else
        {
            FileMappedPages--;
        }
    }

    /// <summary>The last entry that mapped a page of swap has gone: if none names its slot either, the slot is free. Linux: <c>free_swap_cache</c>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void FreeSwapCache(ref PageFrame frame)
    {
        if (!Swap!.TryFind(new SwapEntry(frame.Private), out Pfn pfn))
            return;
        Swap.TryFreeCached(pfn);
        Frames.LetGo(pfn);                        // never the last one: the entry's own is given back after the flush
    }

    /// <summary>The processor said in an entry that a file's page was written through it.</summary>
    /// <remarks>Shared memory has no disk, so the flag is all; a file's page is also marked in its cache, where writeback finds it.</remarks>
    internal unsafe void MarkFileFrameDirty(ref PageFrame frame, Pfn pfn)
    {
        if ((frame.Flags & (FrameFlags.SwapBacked | FrameFlags.PageCache)) == FrameFlags.PageCache && frame.Mapping != 0)
            ObjectFactory.FromAddress<AddressSpace>((void*)frame.Mapping).MarkDirty(pfn);
        else
            frame.Flags |= FrameFlags.Dirty;
    }

    /// <summary>A swap entry gets one more holder by fork. Linux: <c>swap_duplicate</c>.</summary>
    internal void DuplicateSwapEntry(MmStruct mm, Pte entry)
    {
        Swap!.ChangeUses(new SwapEntry(entry), 1);
        mm.SwapEntries++;
    }

    /// <summary>A swap entry is dropped. Linux: <c>free_swap_and_cache</c>.</summary>
    internal void FreeSwapEntry(MmStruct mm, Pte entry)
    {
        Swap!.ChangeUses(new SwapEntry(entry), -1);
        mm.SwapEntries--;
    }
}
