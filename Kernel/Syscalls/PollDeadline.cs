using NanoVm.Core;

namespace NanoVm.Syscalls;

/// <summary>How long a polling call may wait, read from user memory, and what is left of it.</summary>
/// <remarks>Linux: <c>poll_select_set_timeout</c>, <c>poll_select_finish</c>.</remarks>
internal struct PollDeadline
{
    private const ulong Second = 1_000_000_000;

    /// <summary>The shape of the caller's record.</summary>
    internal enum Shape
    {
        /// <summary>Seconds and nanoseconds.</summary>
        TimeSpec,

        /// <summary>Seconds and microseconds.</summary>
        TimeVal,
    }

    private VirtAddr _record;
    private Shape _shape;

    /// <summary>Monotonic nanoseconds; 0: do not wait, <see cref="ulong.MaxValue"/>: for ever.</summary>
    public ulong Deadline;

    /// <summary>Milliseconds from now; negative: for ever.</summary>
    public static ulong FromMilliseconds(int timeout)
        => timeout < 0 ? ulong.MaxValue : timeout == 0 ? 0 : Time.MonotonicNanoseconds + (ulong)timeout * 1_000_000;

    /// <summary>Reads a record; a null pointer is for ever.</summary>
    /// <returns>EFAULT; EINVAL for negative parts or too many nanoseconds.</returns>
    public static Errno Read(VirtAddr record, Shape shape, out PollDeadline deadline)
    {
        deadline = new PollDeadline { _record = record, _shape = shape, Deadline = ulong.MaxValue };
        if (record.Value == 0)
            return Errno.None;
        Errno error = UserCopy.Get(record, out long seconds);
        if (error != Errno.None)
            return error;
        error = UserCopy.Get(record + 8, out long part);
        if (error != Errno.None)
            return error;
        if (shape == Shape.TimeVal)
        {
            seconds += part / 1_000_000;
            part = part % 1_000_000 * 1000;
        }
        if (seconds < 0 || part < 0 || part >= (long)Second)
            return Errno.EINVAL;
        if (seconds == 0 && part == 0)
        {
            deadline.Deadline = 0;
            return Errno.None;
        }
        ulong now = Time.MonotonicNanoseconds;
        ulong limit = ulong.MaxValue - 1 - now;
        deadline.Deadline = (ulong)seconds >= limit / Second ? ulong.MaxValue - 1 : now + (ulong)seconds * Second + (ulong)part;
        return Errno.None;
    }

    /// <summary>Writes what is left back to the caller's record and settles what an interrupted call answers.</summary>
    /// <returns><paramref name="result"/>; EINTR in place of a restart when the record could not be updated.</returns>
    public readonly SysResult Finish(SysResult result)
    {
        if (_record.Value == 0)
            return result;
        ulong now = Time.MonotonicNanoseconds;
        ulong left = Deadline > now ? Deadline - now : 0;
        Errno error = UserCopy.Put(_record, left / Second);
        if (error == Errno.None)
            error = UserCopy.Put(_record + 8, _shape == Shape.TimeVal ? left % Second / 1000 : left % Second);
        if (error != Errno.None && result.Value == -(long)Errno.ERESTARTNOHAND)
            return Errno.EINTR;
        return result;
    }
}
