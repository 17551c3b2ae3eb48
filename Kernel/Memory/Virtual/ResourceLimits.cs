using System.Runtime.CompilerServices;

namespace NanoVm.Memory.Virtual;

/// <summary>The resources that <c>setrlimit</c> knows.</summary>
/// <remarks>Linux: <c>RLIMIT_*</c>, x86's numbers.</remarks>
internal enum Resource
{
    /// <summary>Seconds of processor time.</summary>
    Cpu = 0,
    FileSize = 1,
    Data = 2,
    Stack = 3,
    Core = 4,
    Rss = 5,
    Processes = 6,
    OpenFiles = 7,
    LockedMemory = 8,
    AddressSpace = 9,
    FileLocks = 10,
    PendingSignals = 11,
    MessageQueue = 12,
    Nice = 13,
    RealTimePriority = 14,
    /// <summary>Microseconds.</summary>
    RealTime = 15,
}

/// <summary>One limit: what holds now, and how far it may be raised.</summary>
internal struct ResourceLimit
{
    public ulong Soft;
    public ulong Hard;
}

/// <summary>The limits of a process; all of its threads share them.</summary>
/// <remarks>Linux: <c>signal_struct.rlim</c>. Lives here because Memory asks it most. Plain words: a reader sees an old or a new value.</remarks>
internal sealed class ResourceLimits
{
    public const int Count = 16;

    /// <summary>No limit. Linux: <c>RLIM_INFINITY</c>.</summary>
    public const ulong Infinity = ulong.MaxValue;

    [InlineArray(Count)]
    private struct LimitArray
    {
        private ResourceLimit _first;
    }

    private LimitArray _limits;

    public ref ResourceLimit this[Resource resource] => ref _limits[(int)resource];

    /// <summary>The limit that holds now. Linux: <c>rlimit</c>.</summary>
    public ulong Soft(Resource resource) => _limits[(int)resource].Soft;

    /// <summary>What init starts with. Linux: <c>INIT_RLIMITS</c>.</summary>
    /// <param name="maximumTasks">For NPROC and SIGPENDING: half of what memory allows.</param>
    public void InitializeDefaults(ulong maximumTasks)
    {
        for (int i = 0; i < Count; i++)
            _limits[i] = new ResourceLimit { Soft = Infinity, Hard = Infinity };
        Set(Resource.Stack, 8UL << 20, Infinity);
        Set(Resource.Core, 0, Infinity);
        Set(Resource.Processes, maximumTasks / 2, maximumTasks / 2);
        Set(Resource.OpenFiles, 1024, 4096);
        Set(Resource.LockedMemory, 8UL << 20, 8UL << 20);
        Set(Resource.PendingSignals, maximumTasks / 2, maximumTasks / 2);
        Set(Resource.MessageQueue, 819_200, 819_200);
        Set(Resource.Nice, 0, 0);
        Set(Resource.RealTimePriority, 0, 0);
    }

    /// <summary>Takes all values from <paramref name="other"/> (<c>fork</c>).</summary>
    public void CopyFrom(ResourceLimits other)
    {
        for (int i = 0; i < Count; i++)
            _limits[i] = other._limits[i];
    }

    private void Set(Resource resource, ulong soft, ulong hard) => _limits[(int)resource] = new ResourceLimit { Soft = soft, Hard = hard };
}
