using Internal.Runtime;

namespace NanoVm.Core;

/// <summary>The clocks, as far as Core and Memory need them. Hal's clock is behind it.</summary>
/// <remarks>Part of the edge that Kernel.Tests/Machine replaces.</remarks>
internal static unsafe class Time
{
    /// <summary>Nanoseconds since the kernel started, never going back; 0 before the clock is calibrated. Linux: <c>ktime_get_ns</c>.</summary>
    public static ulong MonotonicNanoseconds
    {
        get
        {
            void* clock = PerCpu.Area->Clock;
            return clock is null ? 0 : RawObject.At<TimeSource>(clock).MonotonicNanoseconds;
        }
    }

    /// <summary>Nanoseconds since 1970-01-01 UTC. Linux: <c>ktime_get_real_ns</c>.</summary>
    public static ulong RealtimeNanoseconds
    {
        get
        {
            void* clock = PerCpu.Area->Clock;
            return clock is null ? 0 : RawObject.At<TimeSource>(clock).RealtimeNanoseconds;
        }
    }

    internal static void Install(TimeSource source) => PerCpu.Area->Clock = RawObject.AddressOf(source);
}

/// <summary>Where <see cref="Time"/> gets its clocks; Hal's clock implements it.</summary>
internal abstract class TimeSource
{
    public abstract ulong MonotonicNanoseconds { get; }

    public abstract ulong RealtimeNanoseconds { get; }
}
