using NanoVm.User.Suites;

namespace NanoVm.User.Demos;

/// <summary>What this process has cost so far.</summary>
internal static unsafe class Usage
{
    private const int GetUsage = 98, MinorFaultsAt = 8;     // Linux: getrusage, struct rusage's ru_minflt as a 64-bit word's index

    /// <summary>Page faults that needed no disk.</summary>
    public static long MinorFaults()
    {
        long* usage = stackalloc long[18];
        Syscall.Call(GetUsage, 0, (nint)usage);
        return usage[MinorFaultsAt];
    }
}
