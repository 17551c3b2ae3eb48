using NanoVm.Core.Boot;

namespace NanoVm.Core;

/// <summary>Builds the final page tables of the kernel's half, loads them, and drops the boot's.</summary>
/// <remarks>
/// <code>
///   direct map          all RAM and firmware tables   RW NX   1 GiB, 2 MiB pages; the image's text and constants in it read-only
///   vmalloc             empty; its top-level entries exist, so that every mm shares them
///   frame descriptors   16 pages for each 4 MiB block that has RAM   RW NX
///   image               text RX, constants R, data RW NX; guard pages under the stacks
///   device window       registers mapped by <see cref="MapDevice"/>
///   user half           empty: the identity map is gone
/// </code>
/// All leaves are GLOBAL. Linux: <c>init_mem_mapping</c>, <c>vmemmap_populate</c>, <c>mark_rodata_ro</c>.
/// </remarks>
internal sealed unsafe class KernelTables
{
    /// <summary>Physical memory is described in blocks of this size, the largest that the buddy allocator joins.</summary>
    private const ulong DescribedBlock = 4UL << 20;
    private const ulong DescriptorBytesOfBlock = (DescribedBlock >> PageSize.Shift) * KernelLayout.FrameDescriptorBytes;
    private const ulong LowMemoryEnd = 1 << 20;
    private const int TopShift = 39;
    private const int FiveLevelShift = 48;

    private readonly BootMemory _memory;
    private readonly bool _hasGigabytePages;
    private readonly bool _fiveLevels = Mmu.IsFiveLevel;
    private ulong _nextDevice = KernelLayout.DeviceWindow;

    /// <summary>The table that CR3 holds while no task's mm is loaded; its upper half is copied into every mm.</summary>
    public Pfn Root { get; }

    private KernelTables(BootMemory memory, bool hasGigabytePages)
    {
        _memory = memory;
        _hasGigabytePages = hasGigabytePages;
        Root = memory.Allocate(PageSize.Bytes).Pfn;
    }

    /// <summary>Builds and loads the tables. All of <paramref name="memory"/> may be given out afterwards.</summary>
    public static KernelTables Build(in BootInfo info, BootMemory memory, in CpuFeatures features)
    {
        var tables = new KernelTables(memory, features.HasGigabytePages);
        tables.MapDirect(info);
        tables.MapImage();
        tables.PreallocateTopLevel();

        Interrupts.Disable();
        Mmu.LoadRoot(tables.Root);
        Tlb.FlushGlobal();
        memory.DirectMapComplete();

        tables.MapFrameDescriptors();
        return tables;
    }

    /// <summary>Maps a device's registers, uncached, for as long as the machine runs.</summary>
    /// <param name="writeCombining">For a framebuffer: writes may be gathered.</param>
    /// <returns>Where <paramref name="address"/> is seen.</returns>
    public VirtAddr MapDevice(PhysAddr address, ulong bytes, bool writeCombining = false)
    {
        ulong first = address.Value & ~PageSize.Mask;
        ulong end = (address.Value + bytes + PageSize.Mask) & ~PageSize.Mask;
        if (end - first > KernelLayout.DeviceWindowEnd - _nextDevice)
            Panic.Now("the window for device registers is full"u8);
        ulong start = _nextDevice;
        PteFlags flags = writeCombining ? PteFlags.KernelData | PteFlags.WriteThrough : PteFlags.KernelDevice;
        for (ulong offset = 0; offset < end - first; offset += PageSize.Bytes)
            MapPage(start + offset, first + offset, flags);
        _nextDevice = start + (end - first) + PageSize.Bytes;
        return new VirtAddr(start + address.PageOffset);
    }

    private void MapDirect(in BootInfo info)
    {
        // Low memory has BIOS tables, the loader's structures and the EBDA, whatever the memory map says of it.
        MapDirect(new BootRange(0, LowMemoryEnd));
        for (int i = 0; i < _memory.RamRangeCount; i++)
            MapDirect(_memory.Ram(i));
        foreach (MemoryRegion region in info.MemoryMap)
        {
            if (region.Kind is MemoryRegionKind.AcpiReclaimable or MemoryRegionKind.AcpiNvs)
                MapDirect(region.Range);
        }
        MapDirect(info.LoaderData);
        foreach (BootRange module in info.Modules)
            MapDirect(module);
    }

    private void MapDirect(BootRange bytes)
    {
        ulong start = bytes.Start.Value & ~PageSize.Mask;
        ulong end = (bytes.End.Value + PageSize.Mask) & ~PageSize.Mask;
        while (start < end)
        {
            ulong size = PageSize.Bytes;
            if (_hasGigabytePages && Fits(start, end, PageSize.HugeBytes))
                size = PageSize.HugeBytes;
            else if (Fits(start, end, PageSize.LargeBytes))
                size = PageSize.LargeBytes;
            Map(start + KernelLayout.DirectMap, start, size, DirectMapRights(start));
            start += size;
        }
    }

    /// <summary>Whether one page of <paramref name="size"/> can start here: the image needs small ones, its parts differ in rights.</summary>
    private static bool Fits(ulong start, ulong end, ulong size)
    {
        ref readonly KernelImage image = ref KernelImage.Current;
        return (start & (size - 1)) == 0 && end - start >= size && (start >= image.PhysicalEnd.Value || start + size <= image.PhysicalStart.Value);
    }

    private static PteFlags DirectMapRights(ulong physical)
    {
        ref readonly KernelImage image = ref KernelImage.Current;
        ulong address = physical + KernelImage.Base;
        bool constant = (address >= image.TextStart.Value && address < image.TextEnd.Value)
            || (address >= image.RodataStart.Value && address < image.RodataEnd.Value);
        return constant ? PteFlags.KernelReadOnly : PteFlags.KernelData;
    }

    private void MapImage()
    {
        ref readonly KernelImage image = ref KernelImage.Current;
        MapPart(image.TextStart, image.TextEnd, PteFlags.KernelText);
        MapPart(image.RodataStart, image.RodataEnd, PteFlags.KernelReadOnly);
        MapPart(image.DataStart, image.DataEnd, PteFlags.KernelData);
    }

    private void MapPart(VirtAddr start, VirtAddr end, PteFlags flags)
    {
        for (ulong address = start.PageDown().Value; address < end.Value; address += PageSize.Bytes)
        {
            if (!IsGuard(address))
                MapPage(address, address - KernelImage.Base, flags);
        }
    }

    private static bool IsGuard(ulong address)
    {
        if (address == (ulong)Cpu.BootStack() - PageSize.Bytes)
            return true;
        ulong offset = address - (ulong)Cpu.OwnStacks();
        return address >= (ulong)Cpu.OwnStacks() && offset < DescriptorTables.OwnStackCount * (ulong)DescriptorTables.OwnStackStride
            && offset % (ulong)DescriptorTables.OwnStackStride == 0;
    }

    /// <summary>Gives every top-level entry that the kernel may ever use its table, so that copies of the root never fall behind.</summary>
    private void PreallocateTopLevel()
    {
        for (ulong address = KernelLayout.Vmalloc; address < KernelLayout.VmallocEnd; address += 1UL << TopShift)
            TableAt(TopEntry(address));
        ulong lastDescriptor = KernelLayout.FrameDescriptors + (_memory.RamEnd.Value >> PageSize.Shift) * KernelLayout.FrameDescriptorBytes;
        for (ulong address = KernelLayout.FrameDescriptors; address <= lastDescriptor; address += 1UL << TopShift)
            TableAt(TopEntry(address));
        TableAt(TopEntry(KernelLayout.Image));
    }

    private void MapFrameDescriptors()
    {
        ulong described = 0;
        for (int i = 0; i < _memory.RamRangeCount; i++)
        {
            BootRange ram = _memory.Ram(i);
            ulong block = System.Math.Max(ram.Start.Value & ~(DescribedBlock - 1), described);
            ulong end = (ram.End.Value + DescribedBlock - 1) & ~(DescribedBlock - 1);
            while (block < end)
            {
                ulong address = KernelLayout.FrameDescriptors + (block >> PageSize.Shift) * KernelLayout.FrameDescriptorBytes;
                ulong size = DescriptorBytesOfBlock;
                ulong blocksOfLargePage = PageSize.LargeBytes / DescriptorBytesOfBlock;
                if ((address & (PageSize.LargeBytes - 1)) == 0 && end - block >= blocksOfLargePage * DescribedBlock)
                    size = PageSize.LargeBytes;
                ulong memory = _memory.Allocate(size, size == PageSize.LargeBytes ? size : PageSize.Bytes).Value;
                if (size == PageSize.LargeBytes)
                {
                    Map(address, memory, size, PteFlags.KernelData);
                }
                else
                {
                    for (ulong offset = 0; offset < size; offset += PageSize.Bytes)
                        MapPage(address + offset, memory + offset, PteFlags.KernelData);
                }
                block += size / DescriptorBytesOfBlock * DescribedBlock;
            }
            described = end;
        }
    }

    private void MapPage(ulong address, ulong physical, PteFlags flags) => Map(address, physical, PageSize.Bytes, flags);

    /// <summary>Maps one page of 4 KiB, 2 MiB or 1 GiB. What is mapped there already stays.</summary>
    private void Map(ulong address, ulong physical, ulong size, PteFlags flags)
    {
        ulong* entry = TableAt(TopEntry(address)) + ((address >> PageSize.HugeShift) & 511);
        if (size == PageSize.HugeBytes)
        {
            Leaf(entry, physical, flags | PteFlags.Huge);
            return;
        }
        if (IsLeaf(*entry))
            return;
        entry = TableAt(entry) + ((address >> PageSize.LargeShift) & 511);
        if (size == PageSize.LargeBytes)
        {
            if ((*entry & (ulong)PteFlags.Present) == 0 || IsLeaf(*entry))
            {
                Leaf(entry, physical, flags | PteFlags.Huge);
                return;
            }
            for (ulong offset = 0; offset < PageSize.LargeBytes; offset += PageSize.Bytes)
                Map(address + offset, physical + offset, PageSize.Bytes, flags);
            return;
        }
        if (IsLeaf(*entry))
            return;
        Leaf(TableAt(entry) + ((address >> PageSize.Shift) & 511), physical, flags);
    }

    private static bool IsLeaf(ulong entry) =>
        (entry & (ulong)(PteFlags.Present | PteFlags.Huge)) == (ulong)(PteFlags.Present | PteFlags.Huge);

    private static void Leaf(ulong* entry, ulong physical, PteFlags flags)
    {
        if ((*entry & (ulong)PteFlags.Present) == 0)
            *entry = physical | (ulong)flags;
    }

    /// <summary>The entry of the fourth level for an address: with five levels its table hangs from the top one.</summary>
    private ulong* TopEntry(ulong address)
    {
        var table = (ulong*)DirectMap.Pointer(Root);
        if (_fiveLevels)
            table = TableAt(table + ((address >> FiveLevelShift) & 511));
        return table + ((address >> TopShift) & 511);
    }

    /// <summary>The table that an entry points to; a new one when there is none.</summary>
    private ulong* TableAt(ulong* entry)
    {
        if ((*entry & (ulong)PteFlags.Present) == 0)
            *entry = _memory.Allocate(PageSize.Bytes).Value | (ulong)PteFlags.KernelTable;
        return (ulong*)DirectMap.Pointer(new PhysAddr(*entry & PageTableEntry.AddressMask));
    }
}
