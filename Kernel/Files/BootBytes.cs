using System;

namespace NanoVm.Files;

/// <summary>Copies of names for the singletons that are made at boot and live for ever. Not for anything that user space can reach.</summary>
internal static class BootBytes
{
    /// <summary>A copy from the boot heap.</summary>
    public static byte[] Copy(ReadOnlySpan<byte> bytes)
    {
        var copy = new byte[bytes.Length];
        bytes.CopyTo(copy);
        return copy;
    }
}
