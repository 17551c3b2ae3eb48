using System;
using NanoVm.Core;

namespace NanoVm.Files.Terminal;

internal abstract partial class Tty
{
    /// <summary>Writes to the terminal. Linux: <c>n_tty_write</c>.</summary>
    internal Result<long> Write(TtyFile file, ref IovIter from)
    {
        if (_termios.Has(LocalModes.StopBackgroundOutput))
        {
            Errno error = CheckForeground(SigTtou);
            if (error != Errno.None)
                return error;
        }
        if (file.IsNonBlocking)
        {
            if (!_writing.TryLock())
                return Errno.EAGAIN;
        }
        else if (_writing.LockInterruptible() != Errno.None)
        {
            return Errno.ERESTARTSYS;
        }
        Result<long> result = WriteLocked(file, ref from);
        _writing.Unlock();
        return result;
    }

    private Result<long> WriteLocked(TtyFile file, ref IovIter from)
    {
        KernelThread thread = PerCpu.Current;
        Span<byte> chunk = stackalloc byte[512];
        long total = 0;
        Errno error = Errno.None;
        while (from.Remaining != 0 && error == Errno.None)
        {
            Errno fault = from.CopyFromIter(chunk, out int filled);
            int sent = 0;
            while (sent < filled)
            {
                Writers.PrepareToWait(thread.WaitNode, ThreadState.Interruptible);
                if (thread.SignalPending)
                    error = Errno.ERESTARTSYS;
                else if (file.IsHungUp || _otherClosed)
                    error = Errno.EIO;
                if (error != Errno.None)
                    break;
                thread.State = ThreadState.Running;         // Send may wait for the lock
                int count = Send(chunk.Slice(sent, filled - sent));
                sent += count;
                if (count != 0)
                    continue;
                if (file.IsNonBlocking)
                {
                    error = Errno.EAGAIN;
                    break;
                }
                // Room may have come since Send looked: join the sleepers, look again, and only then sleep.
                Writers.PrepareToWait(thread.WaitNode, ThreadState.Interruptible);
                if (!CanSend && !thread.SignalPending && !file.IsHungUp && !_otherClosed)
                    PerCpu.Scheduler.Schedule();
            }
            Writers.FinishWait(thread.WaitNode);
            total += sent;
            if (error == Errno.None)
                error = fault;
        }
        return total != 0 || error == Errno.None ? total : error;
    }

    /// <summary>A byte of output would be taken now, whatever the settings make of it (a tab: 8 spaces).</summary>
    private bool CanSend => !_stopped && DriverRoom >= 8;

    // Processes and sends what there is room for; answers how many bytes of the source that was.
    private int Send(ReadOnlySpan<byte> bytes)
    {
        using (_lock.Acquire())
        {
            if (!CanSend)
                return 0;
            int sent = 0;
            if (_termios.Has(OutputModes.PostProcess))
            {
                for (; sent < bytes.Length; sent++)
                {
                    if (Output(bytes[sent], DriverRoom) < 0)
                        break;
                }
            }
            else
            {
                for (; sent < bytes.Length && DriverRoom > 0; sent++)
                    DriverWrite(bytes[sent]);
            }
            DriverKick();
            return sent;
        }
    }

    /// <summary>Waits until all output is out. Linux: <c>tty_wait_until_sent</c>.</summary>
    private Errno WaitUntilSent(TtyFile file)
    {
        KernelThread thread = PerCpu.Current;
        Errno error = Errno.None;
        for (; ; )
        {
            Writers.PrepareToWait(thread.WaitNode, ThreadState.Interruptible);
            if (DriverPending == 0 || file.IsHungUp || _otherClosed)
                break;
            if (thread.SignalPending)
            {
                error = Errno.ERESTARTSYS;
                break;
            }
            PerCpu.Scheduler.Schedule();
        }
        Writers.FinishWait(thread.WaitNode);
        return error;
    }

    /// <summary>What can be done without waiting. Linux: <c>n_tty_poll</c>.</summary>
    internal PollEvents Poll(TtyFile file, PollTable? table)
    {
        table?.Register(ref Readers);
        table?.Register(ref Writers);
        PollEvents events = PollEvents.None;
        byte minimum = _termios[ControlIndex.Minimum];
        if (HasInput(_termios[ControlIndex.Time] == 0 && minimum != 0 ? minimum : 1u))
            events |= PollEvents.Readable;
        if (_otherClosed || file.IsHungUp)
            events |= PollEvents.Hup;
        if (CanSend)
            events |= PollEvents.Writable;
        return events;
    }
}
