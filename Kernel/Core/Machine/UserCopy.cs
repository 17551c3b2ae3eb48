using System;
using System.Runtime;
using System.Runtime.CompilerServices;

namespace NanoVm.Core;

/// <summary>The only way to user memory: with SMAP lifted for the copy, faults handled as usual or ending the copy.</summary>
/// <remarks>
/// Linux: <c>copy_from_user</c> and its family. The instructions that touch user memory are in <c>boot/usercopy.asm</c>, each with
/// an entry in the exception table; a fault that the memory manager cannot resolve continues there. May sleep (faults do), so
/// never under a spin lock. Part of the edge that Kernel.Tests/Machine replaces.
/// </remarks>
internal static unsafe class UserCopy
{
    /// <summary>Copies all of <paramref name="to"/>.</summary>
    /// <returns><see cref="Errno.EFAULT"/> when some byte could not be read; <paramref name="to"/> may then be written in part.</returns>
    public static Errno CopyFromUser(Span<byte> to, VirtAddr from) =>
        CopyFromUserPartial(to, from) == 0 ? Errno.None : Errno.EFAULT;

    /// <returns>The number of bytes not copied; 0 is success.</returns>
    public static ulong CopyFromUserPartial(Span<byte> to, VirtAddr from)
    {
        if (!UserSpace.Contains(from, (ulong)to.Length) || IsMadeToFail())
            return (ulong)to.Length;
        fixed (byte* pointer = to)
            return CopyIn(pointer, from.Value, (ulong)to.Length);
    }

    /// <summary>Copies all of <paramref name="from"/>.</summary>
    /// <returns><see cref="Errno.EFAULT"/> when some byte could not be written; those before it are.</returns>
    public static Errno CopyToUser(VirtAddr to, ReadOnlySpan<byte> from) =>
        CopyToUserPartial(to, from) == 0 ? Errno.None : Errno.EFAULT;

    /// <returns>The number of bytes not copied; 0 is success.</returns>
    public static ulong CopyToUserPartial(VirtAddr to, ReadOnlySpan<byte> from)
    {
        if (!UserSpace.Contains(to, (ulong)from.Length) || IsMadeToFail())
            return (ulong)from.Length;
        fixed (byte* pointer = from)
            return CopyOut(to.Value, pointer, (ulong)from.Length);
    }

    /// <summary>Writes zeros.</summary>
    public static Errno ClearUser(VirtAddr to, ulong bytes) => ClearUserPartial(to, bytes) == 0 ? Errno.None : Errno.EFAULT;

    /// <returns>The number of bytes not cleared.</returns>
    public static ulong ClearUserPartial(VirtAddr to, ulong bytes) =>
        UserSpace.Contains(to, bytes) && !IsMadeToFail() ? Clear(to.Value, bytes) : bytes;

    /// <summary>Reads one value.</summary>
    public static Errno Get<T>(VirtAddr from, out T value) where T : unmanaged
    {
        T copy = default;
        Errno error = CopyFromUser(new Span<byte>(&copy, sizeof(T)), from);
        value = error == Errno.None ? copy : default;
        return error;
    }

    /// <summary>Writes one value.</summary>
    public static Errno Put<T>(VirtAddr to, in T value) where T : unmanaged
    {
        T copy = value;
        return CopyToUser(to, new ReadOnlySpan<byte>(&copy, sizeof(T)));
    }

    /// <summary>Copies a text that ends in a zero byte. Linux: <c>strncpy_from_user</c>.</summary>
    /// <param name="to">Gets the text and its zero; one byte at least.</param>
    /// <returns>
    /// The length without the zero; <see cref="Errno.ENAMETOOLONG"/> when <paramref name="to"/> is full before the zero comes;
    /// <see cref="Errno.EFAULT"/>.
    /// </returns>
    public static Result<int> StringFromUser(Span<byte> to, VirtAddr from)
    {
        if (from.Value >= UserSpace.Limit || IsMadeToFail())
            return Errno.EFAULT;
        ulong room = UserSpace.Limit - from.Value;
        ulong limit = Math.Min(room, (ulong)to.Length);
        long length;
        fixed (byte* pointer = to)
            length = CopyString(pointer, from.Value, limit);
        if (length < 0)
            return Errno.EFAULT;
        if ((ulong)length == limit)
            return limit == room ? Errno.EFAULT : Errno.ENAMETOOLONG;
        return (int)length;
    }

    /// <summary>Compares and swaps 32 bits as one atomic access.</summary>
    /// <param name="old">What was there.</param>
    /// <returns><see cref="Errno.EFAULT"/> when the address cannot be written or is not aligned to four.</returns>
    public static Errno CompareExchange32(VirtAddr address, uint expected, uint desired, out uint old)
    {
        uint seen = 0;
        bool ok = (address.Value & 3) == 0 && UserSpace.Contains(address, 4) && !IsMadeToFail()
            && CompareExchange(address.Value, expected, desired, &seen) == 0;
        old = seen;
        return ok ? Errno.None : Errno.EFAULT;
    }

    /// <summary>A test wants this copy to fail. Linux: <c>should_fail_usercopy</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsMadeToFail() => PerCpu.FailuresArmed && PerCpu.Failures.ShouldFail(FailureKinds.Copies);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "usercopy_in")]
    private static extern ulong CopyIn(void* to, ulong from, ulong bytes);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "usercopy_out")]
    private static extern ulong CopyOut(ulong to, void* from, ulong bytes);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "usercopy_clear")]
    private static extern ulong Clear(ulong to, ulong bytes);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "usercopy_string")]
    private static extern long CopyString(void* to, ulong from, ulong limit);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "usercopy_compare_exchange")]
    private static extern int CompareExchange(ulong address, uint expected, uint desired, uint* old);
}
