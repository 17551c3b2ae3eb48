using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

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
    }

    /// <summary>A frame gets one more mapping of the kind that it has already (<c>fork</c>).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void DuplicateMapping(ref PageFrame frame) => frame.MapCount++;

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
            AnonymousPages--;
        else
            FileMappedPages--;
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

    /// <summary>A swap entry gets one more holder by fork.</summary>
    internal void DuplicateSwapEntry(MmStruct mm, Pte entry) => Panic.Now("a swap entry without swap"u8);

    /// <summary>A swap entry is dropped. Swap is a later part; until then no such entry can exist.</summary>
    internal void FreeSwapEntry(MmStruct mm, Pte entry) => Panic.Now("a swap entry without swap"u8);
}
