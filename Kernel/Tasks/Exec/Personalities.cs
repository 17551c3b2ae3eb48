namespace NanoVm.Tasks;

/// <summary>Flags of personality(2).</summary>
internal static class Personalities
{
    public const uint AddressNoRandomize = 0x0040000, MmapPageZero = 0x0100000, AddressCompatLayout = 0x0200000, ReadImpliesExec = 0x0400000,
        AddressLimit32Bit = 0x0800000, ShortInode = 0x1000000, WholeSeconds = 0x2000000, StickyTimeouts = 0x4000000, AddressLimit3Gb = 0x8000000;

    /// <summary>Linux: READ_IMPLIES_EXEC is decided anew by each program.</summary>
    public const uint ClearedByExec = ReadImpliesExec;
}
