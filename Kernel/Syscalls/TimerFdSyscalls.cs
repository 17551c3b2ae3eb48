using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Timers as files: <c>timerfd_create timerfd_settime timerfd_gettime</c>.</summary>
internal static unsafe class TimerFdSyscalls
{
    private const int AbsoluteFlag = 1, CancelOnSetFlag = 2;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(283, "timerfd_create"u8, &Create);
        table.Add(286, "timerfd_settime"u8, &SetTime);
        table.Add(287, "timerfd_gettime"u8, &GetTime);
    }

    /// <summary>man 2 timerfd_create.</summary>
    private static SysResult Create(ref SyscallArguments a)
    {
        var flags = (OpenFlags)a.UInt1;
        if ((flags & ~(OpenFlags.CloseOnExec | OpenFlags.NonBlocking)) != 0)
            return Errno.EINVAL;
        if (a.Int0 is not (ClockId.Realtime or ClockId.Monotonic or ClockId.BootTime))
            return Errno.EINVAL;
        Task task = a.Task;
        if (!TimerFile.Create(task.System, task, a.Int0, flags).TryGet(out OpenFile file, out Errno error))
            return error;
        Result<int> fd = task.Files.Add(task, file, (flags & OpenFlags.CloseOnExec) != 0 ? CloseOnExec.Yes : CloseOnExec.No);
        if (!fd.IsOk)
            file.Put();
        return fd;
    }

    /// <summary>man 2 timerfd_settime.</summary>
    private static SysResult SetTime(ref SyscallArguments a)
    {
        // The record is read first, its content judged together with the flags.
        Errno error = UserTime.ReadTimerSpec(a.Address2, out ulong value, out ulong interval);
        if (error == Errno.EFAULT)
            return error;
        if ((a.Int1 & ~(AbsoluteFlag | CancelOnSetFlag)) != 0 || error != Errno.None)
            return Errno.EINVAL;
        error = Find(a.Task, a.Int0, out OpenFile? file);
        if (error != Errno.None)
            return error;
        ((TimerFile)file!).Set(value, interval, (a.Int1 & AbsoluteFlag) != 0, out ulong oldLeft, out ulong oldInterval);
        file.Put();
        return a.Address3.IsZero ? SysResult.Success : UserTime.WriteTimerSpec(a.Address3, oldLeft, oldInterval);
    }

    /// <summary>man 2 timerfd_gettime.</summary>
    private static SysResult GetTime(ref SyscallArguments a)
    {
        Errno error = Find(a.Task, a.Int0, out OpenFile? file);
        if (error != Errno.None)
            return error;
        ((TimerFile)file!).Get(out ulong left, out ulong interval);
        file.Put();
        return UserTime.WriteTimerSpec(a.Address1, left, interval);
    }

    private static Errno Find(Task task, int descriptor, out OpenFile? file)
    {
        file = task.Files.GetFile(descriptor);
        if (file is null)
            return Errno.EBADF;
        if (file is TimerFile)
            return Errno.None;
        file.Put();
        return Errno.EINVAL;
    }
}
