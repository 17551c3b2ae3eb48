using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Signals as files: <c>signalfd signalfd4</c>.</summary>
internal static unsafe class SignalFileSyscalls
{
    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(282, "signalfd"u8, &SignalFd);
        table.Add(289, "signalfd4"u8, &SignalFd4);
    }

    /// <summary>man 2 signalfd.</summary>
    private static SysResult SignalFd(ref SyscallArguments a) => MakeSignalFd(a.Task, a.Int0, a.Address1, a.Arg2, OpenFlags.ReadOnly);

    /// <summary>man 2 signalfd.</summary>
    private static SysResult SignalFd4(ref SyscallArguments a) => MakeSignalFd(a.Task, a.Int0, a.Address1, a.Arg2, (OpenFlags)a.UInt3);

    private static SysResult MakeSignalFd(Task task, int descriptor, VirtAddr mask, ulong bytes, OpenFlags flags)
    {
        if (bytes != 8)
            return Errno.EINVAL;
        Errno error = UserCopy.Get(mask, out ulong bits);
        if (error != Errno.None)
            return error;
        if ((flags & ~(OpenFlags.CloseOnExec | OpenFlags.NonBlocking)) != 0)
            return Errno.EINVAL;
        SignalSet wanted = new SignalSet(bits) & ~SignalSets.KernelOnly;
        if (descriptor == -1)
            return Install(task, SignalFile.Create(task, wanted, flags), flags);
        OpenFile? file = task.Files.GetFile(descriptor);
        if (file is null)
            return Errno.EBADF;
        SysResult result = Errno.EINVAL;
        if (file is SignalFile signals)
        {
            signals.Wanted = wanted;
            task.Handlers?.SignalFdWait.WakeAll();
            result = descriptor;
        }
        file.Put();
        return result;
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
}
