using System.Threading;
using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Swap;

namespace NanoVm.Memory.Mapping;

/// <summary>What all page caches of a machine share: memory, the wait table of locked frames, and the counts.</summary>
/// <remarks>Built once at boot. The pages themselves hang from each file's <see cref="AddressSpace"/>.</remarks>
internal sealed partial class PageCache
{
    public readonly PhysicalMemory Memory;
    public readonly FrameAllocator Frames;
    public readonly XArrayNodes Nodes;
    public readonly FrameLocks Locks;
    public readonly PageTransfers Transfers = new();

    /// <summary>Who keeps the count of what is promised; set at boot. Null in tests that need none.</summary>
    internal Virtual.MemorySystem? System;

    /// <summary>Where pages of shared memory go when memory is short; set at boot, null on a machine without swap (a test's).</summary>
    internal SwapSystem? Swap;

    private long _filePages;
    private long _shmemPages;

    /// <summary>The first of all files' page caches. Guarded by <see cref="_mappingsLock"/>.</summary>
    internal AddressSpace? FirstMapping { get; private set; }
    private Core.Sync.SpinLock _mappingsLock;

    public PageCache(PhysicalMemory memory)
    {
        Memory = memory;
        Frames = memory.Frames;
        Nodes = new XArrayNodes(memory);
        Locks = new FrameLocks(memory.Frames);
    }

    /// <summary>Pages in all page caches, shared memory included. "Cached" of <c>/proc/meminfo</c>.</summary>
    public PageCount Pages => new((ulong)_filePages);

    /// <summary>Those of tmpfs and shared anonymous memory. "Shmem".</summary>
    public PageCount ShmemPages => new((ulong)_shmemPages);

    /// <summary>How reading ahead does: windows that were started, and the pages in them.</summary>
    public ulong ReadAheadWindows { get; private set; }
    public ulong ReadAheadPages { get; private set; }

    /// <summary>Pages of a disk's files that were read one by one, while somebody waited: few, when reading ahead is right.</summary>
    public ulong ReadsWaited { get; private set; }

    /// <summary>A file's page cache begins to exist: <c>memfsck</c> will find it.</summary>
    internal void Add(AddressSpace mapping)
    {
        bool enabled = _mappingsLock.AcquireRaw();
        mapping.NextMapping = FirstMapping;
        mapping.PreviousMapping = null;
        if (FirstMapping is not null)
            FirstMapping.PreviousMapping = mapping;
        FirstMapping = mapping;
        _mappingsLock.ReleaseRaw(enabled);
    }

    internal void Remove(AddressSpace mapping)
    {
        bool enabled = _mappingsLock.AcquireRaw();
        if (mapping.PreviousMapping is { } previous)
            previous.NextMapping = mapping.NextMapping;
        else
            FirstMapping = mapping.NextMapping;
        if (mapping.NextMapping is { } next)
            next.PreviousMapping = mapping.PreviousMapping;
        mapping.NextMapping = mapping.PreviousMapping = null;
        _mappingsLock.ReleaseRaw(enabled);
    }

    internal void CountReadAhead(ulong pages)
    {
        if (pages == 0)
            return;
        ReadAheadWindows++;
        ReadAheadPages += pages;
    }

    internal void CountReadWaited() => ReadsWaited++;

    internal void CountPages(bool isShmem, long change)
    {
        Interlocked.Add(ref _filePages, change);
        if (isShmem)
            Interlocked.Add(ref _shmemPages, change);
    }
}
