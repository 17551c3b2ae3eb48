using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Physical;

namespace NanoVm.Tasks;

/// <summary>Where the timers of processes come from, and the clock that can be set.</summary>
internal sealed class ProcessClocks
{
    private readonly ObjectCache<ProcessTimers> _processes;
    private readonly ObjectCache<RealTimer> _reals;

    public readonly ObjectCache<PosixTimer> Timers;

    public readonly ObjectCache<TimerFile> TimerFiles;
    public readonly ObjectCache<TimerFileNode> TimerFileNodes;

    /// <summary>The wall clock; set by <c>Kernel.cs</c>.</summary>
    public Clock? Clock;

    public ProcessClocks(TaskSystem system)
    {
        _processes = new ObjectCache<ProcessTimers>(system.Physical, "process_timers"u8);
        _reals = new ObjectCache<RealTimer>(system.Physical, "real_timer"u8);
        Timers = new ObjectCache<PosixTimer>(system.Physical, "posix_timers_cache"u8);
        TimerFiles = new ObjectCache<TimerFile>(system.Physical, "filp_timerfd"u8);
        TimerFileNodes = new ObjectCache<TimerFileNode>(system.Physical, "timerfd"u8);
    }

    /// <summary>The timers of a process, made when it needs the first.</summary>
    /// <returns>Null without memory.</returns>
    public ProcessTimers? Of(ThreadGroup group)
    {
        if (group.Timers is { } present)
            return present;
        ProcessTimers? timers = _processes.Allocate(AllocationFlags.Reserve);
        RealTimer? real = timers is null ? null : _reals.Allocate(AllocationFlags.Reserve);
        if (real is null)
        {
            if (timers is not null)
                _processes.Free(timers);
            return null;
        }

        timers!.Initialize(group, real);
        group.Timers = timers;
        return timers;
    }

    internal void Free(ProcessTimers timers)
    {
        _reals.Free(timers.Real);
        _processes.Free(timers);
    }
}

internal sealed unsafe partial class TaskSystem
{
    /// <summary>Timers of processes.</summary>
    public readonly ProcessClocks Clocks;

    /// <summary>The last thread of a process has begun to exit: its timers end. Linux: <c>exit_itimers</c>.</summary>
    public void GroupEnding(ThreadGroup group) => group.Timers?.End(keepIntervals: false);

    /// <summary>A program is replaced: timers made by <c>timer_create</c> end, interval timers go on.</summary>
    public void ExecEnding(Task task) => task.Group.Timers?.End(keepIntervals: true);
}
