namespace NanoVm.Core;

/// <summary>Segment selectors: places in the global descriptor table. The user's are Linux's, programs see them.</summary>
internal static class Selectors
{
    public const ushort KernelCode = 0x08;
    public const ushort KernelData = 0x10;
    /// <summary>An empty descriptor: only SYSRET's arithmetic needs its number.</summary>
    public const ushort User32Code = 0x23;
    public const ushort UserData = 0x2b;
    public const ushort UserCode = 0x33;
    public const ushort TaskState = 0x40;
}
