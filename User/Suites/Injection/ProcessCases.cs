using System;
using static NanoVm.User.Suites.Injection.Walker;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Injection;

/// <summary>Processes, threads, signals, timers, futexes.</summary>
internal static unsafe class ProcessCases
{
    private const int CloneCall = 56, Clone3Call = 435, ExitThread = 60, Futex = 202, FutexWake = 1, FutexWait = 0;
    private const int Vm = 0x100, Fs = 0x200, Files = 0x400, SigHand = 0x800, PidFd = 0x1000, VforkFlag = 0x4000, ThreadFlag = 0x10000,
        SysVSem = 0x40000, ParentSetTid = 0x100000, ChildClearTid = 0x200000, ChildSetTid = 0x1000000;
    internal const int ThreadFlags = Vm | Fs | Files | SigHand | ThreadFlag | SysVSem | ParentSetTid | ChildClearTid;
    private const int StackBytes = 16 * Page;

    private static nint s_stack;

    public static void Fork()
    {
        static nint Act()
        {
            int pid = Linux.Fork();
            if (pid == 0)
                Exit(0);
            return pid;
        }

        Walk(&Act, &Undo.Reap);
    }

    public static void ForkOfManyAreas()
    {
        nint range = Mmap(0, 64 * Page, Protection.ReadWrite, Map.PrivateAnonymous);
        for (int i = 0; i < 64; i += 2)
        {
            *(byte*)(range + i * Page) = 1;
            Mprotect(range + i * Page, Page, Protection.Read);
        }

        Fork();
        Munmap(range, 64 * Page);
    }

    /// <summary>The copies of a child's number to memory that cannot be written are no reason to fail: Linux looks at no result there.</summary>
    public static void CloneWithNumbers()
    {
        static nint Act()
        {
            nint pid = Syscall.Call(CloneCall, ParentSetTid | ChildSetTid | ChildClearTid | Signal.Child, 0, (nint)Data, (nint)(Data + 8));
            if (pid == 0)
                Exit(0);
            return pid;
        }

        Walk(&Act, &Undo.Reap);
    }

    public static void CloneWithDescriptor()
    {
        static nint Act()
        {
            *(int*)Data = -1;
            nint pid = Syscall.Call(CloneCall, PidFd | Signal.Child, 0, (nint)Data);
            if (pid == 0)
                Exit(0);
            return pid;
        }

        static void After(nint pid)
        {
            if (pid > 0)
                Close(*(int*)Data);
            Undo.Reap(pid);
        }

        Walk(&Act, &After);
    }

    public static void Clone3()
    {
        static nint Act()
        {
            ulong* arguments = (ulong*)(Data + 64);
            new Span<ulong>(arguments, 11).Clear();
            arguments[0] = ParentSetTid;
            arguments[3] = (ulong)(Data + 8);
            arguments[4] = Signal.Child;
            nint pid = Syscall.Call(Clone3Call, (nint)arguments, 88);
            if (pid == 0)
                Exit(0);
            return pid;
        }

        Walk(&Act, &Undo.Reap);
    }

    /// <summary>A child with its own tables of files and its own place, sharing memory: each flag drops one thing to copy.</summary>
    public static void CloneSharingMemory()
    {
        static nint Act() => StartOnStack(Vm | Signal.Child, &EndProcess);
        Stack();
        Walk(&Act, &Undo.Reap);
    }

    public static void Vfork()
    {
        static nint Act() => StartOnStack(Vm | VforkFlag | Signal.Child, &EndProcess);
        Stack();
        Walk(&Act, &Undo.Reap);
    }

    public static void Thread()
    {
        static nint Act()
        {
            *(int*)(Data + 8) = 1;
            return StartOnStack(ThreadFlags, &EndThread);
        }

        Stack();
        Walk(&Act, &AwaitThread);
    }

    /// <summary>The kernel clears the word and wakes us when the thread has gone.</summary>
    internal static void AwaitThread(nint thread)
    {
        while (thread > 0 && System.Threading.Volatile.Read(ref *(int*)(Data + 8)) != 0)
            Yield();
        for (int i = 0; thread > 0 && i < 4; i++)
            Yield();
    }

    internal static void Stack()
    {
        if (s_stack == 0)
            s_stack = Mmap(0, StackBytes, Protection.ReadWrite, Map.PrivateAnonymous | Map.Populate);
    }

    /// <summary>The new task begins by returning from the system call on its own stack: there lies the address of its first function.</summary>
    internal static nint StartOnStack(int flags, delegate*<void> first)
    {
        nint* top = (nint*)(s_stack + StackBytes - 64);
        top[0] = (nint)first;
        return Syscall.Call(CloneCall, flags, (nint)top, (nint)Data, (nint)(Data + 8));
    }

    private static void EndProcess() => Exit(0);

    internal static void EndThread() => Syscall.Call(ExitThread, 0);

    public static void QueuedSignal()
    {
        // rt_sigqueueinfo to ourselves, blocked; then taken.
        static nint Act()
        {
            int* info = (int*)(Data + 256);
            new Span<int>(info, 32).Clear();
            info[0] = 40;
            info[2] = -1;                                    // SI_QUEUE
            return Syscall.Call(129, GetPid(), 40, (nint)info);
        }

        static void After(nint result)
        {
            ulong set = 1UL << 39;
            long* none = (long*)(Data + 512);
            none[0] = none[1] = 0;
            if (result == 0)
                Syscall.Call(128, (nint)(&set), 0, (nint)none, 8);
        }

        Block(1UL << 39);
        Walk(&Act, &After, May.Again);
        Unblock();
    }

    public static void HandledSignal()
    {
        // A frame that cannot be written to the stack is SIGSEGV, as in Linux.
        static nint Act()
        {
            delegate*<int, void> handler = &Handler;
            nint* action = (nint*)(Data + 256);
            new Span<nint>(action, 8).Clear();
            action[0] = (nint)handler;
            action[1] = 0x04000000;
            action[2] = Syscall.SignalRestorer();
            nint error = Syscall.Call(13, Signal.User1, (nint)action, 0, 8);
            return error != 0 ? error : Kill(GetPid(), Signal.User1);
        }

        WalkInChild(&Act, May.Fault, 1UL << Signal.Segmentation | 1UL << Signal.User1);
    }

    private static void Handler(int signal)
    {
    }

    public static void AlternateStack()
    {
        static nint Act()
        {
            nint* stack = (nint*)(Data + 256);
            stack[0] = s_stack;
            stack[1] = 0;
            stack[2] = StackBytes;
            nint* old = (nint*)(Data + 512);
            nint error = Syscall.Call(131, (nint)stack, (nint)old);
            if (error == 0)
                return 0;
            return error;
        }

        static void After(nint result)
        {
            nint* stack = (nint*)(Data + 256);
            stack[1] = 2;
            Syscall.Call(131, (nint)stack, 0);
        }

        Stack();
        Walk(&Act, &After);
    }

    public static void PosixTimer()
    {
        static nint Act()
        {
            int* ev = (int*)(Data + 256);
            new Span<int>(ev, 16).Clear();
            ev[2] = Signal.User2;
            ev[3] = 1;                                       // SIGEV_NONE
            *(int*)Data = -1;
            return Syscall.Call(222, 1, (nint)ev, (nint)Data);
        }

        static void After(nint result)
        {
            if (result == 0)
                Syscall.Call(226, *(int*)Data);
        }

        Walk(&Act, &After, May.Again);
    }

    public static void IntervalTimer()
    {
        static nint Act()
        {
            long* value = (long*)(Data + 256);
            value[0] = value[1] = value[3] = 0;
            value[2] = 1000;
            nint error = Syscall.Call(38, 0, (nint)value, (nint)(Data + 512));
            return error != 0 ? error : Syscall.Call(36, 0, (nint)(Data + 512));
        }

        static void After(nint result)
        {
            long* value = (long*)(Data + 256);
            new Span<long>(value, 4).Clear();
            Syscall.Call(38, 0, (nint)value, 0);
        }

        Walk(&Act, &After);
    }

    public static void FutexTimesOut()
    {
        static nint Act()
        {
            long* time = (long*)(Data + 256);
            time[0] = 0;
            time[1] = 1;
            *(int*)Data = 7;
            nint result = Syscall.Call(Futex, (nint)Data, FutexWait, 7, (nint)time);
            return result == -110 ? 0 : result;
        }

        Walk(&Act, &Undo.Nothing);
    }

    public static void FutexWakes()
    {
        static nint Act() => Syscall.Call(Futex, (nint)Data, FutexWake, 1);
        Walk(&Act, &Undo.Nothing);
    }

    public static void Waiting()
    {
        static nint Act()
        {
            int pid = Linux.Fork();
            if (pid == 0)
                Exit(3);
            if (pid < 0)
                return pid;
            nint result = Syscall.Call(61, pid, (nint)Data, 0, (nint)(Data + 256));
            if (result == Errno.BadAddress)
                return result;                               // reaped, though nobody was told: as in Linux
            return result == pid ? 0 : result;
        }

        static void After(nint result) => Wait(-1, out _, 1);
        Walk(&Act, &After);
    }

    public static void Credentials()
    {
        static nint Act()
        {
            int* groups = (int*)(Data + 256);
            for (int i = 0; i < 40; i++)
                groups[i] = i;
            nint error = Syscall.Call(116, 40, (nint)groups);
            return error != 0 ? error : Syscall.Call(117, 0, 0, 0);
        }

        WalkInChild(&Act);
    }

    public static void Names()
    {
        static nint Act()
        {
            nint error = Syscall.Call(157, 15, (nint)Data);  // PR_SET_NAME
            if (error == 0)
                error = Syscall.Call(63, (nint)(Data + 512)); // uname
            if (error == 0)
                error = Syscall.Call(99, (nint)(Data + 512)); // sysinfo
            if (error == 0)
                error = Syscall.Call(98, 0, (nint)(Data + 512)); // getrusage
            if (error == 0)
                error = Syscall.Call(302, 0, 7, 0, (nint)(Data + 512)); // prlimit64
            return error;
        }

        WalkInChild(&Act);
    }

    public static void CoreDump()
    {
        // The dump may be short or missing; the death is the same.
        // A child that dies tells nothing of what is left: a fixed number of steps.
        for (int n = 1; n <= 60 && IsAble; n++)
        {
            int pid = Linux.Fork();
            if (pid == 0)
            {
                ulong* limit = (ulong*)(Data + 256);
                limit[0] = limit[1] = ulong.MaxValue;
                SetResourceLimit(4, limit);
                fixed (byte* place = "/tmp"u8)
                    Syscall.Call(80, (nint)place);
                Rearm();
                Arm(n);
                Kill(GetPid(), Signal.Abort);
                Exit(0);
            }

            Wait(pid, out int status);
            Unlink("/tmp/core"u8);
            if (!Ktap.Equal(Signal.Abort, status & 0x7f))
                return;
        }

        CheckClean();
    }

    private static void Block(ulong set) => Syscall.Call(14, 0, (nint)(&set), 0, 8);

    private static void Unblock()
    {
        ulong none = 0;
        Syscall.Call(14, 2, (nint)(&none), 0, 8);
    }
}
