using System;

namespace NanoVm.User.Suites;

/// <summary>The rarer calls of memory management and what belongs to them.</summary>
internal static unsafe partial class Linux
{
    public static int ShmGet(int key, nint bytes, int flags) => (int)Syscall.Call(29, key, bytes, flags);
    public static nint ShmAttach(int id, nint address, int flags) => Syscall.Call(30, id, address, flags);
    public static int ShmControl(int id, int command, void* buffer = null) => (int)Syscall.Call(31, id, command, (nint)buffer);
    public static nint ShmDetach(nint address) => Syscall.Call(67, address);
    public static int Fcntl(int file, int command, nint value = 0) => (int)Syscall.Call(72, file, command, value);
    public static int ResourceUsage(int who, long* usage) => (int)Syscall.Call(98, who, (nint)usage);
    public static nint Personality(nint value) => Syscall.Call(135, value);
    public static nint Mlock2(nint address, nint bytes, int flags) => Syscall.Call(325, address, bytes, flags);
    public static nint MlockAll(int flags) => Syscall.Call(151, flags);
    public static nint MunlockAll() => Syscall.Call(152);
    public static nint ArchPrctl(int code, nint value) => Syscall.Call(158, code, value);
    public static nint Prctl(int option, nint a = 0, nint b = 0, nint c = 0, nint d = 0) => Syscall.Call(157, option, a, b, c, d);
    public static nint RemapFilePages(nint address, nint bytes, int protection, nint page, int flags) => Syscall.Call(216, address, bytes, protection, page, flags);
    public static int Fallocate(int file, int mode, nint offset, nint bytes) => (int)Syscall.Call(285, file, mode, offset, bytes);
    public static int PrLimit(int pid, int resource, ulong* fresh, ulong* old) => (int)Syscall.Call(302, pid, resource, (nint)fresh, (nint)old);
    public static nint ProcessRead(int pid, nint* own, nint ownCount, nint* theirs, nint theirCount, nint flags = 0) => Syscall.Call(310, pid, (nint)own, ownCount, (nint)theirs, theirCount, flags);
    public static nint ProcessWrite(int pid, nint* own, nint ownCount, nint* theirs, nint theirCount, nint flags = 0) => Syscall.Call(311, pid, (nint)own, ownCount, (nint)theirs, theirCount, flags);
    public static int MemFd(ReadOnlySpan<byte> name, int flags) { fixed (byte* n = name) return (int)Syscall.Call(319, (nint)n, flags); }
    public static int UserFaultFd(int flags) => (int)Syscall.Call(323, flags);
    public static int Membarrier(int command, int flags = 0) => (int)Syscall.Call(324, command, flags);
    public static nint PkeyMprotect(nint address, nint bytes, int protection, int key) => Syscall.Call(329, address, bytes, protection, key);
    public static int PkeyAlloc(int flags, int rights) => (int)Syscall.Call(330, flags, rights);
    public static int PkeyFree(int key) => (int)Syscall.Call(331, key);

    /// <summary>Sets the soft limit of a resource and tells the one before; the hard limit stays.</summary>
    public static ulong SetSoftLimit(int resource, ulong value)
    {
        ulong* pair = stackalloc ulong[2];
        GetResourceLimit(resource, pair);
        ulong before = pair[0];
        pair[0] = value;
        SetResourceLimit(resource, pair);
        return before;
    }
}

internal static class Advice
{
    public const int Normal = 0, Random = 1, Sequential = 2, WillNeed = 3, DontNeed = 4, Free = 8, Remove = 9, DontFork = 10, DoFork = 11, Mergeable = 12, Unmergeable = 13,
        HugePage = 14, NoHugePage = 15, DontDump = 16, DoDump = 17, WipeOnFork = 18, KeepOnFork = 19, Cold = 20, PageOut = 21, PopulateRead = 22, PopulateWrite = 23;
}

internal static class Remap
{
    public const int MayMove = 1, Fixed = 2, DontUnmap = 4;
}

internal static class Limit
{
    public const int FileSize = 1, Data = 2, Stack = 3, Core = 4, Processes = 6, Files = 7, Locked = 8, AddressSpace = 9;
    public const ulong Infinity = ulong.MaxValue;
}
