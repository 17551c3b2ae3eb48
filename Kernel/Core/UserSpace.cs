namespace NanoVm.Core;

/// <summary>The user's half of an address space.</summary>
internal static class UserSpace
{
    /// <summary>
    /// One past the last address a task may map: a page below the canonical hole, so that no SYSCALL at the very end can
    /// return to a non-canonical address. Linux: <c>TASK_SIZE_MAX</c>.
    /// </summary>
    public const ulong End = 0x0000_7fff_ffff_f000;

    /// <summary>Where the legacy vsyscall page is seen. Linux: <c>VSYSCALL_ADDR</c>.</summary>
    public const ulong Vsyscall = 0xffff_ffff_ff60_0000;

    public static VirtAddr EndAddress => new(End);

    /// <summary>Whether <paramref name="bytes"/> bytes from <paramref name="start"/> lie in user space whole. Linux: <c>access_ok</c>.</summary>
    public static bool Contains(VirtAddr start, ulong bytes) => bytes <= End && start.Value <= End - bytes;
}
