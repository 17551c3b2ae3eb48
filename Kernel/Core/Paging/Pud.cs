namespace NanoVm.Core;

/// <summary>An entry of the third level: a table of <see cref="Pmd"/>, or a 1 GiB page.</summary>
/// <remarks>Linux: <c>pud_t</c>. Intel SDM volume 3, 4.5.</remarks>
internal readonly struct Pud(ulong value)
{
    public readonly ulong Value = value;

    public Pud(Pfn pfn, PteFlags flags) : this((pfn.Value << PageSize.Shift) | (ulong)flags)
    {
    }

    /// <summary>Nothing at all is stored here.</summary>
    public bool IsNone => Value == 0;

    public bool IsPresent => (Value & (ulong)PteFlags.Present) != 0;

    public bool IsWritable => (Value & (ulong)PteFlags.Writable) != 0;

    public bool IsUser => (Value & (ulong)PteFlags.User) != 0;

    public bool IsAccessed => (Value & (ulong)PteFlags.Accessed) != 0;

    public bool IsDirty => (Value & (ulong)PteFlags.Dirty) != 0;

    /// <summary>Whether this entry is a leaf of 1 GiB and not a pointer to a table.</summary>
    public bool IsHuge => (Value & (ulong)PteFlags.Huge) != 0;

    public bool IsNoExecute => (Value & (ulong)PteFlags.NoExecute) != 0;

    /// <summary>The frame of the table, or the first frame of the 1 GiB page.</summary>
    public Pfn Pfn => new((Value & (IsHuge ? PageTableEntry.AddressMask & ~(PageSize.HugeBytes - 1) : PageTableEntry.AddressMask)) >> PageSize.Shift);

    /// <summary>All bits that are not the address.</summary>
    public PteFlags Flags => (PteFlags)(Value & ~PageTableEntry.AddressMask);

    public bool Has(PteFlags flags) => (Value & (ulong)flags) == (ulong)flags;

    public Pud With(PteFlags flags) => new(Value | (ulong)flags);

    public Pud Without(PteFlags flags) => new(Value & ~(ulong)flags);

    public Pud WithPfn(Pfn pfn) => new((Value & ~PageTableEntry.AddressMask) | (pfn.Value << PageSize.Shift));

    /// <summary>An entry that points to the table in <paramref name="table"/>, for user or kernel addresses.</summary>
    public static Pud UserTable(Pfn table) => new(table, PteFlags.UserTable);

    public static Pud KernelTable(Pfn table) => new(table, PteFlags.KernelTable);


    public static int IndexOf(VirtAddr address) => (int)(address.Value >> PageSize.HugeShift) & (PageSize.TableEntries - 1);

    public static bool operator ==(Pud left, Pud right) => left.Value == right.Value;

    public static bool operator !=(Pud left, Pud right) => left.Value != right.Value;

    public override bool Equals(object? other) => other is Pud entry && entry.Value == Value;

    public override int GetHashCode() => (int)Value ^ (int)(Value >> 32);
}
