using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Files.Events;

/// <summary>Eight-byte counts to and from the callers of event files.</summary>
internal static class EventTransfer
{
    /// <summary>Hands out a count; 8, or EFAULT.</summary>
    public static Result<long> Put(ref IovIter to, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        Unsafe.WriteUnaligned(ref bytes[0], value);
        Errno error = to.CopyToIter(bytes, out int _);
        return error == Errno.None ? 8L : error;
    }

    /// <summary>Takes a count.</summary>
    public static Errno Get(ref IovIter from, out ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        Errno error = from.CopyFromIter(bytes, out int _);
        value = Unsafe.ReadUnaligned<ulong>(ref bytes[0]);
        return error;
    }
}
