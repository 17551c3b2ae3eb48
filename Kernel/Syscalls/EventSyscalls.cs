using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Events;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Event files: <c>eventfd epoll_create epoll_ctl epoll_wait epoll_pwait</c> and their newer shapes.</summary>
internal static unsafe class EventSyscalls
{
    private const int EventBytes = 12;
    private const int MaximumEvents = int.MaxValue / EventBytes;

    /// <summary>Events that go with EPOLLEXCLUSIVE. Linux: <c>EPOLLEXCLUSIVE_OK_BITS</c>.</summary>
    private const PollEvents ExclusiveAllows = PollEvents.In | PollEvents.Out | PollEvents.Err | PollEvents.Hup | PollEvents.RdNorm
        | PollEvents.WrNorm | PollEvents.WakeUp | PollEvents.EdgeTriggered | PollEvents.Exclusive;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(284, "eventfd"u8, &EventFd);
        table.Add(290, "eventfd2"u8, &EventFd2);
        table.Add(213, "epoll_create"u8, &EpollCreate);
        table.Add(291, "epoll_create1"u8, &EpollCreate1);
        table.Add(233, "epoll_ctl"u8, &EpollCtl);
        table.Add(232, "epoll_wait"u8, &EpollWait);
        table.Add(281, "epoll_pwait"u8, &EpollPwait);
        table.Add(441, "epoll_pwait2"u8, &EpollPwait2);
    }

    /// <summary>man 2 eventfd.</summary>
    private static SysResult EventFd(ref SyscallArguments a) => MakeEventFd(a.Task, a.UInt0, OpenFlags.ReadOnly);

    /// <summary>man 2 eventfd.</summary>
    private static SysResult EventFd2(ref SyscallArguments a) => MakeEventFd(a.Task, a.UInt0, (OpenFlags)a.UInt1);

    private static SysResult MakeEventFd(Task task, uint count, OpenFlags flags)
    {
        const OpenFlags Semaphore = (OpenFlags)1;
        if ((flags & ~(Semaphore | OpenFlags.CloseOnExec | OpenFlags.NonBlocking)) != 0)
            return Errno.EINVAL;
        return Install(task, EventFile.Create(task.Fs.Vfs.Io, task, count, (flags & Semaphore) != 0, flags), flags);
    }

    private static SysResult Install(Task task, Result<OpenFile> made, OpenFlags flags)
    {
        if (!made.TryGet(out OpenFile file, out Errno error))
            return error;
        Result<int> fd = task.Files.Add(task, file, (flags & OpenFlags.CloseOnExec) != 0 ? CloseOnExec.Yes : CloseOnExec.No);
        if (!fd.IsOk)
            file.Put();
        return fd;
    }

    /// <summary>man 2 epoll_create. The size has meant nothing since Linux 2.6.8, but must be positive.</summary>
    private static SysResult EpollCreate(ref SyscallArguments a)
        => a.Int0 <= 0 ? Errno.EINVAL : Install(a.Task, EventPoll.Create(a.Task.Fs.Vfs.Io, a.Task), OpenFlags.ReadOnly);

    /// <summary>man 2 epoll_create.</summary>
    private static SysResult EpollCreate1(ref SyscallArguments a)
    {
        var flags = (OpenFlags)a.UInt0;
        if ((flags & ~OpenFlags.CloseOnExec) != 0)
            return Errno.EINVAL;
        return Install(a.Task, EventPoll.Create(a.Task.Fs.Vfs.Io, a.Task), flags);
    }

    /// <summary>man 2 epoll_ctl. Checks in the order of Linux: <c>do_epoll_ctl</c>.</summary>
    private static SysResult EpollCtl(ref SyscallArguments a)
    {
        const int Add = 1;
        const int Delete = 2;
        const int Modify = 3;
        int operation = a.Int1;
        uint bits = 0;
        ulong data = 0;
        if (operation != Delete && (UserCopy.Get(a.Address3, out bits) != Errno.None || UserCopy.Get(a.Address3 + 4, out data) != Errno.None))
            return Errno.EFAULT;
        var events = (PollEvents)bits;

        OpenFile? epoll = a.Task.Files.GetFile(a.Int0);
        if (epoll is null)
            return Errno.EBADF;
        OpenFile? file = a.Task.Files.GetFile(a.Int2);
        Errno error;
        if (file is null)
        {
            error = Errno.EBADF;
        }
        else if (file.Inode.IsRegular || file.Inode.IsDirectory)
        {
            error = Errno.EPERM;                            // always ready: nothing to wait for
        }
        else if (ReferenceEquals(epoll, file) || epoll is not EventPoll poll)
        {
            error = Errno.EINVAL;
        }
        else if ((events & PollEvents.Exclusive) != 0
            && (operation == Modify || (operation == Add && (file is EventPoll || (events & ~ExclusiveAllows) != 0))))
        {
            error = Errno.EINVAL;
        }
        else
        {
            error = operation switch
            {
                Add => poll.Add(file, a.Int2, events, data),
                Delete => poll.Delete(file, a.Int2),
                Modify => poll.Modify(file, a.Int2, events, data),
                _ => Errno.EINVAL,
            };
        }
        file?.Put();
        epoll.Put();
        return error;
    }

    /// <summary>man 2 epoll_wait.</summary>
    private static SysResult EpollWait(ref SyscallArguments a)
        => Wait(a.Task, a.Int0, a.Address1, a.Int2, PollDeadline.FromMilliseconds(a.Int3));

    /// <summary>man 2 epoll_wait.</summary>
    private static SysResult EpollPwait(ref SyscallArguments a)
    {
        Errno error = TemporaryMask.Set(a.Task, a.Address4, a.Arg5);
        if (error != Errno.None)
            return error;
        SysResult result = Wait(a.Task, a.Int0, a.Address1, a.Int2, PollDeadline.FromMilliseconds(a.Int3));
        TemporaryMask.End(a.Task, result.Value == -(long)Errno.EINTR);
        return result;
    }

    /// <summary>man 2 epoll_wait.</summary>
    private static SysResult EpollPwait2(ref SyscallArguments a)
    {
        Errno error = PollDeadline.Read(a.Address3, PollDeadline.Shape.TimeSpec, out PollDeadline deadline);
        if (error == Errno.None)
            error = TemporaryMask.Set(a.Task, a.Address4, a.Arg5);
        if (error != Errno.None)
            return error;
        SysResult result = Wait(a.Task, a.Int0, a.Address1, a.Int2, deadline.Deadline);
        TemporaryMask.End(a.Task, result.Value == -(long)Errno.EINTR);
        return result;
    }

    private static SysResult Wait(Task task, int descriptor, VirtAddr events, int maximum, ulong deadline)
    {
        if (maximum is <= 0 or > MaximumEvents)
            return Errno.EINVAL;
        if (!IsUserRange(events, (ulong)maximum * EventBytes))
            return Errno.EFAULT;
        OpenFile? file = task.Files.GetFile(descriptor);
        if (file is null)
            return Errno.EBADF;
        SysResult result = file is EventPoll poll ? poll.Wait(events, maximum, deadline) : Errno.EINVAL;
        file.Put();
        return result;
    }

    // Linux: access_ok.
    private static bool IsUserRange(VirtAddr start, ulong bytes)
        => start.Value <= UserSpace.Limit && bytes <= UserSpace.Limit - start.Value;
}
