namespace NanoVm.User.Suites.Policy;

/// <summary>The calls about memory policies, and their numbers.</summary>
internal static unsafe class Calls
{
    public const int Default = 0, Preferred = 1, Bind = 2, Interleave = 3, Local = 4, PreferredMany = 5;
    public const int Balancing = 1 << 13, Relative = 1 << 14, Static = 1 << 15;
    public const int Strict = 1, Move = 2, MoveAll = 4;
    public const int OfNode = 1, OfAddress = 2, Allowed = 4;

    public static int SetMempolicy(int mode, ulong* nodes, nint bits) => (int)Syscall.Call(238, mode, (nint)nodes, bits);

    /// <summary>With one word of nodes, or with none where the set is empty.</summary>
    public static int SetMempolicy(int mode, ulong nodes = 0) => SetMempolicy(mode, nodes == 0 ? null : &nodes, nodes == 0 ? 0 : 65);

    public static int GetMempolicy(int* mode, ulong* nodes, nint bits, nint address, int flags)
        => (int)Syscall.Call(239, (nint)mode, (nint)nodes, bits, address, flags);

    public static int Mbind(nint address, nint bytes, int mode, ulong nodes = 0, int flags = 0)
        => (int)Syscall.Call(237, address, bytes, mode, nodes == 0 ? 0 : (nint)(&nodes), nodes == 0 ? 0 : 65, flags);

    public static int SetHomeNode(nint address, nint bytes, nint node, nint flags = 0) => (int)Syscall.Call(450, address, bytes, node, flags);

    public static int MovePages(int pid, nint count, nint* pages, int* nodes, int* status, int flags = 0)
        => (int)Syscall.Call(279, pid, count, (nint)pages, (nint)nodes, (nint)status, flags);

    public static int MigratePages(int pid, nint bits, ulong* from, ulong* to) => (int)Syscall.Call(256, pid, bits, (nint)from, (nint)to);

    /// <summary>The task's policy: mode and flags in the low half, the lowest 32 nodes in the upper one; or the error.</summary>
    public static long OfTask() => Ask(0, 0);

    /// <summary>As <see cref="OfTask"/>, of the page at the address.</summary>
    public static long PolicyAt(nint address) => Ask(address, OfAddress);

    private static long Ask(nint address, int flags)
    {
        int mode = -1;
        ulong* nodes = stackalloc ulong[16];
        int error = GetMempolicy(&mode, nodes, 1025, address, flags);
        return error != 0 ? error : (long)(nodes[0] << 32) | (uint)mode;
    }

    /// <summary>What <see cref="OfTask"/> answers for a mode over the nodes.</summary>
    public static long Answer(int mode, ulong nodes = 0) => (long)(nodes << 32) | (uint)mode;
}
