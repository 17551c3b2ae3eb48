using NanoVm.Core;

namespace NanoVm.Memory.Swap;

/// <summary>Where a page is in swap, as a page-table entry keeps it.</summary>
/// <remarks>
/// Linux: <c>swp_entry_t</c>. Bits 0 (present) and 8 (PROT_NONE) are clear; bits 2 to 6 are the area, bits 12 up the slot. Slot 0 is the
/// header, so an entry is never zero. Bits 9 and 11 of the entry are as in one that is present: soft-dirty, and watched for writes.
/// </remarks>
internal readonly struct SwapEntry(ulong value)
{
    public const int MaximumAreas = 30;

    public readonly ulong Value = value;

    public SwapEntry(int area, ulong slot) : this(((ulong)area << 2) | (slot << PageSize.Shift))
    {
    }

    /// <summary>What a page-table entry keeps over a stay in swap.</summary>
    public const PteFlags Kept = PteFlags.SoftDirty | PteFlags.UserfaultWriteProtect;

    public SwapEntry(Pte entry) : this(entry.Value & ~(ulong)Kept)
    {
    }

    public static bool operator ==(SwapEntry left, SwapEntry right) => left.Value == right.Value;

    public static bool operator !=(SwapEntry left, SwapEntry right) => left.Value != right.Value;

    public override bool Equals(object? other) => other is SwapEntry entry && entry.Value == Value;

    public override int GetHashCode() => (int)Slot;

    public int Area => (int)(Value >> 2) & 31;

    public ulong Slot => Value >> PageSize.Shift;

    /// <summary>The entry that takes the place of <paramref name="mapped"/>.</summary>
    public Pte ToPte(Pte mapped) => new(Value | (mapped.Value & (ulong)Kept));
}
