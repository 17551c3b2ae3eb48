using NanoVm.Core;

namespace NanoVm.Memory.Physical;

/// <summary>The kernel's page tables as far as vmalloc changes them: 4 KiB leaves in the shared upper half.</summary>
/// <remarks>
/// Linux: <c>vmap_pte_range</c> and <c>init_mm</c>. The top-level entries of vmalloc space exist since boot, so every mm
/// sees a change at once; tables below are added on demand and kept. Guarded by <see cref="Vmalloc"/>'s lock.
/// Pointer code: a table is a frame, an index has nine bits.
/// </remarks>
internal readonly unsafe struct KernelPageTable(FrameAllocator frames, Pfn root)
{
    private readonly FrameAllocator _frames = frames;
    private readonly Pfn _root = root;

    /// <summary>Adds what tables are missing for a page.</summary>
    /// <returns><see cref="Errno.ENOMEM"/> or none. Tables that were added before the failure stay for the next time.</returns>
    public Errno Prepare(VirtAddr page, AllocationFlags flags) => Walk(page, create: true, flags) is null ? Errno.ENOMEM : Errno.None;

    /// <summary>Maps a page whose tables are prepared.</summary>
    public void Map(VirtAddr page, Pfn frame, PteFlags flags)
    {
        Pte* entry = Walk(page, create: false, AllocationFlags.None);
        if (entry is null || !entry->IsNone)
            Panic.Now("vmalloc maps a page that is mapped"u8);
        *entry = new Pte(frame, flags);
    }

    /// <summary>Unmaps a page; the caller flushes.</summary>
    /// <returns>The frame it was mapped to, or <see cref="Pfn.None"/>.</returns>
    public Pfn Unmap(VirtAddr page)
    {
        Pte* entry = Walk(page, create: false, AllocationFlags.None);
        if (entry is null || !entry->IsPresent)
            return Pfn.None;
        Pfn frame = entry->Pfn;
        *entry = default;
        return frame;
    }

    /// <summary>Which frame a page is mapped to, or <see cref="Pfn.None"/>.</summary>
    public Pfn Lookup(VirtAddr page)
    {
        Pte* entry = Walk(page, create: false, AllocationFlags.None);
        return entry is null || !entry->IsPresent ? Pfn.None : entry->Pfn;
    }

    private Pte* Walk(VirtAddr page, bool create, AllocationFlags flags)
    {
        Pfn table = _root;
        if (Mmu.IsFiveLevel)
            table = Descend(table, (int)(page.Value >> 48) & 511, create, flags);
        for (int shift = 39; shift > PageSize.Shift && !table.IsNone; shift -= 9)
            table = Descend(table, (int)(page.Value >> shift) & 511, create, flags);
        return table.IsNone ? null : (Pte*)DirectMap.Pointer(table) + Pte.IndexOf(page);
    }

    // The entries of all levels have one format; a large leaf cannot be in vmalloc space.
    private Pfn Descend(Pfn table, int index, bool create, AllocationFlags flags)
    {
        Pmd* entry = (Pmd*)DirectMap.Pointer(table) + index;
        if (entry->IsPresent)
            return entry->Pfn;
        if (!create || _frames.Allocate(flags | AllocationFlags.Zeroed, out Pfn added) != Errno.None)
            return Pfn.None;
        _frames[added].Flags |= FrameFlags.PageTable;
        *entry = Pmd.KernelTable(added);
        return added;
    }
}
