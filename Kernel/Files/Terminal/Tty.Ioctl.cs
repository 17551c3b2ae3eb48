using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Files.Terminal;

internal abstract partial class Tty
{
    /// <summary>The terminal's own calls. Linux: <c>tty_ioctl</c>, <c>tty_mode_ioctl</c>, <c>n_tty_ioctl</c>; man 2 ioctl_tty.</summary>
    /// <param name="file">The file of the terminal, or null when it comes through the master of a pseudo terminal.</param>
    internal Result<long> Ioctl(TaskFiles who, TtyFile? file, TtyIoctl command, VirtAddr argument)
    {
        Errno error;
        switch (command)
        {
            case TtyIoctl.SetAttributesAfterOutput:
            case TtyIoctl.SetAttributesAfterFlush:
            case TtyIoctl.SetAttributes:
            case TtyIoctl.SetAttributes2:
            case TtyIoctl.SetAttributes2AfterOutput:
            case TtyIoctl.SetAttributes2AfterFlush:
                return SetAttributes(file, command, argument);
            case TtyIoctl.SendBreak:
            case TtyIoctl.SendBreakPosix:
            case TtyIoctl.FlowAction:
            case TtyIoctl.Flush:
                if (file is not null)
                {
                    error = CheckForeground(SigTtou);
                    if (error != Errno.None)
                        return error;
                }
                return FlowIoctl(file, command, argument);

            case TtyIoctl.GetAttributes:
                return PutTermios(argument, Termios.ShortBytes);
            case TtyIoctl.GetAttributes2:
                return PutTermios(argument, Termios.LongBytes);
            case TtyIoctl.GetWindowSize:
                return UserCopy.Put(argument, in _window);
            case TtyIoctl.SetWindowSize:
                error = UserCopy.Get(argument, out WindowSize size);
                if (error == Errno.None)
                    SetWindowSize(size);
                return error;

            case TtyIoctl.GetProcessGroup:
                // A master may ask for its slave's group; others only for that of their own controlling terminal.
                if (file is not null && !ReferenceEquals(Io.Jobs.CurrentTerminal, this))
                    return Errno.ENOTTY;
                return UserCopy.Put(argument, ForegroundGroup);
            case TtyIoctl.SetProcessGroup:
                error = UserCopy.Get(argument, out int group);
                return error == Errno.None ? SetForegroundGroup(file is null, group) : error;
            case TtyIoctl.GetSession:
                if (file is not null && !ReferenceEquals(Io.Jobs.CurrentTerminal, this))
                    return Errno.ENOTTY;
                return Session == 0 ? Errno.ENOTTY : UserCopy.Put(argument, Session);
            case TtyIoctl.SetControlling:
                return file is null ? Errno.EIO : SetControlling(file, (int)argument.Value);
            case TtyIoctl.GiveUpControlling:
                if (!ReferenceEquals(Io.Jobs.CurrentTerminal, this))
                    return Errno.ENOTTY;
                Disassociate(Io.Jobs, exiting: false);
                return 0L;

            case TtyIoctl.InputCount:
                using (_lock.Acquire())
                    return UserCopyCount(argument, InputCount());
            case TtyIoctl.OutputCount:
                return UserCopyCount(argument, DriverPending);
            case TtyIoctl.Exclusive:
                _exclusive = true;
                return 0L;
            case TtyIoctl.NotExclusive:
                _exclusive = false;
                return 0L;
            case TtyIoctl.GetExclusive:
                return UserCopy.Put(argument, _exclusive ? 1 : 0);
            case TtyIoctl.Insert:
                return Errno.EIO;                            // as Linux with dev.tty.legacy_tiocsti = 0
            case TtyIoctl.GetDiscipline:
                return UserCopy.Put(argument, 0);
            case TtyIoctl.SetDiscipline:
                error = UserCopy.Get(argument, out int discipline);
                return error != Errno.None ? error : discipline == 0 ? 0L : Errno.EINVAL;
            case TtyIoctl.GetSoftCarrier:
                return UserCopy.Put(argument, (_termios.Control & LocalLine) != 0 ? 1 : 0);
            case TtyIoctl.SetSoftCarrier:
                error = UserCopy.Get(argument, out int carrier);
                if (error == Errno.None)
                    _termios.Control = (_termios.Control & ~LocalLine) | (carrier != 0 ? LocalLine : 0);
                return error;
            case TtyIoctl.VirtualHangUp:
                if (!who.Credentials.Has(Capability.SysAdmin))
                    return Errno.EPERM;
                HangUp();
                return 0L;
            case TtyIoctl.StartBreak:
            case TtyIoctl.StopBreak:
                return 0L;
            default:
                return Errno.ENOTTY;
        }
    }

    private const uint LocalLine = 0x800;

    private static Result<long> UserCopyCount(VirtAddr argument, int count) => UserCopy.Put(argument, count);

    // What FIONREAD counts: in canonical mode only lines, without end-of-file marks. Linux: inq_canon.
    private int InputCount()
    {
        if (!_termios.Has(LocalModes.Canonical) || _termios.Has(LocalModes.ExternalProcessing))
            return (int)(_readHead - _readTail);
        int count = 0;
        for (uint at = _readTail; at != _canonHead; at++)
        {
            if (!IsLineEnd(at) || _input[(int)(at & InputMask)] != 0)
                count++;
        }
        return count;
    }

    private unsafe Result<long> PutTermios(VirtAddr argument, int bytes)
    {
        Termios t = _termios;
        return UserCopy.CopyToUser(argument, new System.ReadOnlySpan<byte>(Unsafe.AsPointer(ref t), bytes));
    }

    // Linux: set_termios. What is not in the caller's shape stays as it is.
    private unsafe Result<long> SetAttributes(TtyFile? file, TtyIoctl command, VirtAddr argument)
    {
        if (file is not null)
        {
            Errno background = CheckForeground(SigTtou);
            if (background != Errno.None)
                return background;
        }
        bool isLong = command is TtyIoctl.SetAttributes2 or TtyIoctl.SetAttributes2AfterOutput or TtyIoctl.SetAttributes2AfterFlush;
        Termios wanted = _termios;
        Errno error = UserCopy.CopyFromUser(
            new System.Span<byte>(Unsafe.AsPointer(ref wanted), isLong ? Termios.LongBytes : Termios.ShortBytes), argument);
        if (error != Errno.None)
            return error;
        wanted.UpdateSpeeds();
        wanted.Line = 0;
        if (command is TtyIoctl.SetAttributesAfterFlush or TtyIoctl.SetAttributes2AfterFlush)
        {
            using (_lock.Acquire())
                FlushInput();
            DriverUnthrottle();
        }
        if (file is not null && command is not (TtyIoctl.SetAttributes or TtyIoctl.SetAttributes2))
        {
            error = WaitUntilSent(file);
            if (error != Errno.None)
                return error;
        }
        using (_lock.Acquire())
            ApplySettings(wanted);
        Readers.WakeAll();
        Writers.WakeAll();
        DriverUnthrottle();
        return 0L;
    }

    // Linux: tty_set_termios and n_tty_set_termios.
    private void ApplySettings(in Termios wanted)
    {
        Termios old = _termios;
        _termios = wanted;
        const LocalModes Shape = LocalModes.Canonical | LocalModes.ExternalProcessing;
        if (((old.Local ^ wanted.Local) & Shape) != 0)
        {
            // What was typed until now counts as one line that is complete.
            new System.Span<ulong>(_lineEnds).Clear();
            _canonHead = _readHead;
            _pushed = _readHead != _readTail;
            if (_pushed)
            {
                uint at = (_readHead - 1) & InputMask;
                _lineEnds[(int)(at >> 6)] |= 1UL << (int)(at & 63);
            }
            _erasing = false;
            _literalNext = false;
        }
        if (!wanted.Has(InputModes.FlowControl) && old.Has(InputModes.FlowControl))
            SetStopped(false);
        bool flowed = old.Has(InputModes.FlowControl) && old[ControlIndex.Stop] == 19 && old[ControlIndex.Start] == 17;
        bool flows = wanted.Has(InputModes.FlowControl) && wanted[ControlIndex.Stop] == 19 && wanted[ControlIndex.Start] == 17;
        if (flowed != flows)
            DriverPacketEvent(flows ? PacketEvents.DoStop : PacketEvents.NoStop);
    }

    /// <summary>Sets the size; when it changed the foreground processes get SIGWINCH. Linux: <c>tty_do_resize</c>.</summary>
    public void SetWindowSize(in WindowSize size)
    {
        if (size.Rows == _window.Rows && size.Columns == _window.Columns
            && size.PixelsWide == _window.PixelsWide && size.PixelsHigh == _window.PixelsHigh)
            return;
        _window = size;
        if (ForegroundGroup != 0)
            Io.Jobs.SignalProcessGroup(ForegroundGroup, SigWinch);
    }

    // TCSBRK, TCSBRKP, TCXONC, TCFLSH.
    private Result<long> FlowIoctl(TtyFile? file, TtyIoctl command, VirtAddr argument)
    {
        int action = (int)argument.Value;
        switch (command)
        {
            case TtyIoctl.SendBreak:
            case TtyIoctl.SendBreakPosix:
                // tcdrain is TCSBRK with 1; a real break goes to nobody here.
                return file is null ? 0L : WaitUntilSent(file);
            case TtyIoctl.FlowAction:
                using (_lock.Acquire())
                {
                    switch (action)
                    {
                        case 0:
                            SetStopped(true);
                            break;
                        case 1:
                            SetStopped(false);
                            break;
                        case 2:
                        case 3:
                            byte c = _termios[action == 2 ? ControlIndex.Stop : ControlIndex.Start];
                            if (c != 0)
                                DriverWrite(c);
                            break;
                        default:
                            return Errno.EINVAL;
                    }
                    DriverKick();
                }
                return 0L;
            default:
                if (action is < 0 or > 2)
                    return Errno.EINVAL;
                using (_lock.Acquire())
                {
                    if (action != 1)
                        FlushInput();
                    if (action != 0)
                    {
                        DriverFlushOutput();
                        DriverPacketEvent(PacketEvents.FlushWrite);
                    }
                }
                if (action != 0)
                    Writers.WakeAll();
                DriverUnthrottle();
                return 0L;
        }
    }
}
