using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>What the accounting tick checks: timers on processor time, and RLIMIT_CPU. Linux: <c>run_posix_cpu_timers</c>.</summary>
internal static class CpuTimers
{
    private const ulong TicksPerSecond = 1_000_000_000 / (ulong)RoundRobinScheduler.SliceNanoseconds;

    /// <summary>From the timer interrupt, for the task that it interrupted.</summary>
    public static void Tick(Task task, bool inUser)
    {
        ThreadGroup group = task.Group;
        ulong ticks = ++group.CpuTicks;
        if (group.Timers is { } timers)
            timers.Tick(inUser);
        if (ticks % TicksPerSecond == 0)
            CheckLimit(group, ticks / TicksPerSecond);
    }

    /// <summary>Once in each second of processor time: SIGXCPU from the soft limit on, SIGKILL at the hard one.</summary>
    private static void CheckLimit(ThreadGroup group, ulong seconds)
    {
        if (group.Limits is not { } limits)
            return;
        if (seconds >= limits[Resource.Cpu].Hard)
            Signals.SendToProcess(group, Signals.FromKernel(SignalNumber.Kill));
        else if (seconds >= limits[Resource.Cpu].Soft)
            Signals.SendToProcess(group, Signals.FromKernel(SignalNumber.CpuLimit));
    }
}
