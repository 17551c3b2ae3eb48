using NanoVm.Memory.Physical;

namespace NanoVm.Files;

/// <summary>All directory entries of the machine: where they come from, and the list of those that nobody uses but that are worth keeping.</summary>
/// <remarks>
/// Linux: <c>dentry_cache</c> and its LRU list. Only file systems with a disk behind them keep unused entries, and with them the inodes. When memory
/// is low kswapd has the oldest forgotten (<see cref="DentryShrinker"/>).
/// </remarks>
internal sealed class DentryCache
{
    private Dentry? oldest;
    private Dentry? newest;

    public DentryCache(ObjectCache<Dentry> objects) => Objects = objects;

    public ObjectCache<Dentry> Objects { get; }

    /// <summary>How many entries are kept though nobody uses them.</summary>
    public int UnusedCount { get; private set; }

    /// <summary>How many unused entries are kept before the oldest go.</summary>
    public int UnusedLimit { get; set; } = 16384;

    internal void AddUnused(Dentry entry)
    {
        Append(entry);
        if (UnusedCount > UnusedLimit)
            Shrink(1);
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
    /// <param name="only">Only entries of this file system, as its unmount wants; null for all.</param>
    /// <returns>How many were freed.</returns>
    /// <remarks>
    /// An inode may have to be written before it goes, and meanwhile the list changes: so each round begins with the oldest entry anew. Entries of
    /// other file systems go to the young end; once around, and their order is the old one. A directory becomes the youngest unused entry when its
    /// last entry goes, so the rounds come to it later.
    /// </remarks>
    public int Shrink(int count, Superblock? only = null)
    {
        int freed = 0;
        int others = 0;
        while (freed < count && others < UnusedCount && oldest is { } entry)
        {
            if (only is not null && !ReferenceEquals(entry.Superblock, only))
            {
                RemoveUnused(entry);
                Append(entry);
                others++;
                continue;
            }
            entry.Destroy()?.Put();
            freed++;
        }
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
