using NanoVm.Memory.Check;

namespace NanoVm.Tasks;

/// <summary>Adds up what all threads hold: those of processes, kernel threads, and the one that is idle.</summary>
internal sealed class ThreadHoldsOfTasks(TaskSystem system) : ThreadHolds
{
    private readonly TaskSystem _system = system;

    /// <inheritdoc/>
    public override long Sum()
    {
        using var locked = _system.TaskLock.Acquire();
        long sum = _system.Idle.HeldFrames;
        for (ThreadGroup? group = _system.Pids.FindNextProcess(1); group is not null; group = _system.Pids.FindNextProcess(group.Tgid + 1))
        {
            for (Task? task = group.Threads.First; task is not null; task = group.Threads.NextOf(task))
                sum += task.HeldFrames;
        }

        return sum;
    }
}
