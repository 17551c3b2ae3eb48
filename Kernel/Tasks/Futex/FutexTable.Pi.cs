using System;
using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>The part of the table that knows locks with priority inheritance: who holds one, who waits, and whose priority he runs with.</summary>
/// <remarks>
/// Linux: <c>kernel/futex/pi.c</c>, <c>kernel/locking/rtmutex.c</c>. Whoever holds a lock runs with the priority of the most urgent task that waits
/// for it, and so does the one whom he waits for:
/// <code>
///   A (0) holds X, waits for Y;   B (0) holds Y;   C (50) waits for X        →   A and B run with 50 until they let go
/// </code>
/// </remarks>
internal sealed partial class FutexTable
{
    /// <summary>How far a chain of "waits for a lock whose holder waits for …" is followed. Linux: <c>max_lock_depth</c>.</summary>
    private const int LongestChain = 1024;

    /// <summary>Who waits longest on the key, or null.</summary>
    public FutexWaiter? FirstOn(in FutexKey key)
    {
        bool enabled = _lock.AcquireRaw();
        FutexWaiter? waiter = BucketOf(key).First;
        while (waiter is not null && !waiter.Key.Equals(key))
            waiter = waiter.Next;
        _lock.ReleaseRaw(enabled);
        return waiter;
    }

    /// <summary>A state for a lock that <paramref name="owner"/> holds and somebody is about to wait for.</summary>
    public Result<PiState> AllocateState() => _states.Allocate() is { } state ? state : Errno.ENOMEM;

    /// <summary>Gives a state back that nobody has waited on.</summary>
    public void FreeState(PiState state)
    {
        bool enabled = _lock.AcquireRaw();
        FreeIfIdle(state);
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>Says who holds the lock.</summary>
    public void SetOwner(PiState state, Task owner)
    {
        bool enabled = _lock.AcquireRaw();
        LinkHeld(state, owner);
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>Waits for the lock of <paramref name="state"/> from now on; a waiter that waits for something else moves.</summary>
    /// <returns>EDEADLK when the lock's holder waits, perhaps through others, for this very task; then nothing has changed.</returns>
    public Errno Join(FutexWaiter waiter, in FutexKey key, PiState state)
    {
        if (_count >= _buckets.Length * 2)
            Grow();
        bool enabled = _lock.AcquireRaw();
        Errno error = Errno.None;
        PiState? link = state;
        for (int steps = 0; link is not null && error == Errno.None; steps++)
        {
            if (ReferenceEquals(link.Owner, waiter.Task) || steps == LongestChain)
                error = Errno.EDEADLK;
            link = link.Owner?.FutexWaiter?.Pi;
        }

        if (error == Errno.None)
        {
            if (waiter.IsQueued)
                Unlink(ref BucketOf(waiter.Key), waiter);
            waiter.Key = key;
            waiter.Bitset = uint.MaxValue;
            waiter.AwaitsRequeue = false;
            Append(ref BucketOf(key), waiter);
            _count++;
            Insert(state, waiter);
            Propagate(state.Owner);
        }
        else
        {
            FreeIfIdle(state);
        }

        _lock.ReleaseRaw(enabled);
        return error;
    }

    /// <summary>The most urgent waiter gets the lock, whose word bears its number already.</summary>
    public void HandOver(PiState state)
    {
        bool enabled = _lock.AcquireRaw();
        Task? before = state.Owner;
        FutexWaiter next = state.First!;
        UnlinkAny(next, keepState: true);
        UnlinkHeld(state);
        LinkHeld(state, next.Task);
        Propagate(before);
        if (!FreeIfIdle(state))
            Propagate(next.Task);
        PerCpu.Scheduler.Wake(next.Task);
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>The waiter, not in a lock's list, has been given what it waited for.</summary>
    public void Grant(FutexWaiter waiter)
    {
        bool enabled = _lock.AcquireRaw();
        waiter.AwaitsRequeue = false;
        WakeOne(ref BucketOf(waiter.Key), waiter);
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>The holder of the lock has died: the waiter takes it, and goes on to write its number into the word.</summary>
    /// <returns>False when another one was faster.</returns>
    public bool Claim(FutexWaiter waiter)
    {
        bool enabled = _lock.AcquireRaw();
        PiState state = waiter.Pi!;
        bool free = state.Owner is null;
        if (free)
        {
            LinkHeld(state, waiter.Task);
            state.IsSettling = true;
        }

        _lock.ReleaseRaw(enabled);
        return free;
    }

    /// <summary>The word bears the new owner's number: he waits no more.</summary>
    public void Settle(FutexWaiter waiter)
    {
        bool enabled = _lock.AcquireRaw();
        PiState state = waiter.Pi!;
        state.IsSettling = false;
        UnlinkAny(waiter);
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>The task goes, or gets another program: for each lock that it holds, a waiter is told to take it. Linux: <c>exit_pi_state_list</c>.</summary>
    public void ReleaseHeld(Task task)
    {
        bool enabled = _lock.AcquireRaw();
        while (task.HeldPiLocks is { } state)
        {
            UnlinkHeld(state);
            if (state.First is { } heir)
                PerCpu.Scheduler.Wake(heir.Task);
        }

        Propagate(task);
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>The task's own priority has changed, and with it perhaps its place among those who wait.</summary>
    public void PriorityChanged(Task task)
    {
        bool enabled = _lock.AcquireRaw();
        if (task.FutexWaiter is { Pi: { } state } waiter)
        {
            Remove(state, waiter);
            Insert(state, waiter);
            Propagate(state.Owner);
        }

        _lock.ReleaseRaw(enabled);
    }

    /// <summary>Takes a waiter of any kind out of its lists; a state goes with its last one.</summary>
    private void UnlinkAny(FutexWaiter waiter, bool keepState = false)
    {
        Unlink(ref BucketOf(waiter.Key), waiter);
        waiter.AwaitsRequeue = false;
        if (waiter.Pi is not { } state)
            return;
        Remove(state, waiter);
        waiter.Pi = null;
        if (keepState)
            return;
        Propagate(state.Owner);
        if (!FreeIfIdle(state) && state.Owner is null)
            PerCpu.Scheduler.Wake(state.First!.Task);       // it may have been told to take the lock, and goes
    }

    private bool FreeIfIdle(PiState state)
    {
        if (state.First is not null)
            return false;
        UnlinkHeld(state);
        _states.Free(state);
        return true;
    }

    private static void Insert(PiState state, FutexWaiter waiter)
    {
        waiter.Pi = state;
        waiter.Priority = waiter.Task.EffectivePriority;
        FutexWaiter? before = state.Last;
        while (before is not null && before.Priority < waiter.Priority)
            before = before.MoreUrgent;
        FutexWaiter? behind = before is null ? state.First : before.LessUrgent;
        waiter.MoreUrgent = before;
        waiter.LessUrgent = behind;
        if (before is null)
            state.First = waiter;
        else
            before.LessUrgent = waiter;
        if (behind is null)
            state.Last = waiter;
        else
            behind.MoreUrgent = waiter;
    }

    private static void Remove(PiState state, FutexWaiter waiter)
    {
        if (waiter.MoreUrgent is null)
            state.First = waiter.LessUrgent;
        else
            waiter.MoreUrgent.LessUrgent = waiter.LessUrgent;
        if (waiter.LessUrgent is null)
            state.Last = waiter.MoreUrgent;
        else
            waiter.LessUrgent.MoreUrgent = waiter.MoreUrgent;
        waiter.MoreUrgent = null;
        waiter.LessUrgent = null;
    }

    private static void LinkHeld(PiState state, Task owner)
    {
        state.Owner = owner;
        state.PreviousHeld = null;
        state.NextHeld = owner.HeldPiLocks;
        if (owner.HeldPiLocks is { } first)
            first.PreviousHeld = state;
        owner.HeldPiLocks = state;
    }

    private static void UnlinkHeld(PiState state)
    {
        if (state.Owner is not { } owner)
            return;
        if (state.PreviousHeld is null)
            owner.HeldPiLocks = state.NextHeld;
        else
            state.PreviousHeld.NextHeld = state.NextHeld;
        if (state.NextHeld is not null)
            state.NextHeld.PreviousHeld = state.PreviousHeld;
        state.NextHeld = null;
        state.PreviousHeld = null;
        state.Owner = null;
    }

    /// <summary>Makes the task as urgent as the most urgent one that waits for it, and so on along the chain. Linux: <c>rt_mutex_adjust_prio_chain</c>.</summary>
    private static void Propagate(Task? task)
    {
        for (int steps = 0; task is not null && steps < LongestChain; steps++)
        {
            int priority = 0;
            for (PiState? state = task.HeldPiLocks; state is not null; state = state.NextHeld)
                priority = Math.Max(priority, state.First?.Priority ?? 0);
            if (priority == task.InheritedPriority)
                return;
            task.InheritedPriority = priority;
            task.System.Scheduler.Requeue(task);
            if (task.FutexWaiter is not { Pi: { } blocked } waiter)
                return;
            Remove(blocked, waiter);
            Insert(blocked, waiter);
            task = blocked.Owner;
        }
    }
}
