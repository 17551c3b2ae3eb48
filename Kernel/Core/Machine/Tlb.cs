namespace NanoVm.Core;

/// <summary>Forgets translations on this processor. Used by <c>Memory.Virtual</c>'s batches and the kernel's own tables only.</summary>
/// <remarks>Part of the edge that Kernel.Tests/Machine replaces.</remarks>
internal static class Tlb
{
    /// <summary>One page, global or not, and all paging-structure caches. Linux: <c>flush_tlb_one_kernel</c>.</summary>
    public static void FlushPage(VirtAddr address) => Cpu.InvalidatePage(address.Value);

    /// <summary>All that is not global.</summary>
    public static void FlushAll() => Cpu.WriteCr3(Cpu.ReadCr3());

    /// <summary>All, global ones too.</summary>
    public static void FlushGlobal()
    {
        const ulong pageGlobalEnable = 1UL << 7;
        bool enabled = Interrupts.Disable();
        ulong cr4 = Cpu.ReadCr4();
        Cpu.WriteCr4(cr4 ^ pageGlobalEnable);               // any change of PGE flushes everything: SDM volume 3, 4.10.4.1
        Cpu.WriteCr4(cr4);
        Interrupts.Restore(enabled);
    }
}
