using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Takes a dead task out of every list; its number is free afterwards.</summary>
/// <remarks>Linux: <c>release_task</c>, <c>__exit_signal</c>, <c>__unhash_process</c>.</remarks>
internal static class ReleaseTask
{
    public static void Release(Task task)
    {
        using (task.System.TaskLock.Acquire())
            ReleaseLocked(task);
    }

    /// <summary>As <see cref="Release"/>, with the task-list lock held.</summary>
    /// <remarks>The release of the last thread may make its zombie leader reportable, or release it too when nobody wants the report.</remarks>
    public static void ReleaseLocked(Task task)
    {
        while (true)
        {
            ThreadGroup group = task.Group;
            Task? leader = group.Leader;
            Detach(task);

            bool releaseLeader = false;
            if (group.Threads.Count == 1 && leader is not null && !ReferenceEquals(leader, task)
                && leader.ExitState == ExitState.Zombie && group.ExecTask is null && group.LeaderReportPending)
            {
                group.LeaderReportPending = false;
                releaseLeader = ChildNews.NotifyExit(leader, DoExit.ExitSignalOf(leader));
                if (releaseLeader)
                    leader.ExitState = ExitState.Dead;
            }
            if (group.ExecTask is not null)
                group.ExecWait.WakeAll();
            task.Put();
            if (!releaseLeader)
                return;
            task = leader!;
        }
    }

    private static void Detach(Task task)
    {
        ThreadGroup group = task.Group;
        TaskSystem system = task.System;

        // What the thread has used belongs to the process from now on.
        group.DeadThreadTimes.Add(TaskTimes.Of(task));
        group.DeadThreadIo.Add(task.Io);
        group.DeadMinorFaults += task.MinorFaults;
        group.DeadMajorFaults += task.MajorFaults;
        group.DeadVoluntarySwitches += task.VoluntarySwitches;
        group.DeadInvoluntarySwitches += task.InvoluntarySwitches;

        Signals.Flush(system, ref task.Pending);
        if (task.Handlers is { } handlers)
        {
            task.Handlers = null;
            system.PutHandlers(handlers);
        }
        if (ReferenceEquals(group.SignalTarget, task))
            group.SignalTarget = null;
        group.Threads.Remove(task);
        system.TaskCount--;
        system.CountUserProcess(task.Credentials, -1);

        if (task.PidEntry is { } entry)
        {
            task.PidEntry = null;
            entry.Thread = null;
            if (ReferenceEquals(group.Leader, task))
            {
                entry.Process = null;
                entry.PidfdWait.WakeAll();
            }
            if (ReferenceEquals(group.Leader, task))
                DetachGroup(group);
            entry.Table.ReleaseIfUnused(entry);
            entry.Put();
        }
        else if (ReferenceEquals(group.Leader, task))
        {
            DetachGroup(group);
        }
    }

    private static void DetachGroup(ThreadGroup group)
    {
        Signals.Flush(group.System, ref group.SharedPending);
        if (group.Parent is { } parent)
        {
            parent.ChildNews.Remove(group);
            parent.Children.Remove(group);
            group.Parent = null;
        }
        group.ParentThread = null;
        group.System.ProcessCount--;
        ProcessGroups.Leave(group);
        ProcessGroups.LeaveSession(group);
        group.Leader = null;
    }
}
