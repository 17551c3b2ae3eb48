namespace NanoVm.Core;

/// <summary>A virtual address, of user or kernel space.</summary>
internal readonly struct VirtAddr(ulong value)
{
    /// <summary>The address as a number.</summary>
    public readonly ulong Value = value;

    public static VirtAddr Zero => default;

    public unsafe VirtAddr(void* pointer) : this((ulong)pointer)
    {
    }

    public bool IsZero => Value == 0;

    public bool IsPageAligned => (Value & PageSize.Mask) == 0;

    /// <summary>The distance from the start of the page, in bytes.</summary>
    public ulong PageOffset => Value & PageSize.Mask;

    /// <summary>Whether the address lies below <see cref="UserSpace.Limit"/>.</summary>
    public bool IsUser => Value < UserSpace.Limit;

    /// <summary>The start of the page that holds this address.</summary>
    public VirtAddr PageDown() => new(Value & ~PageSize.Mask);

    /// <summary>The first page start at or above this address; the last page start of all instead of a wrap to zero.</summary>
    public VirtAddr PageUp() => Value > ~PageSize.Mask ? new(~PageSize.Mask) : new((Value + PageSize.Mask) & ~PageSize.Mask);

    /// <summary>The address rounded down to <paramref name="alignment"/>, a power of two.</summary>
    public VirtAddr AlignDown(ulong alignment) => new(Value & ~(alignment - 1));

    public static VirtAddr operator +(VirtAddr left, ulong bytes) => new(left.Value + bytes);

    public static VirtAddr operator -(VirtAddr left, ulong bytes) => new(left.Value - bytes);

    public static ulong operator -(VirtAddr left, VirtAddr right) => left.Value - right.Value;

    public static bool operator ==(VirtAddr left, VirtAddr right) => left.Value == right.Value;

    public static bool operator !=(VirtAddr left, VirtAddr right) => left.Value != right.Value;

    public static bool operator <(VirtAddr left, VirtAddr right) => left.Value < right.Value;

    public static bool operator >(VirtAddr left, VirtAddr right) => left.Value > right.Value;

    public static bool operator <=(VirtAddr left, VirtAddr right) => left.Value <= right.Value;

    public static bool operator >=(VirtAddr left, VirtAddr right) => left.Value >= right.Value;

    public static VirtAddr Min(VirtAddr left, VirtAddr right) => left.Value < right.Value ? left : right;

    public static VirtAddr Max(VirtAddr left, VirtAddr right) => left.Value > right.Value ? left : right;

    public override bool Equals(object? other) => other is VirtAddr address && address.Value == Value;

    public override int GetHashCode() => (int)Value ^ (int)(Value >> 32);
}
