using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Faults;

/// <summary>What a program wants to be told beside faults, and how. Linux: <c>UFFD_FEATURE_*</c>.</summary>
[System.Flags]
internal enum UserfaultFeatures : ulong
{
    None = 0,
    /// <summary>Write-protect mode, of anonymous memory.</summary>
    WriteProtect = 1 << 0,
    EventFork = 1 << 1,
    EventRemap = 1 << 2,
    EventRemove = 1 << 3,
    /// <summary>Missing mode for shared memory: tmpfs, memfd, <c>MAP_SHARED | MAP_ANONYMOUS</c>.</summary>
    MissingShmem = 1 << 5,
    EventUnmap = 1 << 6,
    /// <summary>A fault is no message but SIGBUS for who made it.</summary>
    Sigbus = 1 << 7,
    ThreadId = 1 << 8,
    /// <summary>Minor mode for shared memory: the page is in the cache, but not mapped.</summary>
    MinorShmem = 1 << 10,
    /// <summary>The byte that was touched, not its page.</summary>
    ExactAddress = 1 << 11,

    All = WriteProtect | EventFork | EventRemap | EventRemove | MissingShmem | EventUnmap | Sigbus | ThreadId | MinorShmem | ExactAddress,

    /// <summary>The handshake is done. Linux: <c>UFFD_FEATURE_INITIALIZED</c>.</summary>
    Initialized = 1UL << 31,
}

/// <summary>One fault that waits until a program has answered it.</summary>
/// <remarks>Linux: <c>userfaultfd_wait_queue</c>. Guarded by <see cref="UserfaultContext.Lock"/>; the faulting thread owns the object.</remarks>
internal sealed class UserfaultWaiter
{
    public UserfaultWaiter? Next;

    /// <summary>The page, and the byte that was touched.</summary>
    public VirtAddr Page;
    public VirtAddr Exact;

    /// <summary><c>UFFD_PAGEFAULT_FLAG_*</c>: 1 for a write, 2 for a write to a protected page, 4 for a page that is in the cache.</summary>
    public ulong Flags;
    public int ThreadId;

    /// <summary>The program has read about it; it is no longer offered.</summary>
    public bool IsRead;

    /// <summary>The program has answered: try again.</summary>
    public bool IsWoken;
}

/// <summary>What stands between faults of registered memory and the program that answers them.</summary>
/// <remarks>
/// Linux: <c>userfaultfd_ctx</c>. userfaultfd(2). Held by the open file, by each area registered with it and by whoever waits.
/// <code>
///   faulting thread                       program with the descriptor
///     queue a waiter, drop the mm's lock ──► poll, read: address
///     sleep                                  prepare the page, ioctl COPY: the entry is set
///     wake, fault again if need be       ◄── (COPY wakes the range)
/// </code>
/// What changes the map itself (<c>fork</c>, <c>mremap</c>, <c>munmap</c>, <c>madvise</c>) is told as events: <c>UserfaultEvents.cs</c>.
/// </remarks>
internal sealed partial class UserfaultContext
{
    public const ulong FaultWrite = 1;
    public const ulong FaultWriteProtect = 2;
    public const ulong FaultMinor = 4;

    /// <summary>The address space that it watches; a reference of <see cref="MmStruct.Count"/>.</summary>
    public MmStruct Mm = null!;

    public int References;

    /// <summary>Guards the waiters and the events.</summary>
    public SpinLock Lock;
    private UserfaultWaiter? _first;
    private UserfaultWaiter? _last;

    /// <summary>Readers and pollers of the descriptor.</summary>
    public WaitQueue Readers;

    /// <summary>Faulting threads.</summary>
    private WaitQueue _sleepers;

    /// <summary>The descriptor is closed: nobody will answer.</summary>
    public bool IsReleased;

    /// <summary>What was agreed on with <c>UFFDIO_API</c>; none before. Never changes after.</summary>
    public UserfaultFeatures Features;

    /// <summary>Faults of the kernel (in system calls) are not for this program. Linux: <c>UFFD_USER_MODE_ONLY</c>.</summary>
    public bool UserModeOnly;

    public bool IsReady => (Features & UserfaultFeatures.Initialized) != 0;

    public bool Has(UserfaultFeatures feature) => (Features & feature) != 0;

    public void Initialize(MmStruct mm)
    {
        Mm = mm.Grab();
        References = 1;
    }

    public void Get() => References++;

    public void Put()
    {
        if (--References != 0)
            return;
        MmStruct mm = Mm;
        mm.System.UserfaultContexts.Free(this);
        mm.Drop();
    }

    /// <summary>Whether a fault or an event waits to be read.</summary>
    public bool HasPending
    {
        get
        {
            bool enabled = Lock.AcquireRaw();
            bool found = FirstUnread() is not null || _firstEvent is not null;
            Lock.ReleaseRaw(enabled);
            return found;
        }
    }

    /// <summary>How many faults wait, unread and in all, for <c>/proc/PID/fdinfo</c>.</summary>
    public void Count(out ulong unread, out ulong all)
    {
        unread = 0;
        all = 0;
        bool enabled = Lock.AcquireRaw();
        for (UserfaultWaiter? waiter = _first; waiter is not null; waiter = waiter.Next)
        {
            if (waiter.IsWoken)
                continue;
            all++;
            unread += waiter.IsRead ? 0UL : 1;
        }

        Lock.ReleaseRaw(enabled);
    }

    /// <summary>Takes the oldest fault that nobody has read.</summary>
    public bool TryRead(out VirtAddr page, out VirtAddr exact, out ulong flags, out int threadId)
    {
        bool enabled = Lock.AcquireRaw();
        UserfaultWaiter? waiter = FirstUnread();
        page = waiter?.Page ?? default;
        exact = waiter?.Exact ?? default;
        flags = waiter?.Flags ?? 0;
        threadId = waiter?.ThreadId ?? 0;
        if (waiter is not null)
            waiter.IsRead = true;
        Lock.ReleaseRaw(enabled);
        return waiter is not null;
    }

    /// <summary>Lets the faults of <paramref name="range"/> be tried again. Linux: <c>wake_userfault</c>.</summary>
    public void Wake(PageRange range)
    {
        bool any = false;
        bool enabled = Lock.AcquireRaw();
        for (UserfaultWaiter? waiter = _first; waiter is not null; waiter = waiter.Next)
        {
            if (!range.Contains(waiter.Page))
                continue;
            waiter.IsWoken = true;
            any = true;
        }

        Lock.ReleaseRaw(enabled);
        if (any)
            _sleepers.WakeAll();
    }

    /// <summary>Nobody answers any more: all faults go their ordinary way, and who tells an event goes on.</summary>
    public void Release()
    {
        IsReleased = true;
        _sleepers.WakeAll();
        _tellers.WakeAll();
        Readers.WakeAll();
    }

    /// <summary>Queues <paramref name="waiter"/>. The mm's lock is still held, so nobody can have set the entry since it was looked at.</summary>
    public void Enqueue(UserfaultWaiter waiter)
    {
        bool enabled = Lock.AcquireRaw();
        if (_last is null)
            _first = waiter;
        else
            _last.Next = waiter;
        _last = waiter;
        Lock.ReleaseRaw(enabled);
    }

    /// <summary>Sleeps until the fault is answered or a signal comes, and takes the waiter back. No lock is held.</summary>
    public void WaitFor(UserfaultWaiter waiter, TaskMemory task, ThreadState state)
    {
        Readers.WakeAll();
        while (true)
        {
            _sleepers.PrepareToWait(task.WaitNode, state);
            bool interrupted = state == ThreadState.Interruptible ? task.SignalPending : task.FatalSignalPending;
            if (waiter.IsWoken || IsReleased || interrupted)
                break;
            PerCpu.Scheduler.Schedule();
        }

        _sleepers.FinishWait(task.WaitNode);
        bool enabled = Lock.AcquireRaw();
        UserfaultWaiter? previous = null;
        for (UserfaultWaiter? at = _first; at is not null && !ReferenceEquals(at, waiter); at = at.Next)
            previous = at;
        if (previous is null)
            _first = waiter.Next;
        else
            previous.Next = waiter.Next;
        if (ReferenceEquals(_last, waiter))
            _last = previous;
        Lock.ReleaseRaw(enabled);
    }

    private UserfaultWaiter? FirstUnread()
    {
        UserfaultWaiter? waiter = _first;
        while (waiter is not null && (waiter.IsRead || waiter.IsWoken))
            waiter = waiter.Next;
        return waiter;
    }
}
