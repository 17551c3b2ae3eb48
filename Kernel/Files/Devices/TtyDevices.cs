using NanoVm.Core;
using NanoVm.Files.Terminal;

namespace NanoVm.Files.Devices;

/// <summary>A terminal that is always there: <c>/dev/ttyS0</c>, <c>/dev/console</c>.</summary>
internal sealed class TtyDevice(IoSystem io, System.ReadOnlySpan<byte> name, uint major, uint minor, uint permissions, Tty tty, bool isConsole)
    : CharDevice(name, major, minor, permissions)
{
    private readonly IoSystem _io = io;
    private readonly Tty _tty = tty;
    private readonly bool _isConsole = isConsole;

    /// <inheritdoc/>
    public override Result<OpenFile> Open(TaskFiles who, in PathRef path, OpenFlags flags)
        => TtyFile.Open(_io, who, path, flags, _tty, _isConsole);
}

/// <summary><c>/dev/tty</c>: the controlling terminal of whoever opens it.</summary>
internal sealed class CurrentTtyDevice(IoSystem io) : CharDevice("tty"u8, 5, 0, 0x1B6)
{
    private readonly IoSystem _io = io;

    /// <inheritdoc/>
    public override Result<OpenFile> Open(TaskFiles who, in PathRef path, OpenFlags flags)
    {
        Tty? tty = _io.Jobs.CurrentTerminal;
        return tty is null
            ? Errno.ENXIO
            : TtyFile.Open(_io, who, path, flags | OpenFlags.NoControllingTerminal, tty, isConsole: false);
    }
}

/// <summary><c>/dev/ptmx</c>: each opening makes a new pseudo terminal.</summary>
internal sealed class PtmxDevice(IoSystem io) : CharDevice("ptmx"u8, 5, 2, 0x1B6)
{
    private readonly IoSystem _io = io;

    /// <inheritdoc/>
    public override Result<OpenFile> Open(TaskFiles who, in PathRef path, OpenFlags flags)
        => PtyMasterFile.Open(_io, who, path, flags);
}
