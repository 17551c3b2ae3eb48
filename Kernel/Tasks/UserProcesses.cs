using NanoVm.Memory.Physical;

namespace NanoVm.Tasks;

/// <summary>How many tasks each user has, for RLIMIT_NPROC. Linux: <c>user_struct</c>'s count.</summary>
/// <remarks>
/// A hash table by user number; entries go when their count is 0. Guarded by the task-list lock. When no memory can be had for an
/// entry the tasks are not counted: the limit is a convenience, not a protection of the kernel.
/// </remarks>
internal sealed class UserProcesses
{
    private readonly ObjectCache<UserEntry> _entries;
    private readonly UserEntry?[] _buckets = new UserEntry?[256];

    public UserProcesses(ObjectCache<UserEntry> entries) => _entries = entries;

    public ulong CountOf(uint uid) => Find(uid)?.Tasks ?? 0;

    public void Add(uint uid, int change)
    {
        UserEntry? entry = Find(uid);
        if (entry is null)
        {
            if (change < 0)
                return;
            entry = _entries.Allocate();
            if (entry is null)
                return;
            entry.Uid = uid;
            ref UserEntry? head = ref _buckets[uid & 255];
            entry.Next = head;
            head = entry;
        }
        entry.Tasks += (ulong)change;
        if (entry.Tasks == 0)
            Remove(entry);
    }

    private UserEntry? Find(uint uid)
    {
        UserEntry? entry = _buckets[uid & 255];
        while (entry is not null && entry.Uid != uid)
            entry = entry.Next;
        return entry;
    }

    private void Remove(UserEntry entry)
    {
        ref UserEntry? link = ref _buckets[entry.Uid & 255];
        while (!ReferenceEquals(link, entry))
            link = ref link!.Next;
        link = entry.Next;
        _entries.Free(entry);
    }
}

/// <summary>One user that has tasks.</summary>
internal sealed class UserEntry
{
    public uint Uid;
    public ulong Tasks;
    public UserEntry? Next;
}
