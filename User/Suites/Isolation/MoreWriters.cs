using System;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Isolation;

/// <summary>More of <see cref="Writers"/>: calls whose results are a few words. Each answers EFAULT where the program may not write.</summary>
internal static unsafe class MoreWriters
{
    /// <summary>How many there are.</summary>
    public const int Count = 39;

    private const int Stat = 2, GetAll = 13;

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
                return Syscall.Call(96, to, 0);                         // gettimeofday
            case 1:
                return Syscall.Call(229, 1, to);                        // clock_getres
            case 2:
                return Syscall.Call(100, to);                           // times
            case 3:
                return Syscall.Call(201, to);                           // time
            case 4:
                return Syscall.Call(309, to, to + 4, 0);                // getcpu
            case 5:
                return Syscall.Call(127, to, 8);                        // rt_sigpending
            case 6:
                return Syscall.Call(120, to, to + 4, to + 8);           // getresgid
            case 7:
                return Syscall.Call(143, 0, to);                        // sched_getparam
            case 8:
                return Syscall.Call(148, 0, to);                        // sched_rr_get_interval
            case 9:
                return Syscall.Call(315, 0, to, 48, 0);                 // sched_getattr
            case 10:
                return Syscall.Call(274, 0, to, s);                     // get_robust_list: the head
            case 11:
                return Syscall.Call(274, 0, s, to);                     // and its length
            case 12:
                return Syscall.Call(157, 2, to);                        // PR_GET_PDEATHSIG
            case 13:
                return Syscall.Call(157, 16, to);                       // PR_GET_NAME
            case 14:
                return Syscall.Call(158, 0x1003, to);                   // ARCH_GET_FS
            case 15:
                *(uint*)scratch = 0x2008_0522;
                return Syscall.Call(125, s, to);                        // capget
            case 16:
                *(int*)(scratch + 12) = 1;                              // SIGEV_NONE
                return Syscall.Call(222, 1, s, to);                     // timer_create: its number
            case 17:
                return Syscall.Call(287, (int)Syscall.Call(283, 1, 0), to);   // timerfd_gettime
            case 18:
                return WaitId(to, 0);
            case 19:
                return WaitId(0, to);
            case 20:
                *(int*)scratch = 0;
                return Syscall.Call(23, 1, 0, 0, to, s);                // select: the third set
            case 21:
                return Syscall.Call(286, (int)Syscall.Call(283, 1, 0), 0, ArmNever(scratch), to);   // timerfd_settime: the old value
            case 22:
                return Syscall.Call(78, Open("/"u8, 0x10000), to, Page);      // getdents
            case 23:
                return Syscall.Call(267, -100, Link(scratch), to, 100);       // readlinkat
            case 24:
                return ReceiveMany(ends, scratch, to);
            case 25:
                SocketPair(ends);
                Linux.Write(ends[1], scratch, 100);
                return ReceiveFrom(ends[0], scratch, to);
            case 26:
                return Segment(to);
            case 27:
                return Semaphores(to, Stat);
            case 28:
                return Semaphores(to, GetAll);
            case 29:
                return Queue(to, scratch, receive: false);
            case 30:
                return Queue(to, scratch, receive: true);
            case 31:
                return SignalFile(scratch, to);
            case 32:
                return WaitForSignal(scratch, to);
            case 33:
                return Peer(ends, scratch, to);
            case 34:
                return Syscall.Call(138, Open("/"u8, 0), to);       // fstatfs
            case 35:
                return Syscall.Call(262, -100, Root(scratch), to, 0);   // newfstatat
            case 36:
                *(nint*)(scratch + 128) = to;
                *(nint*)(scratch + 136) = 100;
                return Syscall.Call(327, Open("/proc/self/exe"u8, 0), s + 128, 1, 0, 0, 0);   // preadv2
            case 37:
                return Syscall.Call(38, 0, s, to);                      // setitimer: the old value
            default:
                return Syscall.Call(293, to, 0x800);                    // pipe2
        }
    }

    private static void SocketPair(int* ends) => Syscall.Call(53, 1, 1, 0, (nint)ends);

    private static nint Root(byte* scratch)
    {
        scratch[0] = (byte)'/';
        return (nint)scratch;
    }

    private static nint Link(byte* scratch)
    {
        "/proc/self/exe"u8.CopyTo(new Span<byte>(scratch, 64));
        return (nint)scratch;
    }

    private static nint ArmNever(byte* scratch)
    {
        *(long*)(scratch + 16) = 1000;
        return (nint)scratch;
    }

    private static nint WaitId(nint information, nint usage)
    {
        int child = Linux.Fork();
        if (child == 0)
            Exit(3);
        return Syscall.Call(247, 1, child, information, 4, usage);
    }

    private static nint ReceiveMany(int* ends, byte* scratch, nint to)
    {
        SocketPair(ends);
        Linux.Write(ends[1], scratch, 100);
        nint* message = (nint*)scratch;
        ((nint*)(scratch + 128))[0] = to;
        ((nint*)(scratch + 128))[1] = 100;
        message[2] = (nint)(scratch + 128);
        message[3] = 1;
        return Syscall.Call(299, ends[0], (nint)scratch, 1, 0, 0);
    }

    private static nint ReceiveFrom(int socket, byte* scratch, nint to) => Syscall.Call(45, socket, to, 100, 0, (nint)scratch, (nint)(scratch + 256));

    private static nint Segment(nint to)
    {
        int id = ShmGet(0, Page, 0x3b6);
        nint result = Syscall.Call(31, id, Stat, to);
        ShmControl(id, 0);
        return result;
    }

    private static nint Semaphores(nint to, int command)
    {
        nint id = Syscall.Call(64, 0, 8, 0x3b6);
        nint result = Syscall.Call(66, id, 0, command, to);
        Syscall.Call(66, id, 0, 0, 0);
        return result;
    }

    private static nint Queue(nint to, byte* scratch, bool receive)
    {
        nint id = Syscall.Call(68, 0, 0x3b6);
        *(nint*)scratch = 5;
        Syscall.Call(69, id, (nint)scratch, 20, 0);
        nint result = receive ? Syscall.Call(70, id, to, 20, 0, 0) : Syscall.Call(71, id, Stat, to);
        Syscall.Call(71, id, 0, 0);
        return result;
    }

    /// <summary>A blocked signal is read from a signalfd.</summary>
    private static nint SignalFile(byte* scratch, nint to)
    {
        *(ulong*)scratch = 1UL << (Signal.User2 - 1);
        Syscall.Call(14, 0, (nint)scratch, 0, 8);
        nint file = Syscall.Call(289, -1, (nint)scratch, 8, 0x800);
        Kill(GetPid(), Signal.User2);
        nint result = Syscall.Call(0, file, to, 128);
        Accept(scratch);
        return result;
    }

    /// <summary>The same with rt_sigtimedwait.</summary>
    private static nint WaitForSignal(byte* scratch, nint to)
    {
        *(ulong*)scratch = 1UL << (Signal.User2 - 1);
        Syscall.Call(14, 0, (nint)scratch, 0, 8);
        Kill(GetPid(), Signal.User2);
        nint result = Syscall.Call(128, (nint)scratch, to, (nint)(scratch + 64), 8);
        Accept(scratch);
        return result;
    }

    /// <summary>Nothing waits any more, and the signal is let through again.</summary>
    private static void Accept(byte* scratch)
    {
        Syscall.Call(128, (nint)scratch, 0, (nint)(scratch + 64), 8);
        Syscall.Call(14, 1, (nint)scratch, 0, 8);
    }

    private static nint Peer(int* ends, byte* scratch, nint to)
    {
        SocketPair(ends);
        *(int*)scratch = 12;
        return Syscall.Call(55, ends[0], 1, 17, to, (nint)scratch);     // SO_PEERCRED
    }

    private static nint PollSet(nint to) => to;
}
