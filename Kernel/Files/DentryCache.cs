using NanoVm.Core.Sync;
using NanoVm.Memory.Physical;

namespace NanoVm.Files;

/// <summary>All directory entries of the machine: where they come from, and the list of those that nobody uses but that are worth keeping.</summary>
/// <remarks>
/// Linux: <c>dentry_cache</c> and its LRU list. Only file systems with a disk behind them keep unused entries, and with them the inodes. When memory
/// is low kswapd has the oldest forgotten (<see cref="DentryShrinker"/>).
/// </remarks>
internal sealed class DentryCache
{
    /// <summary>One frees at a time: so that a file system does not go while an inode of it, which no list has any more, is still being written.</summary>
    private Mutex _shrinking;

    private Dentry? oldest;
    private Dentry? newest;

    public DentryCache(ObjectCache<Dentry> objects) => Objects = objects;

    public ObjectCache<Dentry> Objects { get; }

    /// <summary>How many entries are kept though nobody uses them.</summary>
    public int UnusedCount { get; private set; }

    /// <summary>How many unused entries are kept before the oldest go, memory or not. (Linux has no such limit.)</summary>
    public int UnusedLimit { get; set; } = 16384;

    internal void AddUnused(Dentry entry)
    {
        Append(entry);
        // Who drops an entry may hold locks that another's shrinking waits for: then that one sees to it.
        if (UnusedCount > UnusedLimit && _shrinking.TryLock())
        {
            FreeOldest(1);
            _shrinking.Unlock();
        }
    }

    internal void RemoveUnused(Dentry entry)
    {
        if (entry.UnusedPrevious is null)
            oldest = entry.UnusedNext;
        else
            entry.UnusedPrevious.UnusedNext = entry.UnusedNext;
        if (entry.UnusedNext is null)
            newest = entry.UnusedPrevious;
        else
            entry.UnusedNext.UnusedPrevious = entry.UnusedPrevious;
        entry.UnusedNext = entry.UnusedPrevious = null;
        entry.IsUnusedListed = false;
        UnusedCount--;
    }

    /// <summary>Linux: <c>prune_dcache_sb</c>. Frees up to <paramref name="count"/> of the longest unused entries, and the inodes that only they held. Sleeps.</summary>
    /// <returns>How many were freed.</returns>
    /// <remarks>The caller holds nothing that the end of an inode may need: it is written, and its blocks are freed when it has no name left.</remarks>
    public int Shrink(int count)
    {
        using (_shrinking.Acquire())
            return FreeOldest(count);
    }

    /// <summary>Frees all entries of a file system that goes. Sleeps.</summary>
    /// <remarks>
    /// O(unused entries). Those of other file systems go to the young end; once around, and their order is the old one. A directory becomes the
    /// youngest unused entry when its last entry goes, and is next then.
    /// </remarks>
    public void FreeAll(Superblock superblock)
    {
        using Mutex.Guard guard = _shrinking.Acquire();
        int others = 0;
        while (others < UnusedCount && oldest is { } entry)
        {
            if (ReferenceEquals(newest!.Superblock, superblock))
                entry = newest;
            if (ReferenceEquals(entry.Superblock, superblock))
            {
                entry.Destroy()?.Put();
                others = 0;
                continue;
            }

            RemoveUnused(entry);
            Append(entry);
            others++;
        }
    }

    // The list changes while an inode is written: so each round begins with the oldest entry anew.
    private int FreeOldest(int count)
    {
        int freed = 0;
        for (; freed < count && oldest is { } entry; freed++)
            entry.Destroy()?.Put();
        return freed;
    }

    private void Append(Dentry entry)
    {
        entry.IsUnusedListed = true;
        entry.UnusedPrevious = newest;
        entry.UnusedNext = null;
        if (newest is null)
            oldest = entry;
        else
            newest.UnusedNext = entry;
        newest = entry;
        UnusedCount++;
    }
}
