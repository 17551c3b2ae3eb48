using System;
using NanoVm.Core;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>The calls about signals. man 7 signal.</summary>
internal static unsafe class SignalSyscalls
{
    /// <summary>Bytes of <c>sigset_t</c>: the only size that x86-64 takes.</summary>
    private const ulong SetBytes = 8;

    /// <summary>How <c>rt_sigprocmask</c> changes the mask.</summary>
    private const int Block = 0, Unblock = 1, SetMask = 2;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(13, "rt_sigaction"u8, &RtSigaction);
        table.Add(14, "rt_sigprocmask"u8, &RtSigprocmask);
        table.Add(15, "rt_sigreturn"u8, &RtSigreturn);
        table.Add(34, "pause"u8, &Pause);
        table.Add(62, "kill"u8, &Kill);
        table.Add(127, "rt_sigpending"u8, &RtSigpending);
        table.Add(128, "rt_sigtimedwait"u8, &RtSigtimedwait);
        table.Add(129, "rt_sigqueueinfo"u8, &RtSigqueueinfo);
        table.Add(130, "rt_sigsuspend"u8, &RtSigsuspend);
        table.Add(131, "sigaltstack"u8, &Sigaltstack);
        table.Add(200, "tkill"u8, &Tkill);
        table.Add(219, "restart_syscall"u8, &RestartSyscall);
        table.Add(234, "tgkill"u8, &Tgkill);
        table.Add(297, "rt_tgsigqueueinfo"u8, &RtTgsigqueueinfo);
    }

    /// <summary>Four words as programs store them: handler, flags, restorer, mask.</summary>
    private struct UserAction
    {
        public ulong Handler, Flags, Restorer, Mask;
    }

    private struct UserTime
    {
        public long Seconds, Nanoseconds;
    }

    private static SysResult RtSigaction(ref SyscallArguments a)
    {
        if (a.Arg3 != SetBytes)
            return Errno.EINVAL;
        SignalAction action = default;
        bool set = !a.Address1.IsZero;
        if (set)
        {
            if (UserCopy.Get(a.Address1, out UserAction user) != Errno.None)
                return Errno.EFAULT;
            action.Handler = user.Handler;
            action.Flags = user.Flags;
            action.Restorer = user.Restorer;
            action.Mask = new SignalSet(user.Mask);
        }
        Errno error = Signals.SetAction(a.Task, a.Int0, set, action, out SignalAction previous);
        if (error != Errno.None || a.Address2.IsZero)
            return error;
        UserAction old;
        old.Handler = previous.Handler;
        old.Flags = previous.Flags;
        old.Restorer = previous.Restorer;
        old.Mask = previous.Mask.Bits;
        return UserCopy.Put(a.Address2, old);
    }

    private static SysResult RtSigprocmask(ref SyscallArguments a)
    {
        if (a.Arg3 != SetBytes)
            return Errno.EINVAL;
        SignalSet old = a.Task.Blocked;
        if (!a.Address1.IsZero)
        {
            if (UserCopy.Get(a.Address1, out ulong bits) != Errno.None)
                return Errno.EFAULT;
            var set = new SignalSet(bits);
            switch (a.Int0)
            {
                case Block:
                    set |= old;
                    break;
                case Unblock:
                    set = old & ~set;
                    break;
                case SetMask:
                    break;
                default:
                    return Errno.EINVAL;
            }
            Signals.SetBlocked(a.Task, set);
        }
        return a.Address2.IsZero ? Errno.None : UserCopy.Put(a.Address2, old.Bits);
    }

    private static SysResult RtSigreturn(ref SyscallArguments a)
    {
        SignalReturn.Restore(a.Task, ref a.Frame);
        return SysResult.FrameReplaced;
    }

    private static SysResult RtSigpending(ref SyscallArguments a)
    {
        if (a.Arg1 > SetBytes)
            return Errno.EINVAL;
        ulong bits = Signals.PendingAndBlocked(a.Task).Bits;
        return UserCopy.CopyToUser(a.Address0, new ReadOnlySpan<byte>(&bits, (int)a.Arg1));
    }

    private static SysResult RtSigtimedwait(ref SyscallArguments a)
    {
        if (a.Arg3 != SetBytes)
            return Errno.EINVAL;
        if (UserCopy.Get(a.Address0, out ulong bits) != Errno.None)
            return Errno.EFAULT;
        ulong deadline = ulong.MaxValue;
        if (!a.Address2.IsZero)
        {
            if (UserCopy.Get(a.Address2, out UserTime time) != Errno.None)
                return Errno.EFAULT;
            const long second = 1_000_000_000;
            if (time.Seconds < 0 || time.Nanoseconds < 0 || time.Nanoseconds >= second)
                return Errno.EINVAL;
            // A time that is longer than the clock will ever count is for ever.
            if (time.Seconds == 0 && time.Nanoseconds == 0)
                deadline = 0;
            else if (time.Seconds < long.MaxValue / second - 1)
                deadline = Time.MonotonicNanoseconds + (ulong)(time.Seconds * second + time.Nanoseconds);
        }
        Errno error = SignalWait.TimedWait(a.Task, new SignalSet(bits), deadline, out SignalInfo info);
        if (error != Errno.None)
            return error;
        if (!a.Address1.IsZero && SignalInfoFormat.Write(a.Address1, info) != Errno.None)
            return Errno.EFAULT;
        return info.Signal;
    }

    private static SysResult RtSigsuspend(ref SyscallArguments a)
    {
        if (a.Arg1 != SetBytes)
            return Errno.EINVAL;
        if (UserCopy.Get(a.Address0, out ulong bits) != Errno.None)
            return Errno.EFAULT;
        return SignalWait.Suspend(a.Task, new SignalSet(bits));
    }

    private static SysResult Pause(ref SyscallArguments a) => SignalWait.Pause(a.Task);

    private static SysResult Sigaltstack(ref SyscallArguments a)
    {
        Task task = a.Task;
        ulong stackPointer = a.Frame.Rsp;
        byte* stack = stackalloc byte[SignalStack.FormatBytes];
        new Span<byte>(stack, SignalStack.FormatBytes).Clear();
        *(ulong*)stack = task.AlternateStack.Value;
        *(int*)(stack + 8) = SignalStack.StateFlags(task, stackPointer) | (task.AlternateStackFlags & SignalStack.AutoDisarm);
        *(ulong*)(stack + 16) = task.AlternateStackBytes;

        if (!a.Address0.IsZero)
        {
            byte* wanted = stackalloc byte[SignalStack.FormatBytes];
            if (UserCopy.CopyFromUser(new Span<byte>(wanted, SignalStack.FormatBytes), a.Address0) != Errno.None)
                return Errno.EFAULT;
            Errno error = SignalStack.Set(task, new VirtAddr(*(ulong*)wanted), *(int*)(wanted + 8), *(ulong*)(wanted + 16), stackPointer);
            if (error != Errno.None)
                return error;
        }
        if (a.Address1.IsZero)
            return Errno.None;
        return UserCopy.CopyToUser(a.Address1, new ReadOnlySpan<byte>(stack, SignalStack.FormatBytes));
    }

    private static SysResult RestartSyscall(ref SyscallArguments a)
    {
        RestartBlock block = a.Task.Restart;
        a.Task.Restart.Continue = null;
        return block.Continue is null ? Errno.EINTR : block.Continue(a.Task);
    }

    // ---- Sending --------------------------------------------------------------------------------------------------------------------

    private static SysResult Kill(ref SyscallArguments a)
    {
        int pid = a.Int0;
        int signal = a.Int1;
        Task task = a.Task;
        SignalInfo info = Signals.FromUser(task, signal);
        if (pid > 0)
            return SendToProcess(task, pid, info);
        if (signal != 0 && !SignalNumber.IsValid(signal))
            return pid == int.MinValue ? Errno.ESRCH : Errno.EINVAL;
        if (pid == int.MinValue)
            return Errno.ESRCH;
        using (task.System.TaskLock.Acquire())
            return pid == -1 ? SendToAll(task, info) : SendToGroup(task, pid == 0 ? task.Group.ProcessGroup : task.System.Pids.Find(-pid), info);
    }

    /// <summary>To the process of any of its threads' numbers, as Linux does.</summary>
    private static Errno SendToProcess(Task task, int pid, in SignalInfo info)
    {
        using (task.System.TaskLock.Acquire())
        {
            Task? target = task.System.Pids.FindTask(pid);
            if (target is null)
                return Errno.ESRCH;
            if (info.Signal != 0 && !SignalNumber.IsValid(info.Signal))
                return Errno.EINVAL;
            return Signals.SendChecked(task, target.Group, info);
        }
    }

    /// <summary>To all processes of a group: success when one could be sent, else why the last could not.</summary>
    private static Errno SendToGroup(Task task, PidEntry? group, in SignalInfo info)
    {
        if (group is null)
            return Errno.ESRCH;
        Errno last = Errno.ESRCH;
        bool success = false;
        ThreadGroup? next;
        for (ThreadGroup? process = group.ProcessGroupMembers.First; process is not null; process = next)
        {
            next = group.ProcessGroupMembers.NextOf(process);
            Errno error = Signals.SendChecked(task, process, info);
            success |= error == Errno.None;
            last = error;
        }
        return success ? Errno.None : last;
    }

    /// <summary>To all but init and the caller itself.</summary>
    private static Errno SendToAll(Task task, in SignalInfo info)
    {
        int count = 0;
        Errno result = Errno.None;
        for (ThreadGroup? process = task.System.Pids.FindNextProcess(2); process is not null;
            process = task.System.Pids.FindNextProcess(process.Tgid + 1))
        {
            if (ReferenceEquals(process, task.Group))
                continue;
            Errno error = Signals.SendChecked(task, process, info);
            count++;
            if (error != Errno.EPERM)
                result = error;
        }
        return count != 0 ? result : Errno.ESRCH;
    }

    private static SysResult Tkill(ref SyscallArguments a)
    {
        if (a.Int0 <= 0)
            return Errno.EINVAL;
        return SendToThread(a.Task, 0, a.Int0, Signals.FromUser(a.Task, a.Int1, SignalInfo.CodeTkill));
    }

    private static SysResult Tgkill(ref SyscallArguments a)
    {
        if (a.Int0 <= 0 || a.Int1 <= 0)
            return Errno.EINVAL;
        return SendToThread(a.Task, a.Int0, a.Int1, Signals.FromUser(a.Task, a.Int2, SignalInfo.CodeTkill));
    }

    /// <param name="tgid">The process that the thread must belong to; 0 for any.</param>
    private static Errno SendToThread(Task task, int tgid, int pid, in SignalInfo info)
    {
        using (task.System.TaskLock.Acquire())
        {
            Task? target = task.System.Pids.FindTask(pid);
            if (target is null || (tgid != 0 && target.Tgid != tgid))
                return Errno.ESRCH;
            if (info.Signal != 0 && !SignalNumber.IsValid(info.Signal))
                return Errno.EINVAL;
            return Signals.SendChecked(task, target, info);
        }
    }

    private static SysResult RtSigqueueinfo(ref SyscallArguments a)
    {
        Errno error = ReadInfo(a.Address2, a.Int1, out SignalInfo info);
        if (error != Errno.None)
            return error;
        // Only to itself may a process pretend that the kernel, kill() or tgkill() sent the signal.
        if ((info.Code >= 0 || info.Code == SignalInfo.CodeTkill) && a.Task.Pid != a.Int0)
            return Errno.EPERM;
        return SendToProcess(a.Task, a.Int0, info);
    }

    private static SysResult RtTgsigqueueinfo(ref SyscallArguments a)
    {
        Errno error = ReadInfo(a.Address3, a.Int2, out SignalInfo info);
        if (error != Errno.None)
            return error;
        if (a.Int0 <= 0 || a.Int1 <= 0)
            return Errno.EINVAL;
        if ((info.Code >= 0 || info.Code == SignalInfo.CodeTkill) && a.Task.Pid != a.Int1)
            return Errno.EPERM;
        return SendToThread(a.Task, a.Int0, a.Int1, info);
    }

    private static Errno ReadInfo(VirtAddr from, int signal, out SignalInfo info)
    {
        Errno error = SignalInfoFormat.Read(from, out info);
        info.Signal = signal;
        return error;
    }
}
