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
    public void Reprogram(Task task, bool idle, ulong now)
    {
        if (idle)
        {
            if (IsArmed)
                _system.Timers.Cancel(this);
        }
        else if (!IsArmed)
        {
            _system.Timers.Add(this, now + (ulong)RoundRobinScheduler.SliceNanoseconds);
        }
    }

    public override void Fire() => Tick();

    public void Tick() => _system.Scheduler.Tick(Task.Current, PerCpu.InterruptedUser);
}
