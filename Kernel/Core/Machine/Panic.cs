using System;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace NanoVm.Core;

/// <summary>The end, when the kernel finds itself wrong: says why and where, and ends the machine with a failure.</summary>
/// <remarks>Part of the edge that Kernel.Tests/Machine replaces: there it throws.</remarks>
internal static class Panic
{
    [DoesNotReturn]
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Now(ReadOnlySpan<byte> why) => PanicReport.Now(why);

    /// <summary>Panics when <paramref name="condition"/> does not hold.</summary>
    public static void Unless([DoesNotReturnIf(false)] bool condition, ReadOnlySpan<byte> why)
    {
        if (!condition)
            Now(why);
    }
}
