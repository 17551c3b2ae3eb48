using NanoVm.Tests.Machine;

namespace NanoVm.Core;

/// <summary>User memory, reached through the software MMU: walks the loaded tables, and faults as the processor would.</summary>
internal static unsafe class UserCopy
{
    public static Errno CopyFromUser(Span<byte> to, VirtAddr from) => CopyFromUserPartial(to, from) == 0 ? Errno.None : Errno.EFAULT;

    public static ulong CopyFromUserPartial(Span<byte> to, VirtAddr from)
    {
        if (!UserSpace.Contains(from, (ulong)to.Length))
            return (ulong)to.Length;
        return HostMachine.Current.AccessKernel(from, to, write: false);
    }

    public static Errno CopyToUser(VirtAddr to, ReadOnlySpan<byte> from) => CopyToUserPartial(to, from) == 0 ? Errno.None : Errno.EFAULT;

    public static ulong CopyToUserPartial(VirtAddr to, ReadOnlySpan<byte> from)
    {
        if (!UserSpace.Contains(to, (ulong)from.Length))
            return (ulong)from.Length;
        return HostMachine.Current.AccessKernel(to, from.ToArray(), write: true);
    }

    public static Errno ClearUser(VirtAddr to, ulong bytes) => ClearUserPartial(to, bytes) == 0 ? Errno.None : Errno.EFAULT;

    public static ulong ClearUserPartial(VirtAddr to, ulong bytes) => CopyToUserPartial(to, new byte[bytes]);

    public static Errno Get<T>(VirtAddr from, out T value)
        where T : unmanaged
    {
        T copy = default;
        Errno error = CopyFromUser(new Span<byte>(&copy, sizeof(T)), from);
        value = error == Errno.None ? copy : default;
        return error;
    }

    public static Errno Put<T>(VirtAddr to, in T value)
        where T : unmanaged
    {
        T copy = value;
        return CopyToUser(to, new ReadOnlySpan<byte>(&copy, sizeof(T)));
    }

    public static Result<int> StringFromUser(Span<byte> to, VirtAddr from)
    {
        for (int i = 0; i < to.Length; i++)
        {
            if (CopyFromUser(to.Slice(i, 1), from + (ulong)i) != Errno.None)
                return Errno.EFAULT;
            if (to[i] == 0)
                return i;
        }

        return Errno.ENAMETOOLONG;
    }

    public static Errno CompareExchange32(VirtAddr address, uint expected, uint desired, out uint old)
    {
        old = 0;
        if ((address.Value & 3) != 0 || Get(address, out old) != Errno.None)
            return Errno.EFAULT;
        return Put(address, old == expected ? desired : old);
    }
}
