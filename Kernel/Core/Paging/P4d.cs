namespace NanoVm.Core;

/// <summary>An entry of the fourth level: a table of <see cref="Pud"/>.</summary>
/// <remarks>Linux: <c>p4d_t</c>. Intel SDM volume 3, 4.5. With four-level paging CR3 holds a table of these.</remarks>
internal readonly struct P4d(ulong value)
{
    public readonly ulong Value = value;

    public P4d(Pfn pfn, PteFlags flags) : this((pfn.Value << PageSize.Shift) | (ulong)flags)
    {
    }

    public bool IsPresent => (Value & (ulong)PteFlags.Present) != 0;

    /// <summary>The frame of the table.</summary>
    public Pfn Pfn => new((Value & PageTableEntry.AddressMask) >> PageSize.Shift);

    public static int IndexOf(VirtAddr address) => (int)(address.Value >> 39) & (PageSize.TableEntries - 1);
}
