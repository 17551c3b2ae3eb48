using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Virtual;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Gives a thread its own copy of what <c>clone</c> let it share: <c>unshare</c>.</summary>
/// <remarks>Linux: <c>ksys_unshare</c>, man 2 unshare. There are no namespaces: who asks for one gets EINVAL, as of a kernel without them.</remarks>
internal static unsafe class UnshareSyscall
{
    private const CloneFlags Known = CloneFlags.Thread | CloneFlags.Fs | CloneFlags.SignalHandlers | CloneFlags.Vm | CloneFlags.Files
        | CloneFlags.SystemVSemaphores | CloneFlags.AnyNamespace | CloneFlags.NewTime;

    public static void Register(ref SyscallTableBuilder table) => table.Add(272, "unshare"u8, &Unshare);

    /// <summary>man 2 unshare.</summary>
    private static SysResult Unshare(ref SyscallArguments a)
    {
        // Decode and check.
        Task task = a.Task;
        var flags = (CloneFlags)a.Arg0;
        if ((flags & CloneFlags.NewUser) != 0)
            flags |= CloneFlags.Thread | CloneFlags.Fs;
        if ((flags & CloneFlags.NewNamespace) != 0)
            flags |= CloneFlags.Fs;
        if ((flags & ~Known) != 0 || SharesWhatCannotBeCopied(task, flags))
            return Errno.EINVAL;
        if ((flags & (CloneFlags.AnyNamespace | CloneFlags.NewTime)) != 0)
            return (flags & CloneFlags.NewUser) == 0 && !task.Credentials.Has(Capability.SysAdmin) ? Errno.EPERM : Errno.EINVAL;

        // Reserve both copies before either takes effect.
        FsContext? place = null;
        if ((flags & CloneFlags.Fs) != 0 && task.Fs is { } shared)
        {
            place = shared.Clone();
            if (place is null)
                return Errno.ENOMEM;
        }
        FileDescriptorTable? files = null;
        if ((flags & CloneFlags.Files) != 0)
        {
            files = task.Files.Clone();
            if (files is null)
            {
                place?.Put();
                return Errno.ENOMEM;
            }
        }

        // Commit.
        if (place is not null)
        {
            FsContext old = task.Fs!;
            task.Fs = place;
            old.Put();
        }
        if (files is not null)
        {
            FileDescriptorTable old = task.Files;
            task.Files = files;
            old.Put(task);
        }
        if ((flags & CloneFlags.SystemVSemaphores) != 0)
            task.System.Semaphores.End(task);
        return SysResult.Success;
    }

    /// <summary>Memory, signal handlers and the process itself cannot be taken apart: asking for it is fine for one who shares them with nobody.</summary>
    private static bool SharesWhatCannotBeCopied(Task task, CloneFlags flags)
    {
        if ((flags & (CloneFlags.Thread | CloneFlags.SignalHandlers | CloneFlags.Vm)) == 0)
            return false;
        using (task.System.TaskLock.Acquire())
        {
            Task? first = task.Group.Threads.First;
            if (first is not null && task.Group.Threads.NextOf(first) is not null)
                return true;
            if ((flags & (CloneFlags.SignalHandlers | CloneFlags.Vm)) != 0 && task.Handlers!.ReferenceCount > 1)
                return true;
        }
        return (flags & CloneFlags.Vm) != 0 && task.Mm is { Users: > 1 };
    }
}
