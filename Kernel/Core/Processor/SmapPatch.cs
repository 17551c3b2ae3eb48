namespace NanoVm.Core;

/// <summary>Puts CLAC and STAC where <c>boot/frame.inc</c> has left room, on processors that have SMAP.</summary>
/// <remarks>Linux: alternatives. Through the direct map, because the boot tables may one day map the text read-only.</remarks>
internal static unsafe class SmapPatch
{
    private const byte ClacLastByte = 0xca;
    private const byte StacLastByte = 0xcb;

    public static void Apply()
    {
        Patch((ulong*)Cpu.TrapsClac(), ClacLastByte);
        Patch((ulong*)Cpu.UserCopyClac(), ClacLastByte);
        Patch((ulong*)Cpu.UserCopyStac(), StacLastByte);
    }

    private static void Patch(ulong* sites, byte lastByte)
    {
        for (; *sites != 0; sites++)
        {
            byte* site = (byte*)(*sites - KernelLayout.Image + KernelLayout.DirectMap);
            site[0] = 0x0f;
            site[1] = 0x01;
            site[2] = lastByte;
        }
    }
}
