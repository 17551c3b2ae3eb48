namespace NanoVm.Core;

/// <summary>An entry of the second level: a table of <see cref="Pte"/>, or a 2 MiB page.</summary>
/// <remarks>Linux: <c>pmd_t</c>. Intel SDM volume 3, 4.5.</remarks>
internal readonly struct Pmd(ulong value)
{
    public readonly ulong Value = value;

    public Pmd(Pfn pfn, PteFlags flags) : this((pfn.Value << PageSize.Shift) | (ulong)flags)
    {
    }

    /// <summary>Nothing at all is stored here.</summary>
    public bool IsNone => Value == 0;

    public bool IsPresent => (Value & (ulong)PteFlags.Present) != 0;

    public bool IsWritable => (Value & (ulong)PteFlags.Writable) != 0;

    public bool IsAccessed => (Value & (ulong)PteFlags.Accessed) != 0;

    /// <summary>Whether this entry is a leaf of 2 MiB and not a pointer to a table.</summary>
    public bool IsHuge => (Value & (ulong)PteFlags.Huge) != 0;

    /// <summary>Whether it leads to a table of <see cref="Pte"/>. Neither this nor <see cref="IsHuge"/>: nothing is here.</summary>
    public bool IsTable => (Value & (ulong)(PteFlags.Present | PteFlags.Huge)) == (ulong)PteFlags.Present;

    /// <summary>Whether it is a 2 MiB page of the pool (<c>MAP_HUGETLB</c>), which is never split.</summary>
    public bool IsFromPool => (Value & (ulong)PteFlags.HugePool) != 0;

    /// <summary>Of a 2 MiB page: what the entry of its page number <paramref name="index"/> would be in a table.</summary>
    public Pte ToPte(int index) => new(Pfn + (ulong)index, Flags & ~(PteFlags.Huge | PteFlags.HugePool));

    /// <summary>The same 2 MiB page with the flags of <paramref name="changed"/>, which was made from its <see cref="ToPte"/> 0.</summary>
    public Pmd WithFlagsOf(Pte changed) => new(changed.Value | (Value & (ulong)(PteFlags.Huge | PteFlags.HugePool)));

    /// <summary>The frame of the table, or the first frame of the 2 MiB page.</summary>
    public Pfn Pfn => new((Value & (IsHuge ? PageTableEntry.AddressMask & ~(PageSize.LargeBytes - 1) : PageTableEntry.AddressMask)) >> PageSize.Shift);

    /// <summary>All bits that are not the address.</summary>
    public PteFlags Flags => (PteFlags)(Value & ~PageTableEntry.AddressMask);

    public bool Has(PteFlags flags) => (Value & (ulong)flags) == (ulong)flags;

    public Pmd With(PteFlags flags) => new(Value | (ulong)flags);

    public Pmd Without(PteFlags flags) => new(Value & ~(ulong)flags);

    /// <summary>An entry that points to the table in <paramref name="table"/>, for user or kernel addresses.</summary>
    public static Pmd UserTable(Pfn table) => new(table, PteFlags.UserTable);

    public static Pmd KernelTable(Pfn table) => new(table, PteFlags.KernelTable);

    public static int IndexOf(VirtAddr address) => (int)(address.Value >> PageSize.LargeShift) & (PageSize.TableEntries - 1);

    public static bool operator ==(Pmd left, Pmd right) => left.Value == right.Value;

    public static bool operator !=(Pmd left, Pmd right) => left.Value != right.Value;

    public override bool Equals(object? other) => other is Pmd entry && entry.Value == Value;

    public override int GetHashCode() => (int)Value ^ (int)(Value >> 32);
}
