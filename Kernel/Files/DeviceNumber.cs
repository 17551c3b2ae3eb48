namespace NanoVm.Files;

/// <summary>Device numbers as <c>stat.st_rdev</c> shows them: major and minor, packed.</summary>
/// <remarks>glibc: <c>makedev</c>; Linux: <c>new_encode_dev</c>: minor bits 7..0 and 31..20, major bits 19..8.</remarks>
internal static class DeviceNumber
{
    public static ulong Make(uint major, uint minor) => (minor & 0xFF) | ((ulong)(major & 0xFFF) << 8) | ((ulong)(minor & ~0xFFu) << 12);
    public static uint Major(ulong device) => (uint)(device >> 8) & 0xFFF;
    public static uint Minor(ulong device) => (uint)(device & 0xFF) | ((uint)(device >> 12) & 0xFFF00);
}
