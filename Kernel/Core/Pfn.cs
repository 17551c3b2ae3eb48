namespace NanoVm.Core;

/// <summary>The number of a physical page frame: its address divided by the page size.</summary>
internal readonly struct Pfn(ulong value)
{
    public readonly ulong Value = value;

    /// <summary>No frame. (Frame 0 exists.)</summary>
    public static Pfn None => new(ulong.MaxValue);

    public bool IsNone => Value == ulong.MaxValue;

    /// <summary>Where the frame starts.</summary>
    public PhysAddr Address => new(Value << PageSize.Shift);

    public static Pfn operator +(Pfn left, ulong frames) => new(left.Value + frames);

    public static Pfn operator -(Pfn left, ulong frames) => new(left.Value - frames);

    public static ulong operator -(Pfn left, Pfn right) => left.Value - right.Value;

    public static bool operator ==(Pfn left, Pfn right) => left.Value == right.Value;

    public static bool operator !=(Pfn left, Pfn right) => left.Value != right.Value;

    public static bool operator <(Pfn left, Pfn right) => left.Value < right.Value;

    public static bool operator >(Pfn left, Pfn right) => left.Value > right.Value;

    public static bool operator <=(Pfn left, Pfn right) => left.Value <= right.Value;

    public static bool operator >=(Pfn left, Pfn right) => left.Value >= right.Value;

    public override bool Equals(object? other) => other is Pfn pfn && pfn.Value == Value;

    public override int GetHashCode() => (int)Value ^ (int)(Value >> 32);
}
