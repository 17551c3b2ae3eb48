using System;
using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Hal;

/// <summary>Who hears of a serial port's input and of room for output: the terminal.</summary>
internal abstract class SerialListener
{
    /// <summary>Bytes wait in <see cref="Uart16550.Read"/>. From the interrupt; may wake threads, may not sleep.</summary>
    public abstract void InputArrived();

    /// <summary>The output buffer has room again. From the interrupt.</summary>
    public virtual void OutputDrained()
    {
    }
}

/// <summary>A serial port. The first one is the terminal: interrupts fill a receive ring and empty a transmit ring.</summary>
/// <remarks>National Semiconductor 16550. Linux: <c>8250</c>.</remarks>
internal sealed class Uart16550 : InterruptHandler
{
    public const ushort Com1 = 0x3f8;
    public const ushort Com2 = 0x2f8;
    public const uint Com1Interrupt = 4;
    public const uint Com2Interrupt = 3;

    private const int InterruptEnable = 1;
    private const int FifoControl = 2;
    private const int InterruptIdentification = 2;
    private const int LineControl = 3;
    private const int ModemControl = 4;
    private const int LineStatus = 5;

    private const byte ReceiveInterrupt = 1;
    private const byte TransmitInterrupt = 2;
    private const byte LineStatusInterrupt = 4;
    private const byte DataReady = 1;
    private const byte BreakReceived = 0x10;
    private const byte TransmitterEmpty = 0x20;
    private const byte TransmitterIdle = 0x40;
    private const byte NoInterruptPending = 1;
    private const int FifoBytes = 16;

    /// <summary>How often the line must be found silent before nobody is thought to type.</summary>
    private const int QuietPolls = 500;

    private const int ReceiveCapacity = 16 * 1024;
    private const int TransmitCapacity = 16 * 1024;

    private readonly ushort _port;
    private SpinLock _lock;
    /// <summary>Under <see cref="_lock"/>, as all below: rings with positions that only grow.</summary>
    private readonly byte[] _received = new byte[ReceiveCapacity];
    private readonly byte[] _toSend = new byte[TransmitCapacity];
    private ulong _receivedHead, _receivedTail;
    private ulong _sendHead, _sendTail;
    private byte _enabledInterrupts;

    /// <summary>Set once by the terminal; null before.</summary>
    public SerialListener? Listener { get; set; }

    /// <summary>Bytes that came when the ring was full.</summary>
    public ulong Overruns { get; private set; }

    public Uart16550(ushort port)
    {
        _port = port;
        Cpu.Out8((ushort)(port + InterruptEnable), 0);
        Cpu.Out8((ushort)(port + LineControl), 0x80);        // the divisor: 115200 baud
        Cpu.Out8(port, 1);
        Cpu.Out8((ushort)(port + 1), 0);
        Cpu.Out8((ushort)(port + LineControl), 0x03);        // 8 bits, no parity, one stop bit
        // Turning the FIFOs on clears them: what was typed before, byte by byte as the sender finds room, is read first.
        for (int quiet = 0; quiet < QuietPolls && _receivedTail < ReceiveCapacity - 1; quiet++)
        {
            ulong before = _receivedTail;
            Receive();
            if (_receivedTail != before)
                quiet = 0;
        }
        Cpu.Out8((ushort)(port + FifoControl), 0x81);
        Cpu.Out8((ushort)(port + ModemControl), 0x0b);       // DTR, RTS, and OUT2, which lets the interrupt through
    }

    /// <summary>Lets the port interrupt.</summary>
    public void EnableInterrupts()
    {
        using (_lock.Acquire())
        {
            _enabledInterrupts = ReceiveInterrupt | LineStatusInterrupt;
            Cpu.Out8((ushort)(_port + InterruptEnable), _enabledInterrupts);
            Receive();
        }
    }

    public override void Handle(ref TrapFrame frame)
    {
        bool input;
        bool drained = false;
        bool enabled = _lock.AcquireRaw();
        ulong before = _receivedTail;
        // Edge triggered: stay until the port says that nothing is pending, or the next edge never comes.
        for (int rounds = 0; rounds < 256 && (Cpu.In8((ushort)(_port + InterruptIdentification)) & NoInterruptPending) == 0; rounds++)
        {
            Receive();
            drained |= Transmit();
        }
        input = _receivedTail != before;
        _lock.ReleaseRaw(enabled);
        if (Listener is not SerialListener listener)
            return;
        if (input)
            listener.InputArrived();
        if (drained)
            listener.OutputDrained();
    }

    /// <summary>Takes bytes that were received.</summary>
    public int Read(Span<byte> to)
    {
        using (_lock.Acquire())
        {
            int count = 0;
            while (count < to.Length && _receivedHead != _receivedTail)
                to[count++] = _received[(int)(_receivedHead++ % ReceiveCapacity)];
            return count;
        }
    }

    /// <summary>Bytes not yet sent. Linux: <c>TIOCOUTQ</c>.</summary>
    public int Pending
    {
        get
        {
            using (_lock.Acquire())
                return (int)(_sendTail - _sendHead);
        }
    }

    /// <summary>Sends as much as there is room for.</summary>
    /// <returns>The bytes taken; for the rest wait for <see cref="SerialListener.OutputDrained"/>.</returns>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        using (_lock.Acquire())
        {
            int count = 0;
            while (count < bytes.Length && _sendTail - _sendHead < TransmitCapacity)
                _toSend[(int)(_sendTail++ % TransmitCapacity)] = bytes[count++];
            Transmit();
            return count;
        }
    }

    /// <summary>Forgets what was received or is to be sent. Linux: <c>TCFLSH</c>.</summary>
    public void Flush(bool input, bool output)
    {
        using (_lock.Acquire())
        {
            if (input)
                _receivedHead = _receivedTail;
            if (output)
                _sendHead = _sendTail;
        }
    }

    /// <summary>Sends all that waits without interrupts, before the machine ends.</summary>
    public void Drain()
    {
        using (_lock.Acquire())
        {
            ulong last = _sendHead;
            for (int tries = 0; _sendHead != _sendTail && tries < 50_000_000; tries++)
            {
                Transmit();
                if (_sendHead != last)
                    tries = 0;
                last = _sendHead;
            }
            for (int tries = 0; tries < 1_000_000 && (Cpu.In8((ushort)(_port + LineStatus)) & TransmitterIdle) == 0; tries++)
                Interrupts.Pause();
        }
    }

    private void Receive()
    {
        while (true)
        {
            byte status = Cpu.In8((ushort)(_port + LineStatus));
            if ((status & DataReady) == 0 || status == 0xff)
                return;
            byte value = Cpu.In8(_port);
            if ((status & BreakReceived) != 0)
                continue;
            if (_receivedTail - _receivedHead == ReceiveCapacity)
                Overruns++;
            else
                _received[(int)(_receivedTail++ % ReceiveCapacity)] = value;
        }
    }

    /// <summary>Fills the port's FIFO, and asks for an interrupt while there is more.</summary>
    /// <returns>Whether bytes left the ring.</returns>
    private bool Transmit()
    {
        bool sent = false;
        while (_sendHead != _sendTail && (Cpu.In8((ushort)(_port + LineStatus)) & TransmitterEmpty) != 0)
        {
            for (int i = 0; i < FifoBytes && _sendHead != _sendTail; i++)
                Cpu.Out8(_port, _toSend[(int)(_sendHead++ % TransmitCapacity)]);
            sent = true;
        }
        byte wanted = _sendHead != _sendTail ? (byte)(_enabledInterrupts | TransmitInterrupt) : (byte)(_enabledInterrupts & ~TransmitInterrupt);
        if (wanted != _enabledInterrupts)
        {
            _enabledInterrupts = wanted;
            Cpu.Out8((ushort)(_port + InterruptEnable), wanted);
        }
        return sent;
    }
}
