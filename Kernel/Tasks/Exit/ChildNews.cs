using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Telling a parent: the signal, the list that <c>wait</c> looks at, and the wake-up. All under the task-list lock.</summary>
/// <remarks>Linux: <c>do_notify_parent</c>, <c>do_notify_parent_cldstop</c>.</remarks>
internal static class ChildNews
{
    /// <summary>The process has ended: its leader is a zombie and no other thread is left.</summary>
    /// <returns>True when the parent does not want to hear of it, so that the caller releases it at once.</returns>
    public static bool NotifyExit(Task leader, int signal)
    {
        ThreadGroup group = leader.Group;
        ThreadGroup? parent = group.Parent;
        if (parent?.Leader is null)
            return true;

        bool autoReap = false;
        SignalInfo info = About(group, leader, signal);
        int code = leader.ExitCode;
        info.Status = code & 0x7f;
        if ((code & 0x80) != 0)
        {
            info.Code = SignalInfo.CldDumped;
        }
        else if ((code & 0x7f) != 0)
        {
            info.Code = SignalInfo.CldKilled;
        }
        else
        {
            info.Code = SignalInfo.CldExited;
            info.Status = code >> 8;
        }

        if (signal == SignalNumber.Child && HandlersOf(parent) is { } handlers)
        {
            ref SignalAction action = ref handlers[SignalNumber.Child];
            if (action.Handler == SignalAction.Ignore || (action.Flags & SignalAction.NoChildWait) != 0)
            {
                autoReap = true;
                if (action.Handler == SignalAction.Ignore)
                    signal = 0;
            }
        }
        if (SignalNumber.IsValid(signal))
            _ = Signals.SendToProcess(parent, info);
        if (!autoReap)
            Add(group);
        WakePidfds(group);
        parent.ChildExit.WakeAll();
        return autoReap;
    }

    /// <summary>The process has stopped (<see cref="ThreadGroup.StopCode"/>) or goes on (<see cref="ThreadGroup.IsContinued"/>).</summary>
    public static void NotifyStopOrContinue(ThreadGroup group, bool continued)
    {
        ThreadGroup? parent = group.Parent;
        if (parent?.Leader is null || group.Leader is not { } leader)
            return;
        SignalInfo info = About(group, leader, SignalNumber.Child);
        info.Code = continued ? SignalInfo.CldContinued : SignalInfo.CldStopped;
        info.Status = continued ? SignalNumber.Continue : group.StopCode & 0x7f;
        if (HandlersOf(parent) is { } handlers)
        {
            ref SignalAction action = ref handlers[SignalNumber.Child];
            if (action.Handler != SignalAction.Ignore && (action.Flags & SignalAction.NoChildStop) == 0)
                _ = Signals.SendToProcess(parent, info);
        }
        Add(group);
        parent.ChildExit.WakeAll();
    }

    /// <summary>Puts a child on its parent's list of news.</summary>
    public static void Add(ThreadGroup group)
    {
        if (!group.NewsLinks.IsLinked && group.Parent is { } parent)
            parent.ChildNews.AddLast(group);
    }

    /// <summary>Takes the child off the list when there is nothing left to report.</summary>
    public static void RemoveIfOld(ThreadGroup group)
    {
        if (group.Parent is { } parent && !group.IsZombie && group.StopCode == 0 && !group.IsContinued)
            parent.ChildNews.Remove(group);
    }

    /// <summary>Wakes those that poll a pidfd of the process.</summary>
    public static void WakePidfds(ThreadGroup group) => group.Leader?.PidEntry?.PidfdWait.WakeAll();

    /// <summary>The handlers of a process; any of its threads has them, but those that have exited.</summary>
    public static SignalHandlers? HandlersOf(ThreadGroup group)
    {
        for (Task? task = group.Threads.First; task is not null; task = group.Threads.NextOf(task))
        {
            if (task.Handlers is not null)
                return task.Handlers;
        }
        return null;
    }

    private static SignalInfo About(ThreadGroup group, Task leader, int signal)
    {
        SignalInfo info = default;
        info.Signal = signal;
        info.Pid = group.Tgid;
        info.Uid = leader.Credentials.Uid;
        CpuTimes times = TaskTimes.Of(group);
        info.UserTime = times.User / TaskTimes.NanosecondsPerTick;
        info.SystemTime = times.System / TaskTimes.NanosecondsPerTick;
        return info;
    }
}
