using System;
using NanoVm.Core;

namespace NanoVm.Syscalls;

/// <summary>The part of an extensible structure that a newer program knows and this kernel does not.</summary>
/// <remarks>Linux: <c>copy_struct_from_user</c>.</remarks>
internal static class StructureTail
{
    /// <returns><see cref="Errno.E2BIG"/> when a byte is not zero, <see cref="Errno.EFAULT"/>.</returns>
    public static Errno CheckZero(VirtAddr from, ulong bytes)
    {
        Span<byte> chunk = stackalloc byte[64];
        while (bytes > 0)
        {
            int count = bytes < 64 ? (int)bytes : 64;
            Errno error = UserCopy.CopyFromUser(chunk[..count], from);
            if (error != Errno.None)
                return error;
            foreach (byte b in chunk[..count])
            {
                if (b != 0)
                    return Errno.E2BIG;
            }
            from += (ulong)count;
            bytes -= (ulong)count;
        }
        return Errno.None;
    }
}
