using NanoVm.Core;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Times in user memory: <c>timespec</c>, <c>timeval</c> and the pairs of them.</summary>
internal static class UserTime
{
    public const ulong Second = 1_000_000_000;

    /// <summary>Reads seconds and nanoseconds.</summary>
    /// <returns>EFAULT; EINVAL for negative seconds or too many nanoseconds. Too large a time is the largest.</returns>
    public static Errno ReadTimeSpec(VirtAddr from, out ulong nanoseconds) => Read(from, Second, 1, out nanoseconds);

    /// <summary>Reads seconds and microseconds.</summary>
    public static Errno ReadTimeVal(VirtAddr from, out ulong nanoseconds) => Read(from, 1_000_000, 1000, out nanoseconds);

    public static Errno WriteTimeSpec(VirtAddr to, ulong nanoseconds)
    {
        Errno error = UserCopy.Put(to, nanoseconds / Second);
        return error != Errno.None ? error : UserCopy.Put(to + 8, nanoseconds % Second);
    }

    public static Errno WriteTimeVal(VirtAddr to, ulong nanoseconds)
    {
        Errno error = UserCopy.Put(to, nanoseconds / Second);
        return error != Errno.None ? error : UserCopy.Put(to + 8, nanoseconds % Second / 1000);
    }

    /// <summary>Reads an <c>itimerspec</c>: the interval, then the value. Both are read before either is judged.</summary>
    public static Errno ReadTimerSpec(VirtAddr from, out ulong value, out ulong interval)
    {
        Errno error = ReadTimeSpec(from, out interval);
        Errno second = ReadTimeSpec(from + 16, out value);
        return error == Errno.EFAULT || second == Errno.None ? error : second;
    }

    public static Errno WriteTimerSpec(VirtAddr to, ulong value, ulong interval)
    {
        Errno error = WriteTimeSpec(to, interval);
        return error != Errno.None ? error : WriteTimeSpec(to + 16, value);
    }

    private static Errno Read(VirtAddr from, ulong parts, ulong nanosecondsOfPart, out ulong nanoseconds)
    {
        nanoseconds = 0;
        Errno error = UserCopy.Get(from, out long seconds);
        if (error != Errno.None)
            return error;
        error = UserCopy.Get(from + 8, out ulong part);
        if (error != Errno.None)
            return error;
        if (seconds < 0 || part >= parts)
            return Errno.EINVAL;
        nanoseconds = (ulong)seconds >= ClockReading.Largest / Second ? ClockReading.Largest : (ulong)seconds * Second + part * nanosecondsOfPart;
        return Errno.None;
    }
}
