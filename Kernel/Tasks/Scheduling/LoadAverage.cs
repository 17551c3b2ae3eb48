using NanoVm.Core;
using NanoVm.Hal;

namespace NanoVm.Tasks;

/// <summary>The three load averages of <c>/proc/loadavg</c> and <c>sysinfo</c>.</summary>
/// <remarks>
/// Linux: <c>calc_global_load</c>: every five seconds each average moves towards the number of running and uninterruptible tasks by a fixed
/// share; numbers have 11 binary places.
/// </remarks>
internal sealed class LoadAverage : TimerNode
{
    private const int Places = 11;
    private const ulong One = 1 << Places;
    private const ulong PeriodNanoseconds = 5_000_000_000;

    private readonly RoundRobinScheduler _scheduler;
    private readonly TimerQueue _timers;

    public LoadAverage(RoundRobinScheduler scheduler, TimerQueue timers)
    {
        _scheduler = scheduler;
        _timers = timers;
    }

    /// <summary>Averages over 1, 5 and 15 minutes, times 2048.</summary>
    public ulong OneMinute, FiveMinutes, FifteenMinutes;

    public void StartCounting() => _timers.Add(this, Time.MonotonicNanoseconds + PeriodNanoseconds);

    public override void Fire()
    {
        ulong active = (ulong)(_scheduler.RunnableCount + _scheduler.LoadSleepers) << Places;
        OneMinute = Moved(OneMinute, 1884, active);
        FiveMinutes = Moved(FiveMinutes, 2014, active);
        FifteenMinutes = Moved(FifteenMinutes, 2037, active);
        _timers.Add(this, Deadline + PeriodNanoseconds);
    }

    private static ulong Moved(ulong load, ulong share, ulong active)
    {
        ulong sum = (load * share) + (active * (One - share));
        if (active >= load)
            sum += One - 1;
        return sum >> Places;
    }
}
