namespace NanoVm.Core;

/// <summary>An entry of the third level: a table of <see cref="Pmd"/>, or a 1 GiB page.</summary>
/// <remarks>Linux: <c>pud_t</c>. Intel SDM volume 3, 4.5.</remarks>
internal readonly struct Pud(ulong value)
{
    public readonly ulong Value = value;

    public Pud(Pfn pfn, PteFlags flags) : this((pfn.Value << PageSize.Shift) | (ulong)flags)
    {
    }

    public bool IsPresent => (Value & (ulong)PteFlags.Present) != 0;

    /// <summary>Whether this entry is a leaf of 1 GiB and not a pointer to a table.</summary>
    public bool IsHuge => (Value & (ulong)PteFlags.Huge) != 0;

    /// <summary>The frame of the table, or the first frame of the 1 GiB page.</summary>
    public Pfn Pfn => new((Value & (IsHuge ? PageTableEntry.AddressMask & ~(PageSize.HugeBytes - 1) : PageTableEntry.AddressMask)) >> PageSize.Shift);

    public static int IndexOf(VirtAddr address) => (int)(address.Value >> PageSize.HugeShift) & (PageSize.TableEntries - 1);
}
