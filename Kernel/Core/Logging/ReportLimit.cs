using System.Threading;

namespace NanoVm.Core;

/// <summary>Keeps what programs can cause from flooding the log: some messages in a time, the rest is dropped.</summary>
/// <remarks>Linux: <c>printk_ratelimit</c>, with its numbers: ten in five seconds.</remarks>
internal sealed class ReportLimit
{
    private const int Burst = 10;
    private const ulong IntervalNanoseconds = 5_000_000_000;

    private ulong _intervalStart;
    private int _reported;

    /// <summary>Whether one more may be written now.</summary>
    public bool MayReport()
    {
        ulong now = Time.MonotonicNanoseconds;
        if (now - _intervalStart >= IntervalNanoseconds)
        {
            _intervalStart = now;
            _reported = 0;
        }
        return Interlocked.Increment(ref _reported) <= Burst;
    }
}
