using System;
using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>What a wait asks for and what it found.</summary>
/// <remarks>Linux: <c>wait_opts</c>.</remarks>
internal struct WaitRequest
{
    /// <summary>Linux: <c>PIDTYPE_MAX</c>, <c>PIDTYPE_PID</c>, <c>PIDTYPE_PGID</c> of the request.</summary>
    public WaitTarget Target;

    /// <summary>The process or group, for the targets that have one; the caller holds a reference.</summary>
    public PidEntry? Entry;
    public WaitFlags Flags;

    // --- found ---
    public int Pid;
    public uint Uid;

    /// <summary>In <c>wait4</c>'s encoding.</summary>
    public int Status;

    /// <summary>In <c>waitid</c>'s: CLD_* and the exit status or signal.</summary>
    public int Code;
    public int CodeStatus;
    public ResourceUsage Usage;
}

internal enum WaitTarget
{
    Any,
    Process,
    Group,
}

/// <summary>Linux: <c>WNOHANG</c> and companions.</summary>
[Flags]
internal enum WaitFlags : uint
{
    NoHang = 1,
    Stopped = 2,
    Exited = 4,
    Continued = 8,
    NoWait = 0x0100_0000,
    NoThread = 0x2000_0000,
    All = 0x4000_0000,
    Clone = 0x8000_0000,
}

/// <summary>What a process has used, for <c>getrusage</c> and <c>wait4</c>.</summary>
internal struct ResourceUsage
{
    public CpuTimes Times;

    /// <summary>Kilobytes.</summary>
    public ulong MaxResident;
    public ulong MinorFaults, MajorFaults;
    public ulong VoluntarySwitches, InvoluntarySwitches;
}

/// <summary>Waits for children to end, stop or go on.</summary>
/// <remarks>
/// Linux: <c>do_wait</c>. Children with something to tell are in <see cref="ThreadGroup.ChildNews"/>, so that a wait for any child looks at
/// the first of them and not at all children.
/// </remarks>
internal static class Wait
{
    /// <summary>Waits as <paramref name="request"/> says and fills in what was found.</summary>
    /// <returns>The child's number; 0 with <see cref="WaitFlags.NoHang"/> and nothing to report; ECHILD; ERESTARTSYS.</returns>
    public static Result<int> Do(Task task, ref WaitRequest request)
    {
        ThreadGroup group = task.Group;
        Result<int> result;
        while (true)
        {
            group.ChildExit.PrepareToWait(task.WaitNode, ThreadState.Interruptible);
            result = Look(task, ref request);
            if (result.Error == Errno.ECHILD || result.Value != 0)
                break;
            if ((request.Flags & WaitFlags.NoHang) != 0)
                break;
            if (task.SignalPending)
            {
                result = Errno.ERESTARTSYS;
                break;
            }
            task.System.Scheduler.Schedule();
        }
        group.ChildExit.FinishWait(task.WaitNode);
        return result;
    }

    /// <summary>One look at the children.</summary>
    private static Result<int> Look(Task task, ref WaitRequest request)
    {
        ThreadGroup group = task.Group;
        using (group.System.TaskLock.Acquire())
        {
            if (request.Target == WaitTarget.Process)
            {
                ThreadGroup? child = request.Entry?.Process;
                if (child is null || !ReferenceEquals(child.Parent, group) || !IsEligible(task, child, request))
                    return Errno.ECHILD;
                return Consider(group, child, ref request);
            }

            for (ThreadGroup? child = group.ChildNews.First; child is not null; child = group.ChildNews.NextOf(child))
            {
                if (!IsEligible(task, child, request))
                    continue;
                int pid = Consider(group, child, ref request);
                if (pid != 0)
                    return pid;
            }
            for (ThreadGroup? child = group.Children.First; child is not null; child = group.Children.NextOf(child))
            {
                if (IsEligible(task, child, request))
                    return 0;
            }
            return Errno.ECHILD;
        }
    }

    private static bool IsEligible(Task task, ThreadGroup child, in WaitRequest request)
    {
        if (request.Target == WaitTarget.Group && !ReferenceEquals(child.ProcessGroup, request.Entry))
            return false;
        if ((request.Flags & WaitFlags.NoThread) != 0 && !ReferenceEquals(child.ParentThread, task))
            return false;
        if (child.Leader is not { } leader || leader.ExitState == ExitState.Dead)
            return false;
        // One that has ended has nothing more to tell than that: who does not ask for it would wait for ever.
        if (leader.ExitState == ExitState.Zombie && child.Threads.Count == 1 && (request.Flags & WaitFlags.Exited) == 0)
            return false;
        // __WCLONE wants children that do not send SIGCHLD, without it only those that do; __WALL takes both.
        bool isClone = leader.ExitSignal != SignalNumber.Child;
        return (request.Flags & WaitFlags.All) != 0 || isClone == ((request.Flags & WaitFlags.Clone) != 0);
    }

    /// <summary>Reports what the child has to tell, if the request asks for it. Returns its number or 0.</summary>
    private static int Consider(ThreadGroup parent, ThreadGroup child, ref WaitRequest request)
    {
        Task leader = child.Leader!;
        if (leader.ExitState == ExitState.Zombie && child.Threads.Count == 1)
            return (request.Flags & WaitFlags.Exited) != 0 ? ReportZombie(parent, child, ref request) : 0;
        if (child.StopCode != 0 && (request.Flags & WaitFlags.Stopped) != 0)
            return ReportStopped(child, ref request);
        if (child.IsContinued && (request.Flags & WaitFlags.Continued) != 0)
            return ReportContinued(child, ref request);
        return 0;
    }

    private static int ReportZombie(ThreadGroup parent, ThreadGroup child, ref WaitRequest request)
    {
        Task leader = child.Leader!;
        int pid = child.Tgid;
        int status = child.GroupExit ? child.GroupExitCode : leader.ExitCode;
        request.Pid = pid;
        request.Uid = leader.Credentials.Uid;
        request.Status = status;
        if ((status & 0x7f) == 0)
        {
            request.Code = SignalInfo.CldExited;
            request.CodeStatus = status >> 8;
        }
        else
        {
            request.Code = (status & 0x80) != 0 ? SignalInfo.CldDumped : SignalInfo.CldKilled;
            request.CodeStatus = status & 0x7f;
        }
        request.Usage = Usage.OfProcessAndChildren(child);
        if ((request.Flags & WaitFlags.NoWait) != 0)
            return pid;

        // What the child and its own children have used becomes the parent's children's.
        ResourceUsage own = Usage.OfProcess(child);
        parent.ChildTimes.Add(own.Times);
        parent.ChildTimes.Add(child.ChildTimes);
        parent.ChildMinorFaults += own.MinorFaults + child.ChildMinorFaults;
        parent.ChildMajorFaults += own.MajorFaults + child.ChildMajorFaults;
        parent.ChildVoluntarySwitches += own.VoluntarySwitches + child.ChildVoluntarySwitches;
        parent.ChildInvoluntarySwitches += own.InvoluntarySwitches + child.ChildInvoluntarySwitches;
        ulong resident = Math.Max(child.MaxResident, child.ChildMaxResident);
        parent.ChildMaxResident = Math.Max(parent.ChildMaxResident, resident);
        leader.ExitState = ExitState.Dead;
        ReleaseTask.ReleaseLocked(leader);
        return pid;
    }

    private static int ReportStopped(ThreadGroup child, ref WaitRequest request)
    {
        request.Pid = child.Tgid;
        request.Uid = child.Leader!.Credentials.Uid;
        request.Status = (child.StopCode << 8) | 0x7f;
        request.Code = SignalInfo.CldStopped;
        request.CodeStatus = child.StopCode;
        request.Usage = Usage.OfProcessAndChildren(child);
        if ((request.Flags & WaitFlags.NoWait) == 0)
        {
            child.StopCode = 0;
            ChildNews.RemoveIfOld(child);
        }
        return child.Tgid;
    }

    private static int ReportContinued(ThreadGroup child, ref WaitRequest request)
    {
        request.Pid = child.Tgid;
        request.Uid = child.Leader!.Credentials.Uid;
        request.Status = 0xffff;
        request.Code = SignalInfo.CldContinued;
        request.CodeStatus = SignalNumber.Continue;
        request.Usage = Usage.OfProcessAndChildren(child);
        if ((request.Flags & WaitFlags.NoWait) == 0)
        {
            child.IsContinued = false;
            ChildNews.RemoveIfOld(child);
        }
        return child.Tgid;
    }
}
