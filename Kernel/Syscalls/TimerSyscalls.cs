using NanoVm.Core;
using NanoVm.Memory.Virtual;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Timers that send signals: <c>getitimer setitimer alarm timer_create timer_settime timer_gettime timer_getoverrun timer_delete</c>.</summary>
internal static unsafe class TimerSyscalls
{
    private const int AbsoluteFlag = 1;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(36, "getitimer"u8, &GetIntervalTimer);
        table.Add(37, "alarm"u8, &Alarm);
        table.Add(38, "setitimer"u8, &SetIntervalTimer);
        table.Add(222, "timer_create"u8, &TimerCreate);
        table.Add(223, "timer_settime"u8, &TimerSetTime);
        table.Add(224, "timer_gettime"u8, &TimerGetTime);
        table.Add(225, "timer_getoverrun"u8, &TimerGetOverrun);
        table.Add(226, "timer_delete"u8, &TimerDelete);
    }

    /// <summary>man 2 getitimer.</summary>
    private static SysResult GetIntervalTimer(ref SyscallArguments a)
    {
        if (a.UInt0 > (uint)IntervalTimer.Profile)
            return Errno.EINVAL;
        ulong left = 0, interval = 0;
        a.Task.Group.Timers?.GetInterval((IntervalTimer)a.Int0, out left, out interval);
        return WriteIntervalTimer(a.Address1, left, interval);
    }

    /// <summary>man 2 setitimer.</summary>
    private static SysResult SetIntervalTimer(ref SyscallArguments a)
    {
        ulong value = 0, interval = 0;
        if (!a.Address1.IsZero)                             // a null pointer stops the timer, as on Linux
        {
            Errno error = UserTime.ReadTimeVal(a.Address1, out interval);
            Errno second = UserTime.ReadTimeVal(a.Address1 + 16, out value);
            if (error != Errno.EFAULT && second != Errno.None)
                error = second;
            if (error != Errno.None)
                return error;
        }

        if (a.UInt0 > (uint)IntervalTimer.Profile)
            return Errno.EINVAL;
        ulong oldLeft = 0, oldInterval = 0;
        if (value != 0 || a.Task.Group.Timers is not null)
        {
            if (a.Task.System.Clocks.Of(a.Task.Group) is not { } timers)
                return Errno.ENOMEM;
            timers.SetInterval((IntervalTimer)a.Int0, value, interval, out oldLeft, out oldInterval);
        }

        return a.Address2.IsZero ? SysResult.Success : WriteIntervalTimer(a.Address2, oldLeft, oldInterval);
    }

    /// <summary>man 2 alarm. Cannot fail.</summary>
    private static SysResult Alarm(ref SyscallArguments a)
    {
        ulong left = 0;
        if ((a.UInt0 != 0 || a.Task.Group.Timers is not null) && a.Task.System.Clocks.Of(a.Task.Group) is { } timers)
            timers.SetInterval(IntervalTimer.Real, a.UInt0 * UserTime.Second, 0, out left, out _);
        ulong seconds = left / UserTime.Second, rest = left % UserTime.Second;
        if ((seconds == 0 && rest != 0) || rest >= UserTime.Second / 2)
            seconds++;                                      // never 0 while one is set
        return seconds;
    }

    /// <summary>man 2 timer_create.</summary>
    private static SysResult TimerCreate(ref SyscallArguments a)
    {
        Task task = a.Task;
        int notify = TimerNotify.Signal, signal = SignalNumber.Alarm, thread = 0;
        ulong value = 0;
        bool hasEvent = !a.Address1.IsZero;
        if (hasEvent && (UserCopy.Get(a.Address1, out value) != Errno.None || UserCopy.Get(a.Address1 + 8, out signal) != Errno.None
            || UserCopy.Get(a.Address1 + 12, out notify) != Errno.None || UserCopy.Get(a.Address1 + 16, out thread) != Errno.None))
            return Errno.EFAULT;

        int clock = a.Int0;
        if (!ClockReading.Read(task, clock).TryGet(out _, out Errno error))
            return error;
        if (!ClockId.IsElapsing(clock) && !ClockId.IsCpu(clock))
            return Errno.EOPNOTSUPP;

        Task? target = null;
        if (notify == TimerNotify.ThreadId || clock == ClockId.ThreadCpu)
        {
            using (task.System.TaskLock.Acquire())
            {
                target = notify == TimerNotify.ThreadId ? task.System.Pids.FindTask(thread) : task;
                if (target is null || !ReferenceEquals(target.Group, task.Group))
                    return Errno.EINVAL;
                target.Get();
            }
        }

        error = notify is TimerNotify.Signal or TimerNotify.None or TimerNotify.Thread or TimerNotify.ThreadId
            && (notify == TimerNotify.None || SignalNumber.IsValid(signal)) ? Errno.None : Errno.EINVAL;
        PosixTimer? timer = null;
        ProcessTimers? timers = null;
        UserEntry? counted = null;
        if (error == Errno.None)
        {
            timers = task.System.Clocks.Of(task.Group);
            // A timer has the room for its signal from the start: it counts among those that are queued.
            if (timers is not null && task.System.TryCountSignal(task.Credentials, task.Limits.Soft(Resource.PendingSignals), out counted))
                timer = task.System.Clocks.Timers.Allocate();
            if (timer is null)
                error = Errno.EAGAIN;
        }

        if (error != Errno.None)
        {
            task.System.UncountSignal(counted);
            target?.Put();
            return error;
        }

        timer!.Clock = clock;
        timer.CountedFor = counted;
        timer.Notify = notify;
        timer.Signal = signal;
        timer.Target = target;
        timers!.Add(timer);
        timer.Value = hasEvent ? value : (ulong)timer.Id;
        if (UserCopy.Put(a.Address2, timer.Id) == Errno.None)
            return SysResult.Success;
        timers.Delete(timer.Id);
        return Errno.EFAULT;
    }

    /// <summary>man 2 timer_settime.</summary>
    private static SysResult TimerSetTime(ref SyscallArguments a)
    {
        if (a.Address2.IsZero)
            return Errno.EINVAL;
        Errno error = UserTime.ReadTimerSpec(a.Address2, out ulong value, out ulong interval);
        if (error != Errno.None)
            return error;
        if (a.Task.Group.Timers is not { } timers)
            return Errno.EINVAL;
        error = timers.Set(a.Int0, value, interval, (a.Int1 & AbsoluteFlag) != 0, out ulong oldLeft, out ulong oldInterval);
        if (error != Errno.None || a.Address3.IsZero)
            return error;
        return UserTime.WriteTimerSpec(a.Address3, oldLeft, oldInterval);
    }

    /// <summary>man 2 timer_gettime.</summary>
    private static SysResult TimerGetTime(ref SyscallArguments a)
    {
        if (a.Task.Group.Timers is not { } timers)
            return Errno.EINVAL;
        Errno error = timers.Get(a.Int0, out ulong left, out ulong interval);
        return error != Errno.None ? error : UserTime.WriteTimerSpec(a.Address1, left, interval);
    }

    /// <summary>man 2 timer_getoverrun.</summary>
    private static SysResult TimerGetOverrun(ref SyscallArguments a) =>
        a.Task.Group.Timers is { } timers ? timers.GetOverrun(a.Int0) : Errno.EINVAL;

    /// <summary>man 2 timer_delete.</summary>
    private static SysResult TimerDelete(ref SyscallArguments a) =>
        a.Task.Group.Timers is { } timers ? timers.Delete(a.Int0) : Errno.EINVAL;

    private static SysResult WriteIntervalTimer(VirtAddr to, ulong left, ulong interval)
    {
        Errno error = UserTime.WriteTimeVal(to, interval);
        return error != Errno.None ? error : UserTime.WriteTimeVal(to + 16, left);
    }
}
