using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Process groups and sessions: joining, leaving, and what happens to those that lose their last tie to a shell.</summary>
/// <remarks>Linux: <c>setpgid</c>, <c>setsid</c>, <c>kill_orphaned_pgrp</c>; POSIX 3.264. All under the task-list lock.</remarks>
internal static class ProcessGroups
{
    /// <summary>Moves a process into the group of <paramref name="entry"/>.</summary>
    public static void Join(ThreadGroup process, PidEntry entry)
    {
        if (ReferenceEquals(process.ProcessGroup, entry))
            return;
        entry.Get();
        Leave(process);
        process.ProcessGroup = entry;
        entry.ProcessGroupMembers.AddLast(process);
    }

    public static void JoinSession(ThreadGroup process, PidEntry entry)
    {
        if (ReferenceEquals(process.Session, entry))
            return;
        entry.Get();
        LeaveSession(process);
        process.Session = entry;
        entry.SessionMembers.AddLast(process);
    }

    public static void Leave(ThreadGroup process)
    {
        if (process.ProcessGroup is not { } old)
            return;
        old.ProcessGroupMembers.Remove(process);
        process.ProcessGroup = null;
        old.Table.ReleaseIfUnused(old);
        old.Put();
    }

    public static void LeaveSession(ThreadGroup process)
    {
        if (process.Session is not { } old)
            return;
        old.SessionMembers.Remove(process);
        process.Session = null;
        old.Table.ReleaseIfUnused(old);
        old.Put();
    }

    /// <summary>No member, <paramref name="ignored"/> aside, has a parent in another group of the same session.</summary>
    /// <remarks>Linux: <c>will_become_orphaned_pgrp</c>. Linear in the members of the group; only exits of a group's parents ask.</remarks>
    public static bool WouldBeOrphaned(PidEntry group, ThreadGroup? ignored)
    {
        for (ThreadGroup? p = group.ProcessGroupMembers.First; p is not null; p = group.ProcessGroupMembers.NextOf(p))
        {
            if (ReferenceEquals(p, ignored) || p.IsZombie || p.Parent is not { } parent || parent.Tgid == 1)
                continue;
            if (!ReferenceEquals(parent.ProcessGroup, group) && ReferenceEquals(parent.Session, p.Session))
                return false;
        }
        return true;
    }

    /// <summary>
    /// After <paramref name="process"/> exits, or is about to lose <paramref name="formerParent"/>: a group that has just become an orphan
    /// and has stopped members gets SIGHUP and SIGCONT, as nobody could continue it any more.
    /// </summary>
    /// <remarks>Linux: <c>kill_orphaned_pgrp</c>. <paramref name="formerParent"/> is null when the process itself exits.</remarks>
    public static void HangUpIfOrphaned(ThreadGroup process, ThreadGroup? formerParent)
    {
        ThreadGroup? ignored = null;
        ThreadGroup? parent = formerParent;
        if (parent is null)
        {
            parent = process.Parent;
            ignored = process;
        }
        if (process.ProcessGroup is not { } group || parent is null)
            return;
        if (ReferenceEquals(parent.ProcessGroup, group) || !ReferenceEquals(parent.Session, process.Session))
            return;
        if (!WouldBeOrphaned(group, ignored) || !HasStoppedMember(group))
            return;
        Signal(group, SignalNumber.Hangup);
        Signal(group, SignalNumber.Continue);
    }

    /// <summary>Sends a signal of the kernel's own to every process of a group.</summary>
    public static void Signal(PidEntry group, int signal)
    {
        SignalInfo info = default;
        info.Signal = signal;
        info.Code = SignalInfo.CodeKernel;
        ThreadGroup? next;
        for (ThreadGroup? p = group.ProcessGroupMembers.First; p is not null; p = next)
        {
            next = group.ProcessGroupMembers.NextOf(p);
            _ = Signals.SendToProcess(p, info);
        }
    }

    private static bool HasStoppedMember(PidEntry group)
    {
        for (ThreadGroup? p = group.ProcessGroupMembers.First; p is not null; p = group.ProcessGroupMembers.NextOf(p))
        {
            if (p.IsStopped)
                return true;
        }
        return false;
    }
}
