using System;

namespace NanoVm.Core;

/// <summary>The second serial port, polled: needs nothing to be set up. For messages before the log and for panics.</summary>
internal static class EarlyConsole
{
    private const ushort Port = 0x2f8;
    private const ushort LineStatus = Port + 5;
    private const byte TransmitterEmpty = 0x20;
    private const byte NotThere = 0xff;
    private const int MostTries = 100_000;

    public static void Write(ReadOnlySpan<byte> text)
    {
        foreach (byte character in text)
        {
            int tries = 0;
            byte status;
            do
                status = Cpu.In8(LineStatus);
            while ((status & TransmitterEmpty) == 0 && ++tries < MostTries);
            if (status == NotThere)
                return;
            Cpu.Out8(Port, character);
        }
    }
}
