namespace NanoVm.Files;

/// <summary>A point in time as inodes keep it: seconds since 1970 and nanoseconds.</summary>
/// <remarks>Linux: <c>timespec64</c>.</remarks>
internal readonly struct FileTime
{
    public readonly long Seconds;
    public readonly uint Nanoseconds;

    public FileTime(long seconds, uint nanoseconds)
    {
        Seconds = seconds;
        Nanoseconds = nanoseconds;
    }

    public static FileTime FromNanoseconds(ulong sinceEpoch) => new((long)(sinceEpoch / 1_000_000_000), (uint)(sinceEpoch % 1_000_000_000));

    public static bool operator <=(FileTime a, FileTime b) => a.Seconds < b.Seconds || (a.Seconds == b.Seconds && a.Nanoseconds <= b.Nanoseconds);
    public static bool operator >=(FileTime a, FileTime b) => b <= a;
}
