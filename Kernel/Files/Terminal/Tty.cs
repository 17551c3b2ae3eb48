using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Physical;

namespace NanoVm.Files.Terminal;

/// <summary>A terminal with its line discipline: the serial line, or the slave side of a pseudo terminal.</summary>
/// <remarks>
/// Linux: <c>tty_struct</c> with <c>n_tty_data</c>. What it does, by file: <c>Tty.Receive</c> (a byte comes in), <c>Tty.Erase</c>
/// (line editing), <c>Tty.Echo</c> (output and echo with columns), <c>Tty.Read</c>, <c>Tty.Write</c>, <c>Tty.Ioctl</c>,
/// <c>Tty.Jobs</c> (sessions, background processes, hang-up). The driver below says with <see cref="DriverWrite"/> where bytes go.
/// <para>Locks, outermost first: <see cref="_reading"/> or <see cref="_writing"/>, then <see cref="_lock"/>. Signals that a byte causes
/// are sent after <see cref="_lock"/> has been released. User memory is never touched under <see cref="_lock"/>.</para>
/// </remarks>
internal abstract partial class Tty
{
    /// <summary>Bytes of typed input that the discipline keeps. Linux: <c>N_TTY_BUF_SIZE</c>.</summary>
    private const int InputBytes = 4096;

    private const uint InputMask = InputBytes - 1;

    /// <summary>The machine's caches, and the signals.</summary>
    protected IoSystem Io { get; private set; } = null!;

    /// <summary>Device number, for <c>/proc/PID/stat</c>, as <see cref="DeviceNumber"/> packs it.</summary>
    public ulong Device { get; private set; }

    /// <summary>Woken when something can be read, or the terminal hung up.</summary>
    public WaitQueue Readers;

    /// <summary>Woken when something can be written, when all output is out, or the terminal hung up.</summary>
    public WaitQueue Writers;

    // Serialises whole reads, and whole writes: two writers' lines do not mix.
    private Mutex _reading;
    private Mutex _writing;

    /// <summary>Guards everything below. The serial line's interrupt takes it.</summary>
    protected SpinLock _lock;

    private Termios _termios;
    protected WindowSize _window;

    // Input: positions grow for ever, the byte of position p lies at p & InputMask.
    //   readTail <= canonHead <= readHead;  up to canonHead lines are complete and can be read in canonical mode
    private byte[] _input = null!;
    private ulong[] _lineEnds = null!;       // a bit for each position: this byte ends a line
    private uint _readHead;
    private uint _canonHead;
    private uint _readTail;
    private bool _pushed;                    // the last "line" is what was typed before a change to canonical mode
    private bool _literalNext;
    private bool _erasing;
    private bool _stopped;                   // ^S
    private byte _pendingSignals;            // bit 0 SIGINT, 1 SIGQUIT, 2 SIGTSTP: sent when the lock is free

    // Output: where the cursor is, for tabs and for erasing them.
    private uint _column;
    private uint _canonColumn;

    private bool _exclusive;
    private bool _otherClosed;

    /// <summary>Open files of this terminal, for hang-up. Linked by <see cref="TtyFile.NextOfTerminal"/>.</summary>
    private TtyFile? _files;

    /// <summary>How many there are.</summary>
    public int OpenCount { get; private set; }

    /// <summary>The session whose controlling terminal this is, or 0.</summary>
    public int Session { get; private set; }

    /// <summary>The process group in the foreground, or 0.</summary>
    public int ForegroundGroup { get; private set; }

    /// <summary>Sets up a zeroed object.</summary>
    /// <returns><see cref="Errno.ENOMEM"/>: nothing is kept.</returns>
    protected Errno Initialize(IoSystem io, ulong device, uint control)
    {
        Io = io;
        Device = device;
        byte[]? input = io.Memory.Arrays.Allocate<byte>(InputBytes);
        ulong[]? lineEnds = io.Memory.Arrays.Allocate<ulong>(InputBytes / 64);
        if (input is null || lineEnds is null)
        {
            if (input is not null)
                io.Memory.Arrays.Free(input);
            if (lineEnds is not null)
                io.Memory.Arrays.Free(lineEnds);
            return Errno.ENOMEM;
        }
        _input = input;
        _lineEnds = lineEnds;
        _termios = Termios.Standard(control);
        return Errno.None;
    }

    /// <summary>Gives back what <see cref="Initialize"/> took.</summary>
    protected void FreeBuffers()
    {
        Io.Memory.Arrays.Free(_input);
        Io.Memory.Arrays.Free(_lineEnds);
    }

    // ---- The driver --------------------------------------------------------------------------------------------------------------

    /// <summary>Bytes that <see cref="DriverWrite"/> takes now from processes. Echo may use more.</summary>
    protected abstract int DriverRoom { get; }

    /// <summary>Takes one byte for output; false when there is no room at all. Holds <see cref="_lock"/>.</summary>
    protected abstract bool DriverWrite(byte value);

    /// <summary>A batch of writes is over: start sending. Holds <see cref="_lock"/>.</summary>
    protected abstract void DriverKick();

    /// <summary>Bytes not yet sent. Linux: <c>chars_in_buffer</c>.</summary>
    protected abstract int DriverPending { get; }

    /// <summary>Throws away what is not yet sent. Holds <see cref="_lock"/>.</summary>
    protected abstract void DriverFlushOutput();

    /// <summary>Output was stopped or goes on (^S, ^Q, TCXONC). Holds <see cref="_lock"/>.</summary>
    protected abstract void DriverSetStopped(bool stopped);

    /// <summary>Room for input has become free: whoever holds bytes back may bring them. Called without a lock.</summary>
    protected abstract void DriverUnthrottle();

    /// <summary>The last file was closed.</summary>
    protected abstract void DriverLastClose();

    /// <summary>A packet-mode master is told of an event; nothing for others. Linux: <c>TIOCPKT_*</c>. Holds <see cref="_lock"/>.</summary>
    protected virtual void DriverPacketEvent(PacketEvents events)
    {
    }

    /// <summary>Pseudo terminals are not hung up when their session's leader ends: their master decides.</summary>
    protected virtual bool IsPseudo => false;
}
