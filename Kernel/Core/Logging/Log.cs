using System;
using System.Runtime.CompilerServices;
using Internal.Runtime;

namespace NanoVm.Core;

/// <summary>The kernel's messages: <c>Log.Info($"{count} frames")</c>, without allocation.</summary>
/// <remarks>
/// Linux: <c>printk</c>. Numbers are decimal, <c>{x:x}</c> hexadecimal; addresses are hexadecimal; byte spans are text. A line longer
/// than <see cref="LogText.Capacity"/> is cut.
/// </remarks>
internal static unsafe class Log
{
    public static void Info(ref LogText text) => WriteLine(text.Written, default);

    public static void Info(ReadOnlySpan<byte> text) => WriteLine(text, default);

    public static void Warn(ref LogText text) => WriteLine(text.Written, "warning: "u8);

    public static void Warn(ReadOnlySpan<byte> text) => WriteLine(text, "warning: "u8);

    /// <summary>Bytes as they are, without time and line end; before there is a log, straight to the second serial port.</summary>
    public static void Raw(ReadOnlySpan<byte> text)
    {
        LogBuffer? buffer = Buffer;
        if (buffer is not null)
            buffer.Write(text);
        else
            EarlyConsole.Write(text);
    }

    /// <summary>The installed log, or null before there is one.</summary>
    public static LogBuffer? Buffer => PerCpu.Area->Log is null ? null : RawObject.At<LogBuffer>(PerCpu.Area->Log);

    private static void WriteLine(scoped ReadOnlySpan<byte> text, ReadOnlySpan<byte> prefix)
    {
        // One write a line, so that lines of interrupts and of threads never mix.
        Span<byte> line = stackalloc byte[LogText.Capacity + 64];
        var writer = new TextWriter(line);
        ulong microseconds = Time.MonotonicNanoseconds / 1000;
        writer.Text("["u8);
        writer.Decimal(microseconds / 1_000_000, 5);
        writer.Text("."u8);
        writer.Decimal(microseconds % 1_000_000, 6, (byte)'0');
        writer.Text("] "u8);
        writer.Text(prefix);
        writer.Text(text);
        writer.Text("\n"u8);
        Raw(writer.Written);
    }
}
