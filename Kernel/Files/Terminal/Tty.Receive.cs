using System;
using NanoVm.Core;

namespace NanoVm.Files.Terminal;

internal abstract partial class Tty
{
    private const int SigInt = 2;
    private const int SigQuit = 3;
    private const int SigTstp = 20;

    /// <summary>Bytes come in from the line or the master. Linux: <c>n_tty_receive_buf2</c>.</summary>
    /// <returns>
    /// How many were taken: fewer than given when the buffer is full of complete lines, or of raw input; the driver keeps the rest and
    /// brings it after <see cref="DriverUnthrottle"/>. A line without an end is always taken, but what is beyond 4,095 bytes is lost,
    /// so that its end or an erase character still gets through.
    /// </returns>
    public int Receive(ReadOnlySpan<byte> bytes)
    {
        int done = 0;
        byte signals;
        int group;
        using (_lock.Acquire())
        {
            while (done < bytes.Length && MakeRoom())
                ReceiveByte(bytes[done++]);
            DriverKick();
            signals = _pendingSignals;
            group = ForegroundGroup;
            _pendingSignals = 0;
            if (HasInput(1))
                Readers.WakeAll();
        }

        if (signals != 0 && group != 0)
        {
            if ((signals & 1) != 0)
                Io.Jobs.SignalProcessGroup(group, SigInt);
            if ((signals & 2) != 0)
                Io.Jobs.SignalProcessGroup(group, SigQuit);
            if ((signals & 4) != 0)
                Io.Jobs.SignalProcessGroup(group, SigTstp);
        }
        return done;
    }

    // Linux: the head of n_tty_receive_buf_common. False: the byte must wait outside.
    private bool MakeRoom()
    {
        int room = InputBytes - (int)(_readHead - _readTail);
        if (_termios.Has(InputModes.MarkParity))
            room = (room + 2) / 3;                          // one byte may become three
        room--;
        if (room > 0)
            return true;
        if (!_termios.Has(LocalModes.Canonical) || _canonHead != _readTail)
            return false;
        if (room < 0)
            _readHead--;                                    // the last byte of a line that is too long gives its place
        return true;
    }

    /// <summary><see cref="Receive"/> would take a byte now.</summary>
    protected bool HasRoomForInput
        => InputBytes - (int)(_readHead - _readTail) > 1 || (_termios.Has(LocalModes.Canonical) && _canonHead == _readTail);

    private void PutInput(byte c)
    {
        uint at = _readHead & InputMask;
        _input[(int)at] = c;
        _lineEnds[(int)(at >> 6)] &= ~(1UL << (int)(at & 63));
        _readHead++;
    }

    // A byte of 0xff is doubled where 0xff announces a marked one.
    private void PutData(byte c)
    {
        if (c == 0xFF && _termios.Has(InputModes.MarkParity))
            PutInput(c);
        PutInput(c);
    }

    private void EndLine(byte c)
    {
        uint at = _readHead & InputMask;
        PutInput(c);
        _lineEnds[(int)(at >> 6)] |= 1UL << (int)(at & 63);
        _canonHead = _readHead;
    }

    private bool IsLineEnd(uint position)
    {
        uint at = position & InputMask;
        return (_lineEnds[(int)(at >> 6)] & (1UL << (int)(at & 63))) != 0;
    }

    private void ReceiveByte(byte c)
    {
        ref readonly Termios t = ref _termios;
        if (t.Has(InputModes.Strip))
            c &= 0x7F;
        if (t.Has(InputModes.UpperToLower) && t.Has(LocalModes.Extended) && c >= 'A' && c <= 'Z')
            c += 32;

        if (_literalNext)
        {
            _literalNext = false;
            ReceiveOrdinary(c);
            return;
        }
        if (t.Has(LocalModes.ExternalProcessing))
        {
            PutInput(c);
            return;
        }
        if (t.Has(InputModes.FlowControl))
        {
            if (t.Is(c, ControlIndex.Start))
            {
                SetStopped(false);
                return;
            }
            if (t.Is(c, ControlIndex.Stop))
            {
                SetStopped(true);
                return;
            }
        }
        if (t.Has(LocalModes.Signals))
        {
            int signal = t.Is(c, ControlIndex.Interrupt) ? 1 : t.Is(c, ControlIndex.Quit) ? 2 : t.Is(c, ControlIndex.Suspend) ? 4 : 0;
            if (signal != 0)
            {
                RaiseSignal((byte)signal);
                if (t.Has(InputModes.FlowControl))
                    SetStopped(false);
                if (t.Has(LocalModes.Echo))
                    EchoByte(c);
                return;
            }
        }
        if (_stopped && t.Has(InputModes.FlowControl) && t.Has(InputModes.AnyRestarts))
            SetStopped(false);

        if (c == '\r')
        {
            if (t.Has(InputModes.IgnoreCr))
                return;
            if (t.Has(InputModes.CrToNl))
                c = (byte)'\n';
        }
        else if (c == '\n' && t.Has(InputModes.NlToCr))
        {
            c = (byte)'\r';
        }

        if (t.Has(LocalModes.Canonical) && ReceiveEditing(c))
            return;
        ReceiveOrdinary(c);
    }

    // Linux: n_tty_receive_char.
    private void ReceiveOrdinary(byte c)
    {
        if (_termios.Has(LocalModes.Echo))
        {
            FinishErasing();
            if (c == '\n')
            {
                EchoRaw(c);
            }
            else
            {
                if (_canonHead == _readHead)
                    _canonColumn = _column;
                EchoByte(c);
            }
        }
        PutData(c);
    }

    // The characters that mean something in canonical mode; true when c was one. Linux: the middle of n_tty_receive_char_special.
    private bool ReceiveEditing(byte c)
    {
        ref readonly Termios t = ref _termios;
        bool extended = t.Has(LocalModes.Extended);
        if (t.Is(c, ControlIndex.Erase))
        {
            Erase(EraseKind.Character);
            return true;
        }
        if (t.Is(c, ControlIndex.Kill))
        {
            Erase(EraseKind.Line);
            return true;
        }
        if (extended && t.Is(c, ControlIndex.WordErase))
        {
            Erase(EraseKind.Word);
            return true;
        }
        if (extended && t.Is(c, ControlIndex.LiteralNext))
        {
            _literalNext = true;
            if (t.Has(LocalModes.Echo))
            {
                FinishErasing();
                if (t.Has(LocalModes.EchoControl))
                {
                    EchoRaw((byte)'^');
                    EchoRaw((byte)'\b');
                }
            }
            return true;
        }
        if (extended && t.Has(LocalModes.Echo) && t.Is(c, ControlIndex.Reprint))
        {
            FinishErasing();
            EchoByte(c);
            EchoRaw((byte)'\n');
            for (uint at = _canonHead; at != _readHead; at++)
                EchoByte(_input[(int)(at & InputMask)]);
            return true;
        }
        if (c == '\n')
        {
            if (t.Has(LocalModes.Echo | LocalModes.EchoNl))
                EchoRaw(c);
            EndLine(c);
            return true;
        }
        if (t.Is(c, ControlIndex.EndOfFile))
        {
            EndLine(0);                                     // a NUL that ends a line stands for the end of file: it is never handed out
            return true;
        }
        if (t.Is(c, ControlIndex.EndOfLine) || (extended && t.Is(c, ControlIndex.EndOfLine2)))
        {
            if (t.Has(LocalModes.Echo))
            {
                if (_canonHead == _readHead)
                    _canonColumn = _column;
                EchoByte(c);
            }
            if (c == 0xFF && t.Has(InputModes.MarkParity))
                PutInput(c);
            EndLine(c);
            return true;
        }
        return false;
    }

    // Linux: isig. Input and output that came before the signal are thrown away, unless NOFLSH.
    private void RaiseSignal(byte bit)
    {
        _pendingSignals |= bit;
        if (_termios.Has(LocalModes.NoFlush))
            return;
        DriverFlushOutput();
        FlushInput();
        Writers.WakeAll();
    }

    // Linux: reset_buffer_flags.
    private void FlushInput()
    {
        _readHead = _canonHead = _readTail = 0;
        _pushed = false;
        _erasing = false;
        _literalNext = false;
        new Span<ulong>(_lineEnds).Clear();
        DriverPacketEvent(PacketEvents.FlushRead);
    }

    private void SetStopped(bool stopped)
    {
        if (_stopped == stopped)
            return;
        _stopped = stopped;
        DriverSetStopped(stopped);
        DriverPacketEvent(stopped ? PacketEvents.Stop : PacketEvents.Start);
        if (!stopped)
            Writers.WakeAll();
    }
}
