namespace NanoVm.Core;

/// <summary>What the processor can do, as far as the kernel asks. Intel SDM volume 2, CPUID.</summary>
internal readonly unsafe struct CpuFeatures
{
    /// <summary>Leaf 1 ECX and EDX, leaf 7 EBX, ECX and EDX, leaf 0x80000001 EDX and ECX.</summary>
    public readonly uint Basic1C, Basic1D, Extended7B, Extended7C, Extended7D, Amd1D, Amd1C;
    public readonly uint MaxLeaf;
    public readonly uint MaxExtendedLeaf;

    private CpuFeatures(bool unused)
    {
        uint* r = stackalloc uint[4];
        Cpu.CpuId(0, 0, r);
        MaxLeaf = r[0];
        Cpu.CpuId(1, 0, r);
        Basic1C = r[2];
        Basic1D = r[3];
        Extended7B = Extended7C = Extended7D = 0;
        if (MaxLeaf >= 7)
        {
            Cpu.CpuId(7, 0, r);
            Extended7B = r[1];
            Extended7C = r[2];
            Extended7D = r[3];
        }
        Cpu.CpuId(0x8000_0000, 0, r);
        MaxExtendedLeaf = r[0];
        Cpu.CpuId(0x8000_0001, 0, r);
        Amd1C = r[2];
        Amd1D = r[3];
    }

    public static CpuFeatures Read() => new(true);

    public bool HasXsave => (Basic1C & (1u << 26)) != 0;
    public bool HasRdrand => (Basic1C & (1u << 30)) != 0;
    public bool HasGlobalPages => (Basic1D & (1u << 13)) != 0;
    public bool HasFsGsBase => (Extended7B & (1u << 0)) != 0;
    public bool HasSmep => (Extended7B & (1u << 7)) != 0;
    public bool HasSmap => (Extended7B & (1u << 20)) != 0;
    public bool HasUmip => (Extended7C & (1u << 2)) != 0;
    public bool HasProtectionKeys => (Extended7C & (1u << 3)) != 0;
    public bool HasFiveLevelPaging => (Extended7C & (1u << 16)) != 0;
    public bool HasGigabytePages => (Amd1D & (1u << 26)) != 0;
}
