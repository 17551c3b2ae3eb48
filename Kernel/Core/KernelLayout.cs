namespace NanoVm.Core;

/// <summary>Where the kernel's half of every address space has its parts.</summary>
/// <remarks>
/// With five levels of paging the same: all lies in the last entry of the top level, and the user's half grows to 64 PiB.
/// As on Linux x86-64: <c>Documentation/arch/x86/x86_64/mm.rst</c>. DESIGN section 5.</remarks>
internal static class KernelLayout
{
    /// <summary>The first address of the kernel's half.</summary>
    public const ulong KernelStart = 0xffff_8000_0000_0000;

    /// <summary>All RAM, at its physical address plus this. Linux: <c>PAGE_OFFSET</c>.</summary>
    public const ulong DirectMap = 0xffff_8880_0000_0000;
    /// <summary>64 TiB above <see cref="DirectMap"/>.</summary>
    public const ulong DirectMapEnd = 0xffff_c880_0000_0000;

    /// <summary>Kernel stacks, large allocations, device registers. Linux: <c>VMALLOC_START</c>.</summary>
    public const ulong Vmalloc = 0xffff_c900_0000_0000;
    /// <summary>One past the vmalloc range. Linux: <c>VMALLOC_END + 1</c>.</summary>
    public const ulong VmallocEnd = 0xffff_e900_0000_0000;

    /// <summary>The array of <c>PageFrame</c>, indexed by frame number. Linux: <c>VMEMMAP_START</c>.</summary>
    public const ulong FrameDescriptors = 0xffff_ea00_0000_0000;
    public const ulong FrameDescriptorsEnd = 0xffff_eb00_0000_0000;
    /// <summary>Bytes of one <c>PageFrame</c>.</summary>
    public const int FrameDescriptorBytes = 64;

    /// <summary>The kernel image, linked here. Linux: <c>__START_KERNEL_map</c>.</summary>
    public const ulong Image = 0xffff_ffff_8000_0000;
    public const ulong ImageEnd = 0xffff_ffff_c000_0000;

    /// <summary>Registers of devices that the boot maps; Linux has its modules here.</summary>
    public const ulong DeviceWindow = ImageEnd;
    public const ulong DeviceWindowEnd = 0xffff_ffff_ff00_0000;

    /// <summary>The first slot of the top-level table that belongs to the kernel; it and all above are the same in every mm.</summary>
    public const int FirstKernelSlot = 256;
}
