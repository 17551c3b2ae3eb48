using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Pipes;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Pipes: <c>pipe pipe2</c>.</summary>
internal static unsafe class PipeSyscalls
{
    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(22, "pipe"u8, &Pipe);
        table.Add(293, "pipe2"u8, &Pipe2);
    }

    /// <summary>man 2 pipe.</summary>
    private static SysResult Pipe(ref SyscallArguments a) => Make(a.Task, a.Address0, OpenFlags.ReadOnly);

    /// <summary>man 2 pipe.</summary>
    private static SysResult Pipe2(ref SyscallArguments a)
    {
        var flags = (OpenFlags)a.UInt1;
        if ((flags & ~(OpenFlags.CloseOnExec | OpenFlags.NonBlocking | OpenFlags.Direct)) != 0)
            return Errno.EINVAL;
        return Make(a.Task, a.Address0, flags);
    }

    // Linux: do_pipe2. The numbers are handed out before the files can be seen by other threads.
    private static SysResult Make(Task task, VirtAddr to, OpenFlags flags)
    {
        Errno error = PipeCreation.Create(task.Fs.Vfs.Io, task, flags, out OpenFile reader, out OpenFile writer);
        if (error != Errno.None)
            return error;
        return TwoDescriptors.Install(task, to, reader, writer, flags);
    }
}

/// <summary>Gives a pair of files two descriptors and tells the caller. Used by <c>pipe2</c> and <c>socketpair</c>.</summary>
internal static class TwoDescriptors
{
    /// <summary>Takes over both references.</summary>
    /// <returns>EMFILE, ENOMEM, EFAULT: both files are closed.</returns>
    public static Errno Install(Task task, VirtAddr to, OpenFile first, OpenFile second, OpenFlags flags)
    {
        CloseOnExec onExec = (flags & OpenFlags.CloseOnExec) != 0 ? CloseOnExec.Yes : CloseOnExec.No;
        if (!task.Files.Reserve(task, onExec).TryGet(out int a, out Errno error))
        {
            first.Put();
            second.Put();
            return error;
        }
        if (!task.Files.Reserve(task, onExec).TryGet(out int b, out error))
        {
            task.Files.Unreserve(a);
            first.Put();
            second.Put();
            return error;
        }
        error = UserCopy.Put(to, (ulong)(uint)a | (ulong)(uint)b << 32);
        if (error != Errno.None)
        {
            task.Files.Unreserve(a);
            task.Files.Unreserve(b);
            first.Put();
            second.Put();
            return error;
        }
        task.Files.Install(a, first);
        task.Files.Install(b, second);
        return Errno.None;
    }
}
