namespace NanoVm.Core;

/// <summary>An entry of the fourth level: a table of <see cref="Pud"/>.</summary>
/// <remarks>Linux: <c>p4d_t</c>. Intel SDM volume 3, 4.5.
/// With four-level paging this level is CR3's table and <see cref="Pgd"/> is folded into it.
/// </remarks>
internal readonly struct P4d(ulong value)
{
    public readonly ulong Value = value;

    public P4d(Pfn pfn, PteFlags flags) : this((pfn.Value << PageSize.Shift) | (ulong)flags)
    {
    }

    /// <summary>Nothing at all is stored here.</summary>
    public bool IsNone => Value == 0;

    public bool IsPresent => (Value & (ulong)PteFlags.Present) != 0;

    public bool IsWritable => (Value & (ulong)PteFlags.Writable) != 0;

    public bool IsUser => (Value & (ulong)PteFlags.User) != 0;

    public bool IsAccessed => (Value & (ulong)PteFlags.Accessed) != 0;

    public bool IsNoExecute => (Value & (ulong)PteFlags.NoExecute) != 0;

    /// <summary>The frame of the table.</summary>
    public Pfn Pfn => new((Value & PageTableEntry.AddressMask) >> PageSize.Shift);

    /// <summary>All bits that are not the address.</summary>
    public PteFlags Flags => (PteFlags)(Value & ~PageTableEntry.AddressMask);

    public bool Has(PteFlags flags) => (Value & (ulong)flags) == (ulong)flags;

    public P4d With(PteFlags flags) => new(Value | (ulong)flags);

    public P4d Without(PteFlags flags) => new(Value & ~(ulong)flags);

    public P4d WithPfn(Pfn pfn) => new((Value & ~PageTableEntry.AddressMask) | (pfn.Value << PageSize.Shift));

    /// <summary>An entry that points to the table in <paramref name="table"/>, for user or kernel addresses.</summary>
    public static P4d UserTable(Pfn table) => new(table, PteFlags.UserTable);

    public static P4d KernelTable(Pfn table) => new(table, PteFlags.KernelTable);


    public static int IndexOf(VirtAddr address) => (int)(address.Value >> 39) & (PageSize.TableEntries - 1);

    public static bool operator ==(P4d left, P4d right) => left.Value == right.Value;

    public static bool operator !=(P4d left, P4d right) => left.Value != right.Value;

    public override bool Equals(object? other) => other is P4d entry && entry.Value == Value;

    public override int GetHashCode() => (int)Value ^ (int)(Value >> 32);
}
