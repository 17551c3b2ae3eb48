using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Taking signals, and the masks. Linux: <c>dequeue_signal</c>, <c>set_current_blocked</c>, <c>recalc_sigpending</c>.</summary>
internal static partial class Signals
{
    /// <summary>Computes <c>task.SignalPending</c> anew. Linux: <c>recalc_sigpending</c>.</summary>
    public static void Recalculate(Task task)
    {
        using (task.Group.SignalLock.Acquire())
            RecalculateLocked(task);
    }

    private static void RecalculateLocked(Task task)
    {
        ThreadGroup group = task.Group;
        ulong ready = (task.Pending.Set.Bits | group.SharedPending.Set.Bits) & ~task.Blocked.Bits;
        task.SignalPending = ready != 0 || task.StopPending || group.ContinueReport;
        task.FatalSignalPending = task.Pending.Set.Contains(SignalNumber.Kill);
    }

    /// <summary>Takes the next signal that <paramref name="blocked"/> lets through. Under the signal lock.</summary>
    /// <returns>False when there is none.</returns>
    private static bool Take(Task task, SignalSet blocked, out SignalInfo info)
    {
        ThreadGroup group = task.Group;
        int signal = task.Pending.Next(blocked);
        QueuedSignal? queued;
        if (signal != 0)
        {
            queued = task.Pending.Take(signal);
        }
        else
        {
            signal = group.SharedPending.Next(blocked);
            if (signal == 0)
            {
                info = default;
                RecalculateLocked(task);
                return false;
            }
            queued = group.SharedPending.Take(signal);
        }

        if (queued is null)
        {
            // Sent without information, or it was lost for want of memory.
            info = default;
            info.Signal = signal;
            info.Code = SignalInfo.CodeUser;
        }
        else
        {
            info = queued.Info;
            Free(group.System, queued);
        }
        if (SignalSets.StopByDefault.Contains(signal))
            task.StopDequeued = true;
        group.Timers?.SignalTaken(ref info);             // a periodic timer goes on when its signal has been taken
        RecalculateLocked(task);
        return true;
    }

    /// <summary>Takes one of <paramref name="wanted"/> for <c>rt_sigtimedwait</c> and signalfd.</summary>
    public static bool TakeOneOf(Task task, SignalSet wanted, out SignalInfo info)
    {
        using (task.Group.SignalLock.Acquire())
            return Take(task, ~wanted, out info);
    }

    /// <summary>Whether one of <paramref name="wanted"/> waits: for poll on a signalfd.</summary>
    public static bool HasOneOf(Task task, SignalSet wanted)
    {
        using (task.Group.SignalLock.Acquire())
            return !((task.Pending.Set | task.Group.SharedPending.Set) & wanted).IsEmpty;
    }

    /// <summary>What is sent and blocked. man 2 sigpending.</summary>
    public static SignalSet PendingAndBlocked(Task task)
    {
        using (task.Group.SignalLock.Acquire())
            return (task.Pending.Set | task.Group.SharedPending.Set) & task.Blocked;
    }

    /// <summary>Sets the mask of the running thread; SIGKILL and SIGSTOP are never in it. Linux: <c>set_current_blocked</c>.</summary>
    public static void SetBlocked(Task task, SignalSet mask)
    {
        mask &= ~SignalSets.KernelOnly;
        using (task.Group.SignalLock.Acquire())
            SetBlockedLocked(task, mask);
    }

    private static void SetBlockedLocked(Task task, SignalSet mask)
    {
        SignalSet newlyBlocked = mask & ~task.Blocked;
        task.Blocked = mask;
        // A signal of the process for which this thread was woken may be another's now.
        if (task.SignalPending && !(task.Group.SharedPending.Set & newlyBlocked).IsEmpty)
            RetargetShared(task, newlyBlocked);
        RecalculateLocked(task);
    }

    /// <summary>Puts the mask from before <see cref="SetTemporaryMask"/> back. Linux: <c>restore_saved_sigmask</c>.</summary>
    public static void RestoreMask(Task task)
    {
        if (!task.RestoreBlocked)
            return;
        task.RestoreBlocked = false;
        SetBlocked(task, task.SavedBlocked);
    }

    /// <summary>A thread begins to exit: signals of the process that it should have taken wake others. Linux: <c>exit_signals</c>.</summary>
    public static void Retarget(Task exiting)
    {
        ThreadGroup group = exiting.Group;
        bool stopComplete = false;
        using (group.SignalLock.Acquire())
        {
            exiting.Flags |= TaskFlags.Exiting;              // from here on nobody chooses it
            if (group.GroupExit || group.Threads.Count == 1)
                return;
            SignalSet unblocked = ~exiting.Blocked & group.SharedPending.Set;
            if (!unblocked.IsEmpty)
                RetargetShared(exiting, unblocked);
            if (exiting.StopPending)
                stopComplete = ParticipateInStop(exiting);
        }
        if (stopComplete)
            ReportStop(group);
    }

    private static void RetargetShared(Task from, SignalSet which)
    {
        ThreadGroup group = from.Group;
        which &= group.SharedPending.Set;
        for (Task? task = group.Threads.First; task is not null && !which.IsEmpty; task = group.Threads.NextOf(task))
        {
            if (ReferenceEquals(task, from) || task.IsExiting)
                continue;
            SignalSet taken = which & ~task.Blocked;
            if (taken.IsEmpty)
                continue;
            which &= ~taken;
            if (!task.SignalPending)
                WakeUp(task, fatal: false);
        }
    }

    /// <summary>Sets the action of a signal. man 2 sigaction.</summary>
    /// <param name="previous">What it was.</param>
    public static Errno SetAction(Task task, int signal, bool set, SignalAction action, out SignalAction previous)
    {
        previous = default;
        if (!SignalNumber.IsValid(signal) || (set && SignalSets.KernelOnly.Contains(signal)))
            return Errno.EINVAL;
        ThreadGroup group = task.Group;
        using (group.SignalLock.Acquire())
        {
            ref SignalAction current = ref task.Handlers![signal];
            previous = current;
            if (!set)
                return Errno.None;
            action.Flags &= SignalAction.KnownFlags;
            action.Mask &= ~SignalSets.KernelOnly;
            current = action;
            // POSIX 3.3.1.3: setting an action that ignores the signal discards it where it is pending, blocked or not.
            if (action.Ignores(signal))
            {
                DiscardEverywhere(group, SignalSet.Of(signal));
                for (Task? thread = group.Threads.First; thread is not null; thread = group.Threads.NextOf(thread))
                    RecalculateLocked(thread);
            }
        }
        return Errno.None;
    }
}
