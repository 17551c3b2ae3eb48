using NanoVm.Core;
using NanoVm.Memory.Structures;

namespace NanoVm.Tasks;

/// <summary>The timers of <c>timer_create</c>.</summary>
internal sealed partial class ProcessTimers
{
    /// <summary>By number.</summary>
    private RedBlackTree<PosixTimer, PosixTimer.Traits> _timers;

    /// <summary>Those whose signal has not been taken yet, and those on processor time that are set.</summary>
    private PosixTimer? _firstWaiting;
    private PosixTimer? _firstCpu;
    private int _nextId;

    /// <summary>Adds a timer under a number of its own.</summary>
    internal void Add(PosixTimer timer)
    {
        bool enabled = _lock.AcquireRaw();
        timer.Owner = this;
        do
        {
            timer.Id = _nextId;
            _nextId = (_nextId + 1) & int.MaxValue;
        }
        while (Find(timer.Id) is not null);
        _timers.Insert<PosixTimer.Traits>(timer);
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>Removes and frees a timer.</summary>
    internal Errno Delete(int id)
    {
        bool enabled = _lock.AcquireRaw();
        PosixTimer? timer = Find(id);
        if (timer is not null)
            Detach(timer);
        _lock.ReleaseRaw(enabled);
        if (timer is null)
            return Errno.EINVAL;
        Free(timer);
        return Errno.None;
    }

    /// <summary>man 2 timer_gettime. Nanoseconds.</summary>
    internal Errno Get(int id, out ulong left, out ulong interval)
    {
        bool enabled = _lock.AcquireRaw();
        PosixTimer? timer = Find(id);
        left = timer is null ? 0 : LeftOf(timer);
        interval = timer is null ? 0 : timer.Interval;
        _lock.ReleaseRaw(enabled);
        return timer is null ? Errno.EINVAL : Errno.None;
    }

    /// <summary>man 2 timer_settime.</summary>
    internal Errno Set(int id, ulong value, ulong interval, bool absolute, out ulong oldLeft, out ulong oldInterval)
    {
        oldLeft = 0;
        oldInterval = 0;
        bool enabled = _lock.AcquireRaw();
        PosixTimer? timer = Find(id);
        if (timer is not null)
        {
            oldLeft = LeftOf(timer);
            oldInterval = timer.Interval;
            Stop(timer);
            timer.Overrun = 0;
            timer.LastOverrun = 0;
            timer.Interval = value == 0 ? 0 : interval;
            if (value != 0)
            {
                ulong now = NowOf(timer);
                timer.Expiry = absolute ? value : value >= ClockReading.Largest - now ? ClockReading.Largest : now + value;
                timer.IsSet = true;
                Arm(timer, now);
            }
        }

        _lock.ReleaseRaw(enabled);
        return timer is null ? Errno.EINVAL : Errno.None;
    }

    /// <summary>man 2 timer_getoverrun.</summary>
    internal Result<int> GetOverrun(int id)
    {
        bool enabled = _lock.AcquireRaw();
        PosixTimer? timer = Find(id);
        Result<int> result = timer is null ? Errno.EINVAL : timer.LastOverrun;
        _lock.ReleaseRaw(enabled);
        return result;
    }

    /// <summary>From the timer interrupt.</summary>
    internal void Expired(PosixTimer timer)
    {
        bool enabled = _lock.AcquireRaw();
        bool notify = false;
        if (timer.IsSet)
        {
            ulong now = NowOf(timer);
            if (now < timer.Expiry)
                Arm(timer, now);                            // the wall clock was set back
            else
                notify = GoOff(timer, now);
        }

        _lock.ReleaseRaw(enabled);
        if (notify)
            Send(timer);
    }

    /// <summary>From the tick: timers on processor time whose time has come.</summary>
    private void CheckCpuTimers()
    {
        while (true)
        {
            PosixTimer? due = null;
            bool enabled = _lock.AcquireRaw();
            for (PosixTimer? timer = _firstCpu; timer is not null; timer = timer.NextCpu)
            {
                ulong now = NowOf(timer);
                if (now < timer.Expiry)
                    continue;
                RemoveFromCpu(timer);
                if (!GoOff(timer, now))
                    break;
                due = timer;
                break;
            }

            _lock.ReleaseRaw(enabled);
            if (due is null)
                return;
            Send(due);
        }
    }

    /// <summary>The time has come. Under the lock.</summary>
    /// <returns>Whether a signal is to be sent.</returns>
    private bool GoOff(PosixTimer timer, ulong now)
    {
        if (timer.Notify == TimerNotify.None)
        {
            if (timer.Interval == 0)
                timer.IsSet = false;
            else
                timer.Advance(now);                         // nobody is told, so nothing needs to be armed: the expiry is computed when asked for
            return false;
        }

        timer.IsSet = timer.Interval != 0;
        timer.IsWaiting = true;
        timer.NextWaiting = _firstWaiting;
        _firstWaiting = timer;
        return true;
    }

    private void Send(PosixTimer timer)
    {
        SignalInfo info = default;
        info.Signal = timer.Signal;
        info.Code = SignalInfo.CodeTimer;
        info.TimerId = timer.Id;
        info.Value = timer.Value;
        Errno error = timer.Notify == TimerNotify.ThreadId && timer.Target is { } target
            ? Signals.SendToThread(target, info)
            : Signals.SendToProcess(_group, info);

        // Ignored, or no room in the queue: nobody will take it. A periodic one goes on, not faster than the tick.
        ref PendingSignals pending = ref timer.Notify == TimerNotify.ThreadId && timer.Target is not null ? ref timer.Target.Pending : ref _group.SharedPending;
        if (error == Errno.None && pending.Set.Contains(timer.Signal))
            return;
        bool enabled = _lock.AcquireRaw();
        if (timer.IsWaiting)
        {
            RemoveFromWaiting(timer);
            if (timer.IsSet)
            {
                ulong now = NowOf(timer);
                timer.Advance(now + ClockReading.CoarseNanoseconds);
                Arm(timer, now);
            }
        }

        _lock.ReleaseRaw(enabled);
    }

    /// <summary>Their signal was taken: those that wait for it go on. Under the lock.</summary>
    private void RearmWaiting(ref SignalInfo info)
    {
        PosixTimer? timer = _firstWaiting;
        while (timer is not null)
        {
            PosixTimer? next = timer.NextWaiting;
            if (timer.Signal == info.Signal)
            {
                RemoveFromWaiting(timer);
                if (timer.IsSet)
                {
                    ulong now = NowOf(timer);
                    timer.Advance(now);
                    Arm(timer, now);
                }

                timer.LastOverrun = timer.Overrun > int.MaxValue ? int.MaxValue : (int)timer.Overrun;
                timer.Overrun = 0;
                if (info.Code == SignalInfo.CodeTimer && info.TimerId == timer.Id)
                    info.Overrun = timer.LastOverrun;
            }

            timer = next;
        }
    }

    private void Arm(PosixTimer timer, ulong now)
    {
        if (ClockId.IsCpu(timer.Clock))
        {
            timer.NextCpu = _firstCpu;
            _firstCpu = timer;
            return;
        }

        if (timer.Notify == TimerNotify.None)
            return;
        Timers.Add(timer, timer.Expiry <= now ? Time.MonotonicNanoseconds : ClockReading.DeadlineAfter(timer.Expiry - now));
    }

    private void Stop(PosixTimer timer)
    {
        timer.IsSet = false;
        Timers.Cancel(timer);
        if (timer.IsWaiting)
            RemoveFromWaiting(timer);
        RemoveFromCpu(timer);
    }

    private void Detach(PosixTimer timer)
    {
        Stop(timer);
        _timers.Remove(timer);
    }

    private void Free(PosixTimer timer)
    {
        timer.Target?.Put();
        timer.Target = null;
        _group.System.UncountSignal(timer.CountedFor);
        _group.System.Clocks.Timers.Free(timer);
    }

    private void RemoveFromWaiting(PosixTimer timer)
    {
        timer.IsWaiting = false;
        if (ReferenceEquals(_firstWaiting, timer))
        {
            _firstWaiting = timer.NextWaiting;
        }
        else
        {
            for (PosixTimer? at = _firstWaiting; at is not null; at = at.NextWaiting)
            {
                if (ReferenceEquals(at.NextWaiting, timer))
                    at.NextWaiting = timer.NextWaiting;
            }
        }

        timer.NextWaiting = null;
    }

    private void RemoveFromCpu(PosixTimer timer)
    {
        if (ReferenceEquals(_firstCpu, timer))
        {
            _firstCpu = timer.NextCpu;
        }
        else
        {
            for (PosixTimer? at = _firstCpu; at is not null; at = at.NextCpu)
            {
                if (ReferenceEquals(at.NextCpu, timer))
                    at.NextCpu = timer.NextCpu;
            }
        }

        timer.NextCpu = null;
    }

    private ulong LeftOf(PosixTimer timer)
    {
        if (!timer.IsSet)
            return 0;
        ulong now = NowOf(timer);
        if (now >= timer.Expiry && timer.Interval != 0 && (timer.IsWaiting || timer.Notify == TimerNotify.None))
        {
            // Not armed, but its periods go on.
            ulong past = (now - timer.Expiry) % timer.Interval;
            return timer.Interval - past;
        }

        if (now < timer.Expiry)
            return timer.Expiry - now;
        return timer.Notify == TimerNotify.None ? 0 : 1UL;  // due, the interrupt has not come yet
    }

    private ulong NowOf(PosixTimer timer)
    {
        if (timer.Clock == ClockId.ThreadCpu && timer.Target is { } thread)
            return thread.System.Scheduler.RunTimeOf(thread);
        if (ClockId.IsCpu(timer.Clock))
            return ClockReading.ProcessTime(_group, (timer.Clock < 0 ? timer.Clock & ClockId.CpuKindMask : ClockId.CpuKindRun));
        return ClockId.IsWall(timer.Clock) ? Time.RealtimeNanoseconds : Time.MonotonicNanoseconds;
    }

    /// <summary>The timer with the highest number below <paramref name="id"/>. O(log timers).</summary>
    internal bool TryFindBelow(ulong id, out TimerFacts facts)
    {
        facts = default;
        bool enabled = _lock.AcquireRaw();
        PosixTimer? best = null;
        PosixTimer? walk = _timers.Root;
        while (walk is not null)
        {
            if ((ulong)walk.Id < id)
            {
                best = walk;
                walk = walk.Links.Right;
            }
            else
            {
                walk = walk.Links.Left;
            }
        }

        if (best is not null)
        {
            facts = new TimerFacts
            {
                Id = best.Id,
                Clock = best.Clock,
                Notify = best.Notify,
                Signal = best.Signal,
                Value = best.Value,
                Target = best.Target?.Pid ?? 0,
            };
        }

        _lock.ReleaseRaw(enabled);
        return best is not null;
    }

    private PosixTimer? Find(int id)
    {
        PosixTimer? walk = _timers.Root;
        while (walk is not null && walk.Id != id)
            walk = id < walk.Id ? walk.Links.Left : walk.Links.Right;
        return walk;
    }
}

/// <summary>What <c>/proc/PID/timers</c> tells of a timer.</summary>
internal struct TimerFacts
{
    public int Id;
    public int Clock;
    public int Notify;
    public int Signal;
    public ulong Value;

    /// <summary>The number of the thread that gets the signal; 0 for the process.</summary>
    public int Target;
}

/// <summary>How a timer tells. Linux: <c>SIGEV_*</c>.</summary>
internal static class TimerNotify
{
    public const int Signal = 0, None = 1, Thread = 2, ThreadId = 4;
}
