using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NanoVm.Files.Terminal;

/// <summary>The settings of a terminal, as user space sees them. Linux: <c>struct termios2</c>; the first 36 bytes are <c>struct termios</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Termios
{
    /// <summary>Bytes of the shape that TCGETS and TCSETS move.</summary>
    public const int ShortBytes = 36;

    /// <summary>Bytes of the shape that TCGETS2 and TCSETS2 move.</summary>
    public const int LongBytes = 44;

    /// <summary>What happens to bytes that come in.</summary>
    public InputModes Input;

    /// <summary>What happens to bytes that go out.</summary>
    public OutputModes Output;

    /// <summary>The line: character size, speed.</summary>
    public uint Control;

    /// <summary>Editing, echo, signals.</summary>
    public LocalModes Local;

    /// <summary>The line discipline; always 0, N_TTY.</summary>
    public byte Line;

    private ControlBytes _characters;

    /// <summary>Speed of input in bits a second.</summary>
    public uint InputSpeed;

    /// <summary>Speed of output in bits a second.</summary>
    public uint OutputSpeed;

    /// <summary>The control character with this index; 0 switches its function off.</summary>
    public readonly byte this[ControlIndex index] => _characters[(int)index];

    /// <summary>Is <paramref name="c"/> the control character with this index? A character that is switched off equals none.</summary>
    public readonly bool Is(byte c, ControlIndex index) => c != 0 && _characters[(int)index] == c;

    public readonly bool Has(InputModes modes) => (Input & modes) != 0;

    public readonly bool Has(OutputModes modes) => (Output & modes) != 0;

    public readonly bool Has(LocalModes modes) => (Local & modes) != 0;

    /// <summary>What a new terminal has. Linux: <c>tty_std_termios</c>.</summary>
    /// <param name="control">Speed and size: <see cref="SerialControl"/> or <see cref="PseudoControl"/>.</param>
    public static Termios Standard(uint control)
    {
        Termios t = default;
        t.Input = InputModes.CrToNl | InputModes.FlowControl;
        t.Output = OutputModes.PostProcess | OutputModes.NlToCrNl;
        t.Control = control;
        t.Local = LocalModes.Signals | LocalModes.Canonical | LocalModes.Echo | LocalModes.EchoErase | LocalModes.EchoKill
            | LocalModes.EchoControl | LocalModes.EchoKillErase | LocalModes.Extended;
        ReadOnlySpan<byte> characters = [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0];
        for (int i = 0; i < characters.Length; i++)
            t._characters[i] = characters[i];
        t.UpdateSpeeds();
        return t;
    }

    /// <summary>115200 baud, 8 bits, receiver on, hang up on close, no modem lines.</summary>
    public const uint SerialControl = 0x1002 | 0x30 | 0x80 | 0x400 | 0x800;

    /// <summary>38400 baud, 8 bits, receiver on.</summary>
    public const uint PseudoControl = 0xF | 0x30 | 0x80;

    private const uint SpeedMask = 0x100F;
    private const uint OtherSpeed = 0x1000;

    /// <summary>Sets the two speeds in bits a second from the speed code, unless that says "as the numbers are". Linux: <c>BOTHER</c>.</summary>
    public void UpdateSpeeds()
    {
        uint code = Control & SpeedMask;
        if (code == OtherSpeed)
            return;
        ReadOnlySpan<uint> low = [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400];
        ReadOnlySpan<uint> high = [0, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000,
            2500000, 3000000, 3500000, 4000000];
        OutputSpeed = (code & OtherSpeed) == 0 ? low[(int)(code & 15)] : high[(int)(code & 15)];
        InputSpeed = OutputSpeed;
    }

    [InlineArray(19)]
    private struct ControlBytes
    {
        private byte _first;
    }
}

/// <summary>Indices of control characters. Linux: <c>VINTR</c> and so on.</summary>
internal enum ControlIndex
{
    Interrupt = 0,
    Quit = 1,
    Erase = 2,
    Kill = 3,
    EndOfFile = 4,
    Time = 5,
    Minimum = 6,
    Start = 8,
    Stop = 9,
    Suspend = 10,
    EndOfLine = 11,
    Reprint = 12,
    Discard = 13,
    WordErase = 14,
    LiteralNext = 15,
    EndOfLine2 = 16,
}

/// <summary>Linux: <c>c_iflag</c>.</summary>
[Flags]
internal enum InputModes : uint
{
    IgnoreBreak = 0x1,
    BreakInterrupts = 0x2,
    IgnoreParity = 0x4,
    MarkParity = 0x8,
    Strip = 0x20,
    NlToCr = 0x40,
    IgnoreCr = 0x80,
    CrToNl = 0x100,
    UpperToLower = 0x200,
    FlowControl = 0x400,
    AnyRestarts = 0x800,
    BellOnFull = 0x2000,
    Utf8 = 0x4000,
}

/// <summary>Linux: <c>c_oflag</c>.</summary>
[Flags]
internal enum OutputModes : uint
{
    PostProcess = 0x1,
    LowerToUpper = 0x2,
    NlToCrNl = 0x4,
    CrToNl = 0x8,
    NoCrAtColumn0 = 0x10,
    NlReturns = 0x20,
    TabMask = 0x1800,
    ExpandTabs = 0x1800,
}

/// <summary>Linux: <c>c_lflag</c>.</summary>
[Flags]
internal enum LocalModes : uint
{
    Signals = 0x1,
    Canonical = 0x2,
    Echo = 0x8,
    EchoErase = 0x10,
    EchoKill = 0x20,
    EchoNl = 0x40,
    NoFlush = 0x80,
    StopBackgroundOutput = 0x100,
    EchoControl = 0x200,
    EchoPrint = 0x400,
    EchoKillErase = 0x800,
    Extended = 0x8000,
    ExternalProcessing = 0x10000,
}

/// <summary>The size of the terminal's window. Linux: <c>struct winsize</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct WindowSize
{
    public ushort Rows;
    public ushort Columns;
    public ushort PixelsWide;
    public ushort PixelsHigh;
}
