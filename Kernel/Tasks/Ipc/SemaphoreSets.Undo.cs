using System;
using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>What a process has changed with <c>SEM_UNDO</c> is taken back when it ends. Linux: <c>exit_sem</c>, <c>copy_semundo</c>.</summary>
/// <remarks>
/// <code>
///   Task ──▶ list (shared by CLONE_SYSVSEM) ──▶ undo ──▶ undo …       one for each set that the process has touched so
///                                                │
///   SemaphoreSet ────────────────────────────────┴──▶ undo of another process …
/// </code>
/// </remarks>
internal sealed partial class SemaphoreSets
{
    /// <summary>A child shares its parent's list, or has none.</summary>
    public Errno Copy(Task parent, Task child, bool share)
    {
        if (!share)
            return Errno.None;
        if (!ListOf(parent).TryGet(out SemaphoreUndoList list, out Errno error))
            return error;
        list.References++;
        child.SemaphoreUndos = list;
        return Errno.None;
    }

    /// <summary>The task goes: the last one that has the list does what it says.</summary>
    public void End(Task task)
    {
        if (task.SemaphoreUndos is not { } list)
            return;
        task.SemaphoreUndos = null;
        if (--list.References != 0)
            return;
        using (Lock.Acquire())
        {
            while (list.First is { } undo)
            {
                Unlink(undo);
                Apply(undo.Set, undo, task);
                Free(undo);
            }
        }

        _lists.Free(list);
    }

    /// <summary>The values of semaphores have been set: nothing that was done before will be taken back. Holds <see cref="Lock"/>.</summary>
    public static void Forget(SemaphoreSet set, int first, int count)
    {
        for (SemaphoreUndo? undo = set.Undos; undo is not null; undo = undo.NextOfSet)
            undo.Changes.AsSpan(first, count).Clear();
    }

    private void Apply(SemaphoreSet set, SemaphoreUndo undo, Task task)
    {
        for (int i = 0; i < set.Semaphores.Length; i++)
        {
            if (undo.Changes[i] == 0)
                continue;
            ref Semaphore semaphore = ref set.Semaphores[i];
            semaphore.Value = Math.Clamp(semaphore.Value + undo.Changes[i], 0, MaximumValue);
            semaphore.LastProcess = task.Group.Tgid;
        }

        set.OperationTime = task.Fs.Vfs.Now.Seconds;
        for (int i = 0; i < set.Semaphores.Length; i++)
        {
            if (undo.Changes[i] != 0)
                TryWaiters(set, i);
        }
    }

    private Result<SemaphoreUndoList> ListOf(Task task)
    {
        if (task.SemaphoreUndos is { } list)
            return list;
        if (_lists.Allocate() is not { } made)
            return Errno.ENOMEM;
        made.References = 1;
        task.SemaphoreUndos = made;
        return made;
    }

    /// <summary>The task's undo for the set; the one used last comes first.</summary>
    private Result<SemaphoreUndo?> UndoOf(Task task, SemaphoreSet set)
    {
        if (!ListOf(task).TryGet(out SemaphoreUndoList list, out Errno error))
            return error;
        SemaphoreUndo? found = list.First;
        while (found is not null && !ReferenceEquals(found.Set, set))
            found = found.NextOfList;
        if (found is not null)
        {
            UnlinkFromList(found);
            LinkToList(found);
            return found;
        }

        SemaphoreUndo? undo = _undos.Allocate();
        short[]? changes = undo is null ? null : _arrays.Allocate<short>(set.Semaphores.Length);
        if (changes is null)
        {
            if (undo is not null)
                _undos.Free(undo);
            return Errno.ENOMEM;
        }

        undo!.Set = set;
        undo.List = list;
        undo.Changes = changes;
        LinkToList(undo);
        undo.NextOfSet = set.Undos;
        if (set.Undos is { } next)
            next.PreviousOfSet = undo;
        set.Undos = undo;
        return undo;
    }

    /// <summary>A set is removed: nothing of it will be taken back. Holds <see cref="Lock"/>.</summary>
    private void FreeUndos(SemaphoreSet set)
    {
        while (set.Undos is { } undo)
        {
            Unlink(undo);
            Free(undo);
        }
    }

    private void Free(SemaphoreUndo undo)
    {
        _arrays.Free(undo.Changes);
        _undos.Free(undo);
    }

    private static void Unlink(SemaphoreUndo undo)
    {
        UnlinkFromList(undo);
        UnlinkFromSet(undo.Set, undo);
    }

    private static void LinkToList(SemaphoreUndo undo)
    {
        SemaphoreUndoList list = undo.List;
        undo.PreviousOfList = null;
        undo.NextOfList = list.First;
        if (list.First is { } next)
            next.PreviousOfList = undo;
        list.First = undo;
    }

    private static void UnlinkFromList(SemaphoreUndo undo)
    {
        if (undo.PreviousOfList is null)
            undo.List.First = undo.NextOfList;
        else
            undo.PreviousOfList.NextOfList = undo.NextOfList;
        if (undo.NextOfList is not null)
            undo.NextOfList.PreviousOfList = undo.PreviousOfList;
    }

    private static void UnlinkFromSet(SemaphoreSet set, SemaphoreUndo undo)
    {
        if (undo.PreviousOfSet is null)
            set.Undos = undo.NextOfSet;
        else
            undo.PreviousOfSet.NextOfSet = undo.NextOfSet;
        if (undo.NextOfSet is not null)
            undo.NextOfSet.PreviousOfSet = undo.PreviousOfSet;
    }
}
