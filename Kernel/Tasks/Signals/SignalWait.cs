using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Calls that sleep until a signal comes. Linux: <c>do_sigtimedwait</c>, <c>sigsuspend</c>, <c>pause</c>.</summary>
internal static class SignalWait
{
    /// <summary>Takes one of <paramref name="wanted"/>, waiting for it until <paramref name="deadline"/>.</summary>
    /// <param name="deadline">Monotonic nanoseconds; <see cref="ulong.MaxValue"/>: for ever; 0: not at all.</param>
    /// <returns><see cref="Errno.EAGAIN"/> when the time is over, <see cref="Errno.EINTR"/> when another signal came.</returns>
    public static Errno TimedWait(Task task, SignalSet wanted, ulong deadline, out SignalInfo info)
    {
        wanted &= ~SignalSets.KernelOnly;
        if (Signals.TakeOneOf(task, wanted, out info))
            return Errno.None;
        if (deadline == 0)
            return Errno.EAGAIN;

        // Unblocked for the time of the sleep, so that they wake; RealBlocked keeps them from being acted on.
        SignalSet before = task.Blocked;
        task.RealBlocked = before;
        Signals.SetBlocked(task, before & ~wanted);
        bool timeOver = false;
        while (true)
        {
            task.State = ThreadState.Interruptible;
            if (task.SignalPending)
                break;
            if (PerCpu.Scheduler.ScheduleTimeout(deadline) == 0)
            {
                timeOver = true;
                break;
            }
        }
        task.State = ThreadState.Running;
        Signals.SetBlocked(task, before);
        task.RealBlocked = SignalSet.Empty;
        if (Signals.TakeOneOf(task, wanted, out info))
            return Errno.None;
        return timeOver ? Errno.EAGAIN : Errno.EINTR;
    }

    /// <summary>Sleeps with another mask until a handler has run. man 2 sigsuspend.</summary>
    /// <returns>Always <see cref="Errno.ERESTARTNOHAND"/>, which becomes EINTR.</returns>
    public static Errno Suspend(Task task, SignalSet mask)
    {
        SignalSet before = task.Blocked;
        Signals.SetBlocked(task, mask);
        Pause(task);
        task.SavedBlocked = before;
        task.RestoreBlocked = true;
        return Errno.ERESTARTNOHAND;
    }

    /// <summary>Sleeps until a signal comes. man 2 pause.</summary>
    public static Errno Pause(Task task)
    {
        while (true)
        {
            task.State = ThreadState.Interruptible;
            if (task.SignalPending)
                break;
            PerCpu.Scheduler.Schedule();
        }
        task.State = ThreadState.Running;
        return Errno.ERESTARTNOHAND;
    }
}
