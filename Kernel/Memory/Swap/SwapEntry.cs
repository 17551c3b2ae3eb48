using NanoVm.Core;

namespace NanoVm.Memory.Swap;

/// <summary>Where a page is in swap, as a page-table entry keeps it.</summary>
/// <remarks>
/// Linux: <c>swp_entry_t</c>. Bits 0 (present) and 8 (PROT_NONE) are clear; bits 2 to 6 are the area, bits 12 up the slot. Slot 0 is the
/// header, so an entry is never zero.
/// </remarks>
internal readonly struct SwapEntry(ulong value)
{
    public const int MaximumAreas = 30;

    public readonly ulong Value = value;

    public SwapEntry(int area, ulong slot) : this(((ulong)area << 2) | (slot << PageSize.Shift))
    {
    }

    public SwapEntry(Pte entry) : this(entry.Value & ~(ulong)PteFlags.SoftDirty)
    {
    }

    public int Area => (int)(Value >> 2) & 31;

    public ulong Slot => Value >> PageSize.Shift;

    public Pte ToPte() => new(Value);
}
