using NanoVm.Core;

namespace NanoVm.Files.Terminal;

/// <summary>The open master of a pseudo terminal. Linux: what opening <c>/dev/ptmx</c> gives.</summary>
internal sealed class PtyMasterFile : OpenFile
{
    private IoSystem _io = null!;
    private PtyPair _pair = null!;

    /// <summary>Makes a new pair and opens its master. Linux: <c>ptmx_open</c>.</summary>
    public static Result<OpenFile> Open(IoSystem io, TaskFiles who, in PathRef path, OpenFlags flags)
    {
        PtyMasterFile? file = io.PtyMasters.Allocate();
        if (file is null)
            return Errno.ENOMEM;
        if (!io.Ptys.Create(who).TryGet(out PtyPair pair, out Errno error))
        {
            io.PtyMasters.Free(file);
            return error;
        }
        file._io = io;
        file._pair = pair;
        file.Initialize(path, flags);
        file.Modes = (file.Modes & ~(OpenModes.Seek | OpenModes.Positional)) | OpenModes.Stream;
        return file;
    }

    /// <inheritdoc/>
    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position) => _pair.MasterRead(IsNonBlocking, ref to);

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ref IovIter from, ref long position) => _pair.MasterWrite(IsNonBlocking, ref from);

    /// <inheritdoc/>
    public override PollEvents Poll(PollTable? table) => _pair.MasterPoll(table);

    /// <inheritdoc/>
    public override Result<long> Ioctl(TaskFiles who, uint command, VirtAddr argument)
    {
        Errno error;
        switch ((TtyIoctl)command)
        {
            case TtyIoctl.GetSlaveNumber:
                return UserCopy.Put(argument, _pair.Number);
            case TtyIoctl.SetSlaveLock:
                error = UserCopy.Get(argument, out int locked);
                if (error == Errno.None)
                    _pair.IsLocked = locked != 0;
                return error;
            case TtyIoctl.GetSlaveLock:
                return UserCopy.Put(argument, _pair.IsLocked ? 1 : 0);
            case TtyIoctl.PacketMode:
                error = UserCopy.Get(argument, out int packet);
                if (error == Errno.None)
                    _pair.SetPacketMode(packet != 0);
                return error;
            case TtyIoctl.GetPacketMode:
                return UserCopy.Put(argument, _pair.PacketMode ? 1 : 0);
            case TtyIoctl.MasterSignal:
                return Signal((int)argument.Value);
            case TtyIoctl.OpenSlave:
                return OpenSlave(who, (OpenFlags)argument.Value);
            case TtyIoctl.InputCount:
                return UserCopy.Put(argument, _pair.MasterPending);
            default:
                return _pair.Ioctl(who, null, (TtyIoctl)command, argument);
        }
    }

    /// <inheritdoc/>
    protected override void Release() => _pair.MasterClosed();

    /// <inheritdoc/>
    protected override void FreeObject() => _io.PtyMasters.Free(this);

    // TIOCSIG: SIGINT, SIGQUIT or SIGTSTP to the slave's foreground.
    private Result<long> Signal(int signal)
    {
        if (signal is not (2 or 3 or 20))
            return Errno.EINVAL;
        if (_pair.ForegroundGroup != 0)
            _io.Jobs.SignalProcessGroup(_pair.ForegroundGroup, signal);
        return 0L;
    }

    // TIOCGPTPEER: the slave, whatever is mounted at /dev/pts. Linux: ptm_open_peer.
    private Result<long> OpenSlave(TaskFiles who, OpenFlags flags)
    {
        const OpenFlags Allowed = OpenFlags.AccessMask | OpenFlags.NoControllingTerminal | OpenFlags.NonBlocking | OpenFlags.CloseOnExec;
        if ((flags & ~Allowed) != 0)
            return Errno.EINVAL;
        CloseOnExec onExec = (flags & OpenFlags.CloseOnExec) != 0 ? CloseOnExec.Yes : CloseOnExec.No;
        if (!who.Files.Reserve(who, onExec).TryGet(out int fd, out Errno error))
            return error;
        if (!_io.Ptys.OpenSlave(who, _pair, flags).TryGet(out OpenFile slave, out error))
        {
            who.Files.Unreserve(fd);
            return error;
        }
        who.Files.Install(fd, slave);
        return (long)fd;
    }
}
