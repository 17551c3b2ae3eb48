using NanoVm.Core;

namespace NanoVm.Files.Proc;

/// <summary>Where <c>/proc</c> gets its processes from: declared here, implemented above, in <c>Tasks/Proc</c>.</summary>
internal abstract class ProcessDirectorySource
{
    /// <summary>The node of a process's directory.</summary>
    public abstract ProcDirectory Directory { get; }

    /// <summary>Finds a process (or, as Linux does, a thread that is not listed) by number.</summary>
    public abstract bool Find(int pid, out ProcSubject subject);

    /// <summary>The process with the lowest number that is at least <paramref name="pid"/>.</summary>
    public abstract bool NextProcess(int pid, out ProcSubject subject);

    /// <summary>Processes that want the processor, all threads, and the last number given: for <c>loadavg</c>.</summary>
    public abstract void GetCounts(out int running, out int threads, out int lastPid);

    /// <summary>Load averages over 1, 5 and 15 minutes, fixed point with 11 bits behind the point.</summary>
    public abstract void GetLoad(out ulong one, out ulong five, out ulong fifteen);

    /// <summary>The numbers of <c>/proc/stat</c> that tasks know.</summary>
    public abstract void GetStatistics(ref MachineStatistics statistics);
}

/// <summary>What <c>/proc/stat</c> and <c>/proc/uptime</c> show. Times in nanoseconds.</summary>
internal struct MachineStatistics
{
    public ulong UserTime;
    public ulong NiceTime;
    public ulong SystemTime;
    public ulong IdleTime;
    public ulong InterruptTime;
    public ulong ContextSwitches;
    public ulong Forks;
    public int Running;
    public int Blocked;

    /// <summary>Seconds since 1970 at boot.</summary>
    public ulong BootTime;
}
