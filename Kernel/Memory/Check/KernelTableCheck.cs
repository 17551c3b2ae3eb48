#if NANOVM_KERNEL
using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Check;

/// <summary>The kernel's half of the page tables: no page can be both written and executed, none be reached by user mode, all mms have the same.</summary>
/// <remarks>Intel SDM volume 3, 4.6: a right is there when every level grants it; "no execute" holds when any level says so. Linux: <c>ptdump_check_wx</c>.</remarks>
internal static class KernelTableCheck
{
    private const int LevelsBelowRoot = 3;

    public static void Run(MemorySystem system, ref MemoryReport report)
    {
        int levels = system.PagingLevels == 5 ? LevelsBelowRoot + 1 : LevelsBelowRoot;
        var root = new PageTable<ulong>(system.InitMm.Root);
        for (int slot = KernelLayout.FirstKernelSlot; slot < PageSize.TableEntries; slot++)
            Entry(root[slot], levels, PteFlags.Writable | PteFlags.User, noExecute: false, ref report);

        for (MmStruct? mm = system.InitMm.NextMm; mm is not null; mm = mm.NextMm)
        {
            var own = new PageTable<ulong>(mm.Root);
            for (int slot = KernelLayout.FirstKernelSlot; slot < PageSize.TableEntries; slot++)
            {
                // The processor notes a use in the entry of whom it used it for.
                const ulong used = (ulong)PteFlags.Accessed;
                if (!report.Unless((own[slot] | used) == (root[slot] | used), "an address space has a kernel's half of its own"u8, mm.Root))
                    break;
            }
        }
    }

    /// <param name="level">Tables that can be below the entry.</param>
    /// <param name="granted">Rights that all levels above grant.</param>
    private static void Entry(ulong entry, int level, PteFlags granted, bool noExecute, ref MemoryReport report)
    {
        var flags = (PteFlags)entry;
        if ((flags & PteFlags.Present) == 0)
            return;
        report.KernelEntries++;
        granted &= flags;
        noExecute |= (flags & PteFlags.NoExecute) != 0;
        var pfn = new Pfn((entry & PageTableEntry.AddressMask) >> PageSize.Shift);
        if (level > 0 && (flags & PteFlags.Huge) == 0)
        {
            var table = new PageTable<ulong>(pfn);
            for (int slot = 0; slot < PageSize.TableEntries; slot++)
                Entry(table[slot], level - 1, granted, noExecute, ref report);
            return;
        }

        report.Unless((granted & PteFlags.User) == 0, "user mode can reach a page of the kernel"u8, pfn);
        report.Unless(noExecute || (granted & PteFlags.Writable) == 0, "a page of the kernel can be written and executed"u8, pfn);
    }
}
#endif
