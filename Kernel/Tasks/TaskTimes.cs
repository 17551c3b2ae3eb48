using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>User and system time of tasks and processes.</summary>
/// <remarks>
/// Linux: <c>cputime_adjust</c>. The time a task has had the processor is exact; how it divides is known from ticks, so the exact time is split in
/// the ticks' proportion. A task that never saw a tick is taken to have run in user mode, as on Linux.
/// </remarks>
internal static class TaskTimes
{
    /// <summary>Linux: <c>USER_HZ</c>, the unit of <c>times</c> and <c>/proc/PID/stat</c>.</summary>
    public const ulong TicksPerSecond = 100;
    public const ulong NanosecondsPerTick = 1_000_000_000 / TicksPerSecond;

    public static CpuTimes Of(Task task)
    {
        ulong total = task.System.Scheduler.RunTimeOf(task);
        ulong system = task.SystemTicks, all = task.SystemTicks + task.UserTicks;
        ulong systemTime = system == 0 ? 0 : system == all ? total : MulDiv(total, system, all);
        return new CpuTimes { User = total - systemTime, System = systemTime };
    }

    /// <summary>All threads of the process, ended ones included.</summary>
    public static CpuTimes Of(ThreadGroup group)
    {
        CpuTimes times = group.DeadThreadTimes;
        for (Task? task = group.Threads.First; task is not null; task = group.Threads.NextOf(task))
            times.Add(Of(task));
        return times;
    }

    // Shift both parts until the product fits into 64 bits.
    private static ulong MulDiv(ulong value, ulong numerator, ulong denominator)
    {
        while (denominator >= 1ul << 20)
        {
            numerator >>= 1;
            denominator >>= 1;
        }
        ulong quotient = value / denominator, rest = value % denominator;
        return (quotient * numerator) + (rest * numerator / denominator);
    }
}
