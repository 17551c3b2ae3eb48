using System;
using NanoVm.Core;

namespace NanoVm.Files.Devices;

/// <summary><c>/dev/kmsg</c>: the kernel's messages as records; what is written becomes one. Linux: <c>devkmsg_read</c>.</summary>
internal sealed class KernelLogDevice(IoSystem io) : CharDevice("kmsg"u8, 1, 11, 0x1A4)
{
    private readonly IoSystem _io = io;

    /// <inheritdoc/>
    public override Result<OpenFile> Open(TaskFiles who, in PathRef path, OpenFlags flags) => KernelLogFile.Open(_io, path, flags);
}

/// <summary>An open <c>/dev/kmsg</c>: each read gives one line of the log as "priority,number,microseconds,-;text".</summary>
internal sealed class KernelLogFile : OpenFile
{
    private const int LineMaximum = 1024;
    private const ulong LookAgain = 100_000_000;

    private IoSystem _io = null!;
    private ulong _position;
    private ulong _number;

    internal static Result<OpenFile> Open(IoSystem io, in PathRef path, OpenFlags flags)
    {
        KernelLogFile? file = io.KernelLogFiles.Allocate();
        if (file is null)
            return Errno.ENOMEM;
        file._io = io;
        file.Initialize(path, flags);
        file.Modes &= ~OpenModes.Positional;
        return file;
    }

    /// <inheritdoc/>
    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position)
    {
        LogBuffer? log = Log.Buffer;
        Span<byte> line = stackalloc byte[LineMaximum];
        int length = 0;
        if (log is null)
            return 0L;
        for (; ; )
        {
            ulong at = _position;
            int count = log.Read(ref at, line);
            length = line.Slice(0, count).IndexOf((byte)'\n');
            if (length < 0 && count == line.Length)
                length = count - 1;                          // longer than any line of ours: cut it
            if (length >= 0)
            {
                _position = at - (ulong)count + (ulong)length + 1;
                break;
            }
            if (IsNonBlocking)
                return Errno.EAGAIN;
            if (who.SignalPending)
                return Errno.ERESTARTSYS;
            // The log may be written from anywhere, interrupts included, and wakes nobody: look again soon.
            who.State = ThreadState.Interruptible;
            PerCpu.Scheduler.ScheduleTimeout(Time.MonotonicNanoseconds + LookAgain);
            who.State = ThreadState.Running;
        }

        Span<byte> record = stackalloc byte[LineMaximum + 64];
        var w = new TextWriter(record);
        w.Text("6,"u8);
        w.Decimal(_number++);
        w.Byte((byte)',');
        ReadOnlySpan<byte> text = line.Slice(0, length);
        w.Decimal(TakeTime(ref text));
        w.Text(",-;"u8);
        w.Text(text);
        w.Byte((byte)'\n');
        if (to.Remaining < (ulong)w.Length)
            return Errno.EINVAL;
        Errno error = to.CopyToIter(w.Written, out int copied);
        return error == Errno.None ? copied : error;
    }

    // "[    1.234567] text": the microseconds; the text goes on behind.
    private static ulong TakeTime(ref ReadOnlySpan<byte> text)
    {
        if (text.IsEmpty || text[0] != '[')
            return Time.MonotonicNanoseconds / 1000;
        ulong value = 0;
        int i = 1;
        for (; i < text.Length && text[i] != ']'; i++)
        {
            if (text[i] >= '0' && text[i] <= '9')
                value = value * 10 + (ulong)(text[i] - '0');
        }
        i = Math.Min(i + 2, text.Length);
        text = text.Slice(i);
        return value;
    }

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ref IovIter from, ref long position)
    {
        Span<byte> text = stackalloc byte[LogText.Capacity];
        if (from.Remaining > LineMaximum)
            return Errno.EINVAL;
        long total = (long)from.Remaining;
        Errno error = from.CopyFromIter(text, out int count);
        if (error != Errno.None)
            return error;
        ReadOnlySpan<byte> line = text.Slice(0, count);
        if (line.Length > 2 && line[0] == '<')
        {
            int end = line.IndexOf((byte)'>');
            if (end > 0)
                line = line.Slice(end + 1);                  // "<6>": a priority
        }
        if (!line.IsEmpty && line[^1] == '\n')
            line = line.Slice(0, line.Length - 1);
        Log.Info(line);
        return total;
    }

    /// <inheritdoc/>
    public override Result<long> Seek(long offset, SeekOrigin origin)
    {
        LogBuffer? log = Log.Buffer;
        if (offset != 0)
            return Errno.ESPIPE;
        switch (origin)
        {
            case SeekOrigin.Start:
            case SeekOrigin.Data:
                _position = 0;
                return 0L;
            case SeekOrigin.End:
                _position = log?.End ?? 0;
                return 0L;
            default:
                return Errno.EINVAL;
        }
    }

    /// <inheritdoc/>
    public override PollEvents Poll(PollTable? table)
        => Log.Buffer is { } log && log.End > _position ? PollEvents.Readable : PollEvents.None;

    /// <inheritdoc/>
    protected override void FreeObject() => _io.KernelLogFiles.Free(this);
}
