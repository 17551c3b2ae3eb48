namespace NanoVm.Core;

/// <summary>The user's half of an address space.</summary>
internal static class UserSpace
{
    /// <summary>
    /// The end of user space with four levels of paging, and with five the end of where a mapping goes when nobody asks for more: a page
    /// below the canonical hole, so that no SYSCALL at the very end can return to a non-canonical address. Linux: <c>DEFAULT_MAP_WINDOW</c>.
    /// </summary>
    public const ulong End = 0x0000_7fff_ffff_f000;

    /// <summary>Where the legacy vsyscall page is seen. Linux: <c>VSYSCALL_ADDR</c>.</summary>
    public const ulong Vsyscall = 0xffff_ffff_ff60_0000;

    /// <summary>The end of user space with five levels of paging: 64 PiB less a page.</summary>
    public const ulong FiveLevelEnd = 0x00ff_ffff_ffff_f000;

    /// <summary>One past the last address that user memory can have on this machine. Linux: <c>TASK_SIZE_MAX</c>.</summary>
    public static ulong Limit => Mmu.UserEnd;

    public static VirtAddr EndAddress => new(End);

    /// <summary>Whether <paramref name="bytes"/> bytes from <paramref name="start"/> lie in user space whole. Linux: <c>access_ok</c>.</summary>
    public static bool Contains(VirtAddr start, ulong bytes)
    {
        ulong limit = Limit;
        return bytes <= limit && start.Value <= limit - bytes;
    }
}
