namespace NanoVm.Core;

/// <summary>Prints what the four tables say of an address, for panics.</summary>
internal static unsafe class PageWalk
{
    public static void Print(VirtAddr address)
    {
        ulong table = Cpu.ReadCr3() & PageTableEntry.AddressMask;
        int shift = Mmu.IsFiveLevel ? 48 : 39;
        for (; shift >= PageSize.Shift; shift -= 9)
        {
            int index = (int)(address.Value >> shift) & (PageSize.TableEntries - 1);
            ulong entry;
            if (Cpu.ProbeRead(table + KernelLayout.DirectMap + (ulong)index * sizeof(ulong), &entry) != 0)
            {
                PanicReport.Line($"  table at 0x{table:x} is no memory: corrupt");
                return;
            }
            Entry(shift, index, entry);
            if ((entry & (ulong)PteFlags.Present) == 0 || (shift < 39 && (entry & (ulong)PteFlags.Huge) != 0))
                return;
            table = entry & PageTableEntry.AddressMask;
        }
    }

    private static void Entry(int shift, int index, ulong entry)
    {
        System.ReadOnlySpan<byte> level = shift switch
        {
            48 => "pgd"u8,
            39 => "p4d"u8,
            30 => "pud"u8,
            21 => "pmd"u8,
            _ => "pte"u8,
        };
        var flags = (PteFlags)entry;
        System.ReadOnlySpan<byte> state = (flags & PteFlags.Present) == 0 ? "not present"u8
            : (flags & PteFlags.Writable) != 0 ? "present, writable"u8 : "present, read-only"u8;
        System.ReadOnlySpan<byte> user = (flags & PteFlags.User) != 0 ? ", user"u8 : ", kernel"u8;
        System.ReadOnlySpan<byte> execute = (flags & PteFlags.NoExecute) != 0 ? ", no execute"u8 : default;
        System.ReadOnlySpan<byte> leaf = shift is 21 or 30 && (flags & PteFlags.Huge) != 0 ? ", large page"u8 : default;
        PanicReport.Line($"  {level}[{index}] = {entry:x16} ({state}{user}{execute}{leaf})");
    }
}
