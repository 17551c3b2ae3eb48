using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Waiting on a futex. Linux: <c>futex_wait</c>.</summary>
/// <remarks>
/// The waiter joins the list first and looks at the word then, so whoever changes the word afterwards finds it there. If it was
/// woken before it saw a changed word, the wake-up counts: it was meant for this waiter.
/// </remarks>
internal static unsafe class FutexWait
{
    /// <summary>Sleeps while the word has the value, until woken, a signal, or the deadline.</summary>
    /// <param name="deadline">Monotonic nanoseconds; <see cref="ulong.MaxValue"/> for ever.</param>
    /// <returns>EAGAIN when the value differs; ETIMEDOUT; EFAULT, EINVAL; a restart code when a signal came.</returns>
    public static Errno Wait(Task task, VirtAddr address, uint value, ulong deadline, bool isPrivate, uint bitset)
    {
        Errno error = FutexKey.Of(task, address, isPrivate, out FutexKey key);
        if (error != Errno.None)
            return error;
        FutexTable table = task.System.Futexes;
        if (!table.WaiterOf(task).TryGet(out FutexWaiter waiter, out error))
            return error;
        table.Enqueue(waiter, key, bitset);
        error = UserCopy.Get(address, out uint seen);
        if (error == Errno.None && seen != value)
            error = Errno.EAGAIN;
        if (error == Errno.None)
            error = Sleep(task, waiter, deadline);
        if (error == Errno.None || !table.Dequeue(waiter))
            return Errno.None;                              // woken, perhaps in the last moment
        if (error != Errno.ERESTARTSYS || deadline == ulong.MaxValue)
            return error;

        task.Restart.Continue = &Continue;
        task.Restart.Word0 = address.Value;
        task.Restart.Word1 = value;
        task.Restart.Word2 = deadline;
        task.Restart.Word3 = isPrivate ? 1UL : 0;
        task.Restart.Word4 = bitset;
        return Errno.ERESTART_RESTARTBLOCK;
    }

    private static Errno Sleep(Task task, FutexWaiter waiter, ulong deadline)
    {
        while (true)
        {
            task.State = ThreadState.Interruptible;
            Errno error = Errno.None;
            if (waiter.IsQueued)
            {
                if (task.SignalPending)
                    error = Errno.ERESTARTSYS;
                else if (deadline != ulong.MaxValue && Time.MonotonicNanoseconds >= deadline)
                    error = Errno.ETIMEDOUT;
                else
                {
                    PerCpu.Scheduler.ScheduleTimeout(deadline);
                    continue;
                }
            }

            task.State = ThreadState.Running;
            return error;
        }
    }

    private static Result<long> Continue(Task task)
    {
        Errno error = Wait(task, new VirtAddr(task.Restart.Word0), (uint)task.Restart.Word1, task.Restart.Word2, task.Restart.Word3 != 0, (uint)task.Restart.Word4);
        return error == Errno.None ? 0L : error;
    }
}
