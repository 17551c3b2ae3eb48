namespace NanoVm.Core;

/// <summary>Where in an entry the frame number lies; shared by the entries of all levels.</summary>
internal static class PageTableEntry
{
    /// <summary>Bits 12 to 51: the physical address of a page or table.</summary>
    public const ulong AddressMask = 0x000f_ffff_ffff_f000;
    public const int ProtectionKeyShift = 59;
}
