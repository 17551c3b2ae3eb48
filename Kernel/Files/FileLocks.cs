using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Files;

/// <summary>All locks on one file: <c>flock</c>, record locks of processes and of open files.</summary>
/// <remarks>
/// Linux: <c>file_lock_context</c>; man 2 flock, fcntl. Made with the first lock on a file, freed with the inode.
/// <code>
///   have   [ R  R  R  R  R  R ]        one owner's locks never overlap: a new one cuts those of another type
///   set          [ W  W ]              and swallows those of its own type that it touches;
///   have   [ R R ][ W W ][ R R ]       at most one lock is split in two, so two spare objects always suffice.
/// </code>
/// </remarks>
internal sealed class FileLocks
{
    private Vfs vfs = null!;
    private FileLock? first;
    private WaitQueue waiters;

    /// <summary>The locks of a file, made when there are none yet; null when memory is out.</summary>
    public static FileLocks? Of(Inode inode)
    {
        if (inode.Locks is not null)
            return inode.Locks;
        FileLocks? locks = inode.Vfs.LockLists.Allocate();
        if (locks is null)
            return null;
        if (inode.Locks is not null)
        {
            inode.Vfs.LockLists.Free(locks);                 // another task made it while memory was being found
            return inode.Locks;
        }
        locks.vfs = inode.Vfs;
        return inode.Locks = locks;
    }

    /// <summary>The first lock; follow <see cref="FileLock.Next"/>.</summary>
    public FileLock? First => first;

    /// <summary>Called when the inode goes: nobody can hold a lock any more.</summary>
    public void Free()
    {
        while (first is { } gone)
        {
            first = gone.Next;
            vfs.FileLockObjects.Free(gone);
        }
        vfs.LockLists.Free(this);
    }

    /// <summary>A lock that stands in the way of <paramref name="wanted"/>, or null. Linux: <c>posix_test_lock</c>.</summary>
    public FileLock? FindConflict(FileLock wanted)
    {
        for (FileLock? held = first; held is not null; held = held.Next)
        {
            if (held.ConflictsWith(wanted))
                return held;
        }
        return null;
    }

    /// <summary>Sets or removes a lock, waiting for others if told to. Linux: <c>do_lock_file_wait</c>.</summary>
    /// <param name="wanted">Described by the caller, who keeps the object.</param>
    /// <returns>EAGAIN, EDEADLK, ENOMEM, ERESTARTSYS.</returns>
    public Errno Set(TaskFiles who, FileLock wanted, bool wait)
    {
        FileLock? spare = vfs.FileLockObjects.Allocate();
        FileLock? split = vfs.FileLockObjects.Allocate();
        Errno error = spare is null || split is null ? Errno.ENOMEM : Errno.None;
        // flock gives the old lock up before it waits for the new one: two readers that both want to write would wait for ever.
        if (error == Errno.None && wanted.Kind == FileLockKind.Flock && !Holds(wanted))
            RemoveOwner(wanted.Owner!, FileLockKind.Flock);
        if (error == Errno.None && wanted.Type != FileLockType.Unlock)
            error = WaitForConflicts(who, wanted, wait);
        if (error == Errno.None)
        {
            Apply(wanted, ref spare, ref split);
            waiters.WakeAll();
        }
        if (spare is not null)
            vfs.FileLockObjects.Free(spare);
        if (split is not null)
            vfs.FileLockObjects.Free(split);
        return error;
    }

    /// <summary>Removes all locks of an owner.</summary>
    public void RemoveOwner(object owner)
    {
        RemoveOwner(owner, FileLockKind.Process);
        RemoveOwner(owner, FileLockKind.OpenFile);
        RemoveOwner(owner, FileLockKind.Flock);
    }

    private bool Holds(FileLock wanted)
    {
        for (FileLock? held = first; held is not null; held = held.Next)
        {
            if (ReferenceEquals(held.Owner, wanted.Owner) && held.Kind == wanted.Kind && held.Type == wanted.Type)
                return true;
        }
        return false;
    }

    private void RemoveOwner(object owner, FileLockKind kind)
    {
        bool removed = false;
        ref FileLock? link = ref first;
        while (link is { } held)
        {
            if (ReferenceEquals(held.Owner, owner) && held.Kind == kind)
            {
                link = held.Next;
                vfs.FileLockObjects.Free(held);
                removed = true;
            }
            else
            {
                link = ref held.Next;
            }
        }
        if (removed)
            waiters.WakeAll();
    }

    private Errno WaitForConflicts(TaskFiles who, FileLock wanted, bool wait)
    {
        FileLock? conflict = FindConflict(wanted);
        if (conflict is null)
            return Errno.None;
        if (!wait)
            return Errno.EAGAIN;
        Errno error = Errno.None;
        var table = wanted.Owner as FileDescriptorTable;
        for (; ; )
        {
            waiters.PrepareToWait(who.WaitNode, ThreadState.Interruptible);
            conflict = FindConflict(wanted);
            if (conflict is null)
                break;
            if (table is not null && WouldDeadlock(table, conflict))
                error = Errno.EDEADLK;
            else if (who.SignalPending)
                error = Errno.ERESTARTSYS;
            if (error != Errno.None)
                break;
            if (table is not null)
                table.BlockedBy = conflict.Owner as FileDescriptorTable;
            PerCpu.Scheduler.Schedule();
            if (table is not null)
                table.BlockedBy = null;
        }
        waiters.FinishWait(who.WaitNode);
        return error;
    }

    // Linux: posix_locks_deadlock. Follows who waits for whom, ten steps far as Linux does.
    private static bool WouldDeadlock(FileDescriptorTable self, FileLock conflict)
    {
        if (conflict.Kind != FileLockKind.Process)
            return false;
        var owner = conflict.Owner as FileDescriptorTable;
        for (int step = 0; step < 10 && owner is not null; step++)
        {
            if (ReferenceEquals(owner, self))
                return true;
            owner = owner.BlockedBy;
        }
        return false;
    }

    // Linux: posix_lock_inode, flock_lock_inode. Nothing here can fail.
    private void Apply(FileLock wanted, ref FileLock? spare, ref FileLock? split)
    {
        long start = wanted.Start;
        long end = wanted.End;
        ref FileLock? link = ref first;
        while (link is { } held)
        {
            bool isOurs = ReferenceEquals(held.Owner, wanted.Owner) && held.Kind == wanted.Kind;
            if (isOurs && held.Type == wanted.Type && Touches(held, start, end))
            {
                start = start < held.Start ? start : held.Start;
                end = end > held.End ? end : held.End;
            }
            else if (!isOurs || held.Start > end || held.End < start)
            {
                link = ref held.Next;
                continue;
            }
            else if (held.Start < start)
            {
                if (held.End > end)
                {
                    Fill(split!, held, held.Type, end + 1, held.End);
                    split!.Next = held.Next;
                    held.Next = split;
                    split = null;
                }
                held.End = start - 1;
                link = ref held.Next;
                continue;
            }
            else if (held.End > end)
            {
                held.Start = end + 1;
                link = ref held.Next;
                continue;
            }
            link = held.Next;                                // swallowed whole
            vfs.FileLockObjects.Free(held);
        }
        if (wanted.Type == FileLockType.Unlock)
            return;
        Fill(spare!, wanted, wanted.Type, start, end);
        Insert(spare!);
        spare = null;
    }

    // An owner's locks stand side by side in the order of their starts, owners in the order in which they came: F_GETLK tells the first.
    private void Insert(FileLock added)
    {
        ref FileLock? link = ref first;
        bool seen = false;
        while (link is { } held)
        {
            bool isOurs = ReferenceEquals(held.Owner, added.Owner) && held.Kind == added.Kind;
            if (isOurs ? held.Start > added.Start : seen)
                break;
            seen |= isOurs;
            link = ref held.Next;
        }
        added.Next = link;
        link = added;
    }

    // Overlaps, or lies side by side so that both become one.
    private static bool Touches(FileLock held, long start, long end)
        => (held.Start <= end || held.Start - 1 <= end) && (start <= held.End || start - 1 <= held.End);

    private static void Fill(FileLock to, FileLock from, FileLockType type, long start, long end)
    {
        to.Kind = from.Kind;
        to.Type = type;
        to.Owner = from.Owner;
        to.Process = from.Process;
        to.Start = start;
        to.End = end;
    }
}
