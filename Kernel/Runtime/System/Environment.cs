using System.Diagnostics.CodeAnalysis;

namespace System;

/// <summary>The way out.</summary>
public static class Environment
{
    /// <summary>Stops the kernel (panic) or the program with a message.</summary>
    [DoesNotReturn]
    public static void FailFast(string? message) => ThrowHelper.Panic(message ?? "fail fast");
}
