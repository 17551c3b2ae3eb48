using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Reclaim;

/// <summary>What the kernel promises before anybody touches it, and what it keeps for itself.</summary>
internal static unsafe class Promising
{
    public static void Modes()
    {
        if (!Machine.IsSmall || Proc.Put("/proc/sys/vm/overcommit_memory"u8, "0"u8) != 1)
        {
            Skip("this machine's promises are not ours to change");
            return;
        }
        nint total = (nint)(Machine.Memory("MemTotal"u8) + Machine.Memory("SwapTotal"u8)) << 10;

        // A guess: all there is for each, but not more.
        nint a = Mmap(0, total - (1 << 20), Protection.ReadWrite, Map.PrivateAnonymous);
        nint b = Mmap(0, total - (1 << 20), Protection.ReadWrite, Map.PrivateAnonymous);
        Check(!IsError(a) && !IsError(b));
        Equal(Errno.NoMemory, Mmap(0, total + (64 << 20), Protection.ReadWrite, Map.PrivateAnonymous));
        Check(!IsError(Mmap(0, total + (64 << 20), Protection.ReadWrite, Map.PrivateAnonymous | Map.NoReserve)));
        Munmap(a, total - (1 << 20));
        Munmap(b, total - (1 << 20));

        // Always.
        Equal(1, Proc.Put("/proc/sys/vm/overcommit_memory"u8, "1"u8));
        a = Mmap(0, 16 * total, Protection.ReadWrite, Map.PrivateAnonymous);
        Check(!IsError(a));
        Munmap(a, 16 * total);

        // Never more than the limit, NORESERVE or not.
        long ratio = Proc.Number(Proc.ReadAll("/proc/sys/vm/overcommit_ratio"u8));
        Near(Machine.Memory("MemTotal"u8) * ratio / 100 + Machine.Memory("SwapTotal"u8), Machine.Memory("CommitLimit"u8));
        Equal(1, Proc.Put("/proc/sys/vm/overcommit_memory"u8, "2"u8));
        long committed = Machine.Memory("Committed_AS"u8);
        a = Mmap(0, 32 << 20, Protection.ReadWrite, Map.PrivateAnonymous | Map.NoReserve);
        Check(!IsError(a));
        Equal(32 << 10, Machine.Memory("Committed_AS"u8) - committed);
        Equal(0, Mprotect(a, 16 << 20, Protection.Read));   // it was promised once: nothing comes back
        Equal(32 << 10, Machine.Memory("Committed_AS"u8) - committed);
        nint rest = (nint)(Machine.Memory("CommitLimit"u8) - Machine.Memory("Committed_AS"u8)) << 10;
        Equal(Errno.NoMemory, Mmap(0, rest + (1 << 20), Protection.ReadWrite, Map.PrivateAnonymous));
        nint shown = Mmap(0, rest + (1 << 20), Protection.Read, Map.PrivateAnonymous);
        Check(!IsError(shown));                             // what cannot be written needs no promise
        Equal(Errno.NoMemory, Mprotect(shown, rest + (1 << 20), Protection.ReadWrite));
        Munmap(shown, rest + (1 << 20));
        Munmap(a, 32 << 20);
        Equal(committed, Machine.Memory("Committed_AS"u8));
        Equal(1, Proc.Put("/proc/sys/vm/overcommit_memory"u8, "0"u8));
        Equal(Errno.Invalid, Proc.Put("/proc/sys/vm/overcommit_memory"u8, "3"u8));
    }

    private static void Near(long expected, long value) => Check(value >= expected - 8 && value <= expected + 8);

    public static void Watermarks()
    {
        if (!Machine.IsSmall)
        {
            Skip("this machine's watermarks are not ours to change");
            return;
        }
        Span<byte> before = stackalloc byte[16];
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/sys/vm/min_free_kbytes"u8);
        int length = text.Length;
        text.CopyTo(before);
        Equal(4, Proc.Put("/proc/sys/vm/min_free_kbytes"u8, "8192"u8));
        long pages = SumOf("min"u8);
        Check(pages > 2040 && pages <= 2048);               // 8 MiB in pages, shared out by the zones' sizes
        Check(SumOf("low"u8) >= pages * 5 / 4 - 4);
        Check(SumOf("high"u8) >= pages * 3 / 2 - 4);
        Equal(length, Proc.Put("/proc/sys/vm/min_free_kbytes"u8, before.Slice(0, length)));
        Check(SumOf("min"u8) < 2040);
    }

    /// <summary>The pages that the zones' lines of one name in <c>/proc/zoneinfo</c> add up to.</summary>
    private static long SumOf(ReadOnlySpan<byte> name)
    {
        long sum = 0;
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/zoneinfo"u8);
        while (text.Length > 0)
        {
            int end = text.IndexOf((byte)'\n');
            if (end < 0)
                break;
            ReadOnlySpan<byte> line = text.Slice(0, end);
            int at = 0;
            while (at < line.Length && line[at] == ' ')
                at++;
            line = line.Slice(at);
            if (line.StartsWith(name) && line.Length > name.Length && line[name.Length] == ' ')
                sum += Proc.Number(line.Slice(name.Length));
            text = text.Slice(end + 1);
        }
        return sum;
    }
}
