namespace NanoVm.Core;

/// <summary>Addresses from <see cref="Start"/> up to, not including, <see cref="End"/>; <c>Start &lt;= End</c>.</summary>
internal readonly struct PageRange(VirtAddr start, VirtAddr end)
{
    public readonly VirtAddr Start = start;
    public readonly VirtAddr End = end;

    public ulong Bytes => End - Start;

    public PageCount Count => new((End - Start) >> PageSize.Shift);

    public bool IsEmpty => Start >= End;

    public bool Contains(VirtAddr address) => address >= Start && address < End;

    public bool Contains(PageRange other) => other.Start >= Start && other.End <= End;

    public bool Overlaps(PageRange other) => Start < other.End && other.Start < End;

    /// <summary>What both ranges share; empty when they do not meet.</summary>
    public PageRange Intersect(PageRange other)
    {
        VirtAddr start = VirtAddr.Max(Start, other.Start);
        VirtAddr end = VirtAddr.Min(End, other.End);
        return start < end ? new PageRange(start, end) : new PageRange(start, start);
    }

    /// <summary>The range of <paramref name="bytes"/> bytes from <paramref name="start"/>, not rounded.</summary>
    /// <returns>False when it would wrap past the top of the address space.</returns>
    public static bool TryCreate(VirtAddr start, ulong bytes, out PageRange range)
    {
        range = new PageRange(start, start + bytes);
        return range.End >= start;
    }

    public static bool operator ==(PageRange left, PageRange right) => left.Start == right.Start && left.End == right.End;

    public static bool operator !=(PageRange left, PageRange right) => !(left == right);

    public override bool Equals(object? other) => other is PageRange range && range == this;

    public override int GetHashCode() => Start.GetHashCode() ^ End.GetHashCode();
}
