using System.Threading;
using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Swap;

namespace NanoVm.Memory.Mapping;

/// <summary>What all page caches of a machine share: memory, the wait table of locked frames, and the counts.</summary>
/// <remarks>Built once at boot. The pages themselves hang from each file's <see cref="AddressSpace"/>.</remarks>
internal sealed class PageCache
{
    public readonly PhysicalMemory Memory;
    public readonly FrameAllocator Frames;
    public readonly XArrayNodes Nodes;
    public readonly FrameLocks Locks;

    /// <summary>Where pages of shared memory go when memory is short; set at boot, null on a machine without swap (a test's).</summary>
    internal SwapSystem? Swap;

    private long _filePages;
    private long _shmemPages;
    private long _dirtyPages;

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

    /// <summary>Those that wait to be written to a disk. "Dirty".</summary>
    public PageCount DirtyPages => new((ulong)_dirtyPages);

    /// <summary>From how many dirty pages on writers write their own. Linux: <c>dirty_ratio</c>, 20 % of memory.</summary>
    public ulong DirtyLimit => Frames.TotalFrames.Value / 5;

    internal void CountPages(bool isShmem, long change)
    {
        Interlocked.Add(ref _filePages, change);
        if (isShmem)
            Interlocked.Add(ref _shmemPages, change);
    }

    internal void CountDirty(long change) => Interlocked.Add(ref _dirtyPages, change);
}
