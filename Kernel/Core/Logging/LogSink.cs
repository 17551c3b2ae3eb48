using System;

namespace NanoVm.Core;

/// <summary>A place where the kernel's messages appear: a serial port, the screen.</summary>
internal abstract class LogSink
{
    internal LogSink? Next;

    /// <summary>Writes text as it is. Interrupts may be off; must not sleep, allocate or log.</summary>
    public abstract void Write(ReadOnlySpan<byte> text);
}
