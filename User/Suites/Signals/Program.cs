using System;
using System.Threading;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Signals;

/// <summary>Signals: handlers, masks, alternate stacks, what is told about a fault, and calls that a signal interrupts.</summary>
internal static unsafe class Program
{
    private const ulong SiginfoFlag = 4, OnStack = 0x08000000, Restart = 0x10000000, NoDefer = 0x40000000, ResetHand = 0x80000000, Restorer = 0x04000000;
    private const int Block = 0, SetMask = 2;

    private static int s_hits, s_last;
    private static nint s_address, s_stackSeen;

    /// <summary>The kernel's <c>struct sigaction</c>.</summary>
    private struct Action
    {
        public nint Handler;
        public ulong Flags;
        public nint RestorerAddress;
        public ulong Mask;
    }

    public static int Main() => Run(
        new("A handler runs and the program goes on", &HandlerRuns),
        new("A blocked signal waits, and only once", &BlockedWaits),
        new("A handler's own signal is blocked while it runs", &OwnSignalBlocked),
        new("RESETHAND runs a handler once", &OneShot),
        new("The handler is told the address and the kind of a fault", &FaultAddress),
        new("A handler can repair the fault that called it", &Repair),
        new("A handler runs on the alternate stack", &AlternateStack),
        new("A small alternate stack is refused", &SmallStack),
        new("A pipe read without RESTART says EINTR", &InterruptedRead),
        new("A pipe read with RESTART goes on", &RestartedRead),
        new("KILL and STOP cannot be caught", &CannotCatch),
        new("An ignored fault kills all the same", &IgnoredFault),
        new("STOP and CONT are seen by the parent", &StopAndContinue),
        new("A sleep that was stopped goes on to its end", &StoppedSleep),
        new("A poll that was stopped goes on to its end", &StoppedPoll),
        new("restart_syscall has nothing to go on with", &NothingToRestart),
        new("Writing to a pipe without reader is SIGPIPE", &BrokenPipe),
        new("Kill tells who is there and who is not", &Existence));

    private static int SetHandler(int signal, nint handler, ulong flags)
    {
        Action action = default;
        action.Handler = handler;
        action.Flags = flags | Restorer;
        action.RestorerAddress = Syscall.SignalRestorer();
        return (int)Syscall.Call(13, signal, (nint)(&action), 0, 8);
    }

    private static void SetDefault(int signal) => SetHandler(signal, 0, 0);

    private static ulong SetBlocked(ulong mask)
    {
        ulong old = 0;
        Syscall.Call(14, SetMask, (nint)(&mask), (nint)(&old), 8);
        return old;
    }

    private static void Count(int signal)
    {
        s_hits++;
        s_last = signal;
        byte here;
        s_stackSeen = (nint)(&here);
    }

    private static nint Counter => (nint)(delegate*<int, void>)&Count;


    private static void MakeWritable(int signal, byte* info, byte* context)
    {
        s_hits++;
        Mprotect(*(nint*)(info + 16) & -Page, Page, Protection.ReadWrite);
    }

    private static void HandlerRuns()
    {
        s_hits = 0;
        SetHandler(Signal.User1, Counter, 0);
        Equal(0, Kill(GetPid(), Signal.User1));
        Equal(1, Volatile.Read(ref s_hits));
        Equal(Signal.User1, s_last);
        SetDefault(Signal.User1);
    }

    private static void BlockedWaits()
    {
        s_hits = 0;
        SetHandler(Signal.User1, Counter, 0);
        ulong old = SetBlocked(1UL << (Signal.User1 - 1));
        Kill(GetPid(), Signal.User1);
        Kill(GetPid(), Signal.User1);
        Equal(0, Volatile.Read(ref s_hits));
        ulong pending = 0;
        Syscall.Call(127, (nint)(&pending), 8);
        Equal(1L << (Signal.User1 - 1), (long)pending);
        SetBlocked(old);
        Equal(1, Volatile.Read(ref s_hits));
        SetDefault(Signal.User1);
    }

    private static int s_depth, s_deepest;

    private static void Nest(int signal)
    {
        s_depth++;
        if (s_depth > s_deepest)
            s_deepest = s_depth;
        if (++s_hits < 3)
            Kill(GetPid(), Signal.User1);
        s_depth--;
    }

    private static void OwnSignalBlocked()
    {
        s_hits = s_depth = s_deepest = 0;
        SetHandler(Signal.User1, (nint)(delegate*<int, void>)&Nest, 0);
        Kill(GetPid(), Signal.User1);
        Equal(3, Volatile.Read(ref s_hits));
        Equal(1, s_deepest);
        s_hits = s_depth = s_deepest = 0;
        SetHandler(Signal.User1, (nint)(delegate*<int, void>)&Nest, NoDefer);
        Kill(GetPid(), Signal.User1);
        Equal(3, Volatile.Read(ref s_hits));
        Equal(3, s_deepest);
        SetDefault(Signal.User1);
    }

    private static void OneShot()
    {
        int pid = Fork();
        if (pid == 0)
        {
            SetHandler(Signal.User1, Counter, ResetHand);
            Kill(GetPid(), Signal.User1);
            Kill(GetPid(), Signal.User1);
            Exit(0);
        }
        Equal(128 + Signal.User1, Child.Status(pid));
    }

    private static void FaultAddress()
    {
        nint shared = Mmap(0, Page, Protection.ReadWrite, Map.SharedAnonymous);
        nint a = Mmap(0, 2 * Page, Protection.Read, Map.PrivateAnonymous);
        Munmap(a + Page, Page);
        Equal(Signal.Segmentation, FaultIn(a + 123, out int code));
        Equal(2, code);                 // SEGV_ACCERR
        Equal(Signal.Segmentation, FaultIn(a + Page + 45, out code));
        Equal(1, code);                 // SEGV_MAPERR
        Munmap(a, Page);
        Munmap(shared, Page);
    }

    /// <summary>The signal of a child's write to the address, when its handler was told just that address.</summary>
    private static int FaultIn(nint address, out int code)
    {
        int* ends = stackalloc int[2];
        Pipe(ends);
        int pid = Fork();
        if (pid == 0)
        {
            s_address = ends[1];
            s_stackSeen = address;
            SetHandler(Signal.Segmentation, (nint)(delegate*<int, byte*, byte*, void>)&SendCode, SiginfoFlag);
            Volatile.Write(ref *(byte*)address, 1);
            Exit(0);
        }
        int status = Child.Status(pid);
        int told = 0;
        if (status != 0)
            Linux.Read(ends[0], &told, 4);
        code = told;
        Close(ends[0]);
        Close(ends[1]);
        return status;
    }

    private static void SendCode(int signal, byte* info, byte* context)
    {
        int code = *(int*)(info + 8);
        Linux.Write((int)s_address, &code, 4);
        Exit(*(nint*)(info + 16) == s_stackSeen ? signal : 99);
    }

    private static void Repair()
    {
        s_hits = 0;
        nint a = Mmap(0, Page, Protection.Read, Map.PrivateAnonymous);
        SetHandler(Signal.Segmentation, (nint)(delegate*<int, byte*, byte*, void>)&MakeWritable, SiginfoFlag);
        Volatile.Write(ref *(byte*)(a + 9), 4);
        SetDefault(Signal.Segmentation);
        Equal(1, Volatile.Read(ref s_hits));
        Equal(4, *(byte*)(a + 9));
        Munmap(a, Page);
    }

    private struct Stack
    {
        public nint Start;
        public int Flags;
        public nint Bytes;
    }

    private static void AlternateStack()
    {
        const int bytes = 16 * Page;
        Stack stack;
        stack.Start = Mmap(0, bytes, Protection.ReadWrite, Map.PrivateAnonymous);
        stack.Flags = 0;
        stack.Bytes = bytes;
        Equal(0, Syscall.Call(131, (nint)(&stack), 0));
        SetHandler(Signal.User2, Counter, OnStack);
        Kill(GetPid(), Signal.User2);
        Check(s_stackSeen >= stack.Start && s_stackSeen < stack.Start + bytes);
        SetHandler(Signal.User2, Counter, 0);
        Kill(GetPid(), Signal.User2);
        Check(s_stackSeen < stack.Start || s_stackSeen >= stack.Start + bytes);
        nint start = stack.Start;
        stack.Flags = 2;
        Equal(0, Syscall.Call(131, (nint)(&stack), 0));
        SetDefault(Signal.User2);
        Munmap(start, bytes);
    }

    private static void SmallStack()
    {
        Stack stack;
        stack.Start = Page;
        stack.Flags = 0;
        stack.Bytes = 100;
        Equal(Errno.NoMemory, Syscall.Call(131, (nint)(&stack), 0));
        stack.Flags = 77;
        Equal(Errno.Invalid, Syscall.Call(131, (nint)(&stack), 0));
    }

    private static void InterruptedRead()
    {
        SetHandler(Signal.Alarm, Counter, 0);
        Equal(Errno.Interrupted, ReadWithAlarm(writeAfter: false));
        SetDefault(Signal.Alarm);
    }

    private static void RestartedRead()
    {
        SetHandler(Signal.Alarm, Counter, Restart);
        Equal(1, ReadWithAlarm(writeAfter: true));
        SetDefault(Signal.Alarm);
    }

    /// <summary>Reads an empty pipe with an alarm after 20 ms; a child writes a byte once it has seen the signal delivered.</summary>
    private static nint ReadWithAlarm(bool writeAfter)
    {
        int* ends = stackalloc int[2];
        Pipe(ends);
        nint shared = Mmap(0, Page, Protection.ReadWrite, Map.SharedAnonymous);
        s_hits = 0;
        int child = 0;
        if (writeAfter)
        {
            child = Fork();
            if (child == 0)
            {
                long* pause = stackalloc long[] { 0, 60_000_000 };
                Syscall.Call(35, (nint)pause, 0);
                byte b = 1;
                Linux.Write(ends[1], &b, 1);
                Exit(0);
            }
        }
        long* timer = stackalloc long[] { 0, 0, 0, 20_000 };
        Syscall.Call(38, 0, (nint)timer, 0);
        byte got;
        nint result = Linux.Read(ends[0], &got, 1);
        Equal(1, Volatile.Read(ref s_hits));
        if (child != 0)
            Child.Status(child);
        Close(ends[0]);
        Close(ends[1]);
        Munmap(shared, Page);
        return result;
    }

    private static void CannotCatch()
    {
        Equal(Errno.Invalid, SetHandler(Signal.Kill, Counter, 0));
        Equal(Errno.Invalid, SetHandler(Signal.Stop, Counter, 0));
        Equal(Errno.Invalid, SetHandler(65, Counter, 0));
    }

    private static void IgnoredFault()
    {
        int pid = Fork();
        if (pid == 0)
        {
            SetHandler(Signal.Segmentation, 1, 0);
            Volatile.Write(ref *(byte*)8, 1);
            Exit(0);
        }
        Equal(128 + Signal.Segmentation, Child.Status(pid));
    }

    private static void StopAndContinue()
    {
        int pid = Fork();
        if (pid == 0)
            while (true)
                Syscall.Call(34);       // pause
        Kill(pid, Signal.Stop);
        Equal(pid, Linux.Wait(pid, out int status, 2));
        Equal(0x7f | Signal.Stop << 8, status);
        Kill(pid, Signal.Continue);
        Equal(pid, Linux.Wait(pid, out status, 8));
        Equal(0xffff, status);
        Kill(pid, Signal.Kill);
        Equal(128 + Signal.Kill, Child.Status(pid));
    }

    private static void StoppedSleep() => StopWhileAsleep(poll: false);

    private static void StoppedPoll() => StopWhileAsleep(poll: true);

    private static long Milliseconds()
    {
        long* time = stackalloc long[2];
        Syscall.Call(228, 1, (nint)time);
        return time[0] * 1000 + time[1] / 1_000_000;
    }

    /// <summary>A child sleeps, is stopped and goes on; it must have slept as long as it wanted, and be told nothing of it.</summary>
    private static void StopWhileAsleep(bool poll)
    {
        const int wanted = 300;
        int pid = Fork();
        if (pid == 0)
        {
            long* time = stackalloc long[2];
            time[0] = 0;
            time[1] = wanted * 1_000_000;
            long start = Milliseconds();
            nint answer = poll ? Syscall.Call(7, 0, 0, wanted) : Syscall.Call(35, (nint)time, 0);
            Exit(answer == 0 && Milliseconds() - start >= wanted ? 0 : 1);
        }
        Span<byte> path = stackalloc byte[32];
        "/proc/"u8.CopyTo(path);
        int at = 6;
        for (int power = 1_000_000_000; power > 0; power /= 10)
        {
            if (pid >= power)
                path[at++] = (byte)('0' + pid / power % 10);
        }
        "/stat\0"u8.CopyTo(path.Slice(at));
        while (true)
        {
            ReadOnlySpan<byte> stat = Proc.ReadAll(path);
            int end = stat.IndexOf(") "u8);
            if (end < 0 || stat[end + 2] == (byte)'S')
                break;
            Yield();
        }
        Kill(pid, Signal.Stop);
        Equal(pid, Linux.Wait(pid, out int status, 2));
        Equal(0x7f | Signal.Stop << 8, status);
        Kill(pid, Signal.Continue);
        Equal(0, Child.Status(pid));
    }

    private static void NothingToRestart() => Equal(Errno.Interrupted, Syscall.Call(219));

    private static void BrokenPipe()
    {
        int pid = Fork();
        if (pid == 0)
        {
            int* ends = stackalloc int[2];
            Pipe(ends);
            Close(ends[0]);
            byte b = 1;
            Linux.Write(ends[1], &b, 1);
            Exit(0);
        }
        Equal(128 + Signal.Pipe, Child.Status(pid));
    }

    private static void Existence()
    {
        Equal(0, Kill(GetPid(), 0));
        int pid = Fork();
        if (pid == 0)
            Exit(0);
        Equal(0, Child.Status(pid));
        Equal(Errno.NoSuchProcess, Kill(pid, 0));
        Equal(Errno.Invalid, Kill(GetPid(), 65));
    }
}
