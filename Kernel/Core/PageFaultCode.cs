using System;

namespace NanoVm.Core;

/// <summary>The error code that the processor pushes with #PF.</summary>
/// <remarks>Linux: <c>X86_PF_*</c>. Intel SDM volume 3, 4.7.</remarks>
[Flags]
internal enum PageFaultCode : uint
{
    None = 0,
    /// <summary>Set: the page was there and refused the access. Clear: it was not present.</summary>
    Present = 1 << 0,
    Write = 1 << 1,
    /// <summary>The processor was at privilege level 3.</summary>
    User = 1 << 2,
    /// <summary>An entry had a bit set that must be zero: a corrupt page table.</summary>
    ReservedBit = 1 << 3,
    InstructionFetch = 1 << 4,
    ProtectionKey = 1 << 5,
    ShadowStack = 1 << 6,
}
