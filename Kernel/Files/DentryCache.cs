using NanoVm.Memory.Physical;

namespace NanoVm.Files;

/// <summary>All directory entries of the machine: where they come from, and the list of those that nobody uses but that are worth keeping.</summary>
/// <remarks>Linux: <c>dentry_cache</c> and its LRU list. Only file systems with a disk behind them keep unused entries.</remarks>
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
        entry.IsUnusedListed = true;
        entry.UnusedPrevious = newest;
        entry.UnusedNext = null;
        if (newest is null)
            oldest = entry;
        else
            newest.UnusedNext = entry;
        newest = entry;
        UnusedCount++;
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

    /// <summary>Linux: <c>prune_dcache_sb</c>. Frees up to <paramref name="count"/> of the longest unused entries.</summary>
    /// <param name="only">Only entries of this file system, as its unmount wants; null for all.</param>
    /// <returns>How many were freed.</returns>
    public int Shrink(int count, Superblock? only = null)
    {
        int freed = 0;
        Dentry? entry = oldest;
        while (entry is not null && freed < count)
        {
            Dentry? next = entry.UnusedNext;
            if (only is null || ReferenceEquals(entry.Superblock, only))
            {
                // The parent becomes the youngest unused entry when this was its last user: the walk reaches it later.
                bool wasLast = next is null;
                entry.Destroy()?.Put();
                freed++;
                if (wasLast)
                    next = newest;
            }
            entry = next;
        }
        return freed;
    }
}
