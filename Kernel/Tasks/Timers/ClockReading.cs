using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>What clocks say, and deadlines on them as monotonic nanoseconds.</summary>
/// <remarks>Linux: <c>clock_gettime</c>, <c>posix_cpu_clock_get</c>.</remarks>
internal static class ClockReading
{
    /// <summary>The largest time that is told apart from "for ever". Linux: <c>KTIME_MAX</c>.</summary>
    public const ulong Largest = long.MaxValue;

    /// <summary>What the coarse clocks are precise to: a tick.</summary>
    public const ulong CoarseNanoseconds = (ulong)RoundRobinScheduler.SliceNanoseconds;

    /// <summary>Reads a clock.</summary>
    /// <returns><see cref="Errno.EINVAL"/> for a number that is no clock or names a process that is not there.</returns>
    public static Result<ulong> Read(Task task, int clock)
    {
        switch (clock)
        {
            case ClockId.Realtime or ClockId.RealtimeCoarse or ClockId.InternationalAtomic:
                return Time.RealtimeNanoseconds;
            case ClockId.Monotonic or ClockId.MonotonicRaw or ClockId.MonotonicCoarse or ClockId.BootTime:
                return Time.MonotonicNanoseconds;
            case ClockId.ProcessCpu:
                return ProcessTime(task.Group, ClockId.CpuKindRun);
            case ClockId.ThreadCpu:
                return task.System.Scheduler.RunTimeOf(task);
        }

        if (clock >= 0 || (clock & ClockId.CpuKindMask) == ClockId.CpuKindMask)
            return Errno.EINVAL;
        return ReadCpuClock(task, clock);
    }

    /// <summary>Whether the number is a clock of processor time that can be read. Linux: <c>pid_for_clock</c>.</summary>
    private static Result<ulong> ReadCpuClock(Task task, int clock)
    {
        int number = ~(clock >> 3);
        bool isThread = (clock & ClockId.CpuThreadFlag) != 0;
        int kind = clock & ClockId.CpuKindMask;
        TaskSystem system = task.System;
        bool enabled = system.TaskLock.AcquireRaw();
        Result<ulong> result = Errno.EINVAL;
        if (isThread)
        {
            Task? target = number == 0 ? task : system.Pids.FindTask(number);
            if (target is not null && ReferenceEquals(target.Group, task.Group))
                result = kind == ClockId.CpuKindRun ? system.Scheduler.RunTimeOf(target) : Select(TaskTimes.Of(target), kind);
        }
        else
        {
            ThreadGroup? target = number == 0 ? task.Group : system.Pids.FindProcess(number);
            if (target is not null)
                result = ProcessTime(target, kind);
        }

        system.TaskLock.ReleaseRaw(enabled);
        return result;
    }

    /// <summary>Processor time of all threads. Their list is stable with interrupts off.</summary>
    internal static ulong ProcessTime(ThreadGroup group, int kind)
    {
        bool enabled = Interrupts.Disable();
        CpuTimes times = TaskTimes.Of(group);
        Interrupts.Restore(enabled);
        return Select(times, kind);
    }

    private static ulong Select(in CpuTimes times, int kind) => kind == ClockId.CpuKindVirtual ? times.User : times.Total;

    /// <summary>The monotonic time that lies <paramref name="nanoseconds"/> ahead.</summary>
    public static ulong DeadlineAfter(ulong nanoseconds)
    {
        ulong now = Time.MonotonicNanoseconds;
        return nanoseconds >= Largest - now ? ulong.MaxValue : now + nanoseconds;
    }

    /// <summary>The monotonic time at which the wall clock will show <paramref name="nanoseconds"/> if nobody sets it.</summary>
    public static ulong DeadlineOfRealtime(ulong nanoseconds)
    {
        ulong wall = Time.RealtimeNanoseconds;
        return nanoseconds <= wall ? Time.MonotonicNanoseconds : DeadlineAfter(nanoseconds - wall);
    }
}
