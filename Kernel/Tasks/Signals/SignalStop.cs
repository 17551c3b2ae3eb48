using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Tasks;

/// <summary>Stopping and continuing a process: job control. Linux: <c>do_signal_stop</c>, the SIGCONT part of <c>prepare_signal</c>.</summary>
/// <remarks>
/// The thread that takes a stop signal asks all threads of the process to stop; each does so on its way to user mode, and the last one
/// tells the parent. SIGCONT wakes them when it is sent, whether blocked or not; the parent is told by the first that runs.
/// </remarks>
internal static partial class Signals
{
    /// <summary>SIGCONT was sent. Under the signal lock.</summary>
    private static void ContinueGroup(ThreadGroup group)
    {
        for (Task? task = group.Threads.First; task is not null; task = group.Threads.NextOf(task))
        {
            task.StopPending = false;
            task.StopDequeued = false;
            if (task.State == ThreadState.Stopped)
            {
                task.SignalPending = true;                   // it looks again, and one reports
                PerCpu.Scheduler.Wake(task);
            }
        }
        if (group.IsStopped)
        {
            group.ContinueReport = true;
            group.IsContinued = true;
        }
        group.IsStopped = false;
        group.GroupStopCount = 0;
        group.StopCode = 0;
        group.PendingStopCode = 0;
    }

    /// <summary>Begins a stop, or joins one; returns after SIGCONT or SIGKILL. Without the lock.</summary>
    /// <param name="signal">The signal that was taken; 0 to join what another thread began.</param>
    private static void Stop(Task task, int signal)
    {
        ThreadGroup group = task.Group;
        bool complete;
        bool enabled = group.SignalLock.AcquireRaw();
        if (!task.StopPending)
        {
            // A SIGCONT or SIGKILL since the signal was taken has cancelled it.
            if (signal == 0 || !task.StopDequeued || group.GroupExit || task.Pending.Set.Contains(SignalNumber.Kill))
            {
                RecalculateLocked(task);
                group.SignalLock.ReleaseRaw(enabled);
                return;
            }
            BeginStop(group, task, signal);
        }
        complete = ParticipateInStop(task);
        task.State = ThreadState.Stopped;
        RecalculateLocked(task);
        group.SignalLock.ReleaseRaw(enabled);

        if (complete)
            ReportStop(group);
        PerCpu.Scheduler.Schedule();
        task.State = ThreadState.Running;
    }

    private static void BeginStop(ThreadGroup group, Task self, int signal)
    {
        if (!group.IsStopped)
            group.PendingStopCode = signal;
        group.GroupStopCount = 0;
        group.IsContinued = false;
        for (Task? task = group.Threads.First; task is not null; task = group.Threads.NextOf(task))
        {
            if (task.IsExiting || (!ReferenceEquals(task, self) && task.State == ThreadState.Stopped))
                continue;
            task.StopPending = true;
            group.GroupStopCount++;
            if (!ReferenceEquals(task, self))
                WakeUp(task, fatal: false);
        }
    }

    /// <summary>Counts a thread as stopped.</summary>
    /// <returns>Whether it was the last: then the whole process is stopped.</returns>
    private static bool ParticipateInStop(Task task)
    {
        ThreadGroup group = task.Group;
        task.StopPending = false;
        task.StopDequeued = false;
        if (group.GroupStopCount > 0)
            group.GroupStopCount--;
        if (group.GroupStopCount != 0 || group.IsStopped)
            return false;
        group.IsStopped = true;
        group.IsContinued = false;
        group.ContinueReport = false;
        group.StopCode = group.PendingStopCode;
        return true;
    }

    private static void ReportStop(ThreadGroup group)
    {
        using (group.System.TaskLock.Acquire())
        {
            if (group.IsStopped)                             // else continued again meanwhile
                ChildNews.NotifyStopOrContinue(group, continued: false);
        }
    }

    private static void ReportContinue(ThreadGroup group)
    {
        using (group.System.TaskLock.Acquire())
            ChildNews.NotifyStopOrContinue(group, continued: true);
    }
}
