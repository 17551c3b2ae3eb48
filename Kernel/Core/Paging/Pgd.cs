namespace NanoVm.Core;

/// <summary>An entry of the fifth level: a table of <see cref="P4d"/>.</summary>
/// <remarks>
/// Linux: <c>pgd_t</c>. Intel SDM volume 3, 4.5. Only with five-level paging. With four it is folded into <see cref="P4d"/>: CR3 holds a table of those.
/// What an entry can be asked and told is here and in the types of the other levels as far as anybody does.
/// </remarks>
internal readonly struct Pgd(ulong value)
{
    public readonly ulong Value = value;

    public Pgd(Pfn pfn, PteFlags flags) : this((pfn.Value << PageSize.Shift) | (ulong)flags)
    {
    }

    public bool IsPresent => (Value & (ulong)PteFlags.Present) != 0;

    /// <summary>The frame of the table.</summary>
    public Pfn Pfn => new((Value & PageTableEntry.AddressMask) >> PageSize.Shift);
}
