using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Structures;

namespace NanoVm.Tasks;

/// <summary>The timers of one process: three interval timers, and those of <c>timer_create</c>.</summary>
/// <remarks>
/// Linux: <c>signal->real_timer</c>, <c>signal->it</c>, <c>signal->posix_timers</c>. Guarded by <see cref="_lock"/>, which is taken inside
/// the process's signal lock; so no signal is sent under it.
/// </remarks>
internal sealed partial class ProcessTimers
{
    private ThreadGroup _group = null!;
    private SpinLock _lock;

    private RealTimer _real = null!;
    private ulong _realInterval;

    /// <summary>ITIMER_VIRTUAL and ITIMER_PROF count down by ticks; 0 is off.</summary>
    private CountdownTimer _virtual;
    private CountdownTimer _profile;

    public RealTimer Real => _real;

    private struct CountdownTimer
    {
        public ulong Left;
        public ulong Interval;
    }

    public void Initialize(ThreadGroup group, RealTimer real)
    {
        _group = group;
        _real = real;
        real.Owner = this;
    }

    /// <summary>man 2 getitimer. Nanoseconds.</summary>
    public void GetInterval(IntervalTimer which, out ulong left, out ulong interval)
    {
        bool enabled = _lock.AcquireRaw();
        Read(which, out left, out interval);
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>man 2 setitimer.</summary>
    public void SetInterval(IntervalTimer which, ulong value, ulong interval, out ulong oldLeft, out ulong oldInterval)
    {
        bool enabled = _lock.AcquireRaw();
        Read(which, out oldLeft, out oldInterval);
        switch (which)
        {
            case IntervalTimer.Real:
                Timers.Cancel(_real);
                _realInterval = value == 0 ? 0 : interval;
                if (value != 0)
                    Timers.Add(_real, ClockReading.DeadlineAfter(value));
                break;
            case IntervalTimer.Virtual:
                _virtual = new CountdownTimer { Left = value, Interval = value == 0 ? 0 : interval };
                break;
            default:
                _profile = new CountdownTimer { Left = value, Interval = value == 0 ? 0 : interval };
                break;
        }

        _lock.ReleaseRaw(enabled);
    }

    /// <summary>From the timer interrupt: ITIMER_REAL is over. It is armed again when the signal is taken.</summary>
    internal void RealExpired() => Signals.SendToProcess(_group, Signals.FromKernel(SignalNumber.Alarm));

    /// <summary>From the accounting tick, for a thread of this process that ran.</summary>
    internal void Tick(bool inUser)
    {
        if (_profile.Left != 0 && CountDown(ref _profile))
            Signals.SendToProcess(_group, Signals.FromKernel(SignalNumber.Profile));
        if (inUser && _virtual.Left != 0 && CountDown(ref _virtual))
            Signals.SendToProcess(_group, Signals.FromKernel(SignalNumber.VirtualAlarm));
        if (_firstCpu is not null)
            CheckCpuTimers();
    }

    /// <summary>A signal of the process has been taken: whoever waited for that goes on. Called under the signal lock.</summary>
    internal void SignalTaken(ref SignalInfo info)
    {
        bool enabled = _lock.AcquireRaw();
        if (info.Signal == SignalNumber.Alarm && _realInterval != 0 && !_real.IsArmed)
        {
            ulong now = Time.MonotonicNanoseconds;
            ulong next = _real.Deadline;
            if (next <= now)
                next += ((now - next) / _realInterval + 1) * _realInterval;
            Timers.Add(_real, next);
        }

        if (_firstWaiting is not null)
            RearmWaiting(ref info);
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>The process ends, or replaces its program (<paramref name="keepIntervals"/>: interval timers go on then).</summary>
    internal void End(bool keepIntervals)
    {
        bool enabled = _lock.AcquireRaw();
        if (!keepIntervals)
        {
            Timers.Cancel(_real);
            _realInterval = 0;
            _virtual = default;
            _profile = default;
        }

        PosixTimer? removed = null;
        while (_timers.First() is { } timer)
        {
            Detach(timer);
            timer.NextWaiting = removed;
            removed = timer;
        }

        _lock.ReleaseRaw(enabled);
        while (removed is not null)
        {
            PosixTimer done = removed;
            removed = done.NextWaiting;
            Free(done);
        }
    }

    private Hal.TimerQueue Timers => _group.System.Timers;

    private void Read(IntervalTimer which, out ulong left, out ulong interval)
    {
        switch (which)
        {
            case IntervalTimer.Real:
                ulong now = Time.MonotonicNanoseconds;
                left = !_real.IsArmed ? 0 : _real.Deadline > now ? _real.Deadline - now : 1000;
                interval = _realInterval;
                break;
            case IntervalTimer.Virtual:
                left = _virtual.Left;
                interval = _virtual.Interval;
                break;
            default:
                left = _profile.Left;
                interval = _profile.Interval;
                break;
        }
    }

    private static bool CountDown(ref CountdownTimer timer)
    {
        const ulong tick = (ulong)RoundRobinScheduler.SliceNanoseconds;
        if (timer.Left > tick)
        {
            timer.Left -= tick;
            return false;
        }

        // At least one tick ahead, however short the period is.
        timer.Left = timer.Interval == 0 ? 0 : Math.Max(timer.Interval, tick);
        return true;
    }
}

/// <summary>Linux: <c>ITIMER_*</c>.</summary>
internal enum IntervalTimer
{
    Real,
    Virtual,
    Profile,
}
