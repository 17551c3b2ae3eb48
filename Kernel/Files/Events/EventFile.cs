using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Files.Events;

/// <summary>A counter as a file. Linux: <c>eventfd_ctx</c>; man 2 eventfd.</summary>
internal sealed class EventFile : OpenFile
{
    private IoSystem _io = null!;
    private SpinLock _lock;
    private ulong _count;          // guarded by _lock; never ulong.MaxValue
    private bool _semaphore;
    private WaitQueue _readers;
    private WaitQueue _writers;

    /// <summary>Makes an open counter.</summary>
    /// <param name="semaphore">Each read takes one, not all. Linux: EFD_SEMAPHORE.</param>
    public static Result<OpenFile> Create(IoSystem io, TaskFiles who, uint initial, bool semaphore, OpenFlags flags)
    {
        if (!io.EventFileSystem.MakePlace(who, 0x180, "[eventfd]"u8).TryGet(out PathRef place, out Errno error))
            return error;
        EventFile? file = io.EventFiles.Allocate();
        if (file is not null)
        {
            file._io = io;
            file._count = initial;
            file._semaphore = semaphore;
            file.Initialize(place, OpenFlags.ReadWrite | (flags & OpenFlags.NonBlocking));
            file.Modes &= ~(OpenModes.Seek | OpenModes.Positional);
        }
        place.Put();
        return file is not null ? file : Errno.ENOMEM;
    }

    /// <summary>Takes the count (8 bytes), waiting until it is not 0.</summary>
    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position)
    {
        if (to.Remaining < 8)
            return Errno.EINVAL;
        ulong taken;
        for (; ; )
        {
            using (_lock.Acquire())
            {
                taken = _semaphore && _count != 0 ? 1 : _count;
                _count -= taken;
            }
            if (taken != 0)
                break;
            if (IsNonBlocking)
                return Errno.EAGAIN;
            if (who.SignalPending)
                return Errno.ERESTARTSYS;
            _readers.PrepareToWait(who.WaitNode, ThreadState.Interruptible);
            if (_count == 0 && !who.SignalPending)
                PerCpu.Scheduler.Schedule();
            _readers.FinishWait(who.WaitNode);
        }
        _writers.WakeAll();
        return EventTransfer.Put(ref to, taken);
    }

    /// <summary>Adds to the count (8 bytes), waiting until the sum fits.</summary>
    public override Result<long> Write(TaskFiles who, ref IovIter from, ref long position)
    {
        if (from.Remaining < 8)
            return Errno.EINVAL;
        Errno error = EventTransfer.Get(ref from, out ulong added);
        if (error != Errno.None)
            return error;
        if (added == ulong.MaxValue)
            return Errno.EINVAL;
        for (; ; )
        {
            using (_lock.Acquire())
            {
                if (ulong.MaxValue - _count > added)
                {
                    _count += added;
                    break;
                }
            }
            if (IsNonBlocking)
                return Errno.EAGAIN;
            if (who.SignalPending)
                return Errno.ERESTARTSYS;
            _writers.PrepareToWait(who.WaitNode, ThreadState.Interruptible);
            if (ulong.MaxValue - _count <= added && !who.SignalPending)
                PerCpu.Scheduler.Schedule();
            _writers.FinishWait(who.WaitNode);
        }
        if (added != 0)
            _readers.WakeAll();
        return 8L;
    }

    /// <summary>Moves nothing and is no error. Linux: <c>noop_llseek</c>.</summary>
    public override Result<long> Seek(long offset, SeekOrigin origin) => Position;

    /// <inheritdoc/>
    public override PollEvents Poll(PollTable? table)
    {
        table?.Register(ref _readers);
        table?.Register(ref _writers);
        ulong count = _count;
        PollEvents events = PollEvents.None;
        if (count > 0)
            events |= PollEvents.In;
        if (count < ulong.MaxValue - 1)
            events |= PollEvents.Out;
        return events;
    }

    /// <inheritdoc/>
    public override void WriteInfo(ref TextWriter w)
    {
        w.Text("eventfd-count: "u8);
        int digits = 1;
        for (ulong rest = _count >> 4; rest != 0; rest >>= 4)
            digits++;
        w.Repeat((byte)' ', 16 - digits);
        w.Hex(_count);
        w.Byte((byte)'\n');
    }

    /// <inheritdoc/>
    protected override void FreeObject() => _io.EventFiles.Free(this);
}
