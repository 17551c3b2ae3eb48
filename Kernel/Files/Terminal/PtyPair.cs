using System;
using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Files.Terminal;

/// <summary>A pseudo terminal: the terminal that programs see (the slave) and the pipe to whoever plays the person (the master).</summary>
/// <remarks>
/// Linux: the two <c>tty_struct</c>s of <c>pty.c</c>; here one object, as the master needs no line discipline.
/// <code>
///   master write ──▶ Receive (line discipline) ──▶ slave read
///   master read  ◀── _output  ◀── echo, slave write
/// </code>
/// Lives until master and all slave files are closed.
/// </remarks>
internal sealed class PtyPair : Tty
{
    private const int OutputBytes = 8192;

    /// <summary>Room that only echo may use.</summary>
    private const int EchoReserve = 512;

    /// <summary>The major device number of slaves. Linux: <c>UNIX98_PTY_SLAVE_MAJOR</c>.</summary>
    public const uint SlaveMajor = 136;

    /// <summary>Woken when the master can read.</summary>
    public WaitQueue MasterReaders;

    /// <summary>Woken when the master can write.</summary>
    public WaitQueue MasterWriters;

    private ByteRing _output;
    private PacketEvents _events;
    private bool _stopped;
    private bool _masterOpen;
    private bool _slaveClosed;       // was open, and is not any more

    /// <summary>The number below /dev/pts.</summary>
    public int Number { get; private set; }

    /// <summary>The slave cannot be opened: so a new pair starts, until <c>unlockpt</c>.</summary>
    public bool IsLocked;

    /// <summary>The master gets events and a leading byte. Linux: TIOCPKT.</summary>
    public bool PacketMode { get; private set; }

    /// <summary>The entry below /dev/pts, with a reference.</summary>
    internal Dentry? Entry;

    /// <summary>Makes a pair with an open master.</summary>
    public static Result<PtyPair> Allocate(IoSystem io, int number)
    {
        PtyPair? pair = io.PtyPairs.Allocate();
        if (pair is null)
            return Errno.ENOMEM;
        if (!pair._output.TryAllocate(io.Memory.Arrays, OutputBytes))
        {
            io.PtyPairs.Free(pair);
            return Errno.ENOMEM;
        }
        Errno error = pair.Initialize(io, DeviceNumber.Make(SlaveMajor, (uint)number), Termios.PseudoControl);
        if (error != Errno.None)
        {
            pair._output.Free(io.Memory.Arrays);
            io.PtyPairs.Free(pair);
            return error;
        }
        pair.Number = number;
        pair.IsLocked = true;
        pair._masterOpen = true;
        return pair;
    }

    /// <inheritdoc/>
    protected override bool IsPseudo => true;

    /// <summary>May the slave be opened? Linux: the checks of <c>pty_open</c>.</summary>
    public bool CanOpenSlave => _masterOpen && !IsLocked;

    /// <summary>The slave has been opened.</summary>
    public void SlaveOpened() => _slaveClosed = false;

    // ---- The slave's driver ------------------------------------------------------------------------------------------------------

    /// <inheritdoc/>
    protected override int DriverRoom => _stopped ? 0 : Math.Max(0, _output.Room - EchoReserve);

    /// <inheritdoc/>
    protected override bool DriverWrite(byte value) => _output.Put(value);

    /// <inheritdoc/>
    protected override void DriverKick()
    {
        if (_output.Count > 0)
            MasterReaders.WakeAll();
    }

    /// <inheritdoc/>
    protected override int DriverPending => 0;      // as Linux: what the master has not read counts as sent

    /// <inheritdoc/>
    protected override void DriverFlushOutput()
    {
        _output.Clear();
        DriverPacketEvent(PacketEvents.FlushWrite);
    }

    /// <inheritdoc/>
    protected override void DriverSetStopped(bool stopped) => _stopped = stopped;

    /// <inheritdoc/>
    protected override void DriverUnthrottle() => MasterWriters.WakeAll();

    /// <inheritdoc/>
    protected override void DriverPacketEvent(PacketEvents events)
    {
        if (!PacketMode)
            return;
        if ((events & (PacketEvents.Stop | PacketEvents.Start)) != 0)
            _events &= ~(PacketEvents.Stop | PacketEvents.Start);
        if ((events & (PacketEvents.NoStop | PacketEvents.DoStop)) != 0)
            _events &= ~(PacketEvents.NoStop | PacketEvents.DoStop);
        _events |= events;
        MasterReaders.WakeAll();
    }

    /// <inheritdoc/>
    protected override void DriverLastClose()
    {
        _slaveClosed = true;
        MasterReaders.WakeAll();
        FreeIfUnused();
    }

    // ---- The master --------------------------------------------------------------------------------------------------------------

    /// <summary>Takes what the slave wrote. Linux: <c>n_tty_read</c> of the master, VMIN 1.</summary>
    internal Result<long> MasterRead(bool nonBlocking, ref IovIter to)
    {
        if (to.Remaining == 0)
            return 0L;
        KernelThread thread = PerCpu.Current;
        Span<byte> chunk = stackalloc byte[512];
        Errno error = Errno.None;
        for (; ; )
        {
            MasterReaders.PrepareToWait(thread.WaitNode, ThreadState.Interruptible);
            if (_output.Count > 0 || _events != PacketEvents.None)
                break;
            if (_slaveClosed)
                error = Errno.EIO;
            else if (nonBlocking)
                error = Errno.EAGAIN;
            else if (thread.SignalPending)
                error = Errno.ERESTARTSYS;
            if (error != Errno.None)
                break;
            PerCpu.Scheduler.Schedule();
        }
        MasterReaders.FinishWait(thread.WaitNode);
        if (error != Errno.None)
            return error;

        long total = 0;
        if (PacketMode)
        {
            chunk[0] = 0;
            using (_lock.Acquire())
            {
                chunk[0] = (byte)_events;
                _events = PacketEvents.None;
            }
            error = to.CopyToIter(chunk.Slice(0, 1), out int header);
            if (error != Errno.None || chunk[0] != 0)
                return error != Errno.None ? error : header;
            total = 1;
        }
        while (to.Remaining != 0)
        {
            int count;
            using (_lock.Acquire())
                count = _output.Take(chunk.Slice(0, (int)Math.Min((ulong)chunk.Length, to.Remaining)));
            if (count == 0)
                break;
            error = to.CopyToIter(chunk.Slice(0, count), out int copied);
            total += copied;
            if (error != Errno.None)
                break;
        }
        Writers.WakeAll();
        return total != 0 || error == Errno.None ? total : error;
    }

    /// <summary>Types at the slave.</summary>
    internal Result<long> MasterWrite(bool nonBlocking, ref IovIter from)
    {
        KernelThread thread = PerCpu.Current;
        Span<byte> chunk = stackalloc byte[256];
        long total = 0;
        Errno error = Errno.None;
        while (from.Remaining != 0 && error == Errno.None)
        {
            Errno fault = from.CopyFromIter(chunk, out int filled);
            int sent = 0;
            while (sent < filled)
            {
                if (_slaveClosed && OpenCount == 0)
                {
                    error = Errno.EIO;
                    break;
                }
                int count = Receive(chunk.Slice(sent, filled - sent));
                sent += count;
                if (count != 0)
                    continue;
                if (nonBlocking)
                {
                    error = Errno.EAGAIN;
                    break;
                }
                MasterWriters.PrepareToWait(thread.WaitNode, ThreadState.Interruptible);
                if (thread.SignalPending)
                    error = Errno.ERESTARTSYS;
                else if (!HasRoomForInput)
                    PerCpu.Scheduler.Schedule();
                MasterWriters.FinishWait(thread.WaitNode);
                if (error != Errno.None)
                    break;
            }
            total += sent;
            if (error == Errno.None)
                error = fault;
        }
        return total != 0 || error == Errno.None ? total : error;
    }

    /// <summary>What the master can do without waiting.</summary>
    internal PollEvents MasterPoll(PollTable? table)
    {
        table?.Register(ref MasterReaders);
        table?.Register(ref MasterWriters);
        PollEvents events = PollEvents.None;
        if (_output.Count > 0 || _events != PacketEvents.None)
            events |= PollEvents.Readable;
        if (_events != PacketEvents.None)
            events |= PollEvents.Pri;
        if (_slaveClosed)
            events |= PollEvents.Hup;
        if (HasRoomForInput)
            events |= PollEvents.Writable;
        return events;
    }

    /// <summary>Bytes that the master could read: FIONREAD.</summary>
    internal int MasterPending => _output.Count;

    /// <summary>TIOCPKT.</summary>
    internal void SetPacketMode(bool on)
    {
        using (_lock.Acquire())
        {
            PacketMode = on;
            _events = PacketEvents.None;
        }
    }

    /// <summary>The master is gone: the slave hangs up, its name disappears. Linux: <c>pty_close</c> of the master.</summary>
    internal void MasterClosed()
    {
        _masterOpen = false;
        Io.Ptys.Remove(this);
        SetOtherClosed(true);
        HangUp();
        FreeIfUnused();
    }

    private void FreeIfUnused()
    {
        if (!_masterOpen && OpenCount == 0)
            FreeUnused();
    }

    /// <summary>Frees a pair that nobody has seen.</summary>
    internal void FreeUnused()
    {
        _output.Free(Io.Memory.Arrays);
        FreeBuffers();
        Io.PtyPairs.Free(this);
    }
}
