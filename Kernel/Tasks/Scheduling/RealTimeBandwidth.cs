using System;

namespace NanoVm.Tasks;

/// <summary>How much of the processor tasks of <c>SCHED_FIFO</c> and <c>SCHED_RR</c> may take: one that never sleeps leaves the others a twentieth.</summary>
/// <remarks>
/// Linux: <c>rt_bandwidth</c>, <c>sched_rt_runtime_exceeded</c>; man 7 sched. In each period they may run for the runtime; then the others have their turn
/// until the period ends. Unlike on Linux 6.1 they go on when nobody else wants to run. Used with interrupts off.
/// </remarks>
internal sealed class RealTimeBandwidth
{
    private ulong _periodStart, _used;

    /// <summary>The length of a period in microseconds. <c>/proc/sys/kernel/sched_rt_period_us</c>.</summary>
    public int PeriodMicroseconds { get; private set; } = 1_000_000;

    /// <summary>How much of it is theirs; -1: all. <c>/proc/sys/kernel/sched_rt_runtime_us</c>.</summary>
    public int RuntimeMicroseconds { get; private set; } = 950_000;

    /// <summary>They have had their part of this period: everybody else goes first.</summary>
    public bool IsExhausted { get; private set; }

    /// <summary>Sets both; false when the runtime is longer than the period, or either is nothing that can be.</summary>
    public bool TrySet(long periodMicroseconds, long runtimeMicroseconds)
    {
        if (periodMicroseconds is <= 0 or > int.MaxValue || runtimeMicroseconds < -1 || runtimeMicroseconds > periodMicroseconds)
            return false;
        PeriodMicroseconds = (int)periodMicroseconds;
        RuntimeMicroseconds = (int)runtimeMicroseconds;
        _used = 0;
        IsExhausted = false;
        return true;
    }

    /// <summary>A real-time task has run for <paramref name="nanoseconds"/>.</summary>
    public void Charge(ulong nanoseconds)
    {
        _used += nanoseconds;
        IsExhausted = RuntimeMicroseconds >= 0 && _used > (ulong)RuntimeMicroseconds * 1000;
    }

    /// <summary>Begins a new period when this one is over; what was taken too much in the last is taken off the next.</summary>
    public void Roll(ulong now)
    {
        ulong period = (ulong)PeriodMicroseconds * 1000;
        ulong passed = now - _periodStart;
        if (passed < period)
            return;
        ulong periods = passed / period;
        _periodStart += periods * period;
        ulong runtime = RuntimeMicroseconds < 0 ? period : (ulong)RuntimeMicroseconds * 1000;
        _used -= Math.Min(_used, periods * runtime);    // no more than the time since boot: no overflow
        Charge(0);
    }
}
