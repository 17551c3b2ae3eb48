using System;
using NanoVm.Core;

namespace NanoVm.Hal;

/// <summary>The kernel's messages on the second serial port, polled: they must come out even when nothing else works any more.</summary>
internal sealed class SerialLog : LogSink
{
    public override void Write(ReadOnlySpan<byte> text) => EarlyConsole.Write(text);
}
