using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Locks with priority inheritance: <c>FUTEX_LOCK_PI</c>, <c>FUTEX_UNLOCK_PI</c> and those that condition variables need.</summary>
/// <remarks>
/// Linux: <c>kernel/futex/pi.c</c>; man 2 futex, "Priority-inheritance futexes". The word says who holds the lock, so that taking and giving up one
/// that nobody else wants is a compare-and-exchange in user space. The kernel is called when that fails:
/// <code>
///   0                              free
///   thread                         held
///   thread | FUTEX_WAITERS         held, and the kernel knows who waits: the holder must call to give it up
///   FUTEX_OWNER_DIED | …           its holder has died; who gets it next is told by this bit
/// </code>
/// </remarks>
internal static class PiLock
{
    private const uint Waiters = RobustFutexes.Waiters, OwnerDied = RobustFutexes.OwnerDied, ThreadMask = RobustFutexes.ThreadMask;

    /// <summary>How long a dying holder, who still walks his list, is given before the word is looked at again.</summary>
    private const ulong PatienceNanoseconds = 1_000_000;

    /// <summary>Takes the lock, waiting for it unless <paramref name="tryOnly"/>.</summary>
    /// <param name="deadline">Monotonic nanoseconds; <see cref="ulong.MaxValue"/> for ever.</param>
    /// <returns>
    /// EDEADLK for the holder himself, or one he waits for; ESRCH when the word names nobody; EPERM for a kernel thread; EINVAL when others wait on
    /// the word in another way; EAGAIN for one who only tries; ETIMEDOUT, EFAULT, ENOMEM.
    /// </returns>
    public static Errno Lock(Task task, VirtAddr address, ulong deadline, bool isPrivate, bool tryOnly)
    {
        FutexTable table = task.System.Futexes;
        if (!table.WaiterOf(task).TryGet(out FutexWaiter waiter, out Errno error))
            return error;
        waiter.RequeueTo = default;
        while (true)
        {
            PiState? state = null;
            error = FutexKey.Of(task, address, isPrivate, out FutexKey key);
            if (error == Errno.None)
                error = Attempt(task, address, key, task, markWaiters: false, out state);
            if (MustRetry(task, ref error))
                continue;
            if (error != Errno.None || state is null)
                return error;
            if (tryOnly)
            {
                table.FreeState(state);
                return Errno.EAGAIN;
            }

            error = table.Join(waiter, key, state);
            return error != Errno.None ? error : Sleep(task, waiter, address, deadline);
        }
    }

    /// <summary>Gives the lock up: to the most urgent waiter, or to nobody.</summary>
    /// <returns>EPERM when the word does not name the caller; EINVAL when the kernel knows another holder; EFAULT.</returns>
    public static Errno Unlock(Task task, VirtAddr address, bool isPrivate)
    {
        Errno error = UserCopy.Get(address, out uint value);
        if (error != Errno.None)
            return error;
        if ((value & ThreadMask) != (uint)task.Pid)
            return Errno.EPERM;
        error = FutexKey.Of(task, address, isPrivate, out FutexKey key);
        if (error != Errno.None)
            return error;
        FutexTable table = task.System.Futexes;
        while (true)
        {
            PiState? state = null;
            if (table.FirstOn(key) is { } first)
            {
                state = first.Pi;
                if (state is null || !ReferenceEquals(state.Owner, task))
                    return Errno.EINVAL;
            }

            uint wanted = state is null ? 0 : Waiters | (uint)state.First!.Task.Pid;
            if (value == wanted)
            {
                if (state is not null)
                    table.HandOver(state);
                return Errno.None;
            }

            // Copying the page may have slept, and those who wait may be others then: the word is right only when the next look says the same.
            error = UserCopy.CompareExchange32(address, value, wanted, out uint seen);
            if (error != Errno.None)
                return error;
            if (seen == value)
            {
                if (state is null)
                    return Errno.None;
                value = wanted;
            }
            else if ((seen & ThreadMask) == (value & ThreadMask))
            {
                value = seen;
            }
            else
            {
                return Errno.EINVAL;
            }
        }
    }

    /// <summary>Sleeps on a condition until somebody moves the caller to the lock, and then until it has that. <c>FUTEX_WAIT_REQUEUE_PI</c>.</summary>
    /// <returns>EAGAIN when the word differs; ETIMEDOUT; EINVAL when both words are one.</returns>
    public static Errno WaitRequeue(Task task, VirtAddr from, uint value, ulong deadline, bool isPrivate, VirtAddr to)
    {
        if (from == to)
            return Errno.EINVAL;
        Errno error = FutexKey.Of(task, to, isPrivate, out FutexKey target);
        if (error != Errno.None)
            return error;
        error = FutexKey.Of(task, from, isPrivate, out FutexKey key);
        if (error != Errno.None)
            return error;
        if (key.Equals(target))
            return Errno.EINVAL;
        FutexTable table = task.System.Futexes;
        if (!table.WaiterOf(task).TryGet(out FutexWaiter waiter, out error))
            return error;
        waiter.AwaitsRequeue = true;
        waiter.RequeueTo = target;
        table.Enqueue(waiter, key, uint.MaxValue);
        error = UserCopy.Get(from, out uint seen);
        if (error == Errno.None && seen != value)
            error = Errno.EAGAIN;
        if (error == Errno.None)
            return Sleep(task, waiter, to, deadline);
        _ = table.Dequeue(waiter);
        return error;
    }

    /// <summary>
    /// Moves those who wait on the condition <paramref name="from"/> to the lock <paramref name="to"/>; the first one gets it when it is free.
    /// <c>FUTEX_CMP_REQUEUE_PI</c>.
    /// </summary>
    /// <param name="most">At most so many, and one more.</param>
    /// <returns>How many have moved or got the lock.</returns>
    public static Result<int> CompareRequeue(Task task, VirtAddr from, VirtAddr to, int most, uint value, bool isPrivate)
    {
        FutexTable table = task.System.Futexes;
        int done = 0;
        Errno error;
        while (true)
        {
            error = FutexKey.Of(task, from, isPrivate, out FutexKey key);
            if (error != Errno.None)
                break;
            error = FutexKey.Of(task, to, isPrivate, out FutexKey target);
            if (error != Errno.None)
                break;
            if (key.Equals(target))
                return Errno.EINVAL;
            error = UserCopy.Get(from, out uint seen);
            if (error != Errno.None)
                break;
            if (done == 0 && seen != value)
                return Errno.EAGAIN;
            if (done > most || table.FirstOn(key) is not { } waiter)
                break;
            if (!waiter.AwaitsRequeue || !waiter.RequeueTo.Equals(target))
            {
                error = Errno.EINVAL;
                break;
            }

            error = Attempt(task, to, target, waiter.Task, markWaiters: most > 0, out PiState? state);
            if (MustRetry(task, ref error))
                continue;
            if (error != Errno.None)
                break;
            if (!ReferenceEquals(table.FirstOn(key), waiter))
            {
                // It went while the page of the word was made ready: a state is freed, a word that names it is fixed by its own next call.
                if (state is not null)
                    table.FreeState(state);
                continue;
            }

            if (state is null)
                table.Grant(waiter);
            else if ((error = table.Join(waiter, target, state)) != Errno.None)
                break;
            done++;
        }

        return error != Errno.None ? error : done;
    }

    /// <summary>Takes the lock for <paramref name="who"/> if it is free; else finds, or makes, the state to wait on.</summary>
    /// <param name="markWaiters">Others will wait at once: the bit is set with the number.</param>
    /// <param name="state">Null when the lock has been taken. A new one belongs to the caller until somebody joins it.</param>
    /// <returns>
    /// EAGAIN: the word has changed meanwhile, look again; EBUSY: its holder is just dying, or a dead one's heir has not come yet; others as
    /// <see cref="Lock"/>. Linux: <c>futex_lock_pi_atomic</c>.
    /// </returns>
    private static Errno Attempt(Task caller, VirtAddr address, in FutexKey key, Task who, bool markWaiters, out PiState? state)
    {
        state = null;
        FutexTable table = caller.System.Futexes;
        Errno error = UserCopy.Get(address, out uint value);
        if (error != Errno.None)
            return error;
        uint holder = value & ThreadMask;
        if (holder == (uint)who.Pid)
            return Errno.EDEADLK;
        if (table.FirstOn(key) is { } first)
            return Attach(first, value, out state);

        if (holder == 0)
        {
            uint mine = (value & OwnerDied) | (uint)who.Pid | (markWaiters ? Waiters : 0);
            error = UserCopy.CompareExchange32(address, value, mine, out uint before);
            return error != Errno.None ? error : before == value ? Errno.None : Errno.EAGAIN;
        }

        // The first to wait: from now on the holder has to call.
        if (!table.AllocateState().TryGet(out PiState made, out error))
            return error;
        error = UserCopy.CompareExchange32(address, value, value | Waiters, out uint seen);
        if (error == Errno.None && (seen != value || table.FirstOn(key) is not null))
            error = Errno.EAGAIN;
        if (error == Errno.None)
            error = SetHolder(caller.System, made, (int)holder);
        // A holder that is not there any more may have changed the word as its last act.
        if (error == Errno.ESRCH && (UserCopy.Get(address, out seen) != Errno.None || seen != (value | Waiters)))
            error = Errno.EAGAIN;
        if (error == Errno.None)
            state = made;
        else
            table.FreeState(made);
        return error;
    }

    /// <summary>The state of those who wait already, when the word agrees with it. Linux: <c>attach_to_pi_state</c>.</summary>
    private static Errno Attach(FutexWaiter first, uint value, out PiState? state)
    {
        state = first.Pi;
        if (state is null)
            return Errno.EINVAL;
        uint holder = value & ThreadMask;
        if (state.IsSettling || state.Owner is not { } owner)
            return Errno.EBUSY;
        return holder == (uint)owner.Pid || (holder == 0 && (value & OwnerDied) != 0) ? Errno.None : Errno.EINVAL;
    }

    private static Errno SetHolder(TaskSystem system, PiState state, int holder)
    {
        bool enabled = system.TaskLock.AcquireRaw();
        Errno error = Errno.None;
        if (system.Pids.FindTask(holder) is not { } owner)
            error = Errno.ESRCH;
        else if ((owner.Flags & TaskFlags.KernelThread) != 0)
            error = Errno.EPERM;
        else if (owner.IsExiting)
            error = owner.FutexesReleased ? Errno.ESRCH : Errno.EBUSY;
        else
            system.Futexes.SetOwner(state, owner);
        system.TaskLock.ReleaseRaw(enabled);
        return error;
    }

    /// <summary>Whether the word has to be looked at again; waits a moment for one who is dying.</summary>
    private static bool MustRetry(Task task, ref Errno error)
    {
        if (error == Errno.EBUSY)
        {
            task.State = ThreadState.Interruptible;
            if (task.SignalPending)
                error = Errno.ERESTARTNOINTR;
            else
                PerCpu.Scheduler.ScheduleTimeout(Time.MonotonicNanoseconds + PatienceNanoseconds);
            task.State = ThreadState.Running;
            return error == Errno.EBUSY;
        }

        if (error != Errno.EAGAIN)
            return false;
        PerCpu.Scheduler.CondResched();
        return true;
    }

    /// <summary>Sleeps until the lock is the caller's.</summary>
    private static Errno Sleep(Task task, FutexWaiter waiter, VirtAddr address, ulong deadline)
    {
        while (true)
        {
            task.State = ThreadState.Interruptible;
            Errno error = Errno.None;
            if (!waiter.IsQueued)
            {
                task.State = ThreadState.Running;
                return Errno.None;                          // given
            }

            if (waiter.Pi is { Owner: null })
            {
                task.State = ThreadState.Running;
                if (task.System.Futexes.Claim(waiter))
                    return Inherit(task, waiter, address);
                continue;
            }

            if (task.SignalPending)
                error = waiter.AwaitsRequeue || waiter.RequeueTo.Equals(default) ? Errno.ERESTARTNOINTR : Errno.EAGAIN;
            else if (deadline != ulong.MaxValue && Time.MonotonicNanoseconds >= deadline)
                error = Errno.ETIMEDOUT;
            if (error == Errno.None)
            {
                PerCpu.Scheduler.ScheduleTimeout(deadline);
                continue;
            }

            task.State = ThreadState.Running;
            return task.System.Futexes.Dequeue(waiter) ? error : Errno.None;
        }
    }

    /// <summary>Writes the heir's number into the word of a lock whose holder has died. Linux: <c>fixup_pi_state_owner</c>.</summary>
    private static Errno Inherit(Task task, FutexWaiter waiter, VirtAddr address)
    {
        Errno error = UserCopy.Get(address, out uint value);
        while (error == Errno.None)
        {
            error = UserCopy.CompareExchange32(address, value, OwnerDied | Waiters | (uint)task.Pid, out uint seen);
            if (error != Errno.None || seen == value)
                break;
            value = seen;
        }

        task.System.Futexes.Settle(waiter);
        return error;
    }
}
