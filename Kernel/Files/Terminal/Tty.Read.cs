using System;
using NanoVm.Core;

namespace NanoVm.Files.Terminal;

internal abstract partial class Tty
{
    private const ulong Decisecond = 100_000_000;

    /// <summary>Reads what was typed. Linux: <c>n_tty_read</c>; man 3 termios, "canonical and noncanonical mode".</summary>
    /// <remarks>
    /// <code>
    ///   canonical             one line, or less when the caller's buffer ends first
    ///   VMIN = 0, VTIME = 0   what there is now
    ///   VMIN > 0, VTIME = 0   waits for VMIN bytes (or the whole buffer, if that is smaller)
    ///   VMIN = 0, VTIME > 0   waits VTIME tenths of a second for the first byte
    ///   VMIN > 0, VTIME > 0   as without VTIME, but a pause of VTIME after any byte ends it
    /// </code>
    /// </remarks>
    internal Result<long> Read(TtyFile file, ref IovIter to)
    {
        Errno error = CheckForeground(SigTtin);
        if (error != Errno.None)
            return error;
        if (file.IsNonBlocking)
        {
            if (!_reading.TryLock())
                return Errno.EAGAIN;
        }
        else if (_reading.LockInterruptible() != Errno.None)
        {
            return Errno.ERESTARTSYS;
        }
        Result<long> result = ReadLocked(file, ref to);
        _reading.Unlock();
        DriverUnthrottle();
        return result;
    }

    private Result<long> ReadLocked(TtyFile file, ref IovIter to)
    {
        KernelThread thread = PerCpu.Current;
        Span<byte> chunk = stackalloc byte[256];
        ulong minimum = 0;
        ulong pause = 0;
        ulong deadline = ulong.MaxValue;
        if (!_termios.Has(LocalModes.Canonical))
        {
            minimum = _termios[ControlIndex.Minimum];
            ulong time = _termios[ControlIndex.Time] * Decisecond;
            if (minimum != 0)
            {
                pause = time;
            }
            else
            {
                minimum = 1;
                deadline = time == 0 ? 0 : Time.MonotonicNanoseconds + time;
            }
        }

        long total = 0;
        Errno error = Errno.None;
        while (to.Remaining != 0)
        {
            Readers.PrepareToWait(thread.WaitNode, ThreadState.Interruptible);
            if (!HasInput(1))
            {
                if (_otherClosed)
                    error = Errno.EIO;
                else if (file.IsHungUp || deadline <= Time.MonotonicNanoseconds)
                    break;                                  // end of file, or what there was
                else if (file.IsNonBlocking)
                    error = Errno.EAGAIN;
                else if (thread.SignalPending)
                    error = Errno.ERESTARTSYS;
                if (error != Errno.None)
                    break;
                PerCpu.Scheduler.ScheduleTimeout(deadline);
                continue;
            }
            Readers.FinishWait(thread.WaitNode);            // from here on user memory may be touched, which may sleep

            if (_termios.Has(LocalModes.Canonical) && !_termios.Has(LocalModes.ExternalProcessing))
            {
                bool lineEnded = false;
                while (!lineEnded && error == Errno.None)
                {
                    int count = TakeLine(chunk, to.Remaining, out lineEnded);
                    if (count == 0)
                        break;
                    error = to.CopyToIter(chunk.Slice(0, count), out int copied);
                    total += copied;
                    if (to.Remaining == 0)
                        break;
                }
                break;
            }

            for (; ; )
            {
                int count = TakeRaw(chunk, to.Remaining);
                if (count == 0)
                    break;
                error = to.CopyToIter(chunk.Slice(0, count), out int copied);
                total += copied;
                if (error != Errno.None)
                    break;
            }
            if (error != Errno.None || (ulong)total >= minimum)
                break;
            if (pause != 0)
                deadline = Time.MonotonicNanoseconds + pause;
        }
        Readers.FinishWait(thread.WaitNode);
        return total != 0 || error == Errno.None ? total : error;
    }

    /// <summary>Is there input that a read could take? In canonical mode: a line. Linux: <c>input_available_p</c>.</summary>
    /// <param name="bytes">How many bytes it must be in the other mode.</param>
    private bool HasInput(uint bytes)
        => _termios.Has(LocalModes.Canonical) && !_termios.Has(LocalModes.ExternalProcessing)
            ? _canonHead != _readTail
            : _readHead - _readTail >= bytes;

    // Linux: copy_from_read_buf.
    private int TakeRaw(Span<byte> to, ulong wanted)
    {
        using (_lock.Acquire())
        {
            int count = (int)Math.Min(Math.Min((ulong)(_readHead - _readTail), (ulong)to.Length), wanted);
            for (int i = 0; i < count; i++)
                to[i] = _input[(int)(_readTail++ & InputMask)];
            if ((int)(_canonHead - _readTail) < 0)
                _canonHead = _readTail;
            return count;
        }
    }

    // Linux: canon_copy_from_read_buf. The end-of-file mark is taken and not handed out, also when it follows right behind the last
    // byte that the caller has room for: else the next read would wrongly be an end of file.
    private int TakeLine(Span<byte> to, ulong wanted, out bool lineEnded)
    {
        using (_lock.Acquire())
        {
            lineEnded = false;
            int limit = (int)Math.Min((ulong)to.Length, wanted);
            int count = 0;
            while (_readTail != _canonHead)
            {
                bool ends = IsLineEnd(_readTail);
                byte c = _input[(int)(_readTail & InputMask)];
                if (ends && c == 0 && !_pushed)
                {
                    _readTail++;
                    lineEnded = true;
                    break;
                }
                if (count == limit)
                    break;
                to[count++] = c;
                _readTail++;
                if (ends)
                {
                    lineEnded = true;
                    _pushed = false;
                    break;
                }
            }
            return count;
        }
    }
}
