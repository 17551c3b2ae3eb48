using System;
using Internal.Runtime;
using NanoVm.Core.Sync;

namespace NanoVm.Core;

/// <summary>The last messages, for <c>/dev/kmsg</c>, <c>dmesg</c> and screens that come later; and the sinks that get each as it comes.</summary>
/// <remarks>Linux: <c>printk</c>'s ring buffer. Bytes are numbered from the first ever written; old ones are overwritten.</remarks>
internal sealed unsafe class LogBuffer
{
    private const int Capacity = 128 * 1024;

    private SpinLock _lock;
    /// <summary>Under <see cref="_lock"/>, as all below.</summary>
    private readonly byte[] _ring = new byte[Capacity];
    private ulong _end;
    private LogSink? _sinks;

    /// <summary>The number of the byte after the last.</summary>
    public ulong End => _end;

    /// <summary>The number of the oldest byte still there.</summary>
    public ulong Start => _end > Capacity ? _end - Capacity : 0;

    /// <summary>Makes this the log.</summary>
    public void Install() => PerCpu.Area->Log = RawObject.AddressOf(this);

    /// <summary>Adds a sink.</summary>
    /// <param name="replay">Whether it gets what was written before, too.</param>
    public void AddSink(LogSink sink, bool replay)
    {
        using (_lock.Acquire())
        {
            if (replay)
            {
                for (ulong at = Start; at < _end;)
                {
                    int offset = (int)(at % Capacity);
                    int count = (int)Math.Min(_end - at, (ulong)(Capacity - offset));
                    sink.Write(new ReadOnlySpan<byte>(_ring, offset, count));
                    at += (ulong)count;
                }
            }
            sink.Next = _sinks;
            _sinks = sink;
        }
    }

    public void Write(ReadOnlySpan<byte> text)
    {
        // A panic may come from the middle of this very function: then the lock is ours already and order no longer matters.
        bool nested = PerCpu.Area->Panicking != 0;
        bool enabled = nested ? Interrupts.Disable() : _lock.AcquireRaw();
        for (int i = 0; i < text.Length; i++)
            _ring[(int)(_end++ % Capacity)] = text[i];
        for (LogSink? sink = _sinks; sink is not null; sink = sink.Next)
            sink.Write(text);
        if (nested)
            Interrupts.Restore(enabled);
        else
            _lock.ReleaseRaw(enabled);
    }

    /// <summary>Copies messages out.</summary>
    /// <param name="position">The number of the first byte wanted; moved on, over what has been overwritten too.</param>
    /// <returns>Bytes written to <paramref name="to"/>, 0 when there is nothing newer.</returns>
    public int Read(ref ulong position, Span<byte> to)
    {
        using (_lock.Acquire())
        {
            if (position < Start)
                position = Start;
            int count = 0;
            while (count < to.Length && position < _end)
                to[count++] = _ring[(int)(position++ % Capacity)];
            return count;
        }
    }
}
