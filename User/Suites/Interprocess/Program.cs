using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Pages;

namespace NanoVm.User.Suites.Interprocess;

/// <summary>System V semaphores and message queues: man 7 sysvipc. Shared memory is in the suite "sharing".</summary>
internal static unsafe class Program
{
    private const int Create = 0x200, Exclusive = 0x400, NoWait = 0x800, UndoAtExit = 0x1000, NoError = 0x1000, Except = 0x2000, CopyOnly = 0x4000;
    private const int Remove = 0, Stat = 2, Info = 3, GetProcess = 11, GetValue = 12, GetAll = 13, CountForMore = 14, CountForZero = 15, SetValue = 16, SetAll = 17;
    private const int TooMany = -7, Range = -34, NoMessage = -42, Removed = -43;

    public static int Main() => Run(
        new("semget finds by key, or makes", &SemKeys),
        new("semget: what it refuses", &SemGetRefused),
        new("Values are set and read, one or all", &SemValues),
        new("semctl: what it refuses", &SemControlRefused),
        new("Operations change values", &SemOperations),
        new("semop: what it refuses", &SemRefused),
        new("All operations of a call or none", &SemAtomic),
        new("A child waits until a value is large enough", &SemWaits),
        new("A child waits for zero", &SemZero),
        new("One give sets several free, in order of arrival", &SemOrder),
        new("Whoever is set free sets others free", &SemChain),
        new("A waiter moves to the semaphore that stops it now", &SemMoves),
        new("Time-outs", &SemTime),
        new("Removing a set ends all waits", &SemRemoved),
        new("A signal ends a wait", &SemSignal),
        new("What is noted is undone when a process ends", &SemUndone),
        new("Setting a value forgets what would be undone", &SemUndoForgotten),
        new("An undo that would go out of range is cut", &SemUndoCut),
        new("An undo sets a waiter free", &SemUndoWakes),
        new("Dining philosophers eat", &Philosophers),
        new("Rights of a set count", &SemRights),
        new("IPC_STAT and IPC_INFO of semaphores", &SemStat),
        new("Messages come in order, or by type", &MessageTypes),
        new("Messages: what sending refuses", &SendRefused),
        new("Messages: what receiving refuses", &ReceiveRefused),
        new("A message that is too long stays, or is cut", &MessageLong),
        new("MSG_EXCEPT and MSG_COPY", &MessageChoices),
        new("A full queue makes the sender wait", &MessageFull),
        new("A receiver waits and gets what it wants", &MessageWaits),
        new("A waiting receiver is told that a message is too long", &MessageTooLongWhileWaiting),
        new("Removing a queue ends all waits", &MessageRemoved),
        new("Messages without text", &MessageEmpty),
        new("IPC_STAT of a queue counts", &MessageStat),
        new("A thousand messages through two queues", &MessagePingPong),
        new("Identifiers are not used again at once", &Identifiers));

    private static int SemGet(int key, int count, int flags) => (int)Syscall.Call(64, key, count, flags);
    private static int SemControl(int id, int number, int command, nint value = 0) => (int)Syscall.Call(66, id, number, command, value);
    private static int MessageGet(int key, int flags) => (int)Syscall.Call(68, key, flags);
    private static int MessageControl(int id, int command, void* to = null) => (int)Syscall.Call(71, id, command, (nint)to);

    private static int Operate(int id, ReadOnlySpan<short> operations, long* time = null)
    {
        fixed (short* o = operations)
            return time == null ? (int)Syscall.Call(65, id, (nint)o, operations.Length / 3) : (int)Syscall.Call(220, id, (nint)o, operations.Length / 3, (nint)time);
    }

    private static int Send(int id, long type, int bytes, byte value, int flags = 0)
    {
        byte* message = stackalloc byte[8 + 9000];
        *(long*)message = type;
        new Span<byte>(message + 8, 9000).Fill(value);
        return (int)Syscall.Call(69, id, (nint)message, bytes, flags);
    }

    /// <summary>The bytes received times a thousand plus the value of the first, or an error.</summary>
    private static int Receive(int id, int most, long type, int flags = 0)
    {
        byte* message = stackalloc byte[8 + 9000];
        message[8] = 0;
        int got = (int)Syscall.Call(70, id, (nint)message, most, (nint)type, flags);
        return got < 0 ? got : got * 1000 + message[8];
    }

    private static int Set(int count, int first = 0)
    {
        int id = SemGet(0, count, 0x180);
        if (first != 0)
            SemControl(id, 0, SetValue, first);
        return id;
    }

    private static void UntilWaiting(int id, int number, int command, int count)
    {
        while (SemControl(id, number, command) < count)
            Yield();
    }

    private static void SemKeys()
    {
        int id = SemGet(0x5e5e, 2, Create | Exclusive | 0x180);
        Check(id >= 0);
        Equal(id, SemGet(0x5e5e, 2, 0));
        Equal(id, SemGet(0x5e5e, 0, 0));
        Equal(Errno.Exists, SemGet(0x5e5e, 2, Create | Exclusive));
        Equal(Errno.Invalid, SemGet(0x5e5e, 3, 0));
        Equal(0, SemControl(id, 0, Remove));
        Equal(Errno.NoEntry, SemGet(0x5e5e, 2, 0));
        Equal(Errno.Invalid, SemControl(id, 0, Remove));
    }

    private static void SemGetRefused()
    {
        Equal(Errno.Invalid, SemGet(0, 0, 0x180));
        Equal(Errno.Invalid, SemGet(0, -1, 0x180));
        Equal(Errno.Invalid, SemGet(0, 32001, 0x180));
        Equal(Errno.NoEntry, SemGet(0x5e5f, -0, 0));
    }

    private static void SemValues()
    {
        int id = Set(3, 7);
        Equal(7, SemControl(id, 0, GetValue));
        Equal(0, SemControl(id, 1, GetValue));
        ushort* values = stackalloc ushort[] { 1, 2, 3 };
        Equal(0, SemControl(id, 0, SetAll, (nint)values));
        values[0] = values[1] = values[2] = 9;
        Equal(0, SemControl(id, 0, GetAll, (nint)values));
        Equal(123, values[0] * 100 + values[1] * 10 + values[2]);
        Equal(GetPid(), SemControl(id, 2, GetProcess));
        SemControl(id, 0, Remove);
    }

    private static void SemControlRefused()
    {
        int id = Set(2);
        Equal(Errno.Invalid, SemControl(id, 2, GetValue));
        Equal(Errno.Invalid, SemControl(id, -1, GetValue));
        Equal(Errno.Invalid, SemControl(id, 2, SetValue, 1));
        Equal(Range, SemControl(id, 0, SetValue, 32768));
        Equal(Range, SemControl(id, 0, SetValue, -1));
        Equal(Range, SemControl(id, 5, SetValue, -1));
        Equal(Errno.Invalid, SemControl(id, 0, 99));
        Equal(Errno.Invalid, SemControl(-1, 0, GetValue));
        Equal(Errno.BadAddress, SemControl(id, 0, GetAll, 8));
        Equal(Errno.BadAddress, SemControl(id, 0, SetAll, 8));
        Equal(Errno.BadAddress, SemControl(id, 0, Stat, 8));
        ushort* values = stackalloc ushort[] { 1, 40000 };
        Equal(Range, SemControl(id, 0, SetAll, (nint)values));
        Equal(0, SemControl(id, 0, GetValue));
        SemControl(id, 0, Remove);
    }

    private static void SemOperations()
    {
        int id = Set(2, 1);
        Equal(0, Operate(id, [0, 5, 0]));
        Equal(6, SemControl(id, 0, GetValue));
        Equal(0, Operate(id, [0, -6, 0]));
        Equal(0, Operate(id, [0, 0, 0]));
        Equal(0, Operate(id, [0, 3, 0, 0, -2, 0, 1, 1, 0]));
        Equal(11, SemControl(id, 0, GetValue) * 10 + SemControl(id, 1, GetValue));
        SemControl(id, 0, Remove);
    }

    private static void SemRefused()
    {
        int id = Set(2);
        Equal(-27, Operate(id, [2, 1, 0]));
        Equal(Errno.Invalid, Operate(id, []));
        Equal(Errno.Invalid, Operate(-1, [0, 1, 0]));
        Equal(Errno.Invalid, Operate(id + 1, [0, 1, 0]));
        Equal(Errno.BadAddress, (int)Syscall.Call(65, id, 8, 1));
        Equal(TooMany, (int)Syscall.Call(65, id, 8, 501));
        Equal(Errno.TryAgain, Operate(id, [0, -1, NoWait]));
        Equal(0, Operate(id, [0, 32767, 0]));
        Equal(Range, Operate(id, [0, 1, 0]));
        Equal(Errno.TryAgain, Operate(id, [0, 0, NoWait]));
        SemControl(id, 0, Remove);
    }

    private static void SemAtomic()
    {
        int id = Set(2, 2);
        Equal(Errno.TryAgain, Operate(id, [0, -1, 0, 1, -1, NoWait]));
        Equal(2, SemControl(id, 0, GetValue));
        Equal(Range, Operate(id, [0, -1, 0, 1, 32767, 0, 1, 1, 0]));
        Equal(2, SemControl(id, 0, GetValue));
        Equal(0, SemControl(id, 1, GetValue));
        Equal(Range, Operate(id, [0, -1, UndoAtExit, 1, 32767, UndoAtExit, 1, 1, 0]));
        Equal(2, SemControl(id, 0, GetValue));
        SemControl(id, 0, Remove);
    }

    private static void SemWaits()
    {
        int id = Set(1);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(-Operate(id, [0, -3, 0]));
        UntilWaiting(id, 0, CountForMore, 1);
        Equal(0, Operate(id, [0, 2, 0]));
        Equal(2, SemControl(id, 0, GetValue));
        Equal(1, SemControl(id, 0, CountForMore));
        Equal(0, Operate(id, [0, 2, 0]));
        Equal(1, SemControl(id, 0, GetValue));
        Equal(0, Child.Status(pid));
        Equal(pid, SemControl(id, 0, GetProcess));
        SemControl(id, 0, Remove);
    }

    private static void SemZero()
    {
        int id = Set(1, 2);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(-Operate(id, [0, 0, 0]));
        UntilWaiting(id, 0, CountForZero, 1);
        Operate(id, [0, -1, 0]);
        Equal(1, SemControl(id, 0, CountForZero));
        Operate(id, [0, -1, 0]);
        Equal(0, SemControl(id, 0, CountForZero));
        Equal(0, Child.Status(pid));
        SemControl(id, 0, Remove);
    }

    private static void SemOrder()
    {
        int* order = (int*)New(1, Protection.ReadWrite, Map.SharedAnonymous);
        int id = Set(2);
        int* pids = stackalloc int[4];
        for (int i = 0; i < 4; i++)
        {
            pids[i] = Linux.Fork();
            if (pids[i] == 0)
                Exit(-Operate(id, [0, -1, 0]));
            UntilWaiting(id, 0, CountForMore, i + 1);
        }
        Equal(0, Operate(id, [0, 2, 0]));
        Equal(0, SemControl(id, 0, GetValue));
        Equal(2, SemControl(id, 0, CountForMore));
        Equal(0, Child.Status(pids[0]));
        Equal(0, Child.Status(pids[1]));
        Equal(0, Operate(id, [0, 2, 0]));
        Equal(0, Child.Status(pids[2]));
        Equal(0, Child.Status(pids[3]));
        SemControl(id, 0, Remove);
        Drop((nint)order, 1);
    }

    private static void SemChain()
    {
        int id = Set(4);
        int* pids = stackalloc int[3];
        for (short i = 0; i < 3; i++)
        {
            pids[i] = Linux.Fork();
            if (pids[i] == 0)
                Exit(-Operate(id, [i, -1, 0, (short)(i + 1), 1, 0]));
            UntilWaiting(id, i, CountForMore, 1);
        }
        Equal(0, Operate(id, [0, 1, 0]));
        Equal(1, SemControl(id, 3, GetValue));
        for (int i = 0; i < 3; i++)
            Equal(0, Child.Status(pids[i]));
        SemControl(id, 0, Remove);
    }

    private static void SemMoves()
    {
        int id = Set(2);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(-Operate(id, [0, -1, 0, 1, -1, 0]));
        UntilWaiting(id, 0, CountForMore, 1);
        Operate(id, [0, 1, 0]);
        Equal(0, SemControl(id, 0, CountForMore));
        Equal(1, SemControl(id, 1, CountForMore));
        Equal(1, SemControl(id, 0, GetValue));
        Operate(id, [1, 1, 0]);
        Equal(0, Child.Status(pid));
        Equal(0, SemControl(id, 0, GetValue));
        SemControl(id, 0, Remove);
    }

    private static void SemTime()
    {
        int id = Set(1);
        long* time = stackalloc long[2];
        time[1] = 2_000_000;
        Equal(Errno.TryAgain, Operate(id, [0, -1, 0], time));
        Equal(0, SemControl(id, 0, CountForMore));
        time[1] = 1_000_000_000;
        Equal(Errno.Invalid, Operate(id, [0, -1, 0], time));
        Equal(0, Operate(id, [0, 1, 0]));
        time[1] = 0;
        Equal(0, Operate(id, [0, -1, 0], time));
        SemControl(id, 0, Remove);
    }

    private static void SemRemoved()
    {
        int id = Set(2, 1);
        int first = Linux.Fork();
        if (first == 0)
            Exit(-Operate(id, [0, 0, 0]));
        int second = Linux.Fork();
        if (second == 0)
            Exit(-Operate(id, [1, -1, UndoAtExit]));
        UntilWaiting(id, 0, CountForZero, 1);
        UntilWaiting(id, 1, CountForMore, 1);
        Equal(0, SemControl(id, 0, Remove));
        Equal(-Removed, Child.Status(first));
        Equal(-Removed, Child.Status(second));
    }

    private static void SemSignal()
    {
        int id = Set(1);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(-Operate(id, [0, -1, 0]));
        UntilWaiting(id, 0, CountForMore, 1);
        Kill(pid, Signal.Kill);
        Equal(128 + Signal.Kill, Child.Status(pid));
        Equal(0, SemControl(id, 0, CountForMore));
        SemControl(id, 0, Remove);
    }

    private static void SemUndone()
    {
        int id = Set(2, 5);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Operate(id, [0, -2, UndoAtExit, 1, 3, UndoAtExit]);
            Operate(id, [0, -1, UndoAtExit]);
            Operate(id, [0, -1, 0]);
            Exit(SemControl(id, 0, GetValue) * 10 + SemControl(id, 1, GetValue));
        }
        Equal(13, Child.Status(pid));
        Equal(4, SemControl(id, 0, GetValue));
        Equal(0, SemControl(id, 1, GetValue));
        Equal(pid, SemControl(id, 0, GetProcess));

        // A killed one's too; a child of fork has none.
        pid = Linux.Fork();
        if (pid == 0)
        {
            Operate(id, [0, -4, UndoAtExit]);
            int grandchild = Linux.Fork();
            if (grandchild == 0)
                Exit(0);
            Child.Status(grandchild);
            Equal(0, SemControl(id, 0, GetValue));
            Kill(GetPid(), Signal.Kill);
        }
        Equal(128 + Signal.Kill, Child.Status(pid));
        Equal(4, SemControl(id, 0, GetValue));
        SemControl(id, 0, Remove);
    }

    private static void SemUndoForgotten()
    {
        int id = Set(2, 5);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Operate(id, [0, -2, UndoAtExit, 1, 1, UndoAtExit]);
            SemControl(id, 0, SetValue, 9);
            Exit(0);
        }
        Child.Status(pid);
        Equal(9, SemControl(id, 0, GetValue));
        Equal(0, SemControl(id, 1, GetValue));
        SemControl(id, 0, Remove);
    }

    private static void SemUndoCut()
    {
        int id = Set(1);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Operate(id, [0, 5, UndoAtExit]);
            Operate(id, [0, -3, 0]);
            Exit(0);
        }
        Child.Status(pid);
        Equal(0, SemControl(id, 0, GetValue));      // 2 - 5 is cut to 0
        SemControl(id, 0, Remove);
    }

    private static void SemUndoWakes()
    {
        int id = Set(1, 1);
        int holder = Linux.Fork();
        if (holder == 0)
        {
            Operate(id, [0, -1, UndoAtExit]);
            UntilWaiting(id, 0, CountForMore, 1);
            Exit(0);
        }
        while (SemControl(id, 0, GetValue) != 0)
            Yield();
        Equal(0, Operate(id, [0, -1, 0]));
        Equal(0, Child.Status(holder));
        SemControl(id, 0, Remove);
    }

    private static void Philosophers()
    {
        const int seats = 5, meals = 40;
        int id = Set(seats);
        ushort* forks = stackalloc ushort[seats];
        for (int i = 0; i < seats; i++)
            forks[i] = 1;
        SemControl(id, 0, SetAll, (nint)forks);
        int* eaten = (int*)New(1, Protection.ReadWrite, Map.SharedAnonymous);
        int* pids = stackalloc int[seats];
        for (short i = 0; i < seats; i++)
        {
            pids[i] = Linux.Fork();
            if (pids[i] != 0)
                continue;
            short left = i, right = (short)((i + 1) % seats);
            for (int meal = 0; meal < meals; meal++)
            {
                Operate(id, [left, -1, UndoAtExit, right, -1, UndoAtExit]);
                eaten[i]++;
                Yield();
                Operate(id, [left, 1, UndoAtExit, right, 1, UndoAtExit]);
            }
            Exit(0);
        }
        for (int i = 0; i < seats; i++)
        {
            Equal(0, Child.Status(pids[i]));
            Equal(meals, eaten[i]);
        }
        SemControl(id, 0, GetAll, (nint)forks);
        for (int i = 0; i < seats; i++)
            Equal(1, forks[i]);
        SemControl(id, 0, Remove);
        Drop((nint)eaten, 1);
    }

    private static void SemRights()
    {
        int id = SemGet(0x5e60, 1, Create | 0x120);     // r--r-----
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Syscall.Call(106, 1000);        // setgid
            Syscall.Call(105, 1000);        // setuid
            int bad = SemControl(id, 0, GetValue) != Errno.Access ? 1 : 0;
            bad |= Operate(id, [0, 1, 0]) != Errno.Access ? 2 : 0;
            bad |= SemControl(id, 0, Remove) != Errno.NotPermitted ? 4 : 0;
            bad |= SemControl(id, 0, SetValue, 1) != Errno.Access ? 8 : 0;
            bad |= SemGet(0x5e60, 1, 0x100) != Errno.Access ? 16 : 0;
            bad |= SemGet(0x5e60, 1, 0) != id ? 32 : 0;
            Exit(bad);
        }
        if (Syscall.Call(102) == 0)
            Equal(0, Child.Status(pid));
        else
            Child.Status(pid);
        SemControl(id, 0, Remove);
    }

    private static void SemStat()
    {
        int id = Set(3);
        ulong* set = stackalloc ulong[16];
        Equal(0, SemControl(id, 0, Stat, (nint)set));
        Equal(0x180, ((int*)set)[5]);
        Equal(3, (long)set[10]);
        Equal(0, (long)set[6]);
        Operate(id, [0, 1, 0]);
        SemControl(id, 0, Stat, (nint)set);
        Check(set[6] != 0);
        int* limits = stackalloc int[10];
        Check(SemControl(0, 0, Info, (nint)limits) >= 0);
        Equal(32000, limits[4]);
        Equal(500, limits[5]);
        Equal(32767, limits[8]);
        SemControl(id, 0, Remove);
    }

    private static void MessageTypes()
    {
        int id = MessageGet(0, 0x180);
        Equal(0, Send(id, 5, 10, 1));
        Equal(0, Send(id, 3, 11, 2));
        Equal(0, Send(id, 5, 12, 3));
        Equal(0, Send(id, 2, 13, 4));
        Equal(11002, Receive(id, 100, 3));
        Equal(10001, Receive(id, 100, 0));
        Equal(13004, Receive(id, 100, -5));
        Equal(NoMessage, Receive(id, 100, 4, NoWait));
        Equal(NoMessage, Receive(id, 100, -4, NoWait));
        Equal(12003, Receive(id, 100, -5));
        Equal(NoMessage, Receive(id, 100, 0, NoWait));
        MessageControl(id, Remove);
    }

    private static void SendRefused()
    {
        int id = MessageGet(0, 0x180);
        Equal(Errno.Invalid, Send(id, 0, 1, 1));
        Equal(Errno.Invalid, Send(id, -1, 1, 1));
        Equal(Errno.Invalid, Send(id, 1, 8193, 1));
        Equal(Errno.Invalid, Send(id, 1, -1, 1));
        Equal(Errno.Invalid, Send(-1, 1, 1, 1));
        Equal(Errno.Invalid, Send(id + 1, 1, 1, 1));
        Equal(Errno.BadAddress, (int)Syscall.Call(69, id, 8, 1, 0));
        Equal(0, Send(id, 1, 8192, 1));
        MessageControl(id, Remove);
        Equal(Errno.Invalid, Send(id, 1, 1, 1));
        Equal(Errno.Invalid, MessageControl(id, Remove));
    }

    private static void ReceiveRefused()
    {
        int id = MessageGet(0, 0x180);
        Equal(Errno.Invalid, Receive(-1, 1, 0));
        Equal(Errno.Invalid, Receive(id, -1, 0));
        Equal(Errno.Invalid, Receive(id, 1, 0, CopyOnly));
        Equal(Errno.Invalid, Receive(id + 1, 1, 0, NoWait));
        Equal(Errno.Invalid, MessageControl(id, -1));
        Equal(Errno.Invalid, MessageControl(id, 99));
        Equal(Errno.BadAddress, MessageControl(id, Stat, (void*)8));
        Send(id, 1, 5, 1);
        Equal(Errno.BadAddress, (int)Syscall.Call(70, id, 8, 5, 0, 0));
        Equal(NoMessage, Receive(id, 5, 0, NoWait));    // it is lost
        MessageControl(id, Remove);
    }

    private static void MessageLong()
    {
        int id = MessageGet(0, 0x180);
        Send(id, 1, 100, 7);
        Equal(-7, Receive(id, 99, 0));
        Equal(-7, Receive(id, 99, 0, NoWait));
        Equal(50007, Receive(id, 50, 0, NoError));
        Equal(NoMessage, Receive(id, 50, 0, NoWait));
        MessageControl(id, Remove);
    }

    private static void MessageChoices()
    {
        int id = MessageGet(0, 0x180);
        Send(id, 1, 1, 11);
        Send(id, 2, 2, 12);
        Send(id, 1, 3, 13);
        Equal(2012, Receive(id, 10, 1, Except));
        int copied = Receive(id, 10, 1, CopyOnly | NoWait);
        Check(copied is 3013 or -38);                   // not every kernel copies
        Equal(1011, Receive(id, 10, 0));
        Equal(3013, Receive(id, 10, 0));
        MessageControl(id, Remove);
    }

    private static void MessageFull()
    {
        int id = MessageGet(0, 0x180);
        Equal(0, Send(id, 1, 8192, 1));
        Equal(0, Send(id, 2, 8192, 2));
        Equal(Errno.TryAgain, Send(id, 3, 1, 3, NoWait));
        int* told = (int*)New(1, Protection.ReadWrite, Map.SharedAnonymous);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            *told = 1;
            Exit(-Send(id, 3, 100, 3));
        }
        while (System.Threading.Volatile.Read(ref *told) == 0)
            Yield();
        Equal(8192001, Receive(id, 8192, 1));
        Equal(0, Child.Status(pid));
        Equal(8192002, Receive(id, 8192, 0));
        Equal(100003, Receive(id, 8192, 0));
        MessageControl(id, Remove);
        Drop((nint)told, 1);
    }

    private static void MessageWaits()
    {
        int id = MessageGet(0, 0x180), answers = MessageGet(0, 0x180);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Send(answers, 1, 0, 0);
            int got = Receive(id, 100, 7);
            Send(answers, 1, 1, (byte)got);
            Exit(got == 3099 ? 0 : 1);
        }
        Receive(answers, 1, 0);
        Equal(0, Send(id, 6, 5, 5));
        Equal(0, Send(id, 7, 3, 99));
        Check(Receive(answers, 1, 0) > 0);
        Equal(0, Child.Status(pid));
        Equal(5005, Receive(id, 100, 0));
        MessageControl(id, Remove);
        MessageControl(answers, Remove);
    }

    private static void MessageTooLongWhileWaiting()
    {
        int id = MessageGet(0, 0x180);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(-Receive(id, 10, 0));
        Equal(0, Send(id, 1, 20, 1));
        Equal(7, Child.Status(pid));
        Equal(20001, Receive(id, 100, 0));
        MessageControl(id, Remove);
    }

    private static void MessageRemoved()
    {
        int id = MessageGet(0, 0x180);
        int* told = (int*)New(1, Protection.ReadWrite, Map.SharedAnonymous);
        int receiver = Linux.Fork();
        if (receiver == 0)
        {
            *told = 1;
            Exit(-Receive(id, 100, 9));
        }
        while (System.Threading.Volatile.Read(ref *told) == 0)
            Yield();
        for (int i = 0; i < 20; i++)
            Yield();
        Equal(0, MessageControl(id, Remove));
        Check(Child.Status(receiver) is var status && (status == -Removed || status == -Errno.Invalid));      // if it was late
        Drop((nint)told, 1);
    }

    private static void MessageEmpty()
    {
        int id = MessageGet(0, 0x180);
        Equal(0, Send(id, 4, 0, 9));
        Equal(0, Send(id, 5, 0, 9));
        Equal(0, Receive(id, 0, 5));
        Equal(0, Receive(id, 100, 0));
        Equal(NoMessage, Receive(id, 100, 0, NoWait));
        MessageControl(id, Remove);
    }

    private static void MessageStat()
    {
        int id = MessageGet(0x5e61, Create | 0x1a4);
        Equal(id, MessageGet(0x5e61, 0));
        Equal(Errno.Exists, MessageGet(0x5e61, Create | Exclusive));
        Equal(Errno.NoEntry, MessageGet(0x5e62, 0));
        Send(id, 1, 100, 1);
        Send(id, 1, 50, 1);
        ulong* queue = stackalloc ulong[16];
        Equal(0, MessageControl(id, Stat, queue));
        Equal(0x5e61, ((int*)queue)[0]);
        Equal(0x1a4, ((int*)queue)[5]);
        Equal(150, (long)queue[9]);
        Equal(2, (long)queue[10]);
        Equal(16384, (long)queue[11]);
        Equal(GetPid(), ((int*)queue)[24]);
        Equal(0, ((int*)queue)[25]);
        MessageControl(id, Remove);
    }

    private static void MessagePingPong()
    {
        int there = MessageGet(0, 0x180), back = MessageGet(0, 0x180);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            for (int i = 0; i < 1000; i++)
            {
                int got = Receive(there, 100, 0);
                Send(back, 1, 1, (byte)(got + 1));
            }
            Exit(0);
        }
        bool right = true;
        for (int i = 0; i < 1000; i++)
        {
            Send(there, 1, 1, (byte)(i % 200));
            right &= Receive(back, 100, 0) == 1000 + (1000 + i % 200 + 1) % 256;
        }
        Check(right);
        Equal(0, Child.Status(pid));
        MessageControl(there, Remove);
        MessageControl(back, Remove);
    }

    private static void Identifiers()
    {
        int first = MessageGet(0, 0x180);
        MessageControl(first, Remove);
        int second = MessageGet(0, 0x180);
        Check(second != first);
        MessageControl(second, Remove);
        int set = Set(1);
        SemControl(set, 0, Remove);
        int next = Set(1);
        Check(next != set);
        SemControl(next, 0, Remove);
        int segment = ShmGet(0, Page, 0x180);
        ShmControl(segment, 0);
        int another = ShmGet(0, Page, 0x180);
        Check(another != segment);
        ShmControl(another, 0);
    }
}
