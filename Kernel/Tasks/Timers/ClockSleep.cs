using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Sleeping until a clock shows a time. Linux: <c>hrtimer_nanosleep</c>, <c>posix_cpu_nsleep</c>.</summary>
internal static class ClockSleep
{
    /// <summary>Sleeps; looks at the clock itself after each wake-up, so that one that is set is followed.</summary>
    /// <param name="target">When to go on, as <paramref name="clock"/> counts.</param>
    /// <returns><see cref="Errno.EINTR"/> when a signal came first.</returns>
    public static Errno Until(Task task, int clock, ulong target)
    {
        while (true)
        {
            task.State = ThreadState.Interruptible;
            if (!ClockReading.Read(task, clock).TryGet(out ulong now, out Errno error))
            {
                task.State = ThreadState.Running;
                return error;
            }

            if (now >= target)
            {
                task.State = ThreadState.Running;
                return Errno.None;
            }

            if (task.SignalPending)
            {
                task.State = ThreadState.Running;
                return Errno.EINTR;
            }

            // Processor time passes no faster than real time: one processor. So the deadline is never late, and rarely early.
            PerCpu.Scheduler.ScheduleTimeout(ClockReading.DeadlineAfter(target - now));
        }
    }
}
