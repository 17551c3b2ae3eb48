using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>Sending. Linux: <c>__send_signal_locked</c>, <c>prepare_signal</c>, <c>complete_signal</c>, <c>signal_wake_up</c>.</summary>
internal static partial class Signals
{
    /// <summary>Sends to one thread, or with a null <paramref name="thread"/> to the process.</summary>
    private static Errno Send(ThreadGroup group, Task? thread, in SignalInfo info, SendKind kind)
    {
        int signal = info.Signal;
        if (!SignalNumber.IsValid(signal))
            return Errno.None;
        // Before the lock, where room may be made for it: under the lock there may be no memory just now, and a handler would not learn what happened.
        QueuedSignal? spare = signal != SignalNumber.Kill && Interrupts.AreEnabled ? group.System.QueuedSignals.Allocate() : null;
        Errno error = SendLocked(group, thread, info, kind, ref spare);
        if (spare is not null)
            group.System.QueuedSignals.Free(spare);
        return error;
    }

    private static Errno SendLocked(ThreadGroup group, Task? thread, in SignalInfo info, SendKind kind, ref QueuedSignal? spare)
    {
        int signal = info.Signal;
        using (group.SignalLock.Acquire())
        {
            Task? target = thread ?? group.Leader ?? group.Threads.First;
            SignalHandlers? handlers = target?.Handlers ?? HandlersOf(group);
            if (target is null || handlers is null)
                return Errno.None;                           // a kernel thread, or all has been released

            if (!Prepare(group, target, handlers, signal, kind))
                return Errno.None;
            ref PendingSignals pending = ref thread is null ? ref group.SharedPending : ref thread.Pending;
            // A usual signal is pending once; the real-time ones are counted.
            if (signal < SignalNumber.FirstRealTime && pending.Set.Contains(signal))
                return Errno.None;

            Errno error = Queue(group, target, ref pending, info, kind, ref spare);
            if (error != Errno.None)
                return error;
            pending.Set = pending.Set.With(signal);
            handlers.SignalFdWait.WakeAll();
            Complete(group, thread, target, handlers, signal);
            return Errno.None;
        }
    }

    /// <summary>Adds the information to the queue, as far as there is memory and the limit allows it.</summary>
    private static Errno Queue(ThreadGroup group, Task target, ref PendingSignals pending, in SignalInfo info, SendKind kind, ref QueuedSignal? spare)
    {
        if (info.Signal == SignalNumber.Kill)
            return Errno.None;
        // What waits for all processes of the receiver's user counts together.
        bool unlimited = kind == SendKind.Forced || (info.Signal < SignalNumber.FirstRealTime && info.Code >= 0);
        QueuedSignal? queued = null;
        ulong limit = unlimited ? ulong.MaxValue : group.Limits.Soft(Resource.PendingSignals);
        if (group.System.TryCountSignal(target.Credentials, limit, out UserEntry? counted))
        {
            queued = spare ?? group.System.QueuedSignals.Allocate();
            spare = null;
        }

        if (queued is null)
        {
            group.System.UncountSignal(counted);
            // A real-time signal with a value may not lose it; all others arrive without.
            bool mustCarry = info.Signal >= SignalNumber.FirstRealTime && info.Code != SignalInfo.CodeUser;
            return mustCarry ? Errno.EAGAIN : Errno.None;
        }
        queued.Info = info;
        queued.CountedFor = counted;
        pending.Append(queued);
        return Errno.None;
    }

    /// <summary>What a signal does at once, before it is taken: stop and continue cancel each other, SIGCONT and SIGKILL end stops.</summary>
    /// <returns>Whether it shall be queued: not when it would be ignored.</returns>
    private static bool Prepare(ThreadGroup group, Task target, SignalHandlers handlers, int signal, SendKind kind)
    {
        if (SignalSets.StopByDefault.Contains(signal))
        {
            DiscardEverywhere(group, SignalSet.Of(SignalNumber.Continue));
        }
        else if (signal == SignalNumber.Continue)
        {
            DiscardEverywhere(group, SignalSets.StopByDefault);
            ContinueGroup(group);
        }
        return !IsIgnored(group, target, handlers, signal, kind);
    }

    private static bool IsIgnored(ThreadGroup group, Task target, SignalHandlers handlers, int signal, SendKind kind)
    {
        // What is blocked may be wanted later, whatever its action is now.
        if (target.Blocked.Contains(signal) || target.RealBlocked.Contains(signal))
            return false;
        ref SignalAction action = ref handlers[signal];
        if (group.IsUnkillable && action.Handler == SignalAction.Default
            && !(kind == SendKind.Forced && SignalSets.KernelOnly.Contains(signal)))
            return true;
        return action.Ignores(signal);
    }

    /// <summary>Finds a thread to take the signal and wakes it; a fatal one ends all threads at once.</summary>
    private static void Complete(ThreadGroup group, Task? thread, Task target, SignalHandlers handlers, int signal)
    {
        Task? taker = null;
        if (WantsSignal(target, signal))
            taker = target;
        else if (thread is null)
            taker = FindTaker(group, signal);
        if (taker is null)
            return;                                          // taken when somebody unblocks it

        ref SignalAction action = ref handlers[signal];
        bool fatal = action.Handler == SignalAction.Default && SignalSets.IsFatalByDefault(signal);
        if (fatal && !group.GroupExit && !taker.RealBlocked.Contains(signal) && !SignalSets.CoreByDefault.Contains(signal))
        {
            // So all threads begin to end now, and killable sleeps end, wherever they are.
            group.GroupExit = true;
            group.GroupExitCode = signal;
            group.GroupStopCount = 0;
            group.IsStopped = false;
            for (Task? task = group.Threads.First; task is not null; task = group.Threads.NextOf(task))
                Kill(task);
            return;
        }
        WakeUp(taker, fatal: signal == SignalNumber.Kill);
    }

    /// <summary>The next thread that would take the signal, in turns. Linux: the loop over <c>curr_target</c>.</summary>
    /// <remarks>Linear in the threads of one process only when all of them block the signal or have one to handle.</remarks>
    private static Task? FindTaker(ThreadGroup group, int signal)
    {
        Task? start = group.SignalTarget ?? group.Threads.First;
        Task? task = start;
        while (task is not null)
        {
            if (WantsSignal(task, signal))
            {
                group.SignalTarget = task;
                return task;
            }
            task = group.Threads.NextOf(task) ?? group.Threads.First;
            if (ReferenceEquals(task, start))
                break;
        }
        return null;
    }

    private static bool WantsSignal(Task task, int signal)
    {
        if (task.Blocked.Contains(signal) || task.IsExiting)
            return false;
        if (signal == SignalNumber.Kill)
            return true;
        if (task.State == ThreadState.Stopped)
            return false;
        return ReferenceEquals(task, PerCpu.CurrentOrNull) || !task.SignalPending;
    }

    private static void Kill(Task task)
    {
        task.StopPending = false;
        if (task.IsExiting)
            return;
        task.Pending.Set = task.Pending.Set.With(SignalNumber.Kill);
        WakeUp(task, fatal: true);
    }

    /// <summary>Makes a thread look at its signals soon. Linux: <c>signal_wake_up</c>.</summary>
    private static void WakeUp(Task task, bool fatal)
    {
        task.SignalPending = true;
        if (fatal)
            task.FatalSignalPending = true;
        if (task.State == ThreadState.Interruptible || (fatal && task.State is ThreadState.Killable or ThreadState.Stopped))
            PerCpu.Scheduler.Wake(task);
    }

    /// <summary>Makes all other threads of the group end. Linux: <c>zap_other_threads</c>.</summary>
    /// <returns>How many.</returns>
    public static int KillOtherThreads(Task current)
    {
        ThreadGroup group = current.Group;
        int count = 0;
        using (group.SignalLock.Acquire())
        {
            group.GroupStopCount = 0;
            for (Task? task = group.Threads.First; task is not null; task = group.Threads.NextOf(task))
            {
                if (ReferenceEquals(task, current))
                    continue;
                count++;
                Kill(task);
            }
            current.StopPending = false;
        }
        return count;
    }

    private static void DiscardEverywhere(ThreadGroup group, SignalSet which)
    {
        Free(group.System, group.SharedPending.TakeAll(which));
        for (Task? task = group.Threads.First; task is not null; task = group.Threads.NextOf(task))
            Free(group.System, task.Pending.TakeAll(which));
    }

    private static SignalHandlers? HandlersOf(ThreadGroup group)
    {
        for (Task? task = group.Threads.First; task is not null; task = group.Threads.NextOf(task))
        {
            if (task.Handlers is not null)
                return task.Handlers;
        }
        return null;
    }
}
