namespace NanoVm.Core;

/// <summary>An entry of the last level: one 4 KiB page, or when not present whatever its owner stored (a swap entry).</summary>
/// <remarks>Linux: <c>pte_t</c>. Intel SDM volume 3, 4.5.
/// While <see cref="IsPresent"/> is false the processor ignores every other bit.
/// </remarks>
internal readonly struct Pte(ulong value)
{
    public readonly ulong Value = value;

    public Pte(Pfn pfn, PteFlags flags) : this((pfn.Value << PageSize.Shift) | (ulong)flags)
    {
    }

    /// <summary>Nothing at all is stored here: neither a page nor a swap entry.</summary>
    public bool IsNone => Value == 0;

    public bool IsPresent => (Value & (ulong)PteFlags.Present) != 0;

    public bool IsWritable => (Value & (ulong)PteFlags.Writable) != 0;

    public bool IsUser => (Value & (ulong)PteFlags.User) != 0;

    public bool IsAccessed => (Value & (ulong)PteFlags.Accessed) != 0;

    public bool IsDirty => (Value & (ulong)PteFlags.Dirty) != 0;

    public bool IsSpecial => (Value & (ulong)PteFlags.Special) != 0;

    public bool IsSoftDirty => (Value & (ulong)PteFlags.SoftDirty) != 0;

    public bool IsNoExecute => (Value & (ulong)PteFlags.NoExecute) != 0;

    /// <summary>The frame of the page.</summary>
    public Pfn Pfn => new((Value & PageTableEntry.AddressMask) >> PageSize.Shift);

    /// <summary>All bits that are not the address.</summary>
    public PteFlags Flags => (PteFlags)(Value & ~PageTableEntry.AddressMask);

    public bool Has(PteFlags flags) => (Value & (ulong)flags) == (ulong)flags;

    public Pte With(PteFlags flags) => new(Value | (ulong)flags);

    public Pte Without(PteFlags flags) => new(Value & ~(ulong)flags);

    public Pte WithPfn(Pfn pfn) => new((Value & ~PageTableEntry.AddressMask) | (pfn.Value << PageSize.Shift));

    public Pte WithWritable() => With(PteFlags.Writable);

    public Pte WithoutWritable() => Without(PteFlags.Writable);

    public Pte WithAccessed() => With(PteFlags.Accessed);

    public Pte WithoutAccessed() => Without(PteFlags.Accessed);

    /// <summary>The protection key of a user leaf, 0 to 15.</summary>
    public int ProtectionKey => (int)(Value >> PageTableEntry.ProtectionKeyShift) & 15;

    public static int IndexOf(VirtAddr address) => (int)(address.Value >> PageSize.Shift) & (PageSize.TableEntries - 1);

    public static bool operator ==(Pte left, Pte right) => left.Value == right.Value;

    public static bool operator !=(Pte left, Pte right) => left.Value != right.Value;

    public override bool Equals(object? other) => other is Pte entry && entry.Value == Value;

    public override int GetHashCode() => (int)Value ^ (int)(Value >> 32);
}
