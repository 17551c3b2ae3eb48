using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Files;
using NanoVm.Hal;

namespace NanoVm.Tasks;

/// <summary>A timer that is read and polled like a file. Linux: <c>timerfd_ctx</c>; man 2 timerfd_create.</summary>
/// <remarks>A periodic one is armed again by the read, which counts the periods that have passed: nobody is woken more often than it reads.</remarks>
internal sealed class TimerFile : OpenFile
{
    private TaskSystem _system = null!;
    private TimerFileNode _node = null!;
    private SpinLock _lock;
    private WaitQueue _readers;
    private ulong _expiry;         // as the clock counts; all below guarded by _lock
    private ulong _interval;
    private ulong _ticks;
    private bool _isSet;
    private bool _isAbsolute;      // the last time it was set
    private bool _isExpired;       // periodic, and not armed since it went off

    /// <summary>Which clock it runs on.</summary>
    public int Clock { get; private set; }

    public static Result<OpenFile> Create(TaskSystem system, TaskFiles who, int clock, OpenFlags flags)
    {
        if (!system.NamelessFiles.MakePlace(who, 0x180, "[timerfd]"u8).TryGet(out PathRef place, out Errno error))
            return error;
        TimerFile? file = system.Clocks.TimerFiles.Allocate();
        TimerFileNode? node = file is null ? null : system.Clocks.TimerFileNodes.Allocate();
        if (node is not null)
        {
            file!._system = system;
            file._node = node;
            node.File = file;
            file.Clock = clock;
            file.Initialize(place, OpenFlags.ReadWrite | (flags & OpenFlags.NonBlocking));
            file.Modes &= ~(OpenModes.Seek | OpenModes.Positional);
        }
        else if (file is not null)
        {
            system.Clocks.TimerFiles.Free(file);
            file = null;
        }

        place.Put();
        return file is not null ? file : Errno.ENOMEM;
    }

    /// <summary>man 2 timerfd_settime. Nanoseconds.</summary>
    public void Set(ulong value, ulong interval, bool absolute, out ulong oldLeft, out ulong oldInterval)
    {
        bool enabled = _lock.AcquireRaw();
        ulong now = Now;
        CatchUp(now);
        oldLeft = LeftAt(now);
        oldInterval = _interval;
        _system.Timers.Cancel(_node);
        _ticks = 0;
        _isExpired = false;
        _interval = value == 0 ? 0 : interval;
        _isSet = value != 0;
        _isAbsolute = absolute;
        if (_isSet)
        {
            _expiry = absolute ? value : value >= ClockReading.Largest - now ? ClockReading.Largest : now + value;
            Arm(now);
        }

        _lock.ReleaseRaw(enabled);
    }

    /// <summary>man 2 timerfd_gettime. Nanoseconds.</summary>
    public void Get(out ulong left, out ulong interval)
    {
        bool enabled = _lock.AcquireRaw();
        ulong now = Now;
        CatchUp(now);
        left = LeftAt(now);
        interval = _interval;
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>From the timer interrupt.</summary>
    internal void Expired()
    {
        bool enabled = _lock.AcquireRaw();
        bool wake = false;
        if (_isSet)
        {
            ulong now = Now;
            if (now < _expiry)
            {
                Arm(now);                                   // the wall clock was set back
            }
            else
            {
                _ticks++;
                _isExpired = _interval != 0;
                _isSet = _isExpired;
                wake = true;
            }
        }

        _lock.ReleaseRaw(enabled);
        if (wake)
            _readers.WakeAll();
    }

    /// <summary>Takes the number of expirations (8 bytes), waiting for the first.</summary>
    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position)
    {
        if (to.Remaining < 8)
            return Errno.EINVAL;
        ulong ticks;
        while (true)
        {
            bool enabled = _lock.AcquireRaw();
            CatchUp(Now);
            ticks = _ticks;
            _ticks = 0;
            _lock.ReleaseRaw(enabled);
            if (ticks != 0)
                break;
            if (IsNonBlocking)
                return Errno.EAGAIN;
            if (who.SignalPending)
                return Errno.ERESTARTSYS;
            _readers.PrepareToWait(who.WaitNode, ThreadState.Interruptible);
            if (_ticks == 0 && !who.SignalPending)
                PerCpu.Scheduler.Schedule();
            _readers.FinishWait(who.WaitNode);
        }

        return Files.Events.EventTransfer.Put(ref to, ticks);
    }

    /// <summary>Moves nothing and is no error. Linux: <c>noop_llseek</c>.</summary>
    public override Result<long> Seek(long offset, SeekOrigin origin) => Position;

    /// <inheritdoc/>
    public override PollEvents Poll(PollTable? table)
    {
        table?.Register(ref _readers);
        return _ticks != 0 ? PollEvents.In : PollEvents.None;
    }

    /// <inheritdoc/>
    protected override void Release() => _system.Timers.Cancel(_node);

    /// <inheritdoc/>
    /// <inheritdoc/>
    public override void WriteInfo(ref TextWriter w)
    {
        bool enabled = _lock.AcquireRaw();
        ulong left = LeftAt(Now);
        ulong ticks = _ticks, interval = _interval;
        bool isAbsolute = _isAbsolute;
        _lock.ReleaseRaw(enabled);
        w.Text("clockid: "u8);
        w.Signed(Clock);
        w.Text("\nticks: "u8);
        w.Decimal(ticks);
        w.Text(isAbsolute ? "\nsettime flags: 01\n"u8 : "\nsettime flags: 00\n"u8);
        WriteTime(ref w, "it_value: ("u8, left);
        WriteTime(ref w, "it_interval: ("u8, interval);
    }

    private static void WriteTime(ref TextWriter w, ReadOnlySpan<byte> name, ulong nanoseconds)
    {
        const ulong Second = 1_000_000_000;
        w.Text(name);
        w.Decimal(nanoseconds / Second);
        w.Text(", "u8);
        w.Decimal(nanoseconds % Second);
        w.Text(")\n"u8);
    }

    protected override void FreeObject()
    {
        _system.Clocks.TimerFileNodes.Free(_node);
        _system.Clocks.TimerFiles.Free(this);
    }

    private ulong Now => ClockId.IsWall(Clock) ? Time.RealtimeNanoseconds : Time.MonotonicNanoseconds;

    private void Arm(ulong now) =>
        _system.Timers.Add(_node, _expiry <= now ? Time.MonotonicNanoseconds : ClockReading.DeadlineAfter(_expiry - now));

    /// <summary>Counts the periods since it went off, and arms it for the next.</summary>
    private void CatchUp(ulong now)
    {
        if (!_isExpired || now < _expiry)
            return;
        _isExpired = false;
        ulong periods = (now - _expiry) / _interval;
        _ticks += periods;                                  // the first was counted when it went off
        _expiry += (periods + 1) * _interval;
        Arm(now);
    }

    private ulong LeftAt(ulong now) => !_isSet ? 0 : _expiry > now ? _expiry - now : 1;
}

/// <summary>The part of a <see cref="TimerFile"/> that waits in the timer queue.</summary>
internal sealed class TimerFileNode : TimerNode
{
    public TimerFile File = null!;

    public override void Fire() => File.Expired();
}
