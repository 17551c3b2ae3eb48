namespace NanoVm.Core;

/// <summary>A number of pages.</summary>
internal readonly struct PageCount(ulong value)
{
    public readonly ulong Value = value;

    public static PageCount Zero => default;

    public ulong Bytes => Value << PageSize.Shift;

    /// <summary>The pages that <paramref name="bytes"/> fill, the last one perhaps in part. Never wraps.</summary>
    public static PageCount FromBytesRoundedUp(ulong bytes) => new((bytes >> PageSize.Shift) + ((bytes & PageSize.Mask) != 0 ? 1UL : 0));

    public static PageCount operator +(PageCount left, PageCount right) => new(left.Value + right.Value);

    public static PageCount operator -(PageCount left, PageCount right) => new(left.Value - right.Value);

    public static bool operator ==(PageCount left, PageCount right) => left.Value == right.Value;

    public static bool operator !=(PageCount left, PageCount right) => left.Value != right.Value;

    public static bool operator <(PageCount left, PageCount right) => left.Value < right.Value;

    public static bool operator >(PageCount left, PageCount right) => left.Value > right.Value;

    public static bool operator <=(PageCount left, PageCount right) => left.Value <= right.Value;

    public static bool operator >=(PageCount left, PageCount right) => left.Value >= right.Value;

    public override bool Equals(object? other) => other is PageCount count && count.Value == Value;

    public override int GetHashCode() => (int)Value;
}
