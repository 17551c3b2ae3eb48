namespace NanoVm.Core;

/// <summary>An entry of the top level: with five levels a table of <see cref="P4d"/>; with four levels folded into it.</summary>
/// <remarks>Linux: <c>pgd_t</c>. Intel SDM volume 3, 4.5.
/// With four-level paging CR3 holds a table that is read as this type, each entry pointing to a table of <see cref="Pud"/>.
/// </remarks>
internal readonly struct Pgd(ulong value)
{
    public readonly ulong Value = value;

    public Pgd(Pfn pfn, PteFlags flags) : this((pfn.Value << PageSize.Shift) | (ulong)flags)
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

    public Pgd With(PteFlags flags) => new(Value | (ulong)flags);

    public Pgd Without(PteFlags flags) => new(Value & ~(ulong)flags);

    public Pgd WithPfn(Pfn pfn) => new((Value & ~PageTableEntry.AddressMask) | (pfn.Value << PageSize.Shift));

    /// <summary>An entry that points to the table in <paramref name="table"/>, for user or kernel addresses.</summary>
    public static Pgd UserTable(Pfn table) => new(table, PteFlags.UserTable);

    public static Pgd KernelTable(Pfn table) => new(table, PteFlags.KernelTable);


    public static int IndexOf(VirtAddr address) => (int)(address.Value >> 39) & (PageSize.TableEntries - 1);

    public static bool operator ==(Pgd left, Pgd right) => left.Value == right.Value;

    public static bool operator !=(Pgd left, Pgd right) => left.Value != right.Value;

    public override bool Equals(object? other) => other is Pgd entry && entry.Value == Value;

    public override int GetHashCode() => (int)Value ^ (int)(Value >> 32);
}
