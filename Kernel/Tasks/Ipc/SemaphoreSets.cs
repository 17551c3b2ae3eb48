using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Physical;

namespace NanoVm.Tasks;

/// <summary>All sets of System V semaphores: making, finding, removing them. Linux: <c>ipc/sem.c</c>; man 7 sysvipc.</summary>
/// <remarks>Operations are in SemaphoreSets.Operate.cs, what ending processes give back in SemaphoreSets.Undo.cs. One lock guards all.</remarks>
internal sealed partial class SemaphoreSets
{
    /// <summary>Limits: sets, semaphores of a set, of all, operations of a call, value. Linux: <c>SEMMNI</c>, <c>SEMMSL</c>, <c>SEMMNS</c>, <c>SEMOPM</c>, <c>SEMVMX</c>.</summary>
    public const int MaximumSets = 32000, MaximumPerSet = 32000, MaximumInAll = MaximumSets * MaximumPerSet, MaximumOperations = 500, MaximumValue = 32767;

    private readonly KernelArrays _arrays;
    private readonly ObjectCache<SemaphoreSet> _sets;
    private readonly ObjectCache<SemaphoreWaiter> _waiters;
    private readonly ObjectCache<SemaphoreUndo> _undos;
    private readonly ObjectCache<SemaphoreUndoList> _lists;

    public readonly IpcTable<SemaphoreSet> Table;

    /// <summary>Linux: <c>sem_ids.rwsem</c> and each set's lock.</summary>
    public Mutex Lock;

    /// <summary>Semaphores of all sets. Linux: <c>used_sems</c>.</summary>
    public int Used { get; private set; }

    public SemaphoreSets(PhysicalMemory memory)
    {
        _arrays = memory.Arrays;
        _sets = new ObjectCache<SemaphoreSet>(memory, "sem_array"u8);
        _waiters = new ObjectCache<SemaphoreWaiter>(memory, "sem_queue"u8);
        _undos = new ObjectCache<SemaphoreUndo>(memory, "sem_undo"u8);
        _lists = new ObjectCache<SemaphoreUndoList>(memory, "sem_undo_list"u8);
        Table = new IpcTable<SemaphoreSet>(_arrays);
    }

    /// <summary>Finds or makes a set. Linux: <c>newary</c>, <c>ipcget</c>.</summary>
    /// <param name="count">Semaphores, as asked for; an existing set must have as many.</param>
    /// <returns>The identifier.</returns>
    public Result<int> Get(Task task, in IpcRequest request, int count)
    {
        if (count is < 0 or > MaximumPerSet)
            return Errno.EINVAL;
        using (Lock.Acquire())
        {
            if (!request.IsPrivate && Table.FindKey(request.Key) is { } found)
            {
                if (request.WhenFound != Errno.None)
                    return request.WhenFound;
                if (count > found.Semaphores.Length)
                    return Errno.EINVAL;
                return found.MayUse(task, request.Mode) ? found.Identifier : Errno.EACCES;
            }

            if (request.WhenMissing != Errno.None)
                return request.WhenMissing;
            if (count == 0)
                return Errno.EINVAL;
            if (Table.Count >= MaximumSets || Used > MaximumInAll - count)
                return Errno.ENOSPC;
            return Make(task, request, count);
        }
    }

    private Result<int> Make(Task task, in IpcRequest request, int count)
    {
        SemaphoreSet? set = _sets.Allocate();
        Semaphore[]? semaphores = set is null ? null : _arrays.Allocate<Semaphore>(count);
        Errno error = semaphores is null ? Errno.ENOMEM : Table.Add(set!, task, request);
        if (error != Errno.None)
        {
            _arrays.Free(semaphores);
            if (set is not null)
                _sets.Free(set);
            return error;
        }

        set!.Semaphores = semaphores!;
        set.ChangeTime = task.Fs.Vfs.Now.Seconds;
        Used += count;
        return set.Identifier;
    }

    /// <summary>Removes a set: whoever waits on it is told (EIDRM). Holds <see cref="Lock"/>. Linux: <c>freeary</c>.</summary>
    public void Remove(SemaphoreSet set)
    {
        Lock.AssertHeld();
        for (int i = 0; i < set.Semaphores.Length; i++)
        {
            while (set.Semaphores[i].First is { } waiter)
                Finish(set, waiter, Errno.EIDRM);
        }

        FreeUndos(set);
        Table.Remove(set);
        Used -= set.Semaphores.Length;
        _arrays.Free(set.Semaphores);
        _sets.Free(set);
    }
}
