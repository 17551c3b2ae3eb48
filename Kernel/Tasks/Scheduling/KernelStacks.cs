using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Physical;

namespace NanoVm.Tasks;

/// <summary>Kernel stacks: 16 KiB of vmalloc space each, with an unmapped page at both ends, and a few kept for the next fork.</summary>
/// <remarks>
/// Linux: <c>alloc_thread_stack_node</c> with <c>CONFIG_VMAP_STACK</c> and its cache of two. A stack in the cache keeps its frames
/// until <see cref="Shrink"/>.
/// </remarks>
internal sealed unsafe class KernelStacks
{
    /// <summary>Linux: <c>THREAD_SIZE</c>.</summary>
    public const ulong Bytes = 4 * PageSize.Bytes;
    private const int MaximumCached = 2;

    private readonly Vmalloc _vmalloc;
    private SpinLock _lock;
    private VirtAddr _cached;           // the first word of a cached stack is the address of the next
    private int _cachedCount;

    public KernelStacks(Vmalloc vmalloc) => _vmalloc = vmalloc;

    /// <summary>Stacks in use and in the cache, for <c>KernelStack</c> of <c>/proc/meminfo</c>.</summary>
    public int Count { get; private set; }

    /// <summary>A stack's lowest address; its contents are whatever was there.</summary>
    public Errno Allocate(out VirtAddr bottom)
    {
        using (_lock.Acquire())
        {
            if (_cachedCount > 0)
            {
                bottom = _cached;
                _cached = new VirtAddr(*(ulong*)bottom.Value);
                _cachedCount--;
                return Errno.None;
            }
        }
        Errno error = _vmalloc.Allocate(new PageCount(Bytes / PageSize.Bytes), out bottom);
        if (error == Errno.None)
            Count++;
        return error;
    }

    /// <summary>Gives a stack back; nobody runs on it any more. May be called with interrupts off.</summary>
    public void Free(VirtAddr bottom)
    {
        using (_lock.Acquire())
        {
            if (_cachedCount < MaximumCached)
            {
                *(ulong*)bottom.Value = _cached.Value;
                _cached = bottom;
                _cachedCount++;
                return;
            }
        }
        Count--;
        _vmalloc.Free(bottom);
    }

    /// <summary>Gives the cached stacks back; for <c>drop_caches</c>, so that ledgers are comparable. May not be called under a spin lock.</summary>
    public void Shrink()
    {
        while (true)
        {
            VirtAddr bottom;
            using (_lock.Acquire())
            {
                if (_cachedCount == 0)
                    return;
                bottom = _cached;
                _cached = new VirtAddr(*(ulong*)bottom.Value);
                _cachedCount--;
            }

            Count--;
            _vmalloc.Free(bottom);
        }
    }
}
