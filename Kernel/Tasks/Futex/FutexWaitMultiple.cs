using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Waiting on several futexes at once: the <c>futex_waitv</c> call. Linux: <c>futex_wait_multiple</c>.</summary>
/// <remarks>
/// All are joined first, each word is looked at then, as for one. The caller describes each by
/// <code>
///   struct futex_waitv { u64 value; u64 address; u32 flags; u32 reserved; }
/// </code>
/// </remarks>
internal static class FutexWaitMultiple
{
    /// <summary>Linux: <c>FUTEX_WAITV_MAX</c>.</summary>
    public const int Most = 128;

    private const ulong EntryBytes = 24;
    private const uint Size32 = 2, PrivateFlag = 128;

    /// <summary>Sleeps while each of <paramref name="count"/> words has its value.</summary>
    /// <param name="entries">In user memory.</param>
    /// <param name="deadline">Monotonic nanoseconds; <see cref="ulong.MaxValue"/> for ever.</param>
    /// <returns>The place of one that was woken; EAGAIN when a value differs, ETIMEDOUT, EINVAL, EFAULT, ENOMEM.</returns>
    public static Result<int> Wait(Task task, VirtAddr entries, int count, ulong deadline)
    {
        FutexWaiter?[]? waiters = task.System.Arrays.Allocate<FutexWaiter?>(count);
        if (waiters is null)
            return Errno.ENOMEM;
        Errno error = Errno.None;
        for (int i = 0; i < count && error == Errno.None; i++)
            error = Join(task, entries + (ulong)i * EntryBytes, out waiters[i]);
        for (int i = 0; i < count && error == Errno.None; i++)
            error = Look(entries + (ulong)i * EntryBytes);
        if (error == Errno.None)
            error = Sleep(task, waiters, count, deadline);

        int woken = -1;
        for (int i = 0; i < count; i++)
        {
            if (waiters[i] is not { } waiter)
                continue;
            if (!task.System.Futexes.Dequeue(waiter))
                woken = i;
            task.System.Futexes.Free(waiter);
        }

        task.System.Arrays.Free(waiters);
        return woken >= 0 ? woken : error;
    }

    private static Errno Join(Task task, VirtAddr entry, out FutexWaiter? waiter)
    {
        waiter = null;
        ulong words = 0;
        Errno error = UserCopy.Get(entry + 8, out ulong address);
        if (error == Errno.None)
            error = UserCopy.Get(entry + 16, out words);
        if (error != Errno.None)
            return error;
        uint flags = (uint)words;
        if ((flags & ~PrivateFlag) != Size32 || words >> 32 != 0)
            return Errno.EINVAL;
        error = FutexKey.Of(task, new VirtAddr(address), (flags & PrivateFlag) != 0, out FutexKey key);
        if (error != Errno.None)
            return error;
        if (!task.System.Futexes.AllocateWaiter(task).TryGet(out FutexWaiter made, out error))
            return error;
        task.System.Futexes.Enqueue(made, key, uint.MaxValue);
        waiter = made;
        return Errno.None;
    }

    private static Errno Look(VirtAddr entry)
    {
        uint seen = 0;
        ulong address = 0;
        Errno error = UserCopy.Get(entry, out ulong value);
        if (error == Errno.None)
            error = UserCopy.Get(entry + 8, out address);
        if (error == Errno.None)
            error = UserCopy.Get(new VirtAddr(address), out seen);
        return error == Errno.None && seen != (uint)value ? Errno.EAGAIN : error;
    }

    private static Errno Sleep(Task task, FutexWaiter?[] waiters, int count, ulong deadline)
    {
        while (true)
        {
            task.State = ThreadState.Interruptible;
            Errno error = Errno.None;
            bool woken = false;
            for (int i = 0; i < count && !woken; i++)
                woken = !waiters[i]!.IsQueued;
            if (!woken)
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
}
