using NanoVm.Core;

namespace NanoVm.Memory.Physical;

/// <summary>The kernel's page tables as far as vmalloc changes them: 4 KiB leaves in the shared upper half.</summary>
/// <remarks>
/// Linux: <c>vmap_pte_range</c> and <c>init_mm</c>. The top-level entries of vmalloc space exist since boot, so every mm
/// sees a change at once. A last-level table lives while any area overlaps what it covers; those above are kept. Guarded by <see cref="Vmalloc"/>'s lock.
/// Pointer code: a table is a frame, an index has nine bits.
/// </remarks>
internal unsafe struct KernelPageTable(FrameAllocator frames, Pfn root)
{
    private readonly FrameAllocator _frames = frames;
    private readonly Pfn _root = root;

    /// <summary>Frames that are tables made here.</summary>
    public PageCount Tables { get; private set; }

    /// <summary>Counts one more area on the last-level table for a page; adds what tables are missing.</summary>
    /// <returns><see cref="Errno.ENOMEM"/>, and then nothing is counted, or none.</returns>
    public Errno Hold(VirtAddr page, AllocationFlags flags)
    {
        Pfn table = WalkToTable(page, create: true, flags, out _);
        if (table.IsNone)
            return Errno.ENOMEM;
        _frames[table].UseCount++;
        return Errno.None;
    }

    /// <summary>Undoes <see cref="Hold"/>; the last one frees the table.</summary>
    public void Release(VirtAddr page)
    {
        Pfn table = WalkToTable(page, create: false, AllocationFlags.None, out Pmd* entry);
        if (table.IsNone || _frames[table].UseCount <= 0)
            Panic.Now("a table of vmalloc is released that nobody holds"u8);
        if (--_frames[table].UseCount != 0)
            return;
        *entry = default;
        Tlb.FlushPage(page);                    // also forgets what the processor keeps of the levels above: SDM volume 3, 4.10.4.1
        _frames[table].Flags &= ~FrameFlags.PageTable;
        Tables -= new PageCount(1);
        _frames.Put(table);
    }

    /// <summary>Maps a page whose tables are prepared.</summary>
    public void Map(VirtAddr page, Pfn frame, PteFlags flags)
    {
        Pte* entry = Walk(page);
        if (entry is null || !entry->IsNone)
            Panic.Now("vmalloc maps a page that is mapped"u8);
        *entry = new Pte(frame, flags);
    }

    /// <summary>Unmaps a page; the caller flushes.</summary>
    /// <returns>The frame it was mapped to, or <see cref="Pfn.None"/>.</returns>
    public Pfn Unmap(VirtAddr page)
    {
        Pte* entry = Walk(page);
        if (entry is null || !entry->IsPresent)
            return Pfn.None;
        Pfn frame = entry->Pfn;
        *entry = default;
        return frame;
    }

    /// <summary>Which frame a page is mapped to, or <see cref="Pfn.None"/>.</summary>
    public Pfn Lookup(VirtAddr page)
    {
        Pte* entry = Walk(page);
        return entry is null || !entry->IsPresent ? Pfn.None : entry->Pfn;
    }

    private Pte* Walk(VirtAddr page)
    {
        Pfn table = WalkToTable(page, create: false, AllocationFlags.None, out _);
        return table.IsNone ? null : (Pte*)DirectMap.Pointer(table) + Pte.IndexOf(page);
    }

    /// <summary>The last-level table for a page, and the entry that points to it.</summary>
    private Pfn WalkToTable(VirtAddr page, bool create, AllocationFlags flags, out Pmd* entry)
    {
        Pfn table = _root;
        entry = null;
        if (Mmu.IsFiveLevel)
            table = Descend(table, (int)(page.Value >> 48) & 511, create, flags, out entry);
        for (int shift = 39; shift > PageSize.Shift && !table.IsNone; shift -= 9)
            table = Descend(table, (int)(page.Value >> shift) & 511, create, flags, out entry);
        return table;
    }

    // The entries of all levels have one format; a large leaf cannot be in vmalloc space.
    private Pfn Descend(Pfn table, int index, bool create, AllocationFlags flags, out Pmd* entry)
    {
        entry = (Pmd*)DirectMap.Pointer(table) + index;
        if (entry->IsPresent)
            return entry->Pfn;
        if (!create || _frames.Allocate(flags | AllocationFlags.Zeroed, out Pfn added) != Errno.None)
            return Pfn.None;
        _frames[added].Flags |= FrameFlags.PageTable;
        Tables += new PageCount(1);
        *entry = Pmd.KernelTable(added);
        return added;
    }
}
