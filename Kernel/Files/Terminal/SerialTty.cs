using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Hal;

namespace NanoVm.Files.Terminal;

/// <summary>The serial line as a terminal: <c>/dev/ttyS0</c> and <c>/dev/console</c>. Built once at boot.</summary>
/// <remarks>
/// Linux: <c>uart_driver</c>. The line's interrupt brings bytes straight into the line discipline; what that does not take stays in
/// the port's ring, so nothing that is typed ahead is lost. Locks: <see cref="_pumpLock"/>, then the terminal's, then the port's.
/// </remarks>
internal sealed class SerialTty : Tty
{
    /// <summary>Output that may wait for the line, so that ^S and ^C take effect soon; echo may use the double.</summary>
    private const int OutputBytes = 2048;

    private readonly Uart16550 _uart;

    // Bytes taken from the port that the discipline had no room for. Guarded by _pumpLock.
    private SpinLock _pumpLock;
    private readonly byte[] _held = new byte[64];
    private int _heldStart;
    private int _heldEnd;

    // Output of the call under way: the port gets it in one piece. Guarded by the terminal's lock.
    private readonly byte[] _out = new byte[OutputBytes * 2];
    private int _outCount;
    private bool _stopped;

    /// <summary>Makes the terminal and takes the line's input.</summary>
    /// <param name="window">What the person's terminal is like: a serial line cannot ask.</param>
    public SerialTty(IoSystem io, Uart16550 uart, WindowSize window)
    {
        _uart = uart;
        if (Initialize(io, DeviceNumber.Make(4, 64), Termios.SerialControl) != Errno.None)
            Panic.Now("no memory for the console at boot"u8);
        _window = window;
        uart.Listener = new LineListener(this);
    }

    /// <inheritdoc/>
    protected override int DriverRoom => _stopped ? 0 : Math.Max(0, OutputBytes - _outCount - _uart.Pending);

    /// <inheritdoc/>
    protected override bool DriverWrite(byte value)
    {
        if (_outCount == _out.Length)
            DriverKick();
        if (_outCount == _out.Length)
            return false;
        _out[_outCount++] = value;
        return true;
    }

    /// <inheritdoc/>
    protected override void DriverKick()
    {
        if (_outCount == 0)
            return;
        int sent = _uart.Write(new ReadOnlySpan<byte>(_out, 0, _outCount));
        _outCount -= sent;
        if (_outCount != 0)
            new ReadOnlySpan<byte>(_out, sent, _outCount).CopyTo(_out);
    }

    /// <inheritdoc/>
    protected override int DriverPending => _outCount + _uart.Pending;

    /// <inheritdoc/>
    protected override void DriverFlushOutput()
    {
        _outCount = 0;
        _uart.Flush(input: false, output: true);
    }

    /// <inheritdoc/>
    protected override void DriverSetStopped(bool stopped) => _stopped = stopped;

    /// <inheritdoc/>
    protected override void DriverUnthrottle() => Pump();

    /// <inheritdoc/>
    protected override void DriverLastClose()
    {
    }

    // From the port to the discipline, as far as that takes it.
    private void Pump()
    {
        using (_pumpLock.Acquire())
        {
            for (; ; )
            {
                if (_heldStart == _heldEnd)
                {
                    _heldStart = 0;
                    _heldEnd = _uart.Read(_held);
                    if (_heldEnd == 0)
                        return;
                }
                int taken = Receive(new ReadOnlySpan<byte>(_held, _heldStart, _heldEnd - _heldStart));
                if (taken == 0)
                    return;
                _heldStart += taken;
            }
        }
    }

    // Room for output: what did not fit goes first, then those who wait.
    private void Drained()
    {
        using (_lock.Acquire())
            DriverKick();
        Writers.WakeAll();
    }

    /// <summary>The port's way up.</summary>
    private sealed class LineListener(SerialTty tty) : SerialListener
    {
        private readonly SerialTty _tty = tty;

        public override void InputArrived() => _tty.Pump();

        public override void OutputDrained() => _tty.Drained();
    }
}
