using System;

namespace NanoVm.Core.Boot;

/// <summary>Fills <see cref="BootMemory"/> from what the loader told.</summary>
internal static class BootMemorySource
{
    /// <summary>Below lie the BIOS's data, the loader's and the processor's real-mode start: never RAM for us.</summary>
    private const ulong LowMemory = 1UL << 20;

    /// <summary>Adds RAM and reserves the kernel image, the initramfs, the loader's data and the lowest MiB.</summary>
    public static void Fill(BootMemory memory, in BootInfo info)
    {
        // First what must not be touched: the lists may have to take memory while they are filled.
        ref readonly KernelImage image = ref KernelImage.Current;
        memory.Reserve(new BootRange(0, LowMemory));
        memory.Reserve(new BootRange(image.PhysicalStart, image.PhysicalEnd));
        memory.Reserve(info.LoaderData);
        foreach (BootRange module in info.Modules)
            memory.Reserve(module);

        foreach (MemoryRegion region in info.MemoryMap)
        {
            if (region.Kind == MemoryRegionKind.Usable)
                memory.AddRam(region.Range);
        }

        // After all RAM is known: where entries overlap, the one that says "not RAM" wins.
        foreach (MemoryRegion region in info.MemoryMap)
        {
            if (region.Kind != MemoryRegionKind.Usable)
                memory.RemoveRam(region.Range);
        }
    }
}
