namespace NanoVm.Core;

/// <summary>A physical address: what a page-table entry and a device's register hold.</summary>
internal readonly struct PhysAddr(ulong value)
{
    public readonly ulong Value = value;

    /// <summary>The number of the frame that holds this address.</summary>
    public Pfn Pfn => new(Value >> PageSize.Shift);

    public ulong PageOffset => Value & PageSize.Mask;

    public static PhysAddr operator +(PhysAddr left, ulong bytes) => new(left.Value + bytes);

    public static PhysAddr operator -(PhysAddr left, ulong bytes) => new(left.Value - bytes);

    public static ulong operator -(PhysAddr left, PhysAddr right) => left.Value - right.Value;

    public static bool operator ==(PhysAddr left, PhysAddr right) => left.Value == right.Value;

    public static bool operator !=(PhysAddr left, PhysAddr right) => left.Value != right.Value;

    public static bool operator <(PhysAddr left, PhysAddr right) => left.Value < right.Value;

    public static bool operator >(PhysAddr left, PhysAddr right) => left.Value > right.Value;

    public static bool operator <=(PhysAddr left, PhysAddr right) => left.Value <= right.Value;

    public static bool operator >=(PhysAddr left, PhysAddr right) => left.Value >= right.Value;

    public override bool Equals(object? other) => other is PhysAddr address && address.Value == Value;

    public override int GetHashCode() => (int)Value ^ (int)(Value >> 32);
}
