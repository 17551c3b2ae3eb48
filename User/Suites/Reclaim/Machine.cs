using System;

namespace NanoVm.User.Suites.Reclaim;

/// <summary>What the machine has, as its own files say.</summary>
internal static unsafe class Machine
{
    /// <summary>A counter of <c>/proc/vmstat</c>; -1 when this kernel has none of that name.</summary>
    public static long Counter(ReadOnlySpan<byte> name)
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/vmstat"u8);
        while (text.Length > name.Length)
        {
            if (text.StartsWith(name) && text[name.Length] == ' ')
                return Proc.Number(text.Slice(name.Length));
            int end = text.IndexOf((byte)'\n');
            if (end < 0)
                break;
            text = text.Slice(end + 1);
        }
        return -1;
    }

    /// <summary>A line of <c>/proc/meminfo</c>, in KiB.</summary>
    public static long Memory(ReadOnlySpan<byte> name) => Proc.Field("/proc/meminfo"u8, name);

    public static bool HasSwap => Memory("SwapTotal"u8) > 0;

    /// <summary>Small enough that using it up takes seconds and hurts nobody.</summary>
    public static bool IsSmall => Memory("MemTotal"u8) is > 0 and < 200 << 10;

    /// <summary>The case fails when <c>/proc/memfsck</c> finds anything out of order; a kernel without it is always in order.</summary>
    public static void CheckOrder()
    {
        ReadOnlySpan<byte> report = Proc.ReadAll("/proc/memfsck"u8);
        int at = report.IndexOf("errors "u8);
        if (at >= 0)
            Ktap.Equal(0, Proc.Number(report.Slice(at)));
    }
}
