using System.Diagnostics.CodeAnalysis;
using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>The end of a task.</summary>
/// <remarks>
/// Linux: <c>do_exit</c>, <c>do_group_exit</c>. What the task holds is given back while it still runs; what remains is a zombie with a
/// number, times and a status for the parent, on a stack that the next task buries (<see cref="TaskSystem.BurySwitchedAway"/>).
/// </remarks>
internal static class DoExit
{
    /// <summary>Ends all threads of the calling process. Linux: <c>do_group_exit</c>.</summary>
    /// <param name="code">In <c>wait</c>'s encoding: status times 256, or the signal (with 0x80 for a core).</param>
    [DoesNotReturn]
    public static void GroupExit(Task task, int code)
    {
        ThreadGroup group = task.Group;
        using (group.System.TaskLock.Acquire())
        {
            if (group.GroupExit)
            {
                code = group.GroupExitCode;             // somebody was first
            }
            else if (group.ExecTask is not null && !ReferenceEquals(group.ExecTask, task))
            {
                code = SignalNumber.Kill;               // another thread execs: this one just goes
            }
            else
            {
                group.GroupExit = true;
                group.GroupExitCode = code;
                group.IsStopped = false;
                _ = Signals.KillOtherThreads(task);
            }
        }
        Exit(task, code);
    }

    /// <summary>Ends the calling thread.</summary>
    [DoesNotReturn]
    public static void Exit(Task task, int code)
    {
        TaskSystem system = task.System;
        ThreadGroup group = task.Group;
        if (task.IsExiting)
            Panic.Now("a task exits twice"u8);
        if (task.Pid == 0)
            Panic.Now("attempted to kill the idle task"u8);
        CoreDump.Park(task);

        Signals.Retarget(task);
        task.Flags |= TaskFlags.Exiting;

        bool lastThread;
        using (system.TaskLock.Acquire())
        {
            group.LiveThreads--;
            lastThread = group.LiveThreads == 0;
            if (lastThread && !group.GroupExit)
            {
                // The last thread's status is the process's, whatever the leader has ended with. Linux: synchronize_group_exit.
                group.GroupExit = true;
                group.GroupExitCode = code;
            }
        }
        if (lastThread)
        {
            if (group.Tgid == 1)
                system.InitEnded(group.GroupExit ? group.GroupExitCode : code);
            system.GroupEnding(group);                      // timers
            if (task.Mm is { } mm && mm.PeakRss > group.MaxResident)
                group.MaxResident = mm.PeakRss;
        }
        task.ExitCode = code;

        ReleaseMemory(task);
        system.TaskEnding(task);
        ReleaseFiles(task);
        if (lastThread && group.IsSessionLeader)
            system.SessionLeaderEnding(task);

        bool release = Notify(task, lastThread);
        if (release)
            ReleaseTask.Release(task);

        Interrupts.Disable();
        task.State = ThreadState.Dead;
        system.Scheduler.Schedule();
        Panic.Now("a dead task ran again"u8);
    }

    /// <summary>The memory part: what the C library was promised, the parent of a vfork, then the mm. Linux: <c>exit_mm_release</c>, <c>exit_mm</c>.</summary>
    private static void ReleaseMemory(Task task)
    {
        ReleaseFromMm(task);
        if (SwitchMm.Abandon(task) is { } mm)
            mm.Put();
    }

    /// <summary>
    /// What must happen while the task still has its old mm, at exit and at exec: robust futexes, <c>clear_child_tid</c>, and the
    /// parent that waits for the mm. Linux: <c>mm_release</c>.
    /// </summary>
    public static void ReleaseFromMm(Task task)
    {
        task.System.FutexExit(task);
        if (!task.ClearChildTid.IsZero && task.Mm is { } mm)
        {
            // Nobody else looks when the address space has no other user.
            if (mm.Users > 1)
            {
                if (UserCopy.Put(task.ClearChildTid, 0) == Errno.None)
                    task.System.WakeFutex(task, task.ClearChildTid);
            }
            task.ClearChildTid = default;
        }
        CompleteVfork(task);
    }

    /// <summary>Lets the parent of a <c>vfork</c> go on. Linux: <c>complete_vfork_done</c>.</summary>
    public static void CompleteVfork(Task task)
    {
        Task? parent;
        using (task.System.TaskLock.Acquire())
        {
            parent = task.VforkParent;
            task.VforkParent = null;
        }
        if (parent is null)
            return;
        parent.VforkDone.WakeAll();
        parent.Put();
    }

    private static void ReleaseFiles(Task task)
    {
        // The fields become null first: closing may sleep, and /proc must not find a table that is going.
        var files = task.Files;
        task.Files = null!;
        files?.Put(task);
        var fs = task.Fs;
        task.Fs = null!;
        fs?.Put();
    }

    /// <summary>Hands the children on, tells the parent. Linux: <c>exit_notify</c>.</summary>
    /// <returns>True when nobody will wait for this task, so that it releases itself.</returns>
    private static bool Notify(Task task, bool lastThread)
    {
        ThreadGroup group = task.Group;
        TaskSystem system = task.System;
        using (system.TaskLock.Acquire())
        {
            Reparent.ForgetOriginalParent(task);
            if (lastThread)
                ProcessGroups.HangUpIfOrphaned(group, null);

            task.ExitState = ExitState.Zombie;
            bool autoReap;
            if (task.IsLeader)
            {
                // A leader whose threads live on stays a silent zombie; the last thread's release reports it.
                autoReap = group.Threads.Count == 1 && ChildNews.NotifyExit(task, ExitSignalOf(task));
                if (group.Threads.Count > 1)
                    group.LeaderReportPending = true;
            }
            else
            {
                autoReap = true;
            }
            if (autoReap)
                task.ExitState = ExitState.Dead;
            if (group.ExecTask is not null)
                group.ExecWait.WakeAll();
            if (group.CoreDumper is not null)
                group.CoreWait.WakeAll();
            ReapOrphans(system);
            return autoReap;
        }
    }

    /// <summary>Linux: a parent that has become another program since gets the usual SIGCHLD.</summary>
    public static int ExitSignalOf(Task leader)
    {
        ThreadGroup group = leader.Group;
        if (leader.ExitSignal != SignalNumber.Child && group.Parent is { } parent && parent.ExecId != group.ParentExecId)
            return SignalNumber.Child;
        return leader.ExitSignal;
    }

    private static void ReapOrphans(TaskSystem system)
    {
        // Zombies that were handed to a parent that ignores SIGCHLD: nobody asks for them.
        while (system.OrphansToRelease.First is { } group)
        {
            system.OrphansToRelease.Remove(group);
            ReleaseTask.ReleaseLocked(group.Leader!);
        }
    }
}
