using static NanoVm.User.Suites.Injection.Walker;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Injection;

/// <summary>System V semaphores and messages, locks that wait in the kernel, many messages at once.</summary>
internal static unsafe class IpcCases
{
    private const int IpcPrivate = 0, IpcCreate = 0x200, IpcRemove = 0, IpcStat = 2, NoWait = 0x800, TimedOut = -110;

    private static int s_left, s_right;

    public static void Semaphores()
    {
        static nint Act()
        {
            nint id = Syscall.Call(64, IpcPrivate, 4, IpcCreate | 0x180);
            if (id < 0)
                return id;
            Chain.Begin();
            ushort* operations = (ushort*)Data;              // number, change, flags: 0 up by 2, 3 down by 0; undone at the end
            operations[0] = 0;
            operations[1] = 2;
            operations[2] = 0x1000;
            operations[3] = 3;
            operations[4] = 0;
            operations[5] = 0x1000;
            Chain.Do(Syscall.Call(65, id, (nint)operations, 2));
            operations[1] = unchecked((ushort)-3);
            nint* time = (nint*)(Data + Page);
            time[0] = 0;
            time[1] = 1000;
            Chain.DoUnless(Errno.TryAgain, Syscall.Call(220, id, (nint)operations, 1, (nint)time));     // sleeps for a moment
            Chain.Do(Syscall.Call(66, id, 0, 13, (nint)Data));     // GETALL
            Chain.Do(Syscall.Call(66, id, 0, 17, (nint)Data));     // SETALL
            Chain.Do(Syscall.Call(66, id, 0, IpcStat, (nint)Data));
            Syscall.Call(66, id, 0, IpcRemove);
            return Chain.First;
        }

        Walk(&Act, &Undo.Nothing);
        WalkInChild(&Act);                                   // whose undoing ends with it
    }

    public static void Messages()
    {
        static nint Act()
        {
            nint id = Syscall.Call(68, IpcPrivate, IpcCreate | 0x180);
            if (id < 0)
                return id;
            Chain.Begin();
            nint* message = (nint*)Data;
            message[0] = 1;
            bool sent = Syscall.Call(69, id, (nint)message, 7000, NoWait) is var result && result == 0;
            Chain.Do(result);
            Chain.Do(Syscall.Call(71, id, IpcStat, (nint)(Data + 8 * Page)));
            if (sent)
                Chain.Do(Syscall.Call(70, id, (nint)message, 7000, 0, NoWait));
            Syscall.Call(71, id, IpcRemove);
            return Chain.First;
        }

        Walk(&Act, &Undo.Nothing);
    }

    /// <summary>A lock with inheritance of priorities, which another process has.</summary>
    public static void InheritingLock()
    {
        static nint Act()
        {
            *(int*)Data = 1;                                 // init's, who does not know of it
            nint* time = (nint*)(Data + Page);
            time[0] = 1;                                     // long ago
            time[1] = 0;
            Chain.Begin();
            Chain.DoUnless(TimedOut, Syscall.Call(202, (nint)Data, 6, 0, (nint)time));
            Chain.DoUnless(Errno.TryAgain, Syscall.Call(202, (nint)Data, 8, 0, 0));
            *(int*)Data = 0;
            Chain.Do(Syscall.Call(202, (nint)Data, 6, 0, (nint)time));
            Chain.Do(Syscall.Call(202, (nint)Data, 7));
            return Chain.First;
        }

        Walk(&Act, &Undo.Nothing);
    }

    public static void OtherFutexes()
    {
        static nint Act()
        {
            int* words = (int*)Data;
            words[0] = words[1] = 5;
            nint* time = (nint*)(Data + Page);
            time[0] = 1;
            time[1] = 0;
            ulong* waiters = (ulong*)(Data + 2 * Page);
            for (int i = 0; i < 2; i++)
            {
                waiters[3 * i] = 5;
                waiters[3 * i + 1] = (ulong)(Data + 4 * i);
                waiters[3 * i + 2] = 2;
            }

            Chain.Begin();
            Chain.DoUnless(TimedOut, Syscall.Call(449, (nint)waiters, 2, 0, (nint)time, 0));
            Chain.DoUnless(TimedOut, Syscall.Call(202, (nint)Data, 9 | 256, 5, (nint)time, 0, -1));     // WAIT_BITSET, by the wall clock
            Chain.Do(Syscall.Call(202, (nint)Data, 4, 1, 1, (nint)(Data + 4), 5));                        // CMP_REQUEUE
            Chain.Do(Syscall.Call(202, (nint)Data, 5, 1, 1, (nint)(Data + 4), 0));                        // WAKE_OP: word 1 becomes 0
            Chain.DoUnless(TimedOut, Syscall.Call(202, (nint)Data, 11 | 256, 5, (nint)time, (nint)(Data + 8), 0));    // WAIT_REQUEUE_PI
            Chain.Do(Syscall.Call(273, (nint)(Data + 3 * Page), 24));
            Chain.Do(Syscall.Call(274, 0, (nint)(Data + 4 * Page), (nint)(Data + 4 * Page + 8)));
            Syscall.Call(273, 0, 24);
            return Chain.First;
        }

        Walk(&Act, &Undo.Nothing);
    }

    public static void ManyMessages()
    {
        static nint Act()
        {
            nint* vector = (nint*)Data;
            vector[0] = (nint)(Data + 4 * Page);
            vector[1] = 2 * Page;
            ulong* messages = (ulong*)(Data + Page);         // two struct mmsghdr of 64 bytes
            new System.Span<byte>(messages, 128).Clear();
            for (int i = 0; i < 2; i++)
            {
                messages[8 * i + 2] = (ulong)vector;
                messages[8 * i + 3] = 1;
            }

            nint sent = Syscall.Call(307, s_right, (nint)messages, 2, 0x40);
            nint got = Syscall.Call(299, s_left, (nint)messages, sent > 0 ? sent : 1, 0x40, 0);
            return sent < 0 ? sent : got;
        }

        static void After(nint result)
        {
            while (Read(s_left, Data + 8 * Page, 8 * Page) > 0)
            {
            }
        }

        int* pair = stackalloc int[2];
        Syscall.Call(53, 1, 2 | 0x800, 0, (nint)pair);
        s_left = pair[0];
        s_right = pair[1];
        Walk(&Act, &After, May.NoBuffers | May.Again);
        Close(s_left);
        Close(s_right);
    }

    public static void SocketSettings()
    {
        static nint Act()
        {
            int* value = (int*)Data;
            value[0] = 1;
            value[1] = 4;
            Chain.Begin();
            Chain.Do(Syscall.Call(54, s_left, 1, 16, (nint)value, 4));                                    // SO_PASSCRED
            Chain.Do(Syscall.Call(55, s_left, 1, 17, (nint)(Data + 64), (nint)(value + 2)));              // SO_PEERCRED
            value[1] = 110;
            Chain.Do(Syscall.Call(51, s_left, (nint)(Data + 64), (nint)(value + 1)));
            Chain.Do(Syscall.Call(52, s_left, (nint)(Data + 64), (nint)(value + 1)));
            return Chain.First;
        }

        int* pair = stackalloc int[2];
        Syscall.Call(53, 1, 1, 0, (nint)pair);
        s_left = pair[0];
        s_right = pair[1];
        ((int*)Data)[2] = 12;
        Walk(&Act, &Undo.Nothing);
        Close(s_left);
        Close(s_right);
    }
}
