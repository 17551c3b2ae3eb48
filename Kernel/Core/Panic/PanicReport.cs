using System;
using System.Diagnostics.CodeAnalysis;

namespace NanoVm.Core;

/// <summary>What a panic prints.</summary>
internal static class PanicReport
{
    [DoesNotReturn]
    public static void Now(ReadOnlySpan<byte> why)
    {
        while (true)
            Cpu.Halt();
    }
}
