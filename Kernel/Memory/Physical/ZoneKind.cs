namespace NanoVm.Memory.Physical;

/// <summary>RAM by who can reach it, from the scarcest to the most plentiful.</summary>
internal enum ZoneKind : byte
{
    /// <summary>Below 16 MiB: for ISA devices.</summary>
    Dma,
    /// <summary>Below 4 GiB: for devices with 32 address bits.</summary>
    Dma32,
    /// <summary>All else.</summary>
    Normal,
}
