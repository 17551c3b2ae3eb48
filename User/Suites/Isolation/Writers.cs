using System;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Isolation;

/// <summary>The ways in which the kernel writes to a program's memory: each writes at least one byte to the region that it is given.</summary>
internal static unsafe class Writers
{
    /// <summary>Pages of the region. All its bytes are <see cref="Filling"/>, or zero.</summary>
    public const int RegionPages = 4;
    public const byte Filling = (byte)'P';

    /// <summary>How many ways there are; those from <see cref="FirstForced"/> on may write where the program may not.</summary>
    public const int FirstForced = First + MoreWriters.Count, Count = FirstForced + 3;

    private const int First = 40;

    private const int ControlMessage = 7;

    private const ulong RestorerFlag = 0x0400_0000, OnStackFlag = 0x0800_0000;

    /// <summary>Lets the kernel write. The call's result.</summary>
    public static nint Write(int way, nint to)
    {
        byte* scratch = stackalloc byte[512];
        new Span<byte>(scratch, 512).Clear();
        nint s = (nint)scratch;
        int* ends = stackalloc int[2];
        switch (way)
        {
            case 0:
                Linux.Pipe(ends);
                Linux.Write(ends[1], scratch, 100);
                return Syscall.Call(0, ends[0], to, 100);
            case 1:
                Linux.Pipe(ends);
                Linux.Write(ends[1], scratch, 100);
                Vector(scratch, to, 100);
                return Syscall.Call(19, ends[0], s, 1);
            case 2:
                return Syscall.Call(17, Open("/proc/self/exe"u8, 0), to, 4 * Page, 0);
            case 3:
                return Syscall.Call(0, Open("/dev/zero"u8, 0), to, 4 * Page);
            case 4:
                return Syscall.Call(0, Open("/proc/self/stat"u8, 0), to, 100);
            case 5:
                SocketPair(ends);
                Linux.Write(ends[1], scratch, 100);
                return Syscall.Call(45, ends[0], to, 100, 0, 0, 0);
            case 6:
                SocketPair(ends);
                Linux.Write(ends[1], scratch, 100);
                return Receive(ends[0], scratch, to, 100, 0, 0);
            case ControlMessage:
                return ReceiveDescriptor(ends, scratch, to);
            case 8:
                SocketPair(ends);
                *(int*)scratch = 16;
                return Syscall.Call(51, ends[0], to, s);
            case 9:
                SocketPair(ends);
                *(int*)scratch = 4;
                return Syscall.Call(55, ends[0], 1, 3, to, s);
            case 10:
                SocketPair(ends);
                return Syscall.Call(55, ends[0], 1, 3, s, to);          // the length: any positive number will do
            case 11:
                return Syscall.Call(79, to, Page);                      // getcwd
            case 12:
                return Syscall.Call(217, Open("/"u8, 0), to, Page);     // getdents64
            case 13:
                return Syscall.Call(63, to);                            // uname
            case 14:
                return Syscall.Call(99, to);                            // sysinfo
            case 15:
                return Syscall.Call(228, 1, to);                        // clock_gettime
            case 16:
                return Syscall.Call(318, to, 64, 0);                    // getrandom
            case 17:
                return BetweenProcesses(310, scratch, to);
            case 18:
                return Syscall.Call(5, 0, to);                          // fstat
            case 19:
                return Path(137, "/"u8, to);                            // statfs
            case 20:
                fixed (byte* p = "/"u8)
                    return Syscall.Call(332, -100, (nint)p, 0, 0x7ff, to);
            case 21:
                return Syscall.Call(131, 0, to);                        // sigaltstack
            case 22:
                return Syscall.Call(14, 0, 0, to, 8);                   // rt_sigprocmask
            case 23:
                return Syscall.Call(13, 10, 0, to, 8);                  // rt_sigaction
            case 24:
                return Wait(to, 0);
            case 25:
                return Wait(0, to);
            case 26:
                return EventsOf(scratch, to);
            case 27:
                return Syscall.Call(202, s, 5, 1, 0, to, 0x05a << 12);  // FUTEX_WAKE_OP: set the second word
            case 28:
                return Syscall.Call(97, 7, to);                         // getrlimit
            case 29:
                return Syscall.Call(302, 0, 7, 0, to);                  // prlimit64
            case 30:
                return Syscall.Call(36, 0, to);                         // getitimer
            case 31:
                return Syscall.Call(0, (int)Syscall.Call(290, 5, 0), to, 8);
            case 32:
                return Syscall.Call(22, to);                            // pipe
            case 33:
                return Syscall.Call(53, 1, 1, 0, to);                   // socketpair
            case 34:
                return Syscall.Call(27, s & -Page, Page, to);           // mincore
            case 35:
                return Syscall.Call(204, 0, 8, to);                     // sched_getaffinity
            case 36:
                return Syscall.Call(98, 0, to);                         // getrusage
            case 37:
                return Syscall.Call(118, to, to + 4, to + 8);           // getresuid
            case 38:
                Linux.Pipe(ends);
                return Syscall.Call(16, ends[0], 0x541b, to);           // FIONREAD
            case 39:
                fixed (byte* p = "/proc/self/exe"u8)
                    return Syscall.Call(89, (nint)p, to, 100);
            case < FirstForced:
                return MoreWriters.Write(way - First, to);
            case FirstForced:
                return Syscall.Call(18, Open("/proc/self/mem"u8, 2), s, 100, to);
            case FirstForced + 1:
                return ByThread(to);
            default:
                return SignalFrame(to);
        }
    }

    /// <summary>Whether a way's result says that nothing could be written. A message without its descriptors is still a message.</summary>
    public static bool IsRefused(int way, nint result) => result == Errno.BadAddress || (way == ControlMessage && result == 1);

    private static void Vector(byte* at, nint to, nint bytes)
    {
        ((nint*)at)[0] = to;
        ((nint*)at)[1] = bytes;
    }

    private static void SocketPair(int* ends) => Syscall.Call(53, 1, 1, 0, (nint)ends);

    private static nint Path(int call, ReadOnlySpan<byte> path, nint to)
    {
        fixed (byte* p = path)
            return Syscall.Call(call, (nint)p, to);
    }

    private static nint Receive(int socket, byte* scratch, nint to, nint bytes, nint control, nint controlBytes)
    {
        Vector(scratch + 64, to, bytes);
        nint* message = (nint*)scratch;
        message[2] = (nint)(scratch + 64);
        message[3] = 1;
        message[4] = control;
        message[5] = controlBytes;
        return Syscall.Call(47, socket, (nint)scratch, 0);
    }

    /// <summary>A descriptor comes in a control message, which is what is written.</summary>
    private static nint ReceiveDescriptor(int* ends, byte* scratch, nint to)
    {
        SocketPair(ends);
        nint* control = (nint*)(scratch + 128);
        control[0] = 20;
        control[1] = 1 | (nint)1 << 32;
        control[2] = 1;
        Vector(scratch + 64, (nint)scratch, 1);
        nint* message = (nint*)scratch;
        message[2] = (nint)(scratch + 64);
        message[3] = 1;
        message[4] = (nint)control;
        message[5] = 24;
        Syscall.Call(46, ends[1], (nint)scratch, 0);
        new Span<byte>(scratch, 512).Clear();
        nint result = Receive(ends[0], scratch, (nint)(scratch + 256), 1, to, 24);
        return result;
    }

    /// <summary>process_vm_readv from, or process_vm_writev to, this very process.</summary>
    private static nint BetweenProcesses(int call, byte* scratch, nint to)
    {
        nint* ranges = (nint*)scratch;
        Vector(scratch, to, 100);
        Vector(scratch + 16, (nint)(scratch + 64), 100);
        return Syscall.Call(call, GetPid(), (nint)ranges, 1, (nint)(ranges + 2), 1, 0);
    }

    private static nint Wait(nint status, nint usage)
    {
        int child = Linux.Fork();
        if (child == 0)
            Exit(3);
        return Syscall.Call(61, child, status, 0, usage);
    }

    private static nint EventsOf(byte* scratch, nint to)
    {
        int epoll = (int)Syscall.Call(291, 0), ready = (int)Syscall.Call(290, 1, 0);
        *(int*)scratch = 1;
        Syscall.Call(233, epoll, 1, ready, (nint)scratch);
        return Syscall.Call(232, epoll, to, 4, 0);
    }

    private static void ExitThread() => Syscall.Call(60, 0);

    /// <summary>A child that shares memory ends: the kernel clears the word (CLONE_CHILD_CLEARTID).</summary>
    private static nint ByThread(nint to)
    {
        const int flags = 0x100 | 0x200000 | 17;
        nint stack = Mmap(0, 16 * Page, Protection.ReadWrite, Map.PrivateAnonymous);
        nint* top = (nint*)(stack + 16 * Page - 64);
        delegate*<void> first = &ExitThread;
        top[0] = (nint)first;
        nint child = Syscall.Call(56, flags, (nint)top, 0, to);
        return Linux.Wait((int)child, out _);
    }

    private static void Ignore(int signal)
    {
    }

    /// <summary>The region is the alternate stack; a handler's frame is written there.</summary>
    private static nint SignalFrame(nint to)
    {
        nint* stack = stackalloc nint[3] { to, 0, RegionPages * Page };
        Syscall.Call(131, (nint)stack, 0);
        delegate*<int, void> handler = &Ignore;
        nint* action = stackalloc nint[4] { (nint)handler, (nint)(RestorerFlag | OnStackFlag), Syscall.SignalRestorer(), 0 };
        Syscall.Call(13, Signal.User1, (nint)action, 0, 8);
        return Kill(GetPid(), Signal.User1);
    }
}
