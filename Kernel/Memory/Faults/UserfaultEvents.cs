using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Faults;

/// <summary>What a message of a userfault descriptor is about. Linux: <c>UFFD_EVENT_*</c>.</summary>
internal enum UserfaultEventKind : byte
{
    PageFault = 0x12,
    Fork = 0x13,
    Remap = 0x14,
    Remove = 0x15,
    Unmap = 0x16,
}

/// <summary>A change of the watched map, on its way to the program that watches it.</summary>
/// <remarks>Linux: <c>userfaultfd_fork_ctx</c>, <c>userfaultfd_unmap_ctx</c> and the wait queue entry that they become.</remarks>
internal sealed class UserfaultEvent
{
    /// <summary>The next one that the same call has to tell; the task's own.</summary>
    public UserfaultEvent? NextToTell;

    /// <summary>In the context's queue. Guarded by <see cref="UserfaultContext.Lock"/>.</summary>
    public UserfaultEvent? Next;

    /// <summary>Whom to tell; with a reference, and its count of changes raised.</summary>
    public UserfaultContext Context = null!;
    public UserfaultEventKind Kind;

    /// <summary>From and to of a move with its length; start and end of what goes.</summary>
    public ulong Argument0, Argument1, Argument2;

    /// <summary>Of a fork: what watches the child, with a reference until somebody has it as a descriptor.</summary>
    public UserfaultContext? Child;

    /// <summary>The program has read it. Guarded by <see cref="UserfaultContext.Lock"/>.</summary>
    public bool IsRead;
}

/// <summary>Telling the program that answers faults what happens to the map: it must not fill memory that is gone or elsewhere.</summary>
/// <remarks>
/// Linux: <c>dup_userfaultfd</c>, <c>mremap_userfaultfd_prep</c>, <c>userfaultfd_remove</c>, <c>userfaultfd_unmap_prep</c> and their completions.
/// A call prepares its events while it holds the mm's lock and before it changes anything, for this may fail; from then on the program's
/// ioctls answer EAGAIN. When the lock is free, the call waits until each event has been read. They hang from the calling task meanwhile.
/// <code>
///   munmap                                 program with the descriptor
///     prepare event, changes = 1             ioctl COPY → EAGAIN
///     unmap, release the lock
///     queue the event, sleep             ──► read: UNMAP start end
///     changes = 0, return                ◄── (reading wakes)
/// </code>
/// </remarks>
internal sealed partial class UserfaultContext
{
    /// <summary>Under <see cref="Lock"/>.</summary>
    private UserfaultEvent? _firstEvent;

    /// <summary>Who waits until his event has been read.</summary>
    private WaitQueue _tellers;

    /// <summary>Changes of the map under way. Linux: <c>mmap_changing</c>.</summary>
    public int Changing;

    /// <summary>Gets an event ready; it will be told by <see cref="TellAll"/>, or taken back by <see cref="TakeBackAfter"/>.</summary>
    /// <returns>Null when there is no memory.</returns>
    public UserfaultEvent? Prepare(UserfaultEventKind kind, ulong argument0, ulong argument1, ulong argument2 = 0)
    {
        if (Mm.System.UserfaultEvents.Allocate() is not { } made)
            return null;
        made.Kind = kind;
        made.Argument0 = argument0;
        made.Argument1 = argument1;
        made.Argument2 = argument2;
        made.Context = this;
        Get();
        Changing++;

        if (LastPrepared is { } last)
            last.NextToTell = made;
        else
            TaskMemory.Current.UserfaultEvents = made;
        return made;
    }

    /// <summary>The event that the running call has prepared last; null for none.</summary>
    public static UserfaultEvent? LastPrepared
    {
        get
        {
            UserfaultEvent? last = TaskMemory.Current.UserfaultEvents;
            while (last?.NextToTell is { } next)
                last = next;
            return last;
        }
    }

    /// <summary>Tells all events that the running call has prepared, one after the other. No lock is held; sleeps.</summary>
    public static void TellAll()
    {
        TaskMemory task = TaskMemory.Current;
        if (task.UserfaultEvents is not null)
            TellAll(task);
    }

    private static void TellAll(TaskMemory task)
    {
        while (task.UserfaultEvents is { } first)
        {
            task.UserfaultEvents = first.NextToTell;
            first.Context.Tell(first, task);
            Finish(first);
        }
    }

    /// <summary>What was to be told has not happened: takes back all events prepared after <paramref name="last"/>, or all with none.</summary>
    public static void TakeBackAfter(UserfaultEvent? last)
    {
        TaskMemory task = TaskMemory.Current;
        UserfaultEvent? at = last is null ? task.UserfaultEvents : last.NextToTell;
        if (last is null)
            task.UserfaultEvents = null;
        else
            last.NextToTell = null;
        while (at is not null)
        {
            UserfaultEvent next = at;
            at = next.NextToTell;
            Finish(next);
        }
    }

    private void Tell(UserfaultEvent told, TaskMemory task)
    {
        bool enabled = Lock.AcquireRaw();
        if (_firstEvent is null)
        {
            _firstEvent = told;
        }
        else
        {
            UserfaultEvent last = _firstEvent;
            while (last.Next is { } next)
                last = next;
            last.Next = told;
        }

        Lock.ReleaseRaw(enabled);
        Readers.WakeAll();
        while (true)
        {
            _tellers.PrepareToWait(task.WaitNode, ThreadState.Killable);
            if (told.IsRead || IsReleased || task.FatalSignalPending)
                break;
            PerCpu.Scheduler.Schedule();
        }

        _tellers.FinishWait(task.WaitNode);
        enabled = Lock.AcquireRaw();
        if (!told.IsRead)
            Dequeue(told);
        Lock.ReleaseRaw(enabled);
    }

    /// <summary>The oldest event, for the reader to look at; it is his only after <see cref="TryTake"/>.</summary>
    public UserfaultEvent? PeekEvent() => _firstEvent;

    /// <summary>Takes an event that <see cref="PeekEvent"/> has shown, and lets its teller go on.</summary>
    /// <returns>False when another reader was faster, or the teller has given up.</returns>
    public bool TryTake(UserfaultEvent seen)
    {
        bool enabled = Lock.AcquireRaw();
        bool taken = Dequeue(seen);
        if (taken)
            seen.IsRead = true;
        Lock.ReleaseRaw(enabled);
        if (taken)
            _tellers.WakeAll();
        return taken;
    }

    private bool Dequeue(UserfaultEvent wanted)
    {
        UserfaultEvent? previous = null;
        for (UserfaultEvent? at = _firstEvent; at is not null; previous = at, at = at.Next)
        {
            if (!ReferenceEquals(at, wanted))
                continue;
            if (previous is null)
                _firstEvent = at.Next;
            else
                previous.Next = at.Next;
            return true;
        }

        return false;
    }

    private static void Finish(UserfaultEvent done)
    {
        UserfaultContext context = done.Context;
        context.Changing--;
        if (done.Child is { } child)
        {
            // Nobody has it as a descriptor, so nobody will ever answer for the child's areas.
            child.Mm.DropUserfault(child);
            child.Put();
        }

        context.Mm.System.UserfaultEvents.Free(done);
        context.Put();
    }
}
