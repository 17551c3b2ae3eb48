using System.Diagnostics.CodeAnalysis;
using System.Text;
using NanoVm.Tests.Machine;

namespace NanoVm.Core;

/// <summary>The host's interrupt flag is a field.</summary>
internal static class Interrupts
{
    public static bool Disable()
    {
        HostMachine machine = HostMachine.Current;
        bool enabled = machine.InterruptsEnabled;
        machine.InterruptsEnabled = false;
        return enabled;
    }

    public static void Enable() => HostMachine.Current.InterruptsEnabled = true;

    public static void Restore(bool enabled)
    {
        if (enabled)
            Enable();
    }

    public static bool AreEnabled => HostMachine.Current.InterruptsEnabled;

    public static void Pause()
    {
    }

    public static void EnableAndHalt() => throw new InvalidOperationException("a test would sleep for ever");
}

/// <summary>CR3 is a field.</summary>
internal static class Mmu
{
    public static void LoadRoot(Pfn root) => HostMachine.Current.LoadRoot(root);

    public static Pfn Root => HostMachine.Current.Root;

    public static bool IsFiveLevel => false;

    public static ulong UserEnd => UserSpace.End;
}

/// <summary>Flushes are counted; the software MMU acts on them.</summary>
internal static class Tlb
{
    public static void FlushPage(VirtAddr address) => HostMachine.Current.FlushPage(address);

    public static void FlushAll() => HostMachine.Current.FlushAllPages();

    public static void FlushGlobal() => HostMachine.Current.FlushAllPages();
}

/// <summary>One processor, number 0.</summary>
internal static class PerCpu
{
    public static int Number => 0;

    public static KernelThread Current => HostMachine.Current.CurrentThread ?? throw new InvalidOperationException("no current thread");

    public static KernelThread? CurrentOrNull => HostMachine.Current.CurrentThread;

    public static Scheduler Scheduler => HostMachine.Current.Scheduler ?? throw new InvalidOperationException("a test would sleep");

    public static bool IsPanicking => false;

    public static bool HasScheduler => HostMachine.Current.Scheduler is not null;

    public static bool NeedReschedule { get; set; }

    public static bool FailuresArmed { get; set; }

    internal static void SignalPendingChanged(KernelThread thread)
    {
    }
}

internal static class Panic
{
    [DoesNotReturn]
    public static void Now(ReadOnlySpan<byte> why) => throw new KernelPanicException(Encoding.UTF8.GetString(why));

    public static Errno Unreachable
    {
        [DoesNotReturn]
        get => throw new KernelPanicException("code that cannot be reached was reached");
    }

    public static void Unless([DoesNotReturnIf(false)] bool condition, ReadOnlySpan<byte> why)
    {
        if (!condition)
            Now(why);
    }
}

/// <summary>The kernel under test found itself wrong.</summary>
public sealed class KernelPanicException(string message) : Exception(message);

internal static class Random
{
    public static void Fill(Span<byte> bytes) => HostMachine.Current.Seeded.NextBytes(bytes);

    public static ulong Next() => (ulong)HostMachine.Current.Seeded.NextInt64(long.MinValue, long.MaxValue);
}

internal static class Time
{
    public static ulong MonotonicNanoseconds => HostMachine.Current.Nanoseconds;

    public static ulong RealtimeNanoseconds => HostMachine.Current.Nanoseconds;
}
