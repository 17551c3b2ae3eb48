using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Numbers of threads, processes, groups and sessions: <c>getpid gettid getppid setpgid getpgid getpgrp setsid getsid</c>, and what the
/// thread library tells of each thread.</summary>
internal static unsafe class IdentitySyscalls
{
    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(39, "getpid"u8, &GetPid);
        table.Add(109, "setpgid"u8, &SetPgid);
        table.Add(110, "getppid"u8, &GetParentPid);
        table.Add(111, "getpgrp"u8, &GetPgrp);
        table.Add(112, "setsid"u8, &SetSid);
        table.Add(121, "getpgid"u8, &GetPgid);
        table.Add(124, "getsid"u8, &GetSid);
        table.Add(186, "gettid"u8, &GetTid);
        table.Add(218, "set_tid_address"u8, &SetTidAddress);
        table.Add(334, "rseq"u8, &RseqCall);
    }

    private static SysResult GetPid(ref SyscallArguments a) => a.Task.Group.Tgid;

    private static SysResult GetTid(ref SyscallArguments a) => a.Task.Pid;

    private static SysResult GetParentPid(ref SyscallArguments a) => a.Task.Group.Parent?.Tgid ?? 0;

    private static SysResult GetPgrp(ref SyscallArguments a) => a.Task.Group.ProcessGroup?.Number ?? 0;

    private static SysResult GetPgid(ref SyscallArguments a)
    {
        TaskSystem system = a.Task.System;
        using (system.TaskLock.Acquire())
        {
            ThreadGroup? group = a.Int0 == 0 ? a.Task.Group : system.Pids.FindTask(a.Int0)?.Group;
            return group is null ? Errno.ESRCH : group.ProcessGroup?.Number ?? 0;
        }
    }

    private static SysResult GetSid(ref SyscallArguments a)
    {
        TaskSystem system = a.Task.System;
        using (system.TaskLock.Acquire())
        {
            ThreadGroup? group = a.Int0 == 0 ? a.Task.Group : system.Pids.FindTask(a.Int0)?.Group;
            return group is null ? Errno.ESRCH : group.Session?.Number ?? 0;
        }
    }

    /// <summary>man 2 setpgid: itself or a child that has not called exec, within the session.</summary>
    private static SysResult SetPgid(ref SyscallArguments a)
    {
        Task task = a.Task;
        TaskSystem system = task.System;
        int pid = a.Int0 == 0 ? task.Tgid : a.Int0;
        int pgid = a.Int1 == 0 ? pid : a.Int1;
        if (pgid < 0)
            return Errno.EINVAL;
        using (system.TaskLock.Acquire())
        {
            Task? target = system.Pids.FindTask(pid);
            if (target is null)
                return Errno.ESRCH;
            if (!target.IsLeader)
                return Errno.EINVAL;
            ThreadGroup process = target.Group;
            if (ReferenceEquals(process.Parent, task.Group))
            {
                if (!ReferenceEquals(process.Session, task.Group.Session))
                    return Errno.EPERM;
                if ((target.Flags & TaskFlags.ForkedNoExec) == 0)
                    return Errno.EACCES;
            }
            else if (!ReferenceEquals(process, task.Group))
            {
                return Errno.ESRCH;
            }
            if (process.IsSessionLeader)
                return Errno.EPERM;
            PidEntry? entry = target.PidEntry;
            if (pgid != pid)
            {
                entry = system.Pids.Find(pgid);
                if (entry is null || entry.ProcessGroupMembers.First is not { } member
                    || !ReferenceEquals(member.Session, task.Group.Session))
                {
                    return Errno.EPERM;
                }
            }
            ProcessGroups.Join(process, entry!);
            return 0;
        }
    }

    /// <summary>man 2 setsid.</summary>
    private static SysResult SetSid(ref SyscallArguments a)
    {
        Task task = a.Task;
        ThreadGroup process = task.Group;
        TaskSystem system = task.System;
        using (system.TaskLock.Acquire())
        {
            if (process.IsSessionLeader)
                return Errno.EPERM;
            PidEntry? entry = process.Leader?.PidEntry;
            // Somebody else's group has this number already.
            if (entry is null || !entry.ProcessGroupMembers.IsEmpty)
                return Errno.EPERM;
            process.IsSessionLeader = true;
            ProcessGroups.JoinSession(process, entry);
            ProcessGroups.Join(process, entry);
            process.ControllingTerminal = null;
            return process.Tgid;
        }
    }

    private static SysResult SetTidAddress(ref SyscallArguments a)
    {
        a.Task.ClearChildTid = a.Address0;
        return a.Task.Pid;
    }

    private static SysResult RseqCall(ref SyscallArguments a) => Rseq.Register(a.Task, a.Address0, a.UInt1, a.Int2, a.UInt3);
}
