using System;

namespace NanoVm.User.Suites;

/// <summary>The system calls that the suites make, one line each. A negative result is an errno, negated (see <see cref="Errno"/>).</summary>
/// <remarks>Paths are UTF-8 literals: the compiler puts a zero byte behind each.</remarks>
internal static unsafe partial class Linux
{
    public const int Page = 4096;

    public static nint Read(int file, void* to, nint bytes) => Syscall.Call(0, file, (nint)to, bytes);
    public static nint Write(int file, void* from, nint bytes) => Syscall.Call(1, file, (nint)from, bytes);
    public static int Open(ReadOnlySpan<byte> path, int flags, int mode = 0) { fixed (byte* p = path) return (int)Syscall.Call(2, (nint)p, flags, mode); }
    public static int Close(int file) => (int)Syscall.Call(3, file);
    public static nint Seek(int file, nint offset, int whence) => Syscall.Call(8, file, offset, whence);
    public static nint Mmap(nint address, nint bytes, int protection, int flags, int file = -1, nint offset = 0) => Syscall.Call(9, address, bytes, protection, flags, file, offset);
    public static nint Mprotect(nint address, nint bytes, int protection) => Syscall.Call(10, address, bytes, protection);
    public static nint Munmap(nint address, nint bytes) => Syscall.Call(11, address, bytes);
    public static nint Brk(nint address) => Syscall.Call(12, address);
    public static nint PositionedRead(int file, void* to, nint bytes, nint offset) => Syscall.Call(17, file, (nint)to, bytes, offset);
    public static nint PositionedWrite(int file, void* from, nint bytes, nint offset) => Syscall.Call(18, file, (nint)from, bytes, offset);
    public static nint Ioctl(int file, uint command, void* argument) => Syscall.Call(16, file, (nint)command, (nint)argument);
    public static int Pipe(int* ends) => (int)Syscall.Call(22, (nint)ends);
    public static nint Mremap(nint address, nint oldBytes, nint newBytes, int flags, nint newAddress = 0) => Syscall.Call(25, address, oldBytes, newBytes, flags, newAddress);
    public static nint Msync(nint address, nint bytes, int flags) => Syscall.Call(26, address, bytes, flags);
    public static nint Mincore(nint address, nint bytes, byte* resident) => Syscall.Call(27, address, bytes, (nint)resident);
    public static nint Madvise(nint address, nint bytes, int advice) => Syscall.Call(28, address, bytes, advice);
    public static int Dup2(int file, int number) => (int)Syscall.Call(33, file, number);
    public static int GetPid() => (int)Syscall.Call(39);
    public static int Fork() => (int)Syscall.Call(57);
    public static int Wait(int pid, out int status, int options = 0) { fixed (int* s = &status) return (int)Syscall.Call(61, pid, (nint)s, options); }
    public static int Kill(int pid, int signal) => (int)Syscall.Call(62, pid, signal);
    public static int Truncate(int file, nint bytes) => (int)Syscall.Call(77, file, bytes);
    public static int Rename(ReadOnlySpan<byte> from, ReadOnlySpan<byte> to) { fixed (byte* f = from, t = to) return (int)Syscall.Call(82, (nint)f, (nint)t); }
    public static int MakeDirectory(ReadOnlySpan<byte> path, int mode) { fixed (byte* p = path) return (int)Syscall.Call(83, (nint)p, mode); }
    public static int RemoveDirectory(ReadOnlySpan<byte> path) { fixed (byte* p = path) return (int)Syscall.Call(84, (nint)p); }
    public static int Link(ReadOnlySpan<byte> from, ReadOnlySpan<byte> to) { fixed (byte* f = from, t = to) return (int)Syscall.Call(86, (nint)f, (nint)t); }
    public static int Unlink(ReadOnlySpan<byte> path) { fixed (byte* p = path) return (int)Syscall.Call(87, (nint)p); }
    public static int SymbolicLink(ReadOnlySpan<byte> target, ReadOnlySpan<byte> path) { fixed (byte* t = target, p = path) return (int)Syscall.Call(88, (nint)t, (nint)p); }
    public static int GetParentPid() => (int)Syscall.Call(110);
    public static int GetResourceLimit(int resource, ulong* pair) => (int)Syscall.Call(97, resource, (nint)pair);
    public static int SetResourceLimit(int resource, ulong* pair) => (int)Syscall.Call(160, resource, (nint)pair);
    public static nint Mlock(nint address, nint bytes) => Syscall.Call(149, address, bytes);
    public static nint Munlock(nint address, nint bytes) => Syscall.Call(150, address, bytes);
    public static int Yield() => (int)Syscall.Call(24);
    public static nint Exit(int status) => Syscall.Call(231, status);

    public static bool IsError(nint result) => result is < 0 and > -4096;
}

/// <summary>Error numbers as system calls return them: negative.</summary>
internal static class Errno
{
    public const int NoEntry = -2, Interrupted = -4, InputOutput = -5, BadDescriptor = -9, NoChild = -10, NoSpace = -28, NotTty = -25, Busy = -16, NoDeviceOrAddress = -6, TryAgain = -11, NoMemory = -12, Access = -13, BadAddress = -14, Exists = -17, NoDevice = -19,
        NotDirectory = -20, IsDirectory = -21, Invalid = -22, TooBig = -27, IllegalSeek = -29, NoSuchProcess = -3, NotEmpty = -39, Loop = -40, Overflow = -75, NotPermitted = -1;
}

internal static class Protection
{
    public const int None = 0, Read = 1, Write = 2, Execute = 4, ReadWrite = 3, GrowsDown = 0x01000000, GrowsUp = 0x02000000;
}

internal static class Map
{
    public const int Shared = 1, Private = 2, SharedValidate = 3, Fixed = 0x10, Anonymous = 0x20, Low32 = 0x40, GrowsDown = 0x100, Locked = 0x2000,
        NoReserve = 0x4000, Populate = 0x8000, NonBlock = 0x10000, Stack = 0x20000, FixedNoReplace = 0x100000;

    public const int PrivateAnonymous = Private | Anonymous, SharedAnonymous = Shared | Anonymous;
}

internal static class Signal
{
    public const int Illegal = 4, Trap = 5, Abort = 6, Bus = 7, Arithmetic = 8, Kill = 9, User1 = 10, Segmentation = 11, User2 = 12, Pipe = 13, Alarm = 14,
        Terminate = 15, Child = 17, Continue = 18, Stop = 19;
}
