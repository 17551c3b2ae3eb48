using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Files.Proc;

namespace NanoVm.Tasks.Proc;

/// <summary>Processes and threads for <c>/proc</c>, out of the table of numbers.</summary>
internal sealed class ProcessSource(TaskSystem system, ProcDirectory directory) : ProcessDirectorySource
{
    private readonly TaskSystem _system = system;

    /// <inheritdoc/>
    public override ProcDirectory Directory { get; } = directory;

    /// <inheritdoc/>
    public override bool Find(int pid, out ProcSubject subject)
    {
        subject = default;
        using (_system.TaskLock.Acquire())
        {
            if (pid == 0 || _system.Pids.FindTask(pid) is not { } task)
                return false;
            subject = new ProcSubject { Pid = pid, Serial = task.StartTime };
            return true;
        }
    }

    /// <inheritdoc/>
    public override bool NextProcess(int pid, out ProcSubject subject)
    {
        subject = default;
        using (_system.TaskLock.Acquire())
        {
            for (PidEntry? entry = _system.Pids.FindNext(pid); entry is not null; entry = _system.Pids.FindNext(entry.Number + 1))
            {
                if (entry.Process is null || entry.Thread is null || entry.Number == 0)
                    continue;
                subject = new ProcSubject { Pid = entry.Number, Serial = entry.Thread.StartTime };
                return true;
            }
            return false;
        }
    }

    /// <summary>The task that a file is about, with a reference; null when it is gone.</summary>
    public static Task? TaskOf(TaskSystem system, in ProcSubject subject)
    {
        using (system.TaskLock.Acquire())
        {
            Task? task = system.Pids.FindTask(subject.Pid);
            return task is not null && task.StartTime == subject.Serial ? task.Get() : null;
        }
    }

    /// <inheritdoc/>
    public override void GetCounts(out int running, out int threads, out int lastPid)
    {
        running = _system.Scheduler.RunnableCount;
        threads = _system.TaskCount;
        lastPid = _system.Pids.LastNumber;
    }

    /// <inheritdoc/>
    public override void GetLoad(out ulong one, out ulong five, out ulong fifteen)
    {
        one = _system.Load.OneMinute;
        five = _system.Load.FiveMinutes;
        fifteen = _system.Load.FifteenMinutes;
    }

    /// <inheritdoc/>
    public override void GetStatistics(ref MachineStatistics statistics)
    {
        ulong idle = _system.Scheduler.IdleNanoseconds;
        ulong uptime = Time.MonotonicNanoseconds;
        ulong user = 0;
        using (_system.TaskLock.Acquire())
        {
            for (PidEntry? entry = _system.Pids.FindNext(1); entry is not null; entry = _system.Pids.FindNext(entry.Number + 1))
            {
                if (entry.Process is { } group)
                    user += TaskTimes.Of(group).User + group.ChildTimes.User;
            }
        }
        ulong busy = uptime > idle ? uptime - idle : 0;
        statistics.IdleTime = idle;
        statistics.UserTime = user < busy ? user : busy;
        statistics.SystemTime = busy - statistics.UserTime;
        statistics.ContextSwitches = _system.Scheduler.Switches;
        statistics.Forks = _system.Forks;
        statistics.Running = _system.Scheduler.RunnableCount;
        statistics.Blocked = 0;
        statistics.BootTime = (Time.RealtimeNanoseconds - uptime) / 1_000_000_000;
    }
}
