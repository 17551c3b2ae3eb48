using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Clocks and sleeping: <c>nanosleep clock_nanosleep clock_gettime clock_getres clock_settime gettimeofday settimeofday time</c>.</summary>
internal static unsafe class TimeSyscalls
{
    private const int AbsoluteFlag = 1;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(35, "nanosleep"u8, &NanoSleep);
        table.Add(96, "gettimeofday"u8, &GetTimeOfDay);
        table.Add(164, "settimeofday"u8, &SetTimeOfDay);
        table.Add(201, "time"u8, &GetTime);
        table.Add(227, "clock_settime"u8, &ClockSetTime);
        table.Add(228, "clock_gettime"u8, &ClockGetTime);
        table.Add(229, "clock_getres"u8, &ClockGetResolution);
        table.Add(230, "clock_nanosleep"u8, &ClockNanoSleep);
        TimerSyscalls.Register(ref table);
        ClockAdjustmentSyscalls.Register(ref table);
        TimerFdSyscalls.Register(ref table);
    }

    /// <summary>man 2 nanosleep.</summary>
    private static SysResult NanoSleep(ref SyscallArguments a)
    {
        Errno error = UserTime.ReadTimeSpec(a.Address0, out ulong nanoseconds);
        return error != Errno.None ? error : SleepFor(a.Task, ClockId.Monotonic, nanoseconds, a.Address1);
    }

    /// <summary>man 2 clock_nanosleep.</summary>
    private static SysResult ClockNanoSleep(ref SyscallArguments a)
    {
        int clock = a.Int0;
        if (!IsClock(clock))
            return Errno.EINVAL;
        if (!ClockId.IsElapsing(clock) && clock != ClockId.ProcessCpu && clock >= 0)
            return Errno.EOPNOTSUPP;
        if (!ClockReading.Read(a.Task, clock).TryGet(out _, out Errno error))
            return error;
        if (clock < 0 && (clock & ClockId.CpuThreadFlag) != 0 && (~(clock >> 3) == 0 || ~(clock >> 3) == a.Task.Pid))
            return Errno.EINVAL;                            // one's own processor time stands still while one sleeps
        error = UserTime.ReadTimeSpec(a.Address2, out ulong nanoseconds);
        if (error != Errno.None)
            return error;
        if ((a.Int1 & AbsoluteFlag) == 0)
            return SleepFor(a.Task, clock, nanoseconds, a.Address3);
        error = ClockSleep.Until(a.Task, clock, nanoseconds);
        return error == Errno.EINTR ? Errno.ERESTARTNOHAND : error;
    }

    private static SysResult SleepFor(Task task, int clock, ulong nanoseconds, VirtAddr remaining)
    {
        // What runs with the wall is not moved by setting it, when the sleep is relative.
        if (ClockId.IsWall(clock))
            clock = ClockId.Monotonic;
        if (!ClockReading.Read(task, clock).TryGet(out ulong now, out Errno error))
            return error;
        ulong target = nanoseconds >= ClockReading.Largest - now ? ClockReading.Largest : now + nanoseconds;
        return SleepOrRestart(task, clock, target, remaining);
    }

    private static SysResult SleepOrRestart(Task task, int clock, ulong target, VirtAddr remaining)
    {
        Errno error = ClockSleep.Until(task, clock, target);
        if (error != Errno.EINTR)
            return error;
        if (!remaining.IsZero)
        {
            ClockReading.Read(task, clock).TryGet(out ulong now, out _);
            if (UserTime.WriteTimeSpec(remaining, target > now ? target - now : 0) != Errno.None)
                return Errno.EFAULT;
        }

        task.Restart.Continue = &Continue;
        task.Restart.Word0 = (ulong)clock;
        task.Restart.Word1 = target;
        task.Restart.Word2 = remaining.Value;
        return Errno.ERESTART_RESTARTBLOCK;
    }

    private static Result<long> Continue(Task task)
    {
        SysResult result = SleepOrRestart(task, (int)task.Restart.Word0, task.Restart.Word1, new VirtAddr(task.Restart.Word2));
        return result.IsError ? (Errno)(-result.Value) : result.Value;
    }

    /// <summary>man 2 clock_gettime.</summary>
    private static SysResult ClockGetTime(ref SyscallArguments a)
    {
        if (!ClockReading.Read(a.Task, a.Int0).TryGet(out ulong nanoseconds, out Errno error))
            return error;
        if (a.Int0 is ClockId.RealtimeCoarse or ClockId.MonotonicCoarse)
            nanoseconds -= nanoseconds % ClockReading.CoarseNanoseconds;
        return UserTime.WriteTimeSpec(a.Address1, nanoseconds);
    }

    /// <summary>man 2 clock_getres.</summary>
    private static SysResult ClockGetResolution(ref SyscallArguments a)
    {
        int clock = a.Int0;
        if (!IsClock(clock))
            return Errno.EINVAL;
        if (clock < 0 && !ClockReading.Read(a.Task, clock).TryGet(out _, out Errno error))
            return error;
        if (a.Address1.IsZero)
            return SysResult.Success;
        ulong resolution = clock is ClockId.RealtimeCoarse or ClockId.MonotonicCoarse ? ClockReading.CoarseNanoseconds : 1;
        return UserTime.WriteTimeSpec(a.Address1, resolution);
    }

    /// <summary>man 2 clock_settime. Only the wall clock can be set.</summary>
    private static SysResult ClockSetTime(ref SyscallArguments a)
    {
        if (a.Int0 != ClockId.Realtime)
            return a.Int0 < 0 && IsClock(a.Int0) ? Errno.EPERM : Errno.EINVAL;
        Errno error = UserTime.ReadTimeSpec(a.Address1, out ulong nanoseconds);
        return error != Errno.None ? error : SetWallClock(a.Task, nanoseconds);
    }

    /// <summary>man 2 gettimeofday. The time zone has been obsolete for long: zeros.</summary>
    private static SysResult GetTimeOfDay(ref SyscallArguments a)
    {
        if (!a.Address0.IsZero && UserTime.WriteTimeVal(a.Address0, Time.RealtimeNanoseconds) != Errno.None)
            return Errno.EFAULT;
        if (!a.Address1.IsZero && UserCopy.Put(a.Address1, 0UL) != Errno.None)
            return Errno.EFAULT;
        return SysResult.Success;
    }

    /// <summary>man 2 settimeofday.</summary>
    private static SysResult SetTimeOfDay(ref SyscallArguments a)
    {
        ulong nanoseconds = 0;
        if (!a.Address0.IsZero)
        {
            Errno error = UserTime.ReadTimeVal(a.Address0, out nanoseconds);
            if (error != Errno.None)
                return error;
        }

        if (!a.Address1.IsZero && UserCopy.Get(a.Address1, out ulong _) != Errno.None)
            return Errno.EFAULT;
        if (!a.Task.Credentials.Has(Capability.SysTime))
            return Errno.EPERM;
        return a.Address0.IsZero ? SysResult.Success : SetWallClock(a.Task, nanoseconds);
    }

    /// <summary>man 2 time.</summary>
    private static SysResult GetTime(ref SyscallArguments a)
    {
        ulong seconds = Time.RealtimeNanoseconds / UserTime.Second;
        if (!a.Address0.IsZero && UserCopy.Put(a.Address0, seconds) != Errno.None)
            return Errno.EFAULT;
        return seconds;
    }

    private static SysResult SetWallClock(Task task, ulong nanoseconds)
    {
        if (!task.Credentials.Has(Capability.SysTime))
            return Errno.EPERM;
        // Not before the machine was started; and not so late that it would run over. Linux: timespec64_valid_settod.
        if (nanoseconds < Time.MonotonicNanoseconds || nanoseconds > ClockReading.Largest - 30UL * 365 * 86400 * UserTime.Second)
            return Errno.EINVAL;
        if (task.System.Clocks.Clock is { } wall)
        {
            wall.SetRealtime(nanoseconds);
            task.System.Vdso?.RealtimeChanged(wall.RealtimeOffset);
        }
        return SysResult.Success;
    }

    private static bool IsClock(int clock) => clock is >= 0 and <= ClockId.BootTime or ClockId.InternationalAtomic
        || (clock < 0 && (clock & ClockId.CpuKindMask) != ClockId.CpuKindMask);
}
