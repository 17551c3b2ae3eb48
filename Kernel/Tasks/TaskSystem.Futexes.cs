using NanoVm.Core;

namespace NanoVm.Tasks;

internal sealed unsafe partial class TaskSystem
{
    /// <summary>Tasks that wait on futexes.</summary>
    public readonly FutexTable Futexes;

    /// <summary>What a thread that exits or execs still holds. Linux: <c>futex_exit_release</c>, <c>futex_exec_release</c>.</summary>
    public void FutexExit(Task task)
    {
        RobustFutexes.Exit(task);
        Futexes.ReleaseHeld(task);
        task.FutexesReleased = task.IsExiting;
    }

    /// <summary>Wakes one waiter on the word at <paramref name="address"/>, which may be shared.</summary>
    public void WakeFutex(Task task, VirtAddr address)
    {
        if (FutexKey.Of(task, address, isPrivate: false, out FutexKey key) == Errno.None)
            _ = Futexes.Wake(key, 1, uint.MaxValue);
    }
}
