using System;
using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Operations on a set: all of a call are done at once, or none. Linux: <c>do_semtimedop</c>, <c>perform_atomic_semop</c>; man 2 semop.</summary>
/// <remarks>
/// A waiter stands in the list of the semaphore that stops it. When a semaphore changes, those in its list are tried again, in order: who waits for
/// zero first, for he changes nothing. One that gets on changes further semaphores, whose lists follow; one that is stopped elsewhere moves there.
/// </remarks>
internal sealed partial class SemaphoreSets
{
    /// <summary>Does the operations, waiting for the moment when all can be done.</summary>
    /// <param name="operations">Copied from the user; goes back to its owner afterwards.</param>
    /// <param name="deadline">Monotonic nanoseconds; <see cref="ulong.MaxValue"/> for ever.</param>
    /// <returns>
    /// EINVAL: no such set; EFBIG: no such semaphore; EACCES; ERANGE: a value would become too large; EAGAIN: would have to wait, or has waited long
    /// enough; EIDRM: removed meanwhile; EINTR; ENOMEM.
    /// </returns>
    public Errno Operate(Task task, int identifier, SemaphoreOperation[] operations, int count, ulong deadline)
    {
        bool alters = false, undoes = false;
        int highest = 0;
        for (int i = 0; i < count; i++)
        {
            alters |= operations[i].Change != 0;
            undoes |= operations[i].Change != 0 && (operations[i].Flags & SemaphoreOperation.UndoAtExit) != 0;
            highest = Math.Max(highest, operations[i].Number);
        }

        SemaphoreWaiter waiter;
        using (Lock.Acquire())
        {
            if (Table.Find(identifier) is not { } set)
                return Errno.EINVAL;
            if (highest >= set.Semaphores.Length)
                return Errno.EFBIG;
            if (!set.MayUse(task, alters ? 0x92u : 0x124u))
                return Errno.EACCES;
            SemaphoreUndo? undo = null;
            if (undoes && !UndoOf(task, set).TryGet(out undo, out Errno error))
                return error;
            error = TryAll(set, operations, count, undo, task.Group.Tgid, out int blocking);
            if (error == Errno.None)
            {
                set.OperationTime = task.Fs.Vfs.Now.Seconds;
                WakeAfter(set, operations, count);
                return Errno.None;
            }

            if (blocking < 0)
                return error;
            if ((operations[blocking].Flags & SemaphoreOperation.NoWait) != 0)
                return Errno.EAGAIN;
            if (_waiters.Allocate() is not { } made)
                return Errno.ENOMEM;
            waiter = made;
            waiter.Task = task;
            waiter.Operations = operations;
            waiter.Count = count;
            waiter.Undo = undo;
            Append(set, waiter, blocking);
        }

        return Sleep(task, identifier, waiter, deadline);
    }

    /// <summary>The value of one semaphore has been set, or a whole set's: whoever can go on does. Holds <see cref="Lock"/>.</summary>
    public void WakeAfterChange(SemaphoreSet set, int number) => TryWaiters(set, number);

    private Errno Sleep(Task task, int identifier, SemaphoreWaiter waiter, ulong deadline)
    {
        Errno error = Errno.None;
        while (true)
        {
            task.State = ThreadState.Interruptible;
            if (!waiter.IsQueued)
                break;
            if (task.SignalPending)
                error = Errno.EINTR;
            else if (deadline != ulong.MaxValue && Time.MonotonicNanoseconds >= deadline)
                error = Errno.EAGAIN;
            if (error != Errno.None)
                break;
            PerCpu.Scheduler.ScheduleTimeout(deadline);
        }

        task.State = ThreadState.Running;
        using (Lock.Acquire())
        {
            // While it is queued its set is there: removing one takes all waiters out.
            if (waiter.IsQueued)
                Unlink(Table.Find(identifier)!, waiter);
            else
                error = waiter.Result;
            _waiters.Free(waiter);
        }

        return error;
    }

    /// <summary>Does all operations, or none and says which one stops (<paramref name="blocking"/>, −1 when none does but there is an error).</summary>
    private static Errno TryAll(SemaphoreSet set, SemaphoreOperation[] operations, int count, SemaphoreUndo? undo, int process, out int blocking)
    {
        blocking = -1;
        Errno error = Errno.None;
        int done = 0;
        for (; done < count && error == Errno.None; done++)
        {
            SemaphoreOperation operation = operations[done];
            ref Semaphore semaphore = ref set.Semaphores[operation.Number];
            int value = semaphore.Value + operation.Change;
            bool undoes = operation.Change != 0 && (operation.Flags & SemaphoreOperation.UndoAtExit) != 0;
            if (value < 0 || (operation.Change == 0 && value != 0))
            {
                blocking = done;
                error = Errno.EAGAIN;
            }
            else if (value > MaximumValue || (undoes && undo!.Changes[operation.Number] - operation.Change is < -MaximumValue - 1 or > MaximumValue))
            {
                error = Errno.ERANGE;
            }

            if (error != Errno.None)
                break;
            semaphore.Value = value;
            if (undoes)
                undo!.Changes[operation.Number] -= operation.Change;
        }

        for (int i = 0; i < done; i++)
        {
            SemaphoreOperation operation = operations[i];
            ref Semaphore semaphore = ref set.Semaphores[operation.Number];
            if (error == Errno.None)
            {
                semaphore.LastProcess = process;
                continue;
            }

            semaphore.Value -= operation.Change;
            if (operation.Change != 0 && (operation.Flags & SemaphoreOperation.UndoAtExit) != 0)
                undo!.Changes[operation.Number] += operation.Change;
        }

        return error;
    }

    private void WakeAfter(SemaphoreSet set, SemaphoreOperation[] operations, int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (operations[i].Change != 0)
                TryWaiters(set, operations[i].Number);
        }
    }

    /// <summary>Tries those that semaphore <paramref name="number"/> stops.</summary>
    /// <remarks>
    /// Whoever gets on may set others free, of this semaphore or another one: he is put on a chain, and the semaphores that he has changed are
    /// looked at in turn, without recursion. Each round ends a wait, so that there are no more rounds than waiters.
    /// </remarks>
    private void TryWaiters(SemaphoreSet set, int number)
    {
        SemaphoreWaiter? chain = null;
        TryList(set, number, ref chain);
        while (chain is { } free)
        {
            chain = free.Next;
            free.Next = null;
            for (int i = 0; i < free.Count; i++)
            {
                if (free.Operations[i].Change != 0)
                    TryList(set, free.Operations[i].Number, ref chain);
            }

            Wake(free, Errno.None);
        }
    }

    private void TryList(SemaphoreSet set, int number, ref SemaphoreWaiter? chain)
    {
        if (set.Semaphores[number].Value == 0 && set.Semaphores[number].WaitersForZero != 0)
            TryList(set, number, forZero: true, ref chain);
        if (set.Semaphores[number].Value != 0 && set.Semaphores[number].WaitersForMore != 0)
            TryList(set, number, forZero: false, ref chain);
    }

    private void TryList(SemaphoreSet set, int number, bool forZero, ref SemaphoreWaiter? chain)
    {
        SemaphoreWaiter? waiter = set.Semaphores[number].First;
        while (waiter is not null)
        {
            SemaphoreWaiter? next = waiter.Next;
            if ((waiter.Operations[waiter.Blocking].Change == 0) == forZero)
            {
                Errno error = TryAll(set, waiter.Operations, waiter.Count, waiter.Undo, waiter.Task.Group.Tgid, out int blocking);
                if (error == Errno.None)
                {
                    Unlink(set, waiter);
                    set.OperationTime = waiter.Task.Fs?.Vfs.Now.Seconds ?? set.OperationTime;
                    waiter.Next = chain;
                    chain = waiter;
                }
                else if (blocking < 0)
                {
                    Finish(set, waiter, error);
                }
                else if (blocking != waiter.Blocking)
                {
                    Unlink(set, waiter);
                    Append(set, waiter, blocking);
                    if ((waiter.Operations[blocking].Flags & SemaphoreOperation.NoWait) != 0)
                        Finish(set, waiter, Errno.EAGAIN);
                }
            }

            waiter = next;
        }
    }

    private static void Finish(SemaphoreSet set, SemaphoreWaiter waiter, Errno result)
    {
        Unlink(set, waiter);
        Wake(waiter, result);
    }

    private static void Wake(SemaphoreWaiter waiter, Errno result)
    {
        waiter.Result = result;
        PerCpu.Scheduler.Wake(waiter.Task);
    }

    private static void Append(SemaphoreSet set, SemaphoreWaiter waiter, int blocking)
    {
        waiter.Blocking = blocking;
        ref Semaphore semaphore = ref set.Semaphores[waiter.Operations[blocking].Number];
        waiter.Next = null;
        waiter.Previous = semaphore.Last;
        if (semaphore.Last is null)
            semaphore.First = waiter;
        else
            semaphore.Last.Next = waiter;
        semaphore.Last = waiter;
        waiter.IsQueued = true;
        Counter(ref semaphore, waiter)++;
    }

    private static void Unlink(SemaphoreSet set, SemaphoreWaiter waiter)
    {
        ref Semaphore semaphore = ref set.Semaphores[waiter.Operations[waiter.Blocking].Number];
        if (waiter.Previous is null)
            semaphore.First = waiter.Next;
        else
            waiter.Previous.Next = waiter.Next;
        if (waiter.Next is null)
            semaphore.Last = waiter.Previous;
        else
            waiter.Next.Previous = waiter.Previous;
        waiter.Next = null;
        waiter.Previous = null;
        waiter.IsQueued = false;
        Counter(ref semaphore, waiter)--;
    }

    private static ref int Counter(ref Semaphore semaphore, SemaphoreWaiter waiter)
    {
        if (waiter.Operations[waiter.Blocking].Change == 0)
            return ref semaphore.WaitersForZero;
        return ref semaphore.WaitersForMore;
    }
}
