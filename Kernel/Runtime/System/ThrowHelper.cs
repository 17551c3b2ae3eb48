using System.Diagnostics.CodeAnalysis;
using System.Runtime;
using System.Runtime.CompilerServices;

namespace System;

/// <summary>Where every failed check ends: there are no exceptions, so the program stops with a message.</summary>
internal static class ThrowHelper
{
    [DoesNotReturn]
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void IndexOutOfRange() => Panic("index out of range");

    [DoesNotReturn]
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void ArgumentOutOfRange() => Panic("argument out of range");

    [DoesNotReturn]
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void NoValue() => Panic("a nullable without a value was read");

    [DoesNotReturn]
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void InvalidCast() => Panic("invalid cast");

    [DoesNotReturn]
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void Overflow() => Panic("arithmetic overflow");

    [DoesNotReturn]
    internal static void Panic(string message)
    {
        RuntimePanic(message);
        while (true)
            ;
    }

    // Supplied by the kernel (panic) or by the user program (message and abort). Never returns.
    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "RuntimePanic")]
    private static extern void RuntimePanic(string message);
}
