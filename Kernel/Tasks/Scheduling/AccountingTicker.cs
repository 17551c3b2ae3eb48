using System;
using NanoVm.Core;
using NanoVm.Hal;

namespace NanoVm.Tasks;

/// <summary>The tick: every 4 ms while a task runs, never while the processor idles.</summary>
/// <remarks>
/// Linux: <c>tick_sched_timer</c> at 250 Hz with <c>NO_HZ_IDLE</c>. It ends time slices, divides time into user and system, and lets interval
/// timers on processor time and RLIMIT_CPU be checked.
/// </remarks>
internal sealed class AccountingTicker : TimerNode
{
    private readonly TaskSystem _system;

    public AccountingTicker(TaskSystem system) => _system = system;

    /// <summary>Another task gets the processor, or a task joins the queue.</summary>
    /// <param name="contended">Somebody waits: the tick comes no later than the end of the slice.</param>
    public void Reprogram(Task task, bool idle, bool contended, ulong now)
    {
        if (idle)
        {
            if (IsArmed)
                _system.Timers.Cancel(this);
            return;
        }
        long wait = RoundRobinScheduler.SliceNanoseconds;
        if (contended && task.SliceLeft < wait)
            wait = Math.Max(task.SliceLeft, ShortestNanoseconds);
        ulong deadline = now + (ulong)wait;
        if (!IsArmed)
            StartedAt = now;
        if (!IsArmed || deadline + ShortestNanoseconds < Deadline)
            _system.Timers.Add(this, deadline);
    }

    /// <summary>When the time began that the next tick stands for.</summary>
    public ulong StartedAt { get; private set; }

    /// <summary>Ticks are never closer together.</summary>
    public const int ShortestNanoseconds = 100_000;

    public override void Fire() => Tick();

    public void Tick() => _system.Scheduler.Tick(Task.Current, PerCpu.InterruptedUser);
}
