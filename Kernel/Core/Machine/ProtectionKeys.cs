namespace NanoVm.Core;

/// <summary>PKRU: what the running thread may do with pages of each protection key.</summary>
/// <remarks>Part of the edge that Kernel.Tests/Machine replaces. Intel SDM volume 3, 4.6.2. A register of the thread, switched with its FPU state.</remarks>
internal static class ProtectionKeys
{
    /// <summary>Keys 0 to 15.</summary>
    public const int Count = 16;

    /// <summary>Whether the processor has them and they are on.</summary>
    public static unsafe bool Available => PerCpu.Area->FpuKeysOffset != 0;

    /// <summary>Sets what the running thread may do with <paramref name="key"/>: bit 0 forbids all access, bit 1 forbids writing. Linux: <c>arch_set_user_pkey_access</c>.</summary>
    public static void SetRights(int key, uint denied)
    {
        uint value = Cpu.ReadPkru();
        Cpu.WritePkru((value & ~(3u << (2 * key))) | (denied << (2 * key)));
    }

    /// <summary>May the running thread access pages of <paramref name="key"/>? Linux: <c>__pkru_allows_pkey</c>.</summary>
    public static bool Allows(int key, bool write)
        => (Cpu.ReadPkru() >> (2 * key) & (write ? 3u : 1u)) == 0;
}
