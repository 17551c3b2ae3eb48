using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Making, replacing and ending processes: <c>fork vfork clone clone3 execve execveat exit exit_group wait4 waitid</c>.</summary>
internal static unsafe class ProcessSyscalls
{
    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(56, "clone"u8, &Clone);
        table.Add(57, "fork"u8, &ForkCall);
        table.Add(58, "vfork"u8, &Vfork);
        table.Add(59, "execve"u8, &ExecveCall);
        table.Add(60, "exit"u8, &Exit);
        table.Add(61, "wait4"u8, &Wait4);
        table.Add(231, "exit_group"u8, &ExitGroup);
        table.Add(247, "waitid"u8, &WaitId);
        table.Add(322, "execveat"u8, &ExecveAt);
        table.Add(435, "clone3"u8, &Clone3);
    }

    private static SysResult ForkCall(ref SyscallArguments a)
        => Fork.Clone(a.Task, new CloneArguments { ExitSignal = SignalNumber.Child }, ref a.Frame);

    private static SysResult Vfork(ref SyscallArguments a)
        => Fork.Clone(a.Task, new CloneArguments { Flags = CloneFlags.Vfork | CloneFlags.Vm, ExitSignal = SignalNumber.Child }, ref a.Frame);

    /// <summary>man 2 clone; x86-64's order: flags, stack, parent_tid, child_tid, tls.</summary>
    private static SysResult Clone(ref SyscallArguments a)
    {
        uint flags = a.UInt0;
        var arguments = new CloneArguments
        {
            Flags = (CloneFlags)(flags & ~(uint)CloneFlags.ExitSignalMask),
            ExitSignal = (int)(flags & (uint)CloneFlags.ExitSignalMask),
            PidFd = a.Address2,
            ChildTid = a.Address3,
            ParentTid = a.Address2,
            StackPointer = a.Address1,
            Tls = a.Arg4,
        };
        // Both would be written to the same place.
        if (arguments.Has(CloneFlags.PidFd) && arguments.Has(CloneFlags.ParentSetTid))
            return Errno.EINVAL;
        return Fork.Clone(a.Task, arguments, ref a.Frame);
    }

    /// <summary>man 2 clone3. Sizes: 64 bytes is the first version, 88 the last that Linux 6.1 knows.</summary>
    private static SysResult Clone3(ref SyscallArguments a)
    {
        const ulong First = 64, Known = 88;
        ulong size = a.Arg1;
        if (size > PageSize.Bytes)
            return Errno.E2BIG;
        if (size < First)
            return Errno.EINVAL;
        Span<ulong> words = stackalloc ulong[11];
        words.Clear();
        ulong copied = Math.Min(size, Known);
        fixed (ulong* p = words)
        {
            Errno error = UserCopy.CopyFromUser(new Span<byte>(p, (int)copied), a.Address0);
            if (error != Errno.None)
                return error;
        }
        if (size > Known)
        {
            Errno error = StructureTail.CheckZero(a.Address0 + Known, size - Known);
            if (error != Errno.None)
                return error;
        }

        ulong setTid = words[8], setTidSize = words[9], cgroup = words[10];
        if (setTidSize > 32)
            return Errno.EINVAL;
        if (setTid == 0 && setTidSize > 0)
            return Errno.EINVAL;
        if (setTid != 0 && setTidSize == 0)
            return Errno.EINVAL;
        ulong exitSignal = words[4];
        if ((exitSignal & ~(ulong)CloneFlags.ExitSignalMask) != 0 || exitSignal > SignalNumber.Last)
            return Errno.EINVAL;
        var flags = (CloneFlags)words[0];
        if ((flags & CloneFlags.IntoCgroup) != 0 && (cgroup > int.MaxValue || size < Known))
            return Errno.EINVAL;
        if (setTidSize > 1)
            return Errno.EINVAL;                            // there is one pid namespace
        if (setTidSize == 1)
            return Errno.EPERM;                             // choosing numbers is for checkpoint and restore

        // Linux: clone3_args_valid.
        const CloneFlags Legacy = (CloneFlags)0xffff_ffff;
        if ((flags & ~(Legacy | CloneFlags.ClearSignalHandlers | CloneFlags.IntoCgroup)) != 0)
            return Errno.EINVAL;
        if ((flags & (CloneFlags.Detached | (CloneFlags.ExitSignalMask & ~CloneFlags.NewTime))) != 0)
            return Errno.EINVAL;
        if ((flags & CloneFlags.SignalHandlers) != 0 && (flags & CloneFlags.ClearSignalHandlers) != 0)
            return Errno.EINVAL;
        if ((flags & (CloneFlags.Thread | CloneFlags.Parent)) != 0 && exitSignal != 0)
            return Errno.EINVAL;
        ulong stack = words[5], stackBytes = words[6];
        if (stack == 0 ? stackBytes > 0 : stackBytes == 0 || !UserSpace.Contains(new VirtAddr(stack), stackBytes))
            return Errno.EINVAL;
        if ((flags & CloneFlags.NewTime) != 0)
            return Errno.EINVAL;
        if ((flags & CloneFlags.IntoCgroup) != 0)
            return Errno.EBADF;

        var arguments = new CloneArguments
        {
            Flags = flags,
            ExitSignal = (int)exitSignal,
            PidFd = new VirtAddr(words[1]),
            ChildTid = new VirtAddr(words[2]),
            ParentTid = new VirtAddr(words[3]),
            StackPointer = new VirtAddr(stack == 0 ? 0 : stack + stackBytes),
            Tls = words[7],
        };
        return Fork.Clone(a.Task, arguments, ref a.Frame);
    }

    /// <summary>man 2 execve.</summary>
    private static SysResult ExecveCall(ref SyscallArguments a)
        => Exec(ref a, Vfs.AtWorkingDirectory, a.Address0, a.Address1, a.Address2, WalkFlags.FollowLast);

    /// <summary>man 2 execveat.</summary>
    private static SysResult ExecveAt(ref SyscallArguments a)
    {
        const int SymlinkNoFollow = 0x100, EmptyPath = 0x1000;
        int flags = a.Int4;
        WalkFlags walk = (flags & SymlinkNoFollow) != 0 ? WalkFlags.None : WalkFlags.FollowLast;
        if ((flags & EmptyPath) != 0)
            walk |= WalkFlags.EmptyPath;
        bool known = (flags & ~(SymlinkNoFollow | EmptyPath)) == 0;
        return Exec(ref a, a.Int0, a.Address1, a.Address2, a.Address3, walk, known);
    }

    private static SysResult Exec(ref SyscallArguments a, int directory, VirtAddr path, VirtAddr argv, VirtAddr envp, WalkFlags walk,
        bool flagsKnown = true)
    {
        Errno error = PathArgument.Get(a.Task.System.Vfs, path, out PathArgument argument);
        if (error != Errno.None)
            return error;
        using (argument)
        {
            if (argument.Path.IsEmpty && (walk & WalkFlags.EmptyPath) == 0)
                return Errno.ENOENT;
            if (!flagsKnown)
                return Errno.EINVAL;                            // Linux has looked at the path first
            error = Execve.Run(a.Task, directory, argument.Path, walk, argv, envp, ref a.Frame);
        }
        return error == Errno.None ? SysResult.FrameReplaced : error;
    }

    private static SysResult Exit(ref SyscallArguments a)
    {
        DoExit.Exit(a.Task, (a.Int0 & 0xff) << 8);
        return default;
    }

    private static SysResult ExitGroup(ref SyscallArguments a)
    {
        DoExit.GroupExit(a.Task, (a.Int0 & 0xff) << 8);
        return default;
    }

    /// <summary>man 2 wait4.</summary>
    private static SysResult Wait4(ref SyscallArguments a)
    {
        const WaitFlags Known = WaitFlags.NoHang | WaitFlags.Stopped | WaitFlags.Continued | WaitFlags.NoThread | WaitFlags.Clone | WaitFlags.All;
        int pid = a.Int0;
        var flags = (WaitFlags)a.UInt2;
        if ((flags & ~Known) != 0)
            return Errno.EINVAL;
        if (pid == int.MinValue)
            return Errno.ESRCH;

        Task task = a.Task;
        WaitRequest request = default;
        request.Flags = flags | WaitFlags.Exited;
        using (task.System.TaskLock.Acquire())
        {
            if (pid == -1)
            {
                request.Target = WaitTarget.Any;
            }
            else if (pid > 0)
            {
                request.Target = WaitTarget.Process;
                request.Entry = task.System.Pids.Find(pid)?.Get();
            }
            else
            {
                request.Target = WaitTarget.Group;
                request.Entry = pid == 0 ? task.Group.ProcessGroup?.Get() : task.System.Pids.Find(-pid)?.Get();
            }
        }
        if (request.Target == WaitTarget.Group && request.Entry is null)
            return Errno.ECHILD;
        Result<int> result = Wait.Do(task, ref request);
        request.Entry?.Put();
        if (!result.IsOk || result.Value == 0)
            return result;
        if (!a.Address1.IsZero && UserCopy.Put(a.Address1, request.Status) != Errno.None)
            return Errno.EFAULT;
        if (!a.Address3.IsZero)
        {
            Errno error = RusageFormat.Write(a.Address3, request.Usage);
            if (error != Errno.None)
                return error;
        }
        return result;
    }

    /// <summary>man 2 waitid, with Linux's fifth argument.</summary>
    private static SysResult WaitId(ref SyscallArguments a)
    {
        WaitRequest request = default;
        Result<int> result = Find(ref a, ref request);
        bool any = result.IsOk && result.Value != 0;
        if (any && !a.Address4.IsZero)
        {
            Errno error = RusageFormat.Write(a.Address4, request.Usage);
            if (error != Errno.None)
                return error;
        }

        if (!a.Address2.IsZero)
        {
            Errno error = WriteInfo(a.Address2, any ? request : default);
            if (error != Errno.None)
                return error;
        }

        return result.IsOk ? 0 : result;
    }

    /// <summary>Linux: <c>kernel_waitid</c>.</summary>
    /// <returns>The child's number, 0 when there is none yet and nobody wants to wait, or why none can come.</returns>
    private static Result<int> Find(ref SyscallArguments a, ref WaitRequest request)
    {
        const WaitFlags Known = WaitFlags.NoHang | WaitFlags.NoWait | WaitFlags.Exited | WaitFlags.Stopped | WaitFlags.Continued
            | WaitFlags.NoThread | WaitFlags.Clone | WaitFlags.All;
        const int All = 0, ByPid = 1, ByGroup = 2, ByPidFd = 3;
        var flags = (WaitFlags)a.UInt3;
        if ((flags & ~Known) != 0 || (flags & (WaitFlags.Exited | WaitFlags.Stopped | WaitFlags.Continued)) == 0)
            return Errno.EINVAL;
        Task task = a.Task;
        int id = a.Int1;
        request.Flags = flags;
        switch (a.Int0)
        {
            case All:
                request.Target = WaitTarget.Any;
                break;
            case ByPid:
                if (id <= 0)
                    return Errno.EINVAL;
                request.Target = WaitTarget.Process;
                using (task.System.TaskLock.Acquire())
                    request.Entry = task.System.Pids.Find(id)?.Get();
                break;
            case ByGroup:
                if (id < 0)
                    return Errno.EINVAL;
                request.Target = WaitTarget.Group;
                using (task.System.TaskLock.Acquire())
                    request.Entry = id == 0 ? task.Group.ProcessGroup?.Get() : task.System.Pids.Find(id)?.Get();
                if (request.Entry is null)
                    return Errno.ECHILD;
                break;
            case ByPidFd:
                if (id < 0)
                    return Errno.EINVAL;
                request.Target = WaitTarget.Process;
                if (!PidFd.EntryOf(task, id, out bool nonBlocking).TryGet(out PidEntry entry, out Errno pidFdError))
                    return pidFdError;
                request.Entry = entry;
                if (nonBlocking)
                    request.Flags |= WaitFlags.NoHang;
                break;
            default:
                return Errno.EINVAL;
        }
        bool byNonBlockingFd = (request.Flags & WaitFlags.NoHang) != 0 && (flags & WaitFlags.NoHang) == 0;
        Result<int> result = Wait.Do(task, ref request);
        request.Entry?.Put();
        return result.IsOk && result.Value == 0 && byNonBlockingFd ? Errno.EAGAIN : result;
    }

    /// <summary>Linux writes the six words that matter and leaves the rest; all zero when nothing was found, after an error too.</summary>
    private static Errno WriteInfo(VirtAddr info, in WaitRequest found)
    {
        bool any = found.Pid != 0;
        Errno error = UserCopy.Put(info, any ? SignalNumber.Child : 0);
        if (error == Errno.None)
            error = UserCopy.Put(info + 4, 0);
        if (error == Errno.None)
            error = UserCopy.Put(info + 8, found.Code);
        if (error == Errno.None)
            error = UserCopy.Put(info + 16, found.Pid);
        if (error == Errno.None)
            error = UserCopy.Put(info + 20, found.Uid);
        if (error == Errno.None)
            error = UserCopy.Put(info + 24, found.CodeStatus);
        return error;
    }
}
