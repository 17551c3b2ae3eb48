using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;
using NanoVm.Tasks;
using NanoVm.Tasks.Proc;

namespace NanoVm.Syscalls;

/// <summary>Processes as descriptors: <c>pidfd_open pidfd_send_signal pidfd_getfd</c>.</summary>
internal static unsafe class PidFdSyscalls
{
    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(424, "pidfd_send_signal"u8, &SendSignal);
        table.Add(434, "pidfd_open"u8, &Open);
        table.Add(438, "pidfd_getfd"u8, &GetFd);
        UnshareSyscall.Register(ref table);
    }

    /// <summary>man 2 pidfd_open.</summary>
    private static SysResult Open(ref SyscallArguments a)
    {
        const uint NonBlock = 0x800;
        int pid = a.Int0;
        if ((a.UInt1 & ~NonBlock) != 0 || pid <= 0)
            return Errno.EINVAL;
        Task task = a.Task;
        PidEntry? entry;
        bool isProcess;
        using (task.System.TaskLock.Acquire())
        {
            entry = task.System.Pids.Find(pid);
            isProcess = entry?.Process is not null;
            entry?.Get();
        }
        if (entry is null)
            return Errno.ESRCH;
        SysResult result = isProcess ? PidFd.Open(task, entry, nonBlocking: a.UInt1 != 0) : Errno.EINVAL;
        entry.Put();
        return result;
    }

    /// <summary>man 2 pidfd_send_signal.</summary>
    private static SysResult SendSignal(ref SyscallArguments a)
    {
        if (a.UInt3 != 0)
            return Errno.EINVAL;
        Task task = a.Task;
        if (!TargetOf(task, a.Int0).TryGet(out PidEntry entry, out Errno error))
            return error;
        error = Send(task, entry, a.Int1, a.Address2);
        entry.Put();
        return error;
    }

    /// <summary>The process behind a pidfd, or behind an open directory <c>/proc/PID</c>. Linux: <c>pidfd_to_pid</c>.</summary>
    private static Result<PidEntry> TargetOf(Task task, int descriptor)
    {
        OpenFile? file = task.Files.GetFile(descriptor);
        if (file is not ProcOpenFile { IsProcessDirectory: true } directory)
        {
            file?.Put();
            return PidFd.EntryOf(task, descriptor, out _);
        }
        Result<PidEntry> result = Errno.ESRCH;
        if (ProcessSource.TaskOf(task.System, directory.Subject) is { } target)
        {
            if (target.PidEntry is { } entry)
                result = entry.Get();
            target.Put();
        }
        directory.Put();
        return result;
    }

    private static Errno Send(Task task, PidEntry entry, int signal, VirtAddr userInfo)
    {
        SignalInfo info = default;
        if (userInfo.IsZero)
        {
            info.Signal = signal;
            info.Code = SignalInfo.CodeUser;
            info.Pid = task.Tgid;
            info.Uid = task.Credentials.Uid;
        }
        else
        {
            Errno error = SignalInfoFormat.Read(userInfo, out info);
            if (error != Errno.None)
                return error;
            if (signal != info.Signal)
                return Errno.EINVAL;
            // Only the process itself may pretend that the kernel or kill() sent it.
            if (!ReferenceEquals(entry, task.Group.Leader?.PidEntry) && (info.Code >= 0 || info.Code == SignalInfo.CodeTkill))
                return Errno.EPERM;
        }
        using (task.System.TaskLock.Acquire())
        {
            ThreadGroup? group = entry.Process;
            if (group is null)
                return Errno.ESRCH;
            return info.Signal is < 0 or > SignalNumber.Last ? Errno.EINVAL : Signals.SendChecked(task, group, info);
        }
    }

    /// <summary>man 2 pidfd_getfd.</summary>
    private static SysResult GetFd(ref SyscallArguments a)
    {
        if (a.UInt2 != 0)
            return Errno.EINVAL;
        Task task = a.Task;
        if (!PidFd.EntryOf(task, a.Int0, out _).TryGet(out PidEntry entry, out Errno error))
            return error;
        OpenFile? file = null;
        error = Errno.ESRCH;
        using (task.System.TaskLock.Acquire())
        {
            if (entry.Process?.Leader is { } leader)
            {
                if (!TaskAccess.MayInspect(task, leader))
                {
                    error = Errno.EPERM;
                }
                else if (leader.Files is { } files)
                {
                    file = files.GetAnyFile(a.Int1);
                    error = Errno.EBADF;
                }
            }
        }
        entry.Put();
        if (file is null)
            return error;
        Result<int> result = task.Files.Add(task, file, CloseOnExec.Yes);
        if (!result.IsOk)
            file.Put();
        return result;
    }
}
