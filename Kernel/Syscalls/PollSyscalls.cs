using System;
using System.Runtime.InteropServices;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Physical;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Waiting for files: <c>poll ppoll</c>. <c>select</c> is in <see cref="SelectSyscalls"/>.</summary>
internal static unsafe class PollSyscalls
{
    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(7, "poll"u8, &Poll);
        table.Add(271, "ppoll"u8, &Ppoll);
    }

    /// <summary>Linux: <c>struct pollfd</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Found;
    }

    /// <summary>man 2 poll. Interrupted without a handler it goes on until the first deadline.</summary>
    private static SysResult Poll(ref SyscallArguments a)
    {
        ulong deadline = PollDeadline.FromMilliseconds(a.Int2);
        return PollOrRestart(a.Task, a.Address0, a.UInt1, deadline);
    }

    private static SysResult PollOrRestart(Task task, VirtAddr descriptors, uint count, ulong deadline)
    {
        SysResult result = Wait(task, descriptors, count, deadline);
        if (result.Value != -(long)Errno.EINTR)
            return result;
        task.Restart.Continue = &Continue;
        task.Restart.Word0 = descriptors.Value;
        task.Restart.Word1 = count;
        task.Restart.Word2 = deadline;
        return Errno.ERESTART_RESTARTBLOCK;
    }

    private static Result<long> Continue(Task task)
    {
        SysResult result = PollOrRestart(task, new VirtAddr(task.Restart.Word0), (uint)task.Restart.Word1, task.Restart.Word2);
        return result.IsError ? (Errno)(-result.Value) : result.Value;
    }

    /// <summary>man 2 poll.</summary>
    private static SysResult Ppoll(ref SyscallArguments a)
    {
        Errno error = PollDeadline.Read(a.Address2, PollDeadline.Shape.TimeSpec, out PollDeadline deadline);
        if (error == Errno.None)
            error = TemporaryMask.Set(a.Task, a.Address3, a.Arg4);
        if (error != Errno.None)
            return error;
        SysResult result = Wait(a.Task, a.Address0, a.UInt1, deadline.Deadline);
        bool interrupted = result.Value == -(long)Errno.EINTR;
        TemporaryMask.End(a.Task, interrupted);
        if (interrupted)
            result = Errno.ERESTARTNOHAND;
        return deadline.Finish(result);
    }

    // Linux: do_sys_poll.
    private static SysResult Wait(Task task, VirtAddr descriptors, uint count, ulong deadline)
    {
        if (count > task.DescriptorLimit)
            return Errno.EINVAL;
        KernelArrays arrays = task.Fs.Vfs.Arrays;
        PollEntry[]? entries = arrays.Allocate<PollEntry>(Math.Max(1, (int)count));
        if (entries is null)
            return Errno.ENOMEM;
        Span<PollEntry> used = new(entries, 0, (int)count);
        SysResult result = Read(task, descriptors, used);
        if (!result.IsError)
        {
            if (PollLoop.Run(task, used, deadline).TryGet(out int ready, out Errno error))
                result = Write(descriptors, used) == Errno.None ? ready : Errno.EFAULT;
            else
                result = error;
        }
        PollLoop.PutFiles(used);
        arrays.Free(entries);
        return result;
    }

    private static SysResult Read(Task task, VirtAddr from, Span<PollEntry> to)
    {
        for (int i = 0; i < to.Length; i++)
        {
            Errno error = UserCopy.Get(from + (ulong)i * 8, out PollDescriptor descriptor);
            if (error != Errno.None)
                return error;
            ref PollEntry entry = ref to[i];
            entry.Descriptor = descriptor.Descriptor;
            entry.Wanted = (PollEvents)(ushort)descriptor.Events | PollEvents.Err | PollEvents.Hup;
            if (descriptor.Descriptor < 0)
                continue;
            entry.File = task.Files.GetFile(descriptor.Descriptor);
            if (entry.File is null)
                entry.Found = PollEvents.Nval;
        }
        return SysResult.Success;
    }

    private static Errno Write(VirtAddr to, Span<PollEntry> from)
    {
        for (int i = 0; i < from.Length; i++)
        {
            Errno error = UserCopy.Put(to + (ulong)i * 8 + 6, (short)(ushort)from[i].Found);
            if (error != Errno.None)
                return error;
        }
        return Errno.None;
    }
}
