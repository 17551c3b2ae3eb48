namespace NanoVm.Tasks;

/// <summary>A set of signals; bit n−1 stands for signal n. Linux: <c>sigset_t</c>.</summary>
internal readonly struct SignalSet(ulong bits)
{
    public readonly ulong Bits = bits;

    public static SignalSet Empty => default;
    public static SignalSet All => new(ulong.MaxValue);

    public bool IsEmpty => Bits == 0;

    public static SignalSet Of(int signal) => new(1ul << (signal - 1));

    public bool Contains(int signal) => (Bits >> (signal - 1) & 1) != 0;

    public SignalSet With(int signal) => new(Bits | 1ul << (signal - 1));
    public SignalSet Without(int signal) => new(Bits & ~(1ul << (signal - 1)));

    public static SignalSet operator |(SignalSet a, SignalSet b) => new(a.Bits | b.Bits);
    public static SignalSet operator &(SignalSet a, SignalSet b) => new(a.Bits & b.Bits);
    public static SignalSet operator ~(SignalSet a) => new(~a.Bits);
}
