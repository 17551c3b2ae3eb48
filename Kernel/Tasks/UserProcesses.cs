using NanoVm.Core.Sync;
using NanoVm.Memory.Physical;

namespace NanoVm.Tasks;

/// <summary>What each user has of the things that are limited by user: tasks (RLIMIT_NPROC), queued signals (RLIMIT_SIGPENDING). Linux: <c>ucounts</c>.</summary>
/// <remarks>
/// A hash table by user number; entries go when all their counts are 0. When no memory can be had for an entry nothing is counted: the
/// limits are a convenience, not a protection of the kernel.
/// </remarks>
internal sealed class UserProcesses
{
    private readonly ObjectCache<UserEntry> _entries;

    /// <summary>Guards the table and the counts. Innermost: signals are queued under their process's lock, and from interrupts.</summary>
    private SpinLock _lock;
    private readonly UserEntry?[] _buckets = new UserEntry?[256];

    public UserProcesses(ObjectCache<UserEntry> entries) => _entries = entries;

    /// <summary>The user's tasks.</summary>
    public ulong CountOf(uint uid)
    {
        using (_lock.Acquire())
            return Find(uid)?.Tasks ?? 0;
    }

    /// <summary>Signals that wait in queues for the user's processes.</summary>
    public ulong SignalsOf(uint uid)
    {
        using (_lock.Acquire())
            return Find(uid)?.Signals ?? 0;
    }

    /// <summary>Counts tasks that come or go.</summary>
    public void Add(uint uid, int change)
    {
        using (_lock.Acquire())
        {
            if (FindOrMake(uid, change > 0) is { } entry)
            {
                entry.Tasks += (ulong)change;
                RemoveIfIdle(entry);
            }
        }
    }

    /// <summary>Counts a signal in a queue, unless that would be more than <paramref name="limit"/>.</summary>
    /// <param name="counted">Who has it, for <see cref="TakeSignal"/>; null when nothing could be counted.</param>
    /// <returns>False beyond the limit.</returns>
    public bool TryAddSignal(uint uid, ulong limit, out UserEntry? counted)
    {
        using (_lock.Acquire())
        {
            counted = FindOrMake(uid, make: true);
            if (counted is null)
                return true;
            if (counted.Signals >= limit)
            {
                counted = null;
                return false;
            }

            counted.Signals++;
            return true;
        }
    }

    /// <summary>A counted signal has left its queue.</summary>
    public void TakeSignal(UserEntry counted)
    {
        using (_lock.Acquire())
        {
            counted.Signals--;
            RemoveIfIdle(counted);
        }
    }

    private UserEntry? FindOrMake(uint uid, bool make)
    {
        UserEntry? entry = Find(uid);
        if (entry is not null || !make)
            return entry;
        entry = _entries.Allocate();
        if (entry is null)
            return null;
        entry.Uid = uid;
        ref UserEntry? head = ref _buckets[uid & 255];
        entry.Next = head;
        head = entry;
        return entry;
    }

    private UserEntry? Find(uint uid)
    {
        UserEntry? entry = _buckets[uid & 255];
        while (entry is not null && entry.Uid != uid)
            entry = entry.Next;
        return entry;
    }

    private void RemoveIfIdle(UserEntry entry)
    {
        if (entry.Tasks != 0 || entry.Signals != 0)
            return;
        ref UserEntry? link = ref _buckets[entry.Uid & 255];
        while (!ReferenceEquals(link, entry))
            link = ref link!.Next;
        link = entry.Next;
        _entries.Free(entry);
    }
}

/// <summary>One user that has something counted. Guarded by its <see cref="UserProcesses"/>.</summary>
internal sealed class UserEntry
{
    public uint Uid;
    public ulong Tasks;
    public ulong Signals;
    public UserEntry? Next;
}
