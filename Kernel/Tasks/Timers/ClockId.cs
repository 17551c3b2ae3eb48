namespace NanoVm.Tasks;

/// <summary>The clocks that programs can name. Linux: <c>CLOCK_*</c>; man 2 clock_gettime.</summary>
/// <remarks>Negative numbers are the processor time of some process or thread: <c>~pid &lt;&lt; 3 | kind</c>.</remarks>
internal static class ClockId
{
    public const int Realtime = 0, Monotonic = 1, ProcessCpu = 2, ThreadCpu = 3, MonotonicRaw = 4, RealtimeCoarse = 5, MonotonicCoarse = 6,
        BootTime = 7, InternationalAtomic = 11;

    /// <summary>Of a negative clock: which time counts, and whether it is a thread's.</summary>
    public const int CpuKindMask = 3, CpuThreadFlag = 4, CpuKindProfile = 0, CpuKindVirtual = 1, CpuKindRun = 2;

    /// <summary>Whether the clock runs with the wall, so that it may jump.</summary>
    public static bool IsWall(int clock) => clock is Realtime or RealtimeCoarse or InternationalAtomic;

    /// <summary>Whether a timer can run on it by itself: it goes on while nobody runs.</summary>
    public static bool IsElapsing(int clock) => clock is Realtime or Monotonic or BootTime or InternationalAtomic;

    /// <summary>Whether it measures processor time.</summary>
    public static bool IsCpu(int clock) => clock < 0 || clock is ProcessCpu or ThreadCpu;
}
