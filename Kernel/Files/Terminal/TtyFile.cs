using NanoVm.Core;

namespace NanoVm.Files.Terminal;

/// <summary>An open terminal. Linux: <c>tty_file_private</c> with <c>tty_fops</c>.</summary>
internal sealed class TtyFile : OpenFile
{
    private IoSystem _io = null!;

    /// <summary>The terminal.</summary>
    public Tty Terminal { get; private set; } = null!;

    /// <summary>Opened as /dev/console: never hung up by the end of a session.</summary>
    public bool IsConsole { get; private set; }

    /// <summary>The terminal hung up: reads end, writes fail. Linux: <c>hung_up_tty_fops</c>.</summary>
    internal bool IsHungUp;

    internal TtyFile? NextOfTerminal;

    /// <summary>Opens a terminal that exists. Linux: <c>tty_open</c>.</summary>
    /// <param name="mayControl">False for /dev/console, which never becomes a controlling terminal by itself.</param>
    public static Result<OpenFile> Open(IoSystem io, TaskFiles who, in PathRef path, OpenFlags flags, Tty tty, bool isConsole)
    {
        if (tty.IsExclusive && tty.OpenCount > 0 && !who.Credentials.Has(Capability.SysAdmin))
            return Errno.EBUSY;
        TtyFile? file = io.TtyFiles.Allocate();
        if (file is null)
            return Errno.ENOMEM;
        file._io = io;
        file.Terminal = tty;
        file.IsConsole = isConsole;
        file.Initialize(path, flags);
        file.Modes = (file.Modes & ~(OpenModes.Seek | OpenModes.Positional)) | OpenModes.Stream;
        tty.AddFile(file);
        if ((flags & OpenFlags.NoControllingTerminal) == 0 && !isConsole)
            tty.BecomeControllingIfWanted(file);
        return file;
    }

    /// <inheritdoc/>
    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position)
        => IsHungUp ? 0L : Terminal.Read(this, ref to);

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ref IovIter from, ref long position)
        => IsHungUp ? Errno.EIO : Terminal.Write(this, ref from);

    /// <inheritdoc/>
    public override Result<long> Ioctl(TaskFiles who, uint command, VirtAddr argument)
    {
        if (IsHungUp)
            return (TtyIoctl)command == TtyIoctl.SetProcessGroup ? Errno.ENOTTY : Errno.EIO;
        return Terminal.Ioctl(who, this, (TtyIoctl)command, argument);
    }

    /// <inheritdoc/>
    public override PollEvents Poll(PollTable? table)
        => IsHungUp
            ? PollEvents.Readable | PollEvents.Writable | PollEvents.Err | PollEvents.Hup
            : Terminal.Poll(this, table);

    /// <inheritdoc/>
    protected override void Release() => Terminal.RemoveFile(this);

    /// <inheritdoc/>
    protected override void FreeObject() => _io.TtyFiles.Free(this);
}
