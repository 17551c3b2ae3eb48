using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Reclaim;

/// <summary>More memory than the machine has.</summary>
internal static unsafe class Swapping
{
    private const nint Big = 400 << 20;

    /// <summary>Each word that is written and verified: one in a cache line.</summary>
    private const nint Step = 64;

    private static nint s_memory;
    private static nint s_bytes;

    public static void MoreThanThereIs()
    {
        if (!CanSwap(Big))
            return;
        long free = Machine.Memory("MemAvailable"u8);
        s_bytes = Big;
        s_memory = Mmap(0, Big, Protection.ReadWrite, Map.PrivateAnonymous | Map.NoReserve);
        Fill(1);
        int pid = Fork();
        if (pid == 0)
            Exit(VerifyAndChange());
        bool good = IsWhole(1);
        Check(good);
        Equal(0, Child.Status(pid));
        Check(IsWhole(1));
        Munmap(s_memory, Big);
        Machine.CheckOrder();
        EndAndBegin();
        Equal(0, Machine.Memory("SwapTotal"u8) - Machine.Memory("SwapFree"u8));
        Check(Machine.Memory("MemAvailable"u8) > free - 4096);
    }

    /// <summary>The child verifies all, and changes a sixteenth: a copy of its own.</summary>
    private static int VerifyAndChange()
    {
        if (!IsWhole(1))
            return 1;
        for (nint at = 0; at < Big; at += 16 * Page)
            *(ulong*)(s_memory + at) = 7;
        for (nint at = 0; at < Big; at += Page)
        {
            if (*(ulong*)(s_memory + at) != (at % (16 * Page) == 0 ? 7 : Value(at, 1)))
                return 2;
        }
        return 0;
    }

    public static void SharedMemory()
    {
        const nint bytes = 160 << 20;
        if (!CanSwap(bytes))
            return;
        s_bytes = bytes;
        s_memory = Mmap(0, bytes, Protection.ReadWrite, Map.SharedAnonymous);
        Fill(2);
        Equal(0, Child.Run(&VerifyAndRefill));
        Check(IsWhole(3));
        Munmap(s_memory, bytes);
        Machine.CheckOrder();
    }

    private static int VerifyAndRefill()
    {
        if (!IsWhole(2))
            return 1;
        Fill(3);
        return 0;
    }

    /// <summary><c>swapoff</c> with pages there; then it is on again.</summary>
    public static void Off()
    {
        s_bytes = 40 << 20;
        if (!CanSwap(s_bytes))
            return;
        s_memory = Mmap(0, s_bytes, Protection.ReadWrite, Map.PrivateAnonymous);
        Fill(4);
        Equal(0, Madvise(s_memory, s_bytes, 21));   // MADV_PAGEOUT
        int pid = Fork();                           // both of them name the same slots
        if (pid == 0)
            Exit(Yield() == 0 && IsWhole(4) ? 0 : 1);
        EndAndBegin();
        Check(IsWhole(4));
        Equal(0, Child.Status(pid));
        Munmap(s_memory, s_bytes);
        Machine.CheckOrder();
    }

    /// <summary>The slots that nobody frees would be found here: all that is in swap comes back, or <c>swapoff</c> fails.</summary>
    private static void EndAndBegin()
    {
        Span<byte> device = stackalloc byte[64];
        device.Clear();
        if (!Check(FindDevice(device)))
            return;
        fixed (byte* path = device)
        {
            Equal(0, Syscall.Call(168, (nint)path));
            Equal(0, Machine.Memory("SwapTotal"u8));
            Equal(0, Syscall.Call(167, (nint)path, 0));
        }
    }

    /// <summary>The first device of <c>/proc/swaps</c>; the text keeps a zero behind it.</summary>
    internal static bool FindDevice(Span<byte> path)
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/swaps"u8);
        int line = text.IndexOf((byte)'\n') + 1;
        ReadOnlySpan<byte> first = text.Slice(line);
        int length = 0;
        while (length < first.Length && first[length] is not ((byte)' ' or (byte)'\t'))
            length++;
        if (length <= 0 || length >= path.Length)
            return false;
        first.Slice(0, length).CopyTo(path);
        return true;
    }

    private static bool CanSwap(nint bytes)
    {
        bool can = Machine.IsSmall && Machine.Memory("SwapFree"u8) > (bytes >> 10) + (bytes >> 13);
        if (!can)
            Skip("this is no small machine with much swap");
        return can;
    }

    private static ulong Value(nint at, ulong seed) => ((ulong)at + seed) * 0x9E3779B97F4A7C15;

    private static void Fill(ulong seed)
    {
        for (nint at = 0; at < s_bytes; at += Step)
            *(ulong*)(s_memory + at) = Value(at, seed);
    }

    private static bool IsWhole(ulong seed)
    {
        for (nint at = 0; at < s_bytes; at += Step)
        {
            if (*(ulong*)(s_memory + at) != Value(at, seed))
                return false;
        }
        return true;
    }
}
