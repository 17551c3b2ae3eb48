using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>New parents for the children of a thread that ends. All under the task-list lock.</summary>
/// <remarks>Linux: <c>forget_original_parent</c>, <c>find_new_reaper</c>, <c>reparent_leader</c>.</remarks>
internal static class Reparent
{
    /// <summary>Hands on the children of the exiting <paramref name="father"/>: to a sibling thread, a subreaper or init.</summary>
    public static void ForgetOriginalParent(Task father)
    {
        ThreadGroup group = father.Group;
        if (group.Children.IsEmpty)
            return;
        Task? sibling = LivingThread(group, father);
        ThreadGroup? reaper = sibling is null ? FindReaper(group) : group;
        Task? reaperThread = sibling ?? (reaper is null ? null : LivingThread(reaper, father));

        ThreadGroup? next;
        for (ThreadGroup? child = group.Children.First; child is not null; child = next)
        {
            next = group.Children.NextOf(child);
            if (ReferenceEquals(child.ParentThread, father))
            {
                child.ParentThread = reaperThread;
                SendDeathSignals(child);
            }
            else if (sibling is null)
            {
                child.ParentThread = reaperThread;
            }
            if (sibling is null)
                GiveAway(child, group, reaper);
        }
    }

    private static void GiveAway(ThreadGroup child, ThreadGroup former, ThreadGroup? reaper)
    {
        former.ChildNews.Remove(child);
        former.Children.Remove(child);
        child.Parent = reaper;
        if (reaper is null)
            return;
        reaper.Children.AddLast(child);
        if (child.Leader is not { } leader)
            return;
        leader.ExitSignal = SignalNumber.Child;

        // A zombie that nobody had collected is reported again, to the new parent.
        if (leader.ExitState == ExitState.Zombie && child.Threads.Count == 1)
        {
            if (ChildNews.NotifyExit(leader, SignalNumber.Child))
            {
                leader.ExitState = ExitState.Dead;
                child.System.OrphansToRelease.AddLast(child);
            }
        }
        else if (child.StopCode != 0 || child.IsContinued)
        {
            ChildNews.Add(child);
        }
        ProcessGroups.HangUpIfOrphaned(child, former);
    }

    /// <summary>PR_SET_PDEATHSIG of the child's threads.</summary>
    private static void SendDeathSignals(ThreadGroup child)
    {
        for (Task? task = child.Threads.First; task is not null; task = child.Threads.NextOf(task))
        {
            if (task.ParentDeathSignal == 0)
                continue;
            SignalInfo info = default;
            info.Signal = task.ParentDeathSignal;
            info.Code = SignalInfo.CodeUser;
            info.Pid = 0;
            _ = Signals.SendToProcess(child, info);
        }
    }

    private static ThreadGroup? FindReaper(ThreadGroup father)
    {
        ThreadGroup? init = father.System.Init;
        if (father.HasChildSubreaper)
        {
            for (ThreadGroup? p = father.Parent; p is not null && !ReferenceEquals(p, init); p = p.Parent)
            {
                if (p.IsChildSubreaper && LivingThread(p, null) is not null)
                    return p;
            }
        }
        return ReferenceEquals(init, father) ? null : init;
    }

    private static Task? LivingThread(ThreadGroup group, Task? except)
    {
        for (Task? task = group.Threads.First; task is not null; task = group.Threads.NextOf(task))
        {
            if (!task.IsExiting && !ReferenceEquals(task, except))
                return task;
        }
        return null;
    }
}
