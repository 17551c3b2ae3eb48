using NanoVm.Core;

namespace NanoVm.Syscalls;

/// <summary>The size of huge page that a call asks for, in bits 26 to 31 of its flags as log2: 0 is the usual one.</summary>
/// <remarks>Linux: <c>MAP_HUGE_SHIFT</c>, <c>SHM_HUGE_SHIFT</c>, <c>MFD_HUGE_SHIFT</c>.</remarks>
internal static class HugePageSize
{
    public const int Shift = 26;
    public const uint Mask = 0x3F;

    /// <summary>None for 2 MiB; <see cref="Errno.ENOMEM"/> for 1 GiB, whose pool is always empty; else what the call says to an unknown size.</summary>
    public static Errno Check(uint flags, Errno unknown) => ((flags >> Shift) & Mask) switch
    {
        0 or PageSize.LargeShift => Errno.None,
        PageSize.HugeShift => Errno.ENOMEM,
        _ => unknown,
    };
}
