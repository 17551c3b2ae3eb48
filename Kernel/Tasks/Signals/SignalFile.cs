using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Files;

namespace NanoVm.Tasks;

/// <summary>Signals as a file: a read takes those of a set that were sent to the reader. Linux: <c>signalfd_ctx</c>; man 2 signalfd.</summary>
internal sealed class SignalFile : OpenFile
{
    /// <summary>Bytes of one record. Linux: <c>struct signalfd_siginfo</c>.</summary>
    private const int RecordBytes = 128;

    private TaskSystem _system = null!;

    /// <summary>The signals that are taken. SIGKILL and SIGSTOP are never in it.</summary>
    public SignalSet Wanted;

    /// <summary>Makes an open file.</summary>
    public static Result<OpenFile> Create(Task who, SignalSet wanted, OpenFlags flags)
    {
        TaskSystem system = who.System;
        if (!system.NamelessFiles.MakePlace(who, 0x180, "[signalfd]"u8).TryGet(out PathRef place, out Errno error))
            return error;
        SignalFile? file = system.SignalFiles.Allocate();
        if (file is not null)
        {
            file._system = system;
            file.Wanted = wanted;
            file.Initialize(place, OpenFlags.ReadWrite | (flags & OpenFlags.NonBlocking));
            file.Modes &= ~(OpenModes.Seek | OpenModes.Positional);
        }
        place.Put();
        return file is not null ? file : Errno.ENOMEM;
    }

    /// <summary>Takes as many signals as there are and as fit, waiting for the first.</summary>
    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position)
    {
        var task = (Task)who;
        if (to.Remaining < RecordBytes)
            return Errno.EINVAL;
        Span<byte> record = stackalloc byte[RecordBytes];
        long total = 0;
        while (to.Remaining >= RecordBytes)
        {
            if (Signals.TakeOneOf(task, Wanted, out SignalInfo info))
            {
                Write(record, info);
                Errno error = to.CopyToIter(record, out int copied);
                total += copied;
                if (error != Errno.None)
                    return total != 0 ? total : error;
                continue;
            }
            if (total != 0)
                break;
            if (IsNonBlocking)
                return Errno.EAGAIN;
            if (task.SignalPending)
                return Errno.ERESTARTSYS;
            SignalHandlers handlers = task.Handlers!;
            handlers.SignalFdWait.PrepareToWait(task.WaitNode, ThreadState.Interruptible);
            if (!Signals.HasOneOf(task, Wanted) && !task.SignalPending)
                PerCpu.Scheduler.Schedule();
            handlers.SignalFdWait.FinishWait(task.WaitNode);
        }
        return total;
    }

    // Linux: signalfd_copyinfo.
    private static void Write(Span<byte> to, in SignalInfo info)
    {
        to.Clear();
        Unsafe.WriteUnaligned(ref to[0], info.Signal);
        Unsafe.WriteUnaligned(ref to[4], info.Error);
        Unsafe.WriteUnaligned(ref to[8], info.Code);
        Unsafe.WriteUnaligned(ref to[12], info.Pid);
        Unsafe.WriteUnaligned(ref to[16], info.Uid);
        Unsafe.WriteUnaligned(ref to[24], info.TimerId);
        Unsafe.WriteUnaligned(ref to[32], info.Overrun);
        Unsafe.WriteUnaligned(ref to[40], info.Status);
        Unsafe.WriteUnaligned(ref to[44], (int)info.Value);
        Unsafe.WriteUnaligned(ref to[48], info.Value);
        Unsafe.WriteUnaligned(ref to[56], info.UserTime);
        Unsafe.WriteUnaligned(ref to[64], info.SystemTime);
        Unsafe.WriteUnaligned(ref to[72], info.Address.Value);
    }

    /// <summary>Moves nothing and is no error. Linux: <c>noop_llseek</c>.</summary>
    public override Result<long> Seek(long offset, SeekOrigin origin) => Position;

    /// <inheritdoc/>
    public override PollEvents Poll(PollTable? table)
    {
        Task task = Task.Current;
        if (task.Handlers is { } handlers)
            table?.Register(ref handlers.SignalFdWait);
        return Signals.HasOneOf(task, Wanted) ? PollEvents.In : PollEvents.None;
    }

    /// <inheritdoc/>
    /// <inheritdoc/>
    public override void WriteInfo(ref TextWriter w)
    {
        w.Text("sigmask:\t"u8);
        w.Hex(Wanted.Bits, 16);
        w.Byte((byte)'\n');
    }

    protected override void FreeObject() => _system.SignalFiles.Free(this);
}
