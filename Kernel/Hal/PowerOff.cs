using System;
using System.Diagnostics.CodeAnalysis;
using NanoVm.Core;

namespace NanoVm.Hal;

/// <summary>Ends the machine, or starts it anew.</summary>
/// <remarks>
/// run-qemu.sh learns the exit status from the line <c>nanovm: exit status N</c> on the second serial port; QEMU ends because of its
/// isa-debug-exit device, or where that is missing through the chip set's power management.
/// </remarks>
/// <param name="terminal">Its last output goes out first.</param>
internal sealed class PowerOff(Uart16550 terminal)
{
    private const ushort DebugExitPort = 0xf4;
    private const ushort Q35PowerControl = 0x604;
    private const ushort PiixPowerControl = 0xb004;
    private const ushort SleepNow = 0x2000;
    private const ushort KeyboardCommand = 0x64;
    private const byte PulseReset = 0xfe;
    private const ushort ResetControl = 0xcf9;

    /// <param name="status">0 to 255, what the machine's first program ended with.</param>
    [DoesNotReturn]
    public void Now(int status)
    {
        Interrupts.Disable();
        terminal.Drain();
        Span<byte> line = stackalloc byte[64];
        var text = new TextWriter(line);
        text.Text("nanovm: exit status "u8);
        text.Decimal((ulong)(status & 0xff));
        text.Text("\n"u8);
        Log.Raw(text.Written);

        Cpu.Out8(DebugExitPort, (byte)(status & 0x7f));
        Cpu.Out16(Q35PowerControl, SleepNow);
        Cpu.Out16(PiixPowerControl, SleepNow);
        Halt();
    }

    [DoesNotReturn]
    public void Reboot()
    {
        Interrupts.Disable();
        terminal.Drain();
        Cpu.Out8(ResetControl, 2);
        Cpu.Out8(ResetControl, 6);
        Cpu.Out8(KeyboardCommand, PulseReset);
        Halt();
    }

    [DoesNotReturn]
    private static void Halt()
    {
        while (true)
            Cpu.Halt();
    }
}
