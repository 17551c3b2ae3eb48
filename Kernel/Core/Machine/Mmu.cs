namespace NanoVm.Core;

/// <summary>CR3.</summary>
/// <remarks>Part of the edge that Kernel.Tests/Machine replaces. Linux: <c>native_write_cr3</c>.</remarks>
internal static class Mmu
{
    /// <summary>Makes <paramref name="root"/> the top-level table; all translations that are not global are forgotten.</summary>
    public static void LoadRoot(Pfn root) => Cpu.WriteCr3(root.Address.Value);

    public static Pfn Root => new PhysAddr(Cpu.ReadCr3() & PageTableEntry.AddressMask).Pfn;

    /// <summary>Whether the processor translates with five levels (CR4.LA57).</summary>
    public static bool IsFiveLevel => (Cpu.ReadCr4() & (1UL << 12)) != 0;

    /// <summary>One past the last address that a task may map; a page below the canonical hole. Linux: <c>TASK_SIZE_MAX</c>.</summary>
    public static ulong UserEnd => Cpu.UserEnd();
}
