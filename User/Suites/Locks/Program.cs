using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Pages;

namespace NanoVm.User.Suites.Locks;

/// <summary>Futexes: what waits, what wakes, and locks whose holder inherits the priority of those who wait. man 2 futex.</summary>
internal static unsafe class Program
{
    private const int Wait = 0, Wake = 1, Requeue = 3, CompareRequeue = 4, WakeOperation = 5, LockPi = 6, UnlockPi = 7, TryLockPi = 8, WaitBits = 9, WakeBits = 10,
        WaitRequeuePi = 11, CompareRequeuePi = 12, LockPi2 = 13, Private = 128, Realtime = 256;
    private const uint Waiters = 0x8000_0000, OwnerDied = 0x4000_0000, Thread = 0x3fff_ffff;
    private const int Deadlock = -35, NoCall = -38, TimedOut = -110;

    public static int Main() => Run(
        new("A word that differs is not waited on", &Differs),
        new("What wait and wake refuse", &Refused),
        new("Time-outs, relative and absolute", &TimeOuts),
        new("A child that waits is woken", &Woken),
        new("Bits choose whom a wake-up reaches", &Bits),
        new("Requeue wakes some and moves the others", &Requeued),
        new("Compare-and-requeue looks at the word first", &RequeueCompares),
        new("Wake-op changes a word and wakes on its old value", &WakeOp),
        new("Shared by place in a file, not by address", &SharedPlace),
        new("A private key is not a shared one", &PrivateKey),
        new("waitv: what it refuses", &VectorRefused),
        new("waitv answers which word was woken", &VectorWoken),
        new("waitv and its time", &VectorTime),
        new("A free lock is taken, with the thread's number", &PiFree),
        new("Whoever holds a lock cannot take it", &PiHeld),
        new("Only the holder gives a lock up", &PiNotHeld),
        new("A word that names nobody", &PiNobody),
        new("A held lock: try, time-out, and the bit that tells", &PiContended),
        new("Giving up hands over to the one who waits", &PiHandOver),
        new("A holder that ends leaves the lock to the next, marked", &PiDied),
        new("Several heirs get it one after the other", &PiHeirs),
        new("A circle of waiters is told", &PiCircle),
        new("Waiters of a lock are not woken, waiters of a word not given a lock", &PiMixed),
        new("A condition's waiters move to the lock", &PiCondition),
        new("The first of a condition gets a free lock at once", &PiConditionFree),
        new("What moving to a lock refuses", &PiConditionRefused),
        new("A waiter that is killed leaves the lock to its holder", &PiKilled));

    private static nint Futex(uint* word, int operation, uint value = 0, nint time = 0, uint* second = null, uint third = 0)
        => Syscall.Call(202, (nint)word, operation, (nint)value, time, (nint)second, (nint)third);

    private static uint Me => (uint)Syscall.Call(186);

    private static uint* Words() => (uint*)New(1, Protection.ReadWrite, Map.SharedAnonymous);

    private static uint Look(uint* word) => System.Threading.Volatile.Read(ref *word);

    private static void Until(uint* word, uint value)
    {
        while (Look(word) != value)
            Yield();
    }

    /// <summary>Until a waiter of a lock has made itself known.</summary>
    private static void UntilWaited(uint* word)
    {
        while ((Look(word) & Waiters) == 0)
            Yield();
    }

    private static void Clock(int clock, long* time, long more)
    {
        Syscall.Call(228, clock, (nint)time);
        time[1] += more;
        if (time[1] >= 1_000_000_000)
        {
            time[0]++;
            time[1] -= 1_000_000_000;
        }
    }

    private static void Differs()
    {
        uint* w = Words();
        Equal(Errno.TryAgain, Futex(w, Wait, 1));
        Equal(Errno.TryAgain, Futex(w, Wait | Private, 1));
        Equal(Errno.TryAgain, Futex(w, WaitBits, 1, 0, null, 1));
        Drop((nint)w, 1);
    }

    private static void Refused()
    {
        uint* w = Words();
        uint* odd = (uint*)((byte*)w + 1);
        uint* hole = (uint*)8;
        long* bad = stackalloc long[2];
        Equal(Errno.Invalid, Futex(odd, Wait));
        Equal(Errno.Invalid, Futex(odd, Wake, 1));
        Equal(Errno.BadAddress, Futex(hole, Wait));
        Equal(Errno.BadAddress, Futex(hole, Wake, 1));
        Equal(0, Futex(hole, Wake | Private, 1));
        Equal(Errno.Invalid, Futex(w, WaitBits, 0, 0, null, 0));
        Equal(Errno.Invalid, Futex(w, WakeBits, 1, 0, null, 0));
        bad[1] = 1_000_000_000;
        Equal(Errno.Invalid, Futex(w, Wait, 0, (nint)bad));
        bad[0] = -1;
        bad[1] = 0;
        Equal(Errno.Invalid, Futex(w, Wait, 0, (nint)bad));
        Equal(Errno.BadAddress, Futex(w, Wait, 0, 8));
        Equal(NoCall, Futex(w, 2));
        Equal(NoCall, Futex(w, 99));
        Equal(NoCall, Futex(w, Wait | Realtime));
        Equal(Errno.Invalid, Futex(w, Requeue, uint.MaxValue, 1, w + 1));
        Drop((nint)w, 1);
    }

    private static void TimeOuts()
    {
        uint* w = Words();
        long* time = stackalloc long[2];
        time[1] = 1_000_000;
        Equal(TimedOut, Futex(w, Wait, 0, (nint)time));
        Equal(TimedOut, Futex(w, WaitBits, 0, (nint)time, null, 1));        // absolute: long ago
        Clock(1, time, 2_000_000);
        Equal(TimedOut, Futex(w, WaitBits, 0, (nint)time, null, 1));
        Clock(0, time, 2_000_000);
        Equal(TimedOut, Futex(w, WaitBits | Realtime, 0, (nint)time, null, 1));
        Drop((nint)w, 1);
    }

    private static void Woken()
    {
        uint* w = Words();
        int pid = Linux.Fork();
        if (pid == 0)
            Exit((int)-Futex(w, Wait));
        while (Futex(w, Wake, 1) == 0)
            Yield();
        Equal(0, Child.Status(pid));
        Drop((nint)w, 1);
    }

    private static void Bits()
    {
        uint* w = Words();
        int pid = Linux.Fork();
        if (pid == 0)
            Exit((int)-Futex(w, WaitBits, 0, 0, null, 2));
        for (int i = 0; i < 50; i++)
        {
            Equal(0, Futex(w, WakeBits, 1, 0, null, 5));
            Yield();
        }
        while (Futex(w, WakeBits, 1, 0, null, 6) == 0)
            Yield();
        Equal(0, Child.Status(pid));
        Drop((nint)w, 1);
    }

    private static void Requeued()
    {
        uint* w = Words();
        int* pids = stackalloc int[3];
        for (int i = 0; i < 3; i++)
        {
            pids[i] = Linux.Fork();
            if (pids[i] == 0)
                Exit((int)-Futex(w, Wait));
        }
        int moved = 0;
        while (moved < 3)
        {
            moved += (int)Futex(w, Requeue, 0, 10, w + 1);
            Yield();
        }
        Equal(0, Futex(w, Wake, 10));
        Equal(2, Futex(w + 1, Requeue, 1, 1, w));
        Equal(1, Futex(w + 1, Wake, 10));
        Equal(1, Futex(w, Wake, 10));
        for (int i = 0; i < 3; i++)
            Equal(0, Child.Status(pids[i]));
        Drop((nint)w, 1);
    }

    private static void RequeueCompares()
    {
        uint* w = Words();
        Equal(Errno.TryAgain, Futex(w, CompareRequeue, 1, 1, w + 1, 7));
        Equal(0, Futex(w, CompareRequeue, 1, 1, w + 1, 0));
        Equal(Errno.Invalid, Futex(w, CompareRequeue, 1, -1, w + 1, 0));
        Drop((nint)w, 1);
    }

    private static void WakeOp()
    {
        uint* w = Words();
        Equal(0, Futex(w, WakeOperation, 1, 1, w + 1, 0u << 28 | 0u << 24 | 5 << 12 | 0));    // set 5
        Equal(5, w[1]);
        Equal(0, Futex(w, WakeOperation, 1, 1, w + 1, 1u << 28 | 3 << 12));                    // add 3
        Equal(8, w[1]);
        Equal(0, Futex(w, WakeOperation, 1, 1, w + 1, 2u << 28 | 1 << 12));                    // or 1
        Equal(9, w[1]);
        Equal(0, Futex(w, WakeOperation, 1, 1, w + 1, 3u << 28 | 8 << 12));                    // and not 8
        Equal(1, w[1]);
        Equal(0, Futex(w, WakeOperation, 1, 1, w + 1, 12u << 28 | 3 << 12));                   // xor 1 << 3
        Equal(9, w[1]);
        Equal(NoCall, Futex(w, WakeOperation, 1, 1, w + 1, 5u << 28));
        int pid = Linux.Fork();
        if (pid == 0)
            Exit((int)-Futex(w + 1, Wait, 9));
        while (Futex(w, WakeOperation, 1, 1, w + 1, 0u << 28 | 0u << 24 | 9 << 12 | 9) == 0)  // set 9 if it was 9
            Yield();
        Equal(0, Child.Status(pid));
        Drop((nint)w, 1);
    }

    private static void SharedPlace()
    {
        int file = NewFile(1);
        uint* one = (uint*)Mmap(0, Page, Protection.ReadWrite, Map.Shared, file);
        uint* two = (uint*)Mmap(0, Page, Protection.ReadWrite, Map.Shared, file);
        *one = 0;
        int pid = Linux.Fork();
        if (pid == 0)
            Exit((int)-Futex(two, Wait));
        while (Futex(one, Wake, 1) == 0)
            Yield();
        Equal(0, Child.Status(pid));
        Drop((nint)one, 1);
        Drop((nint)two, 1);
        Close(file);
    }

    private static void PrivateKey()
    {
        uint* w = Words();
        int pid = Linux.Fork();
        if (pid == 0)
        {
            w[1] = 1;
            Exit((int)-Futex(w, Wait));
        }
        Until(w + 1, 1);
        for (int i = 0; i < 20; i++)
        {
            Equal(0, Futex(w, Wake | Private, 1));
            Yield();
        }
        while (Futex(w, Wake, 1) == 0)
            Yield();
        Equal(0, Child.Status(pid));
        Drop((nint)w, 1);
    }

    private static nint WaitVector(ulong* entries, int count, int flags = 0, nint time = 0, int clock = 1) => Syscall.Call(449, (nint)entries, count, flags, time, clock);

    private static ulong* Vector(uint* words)
    {
        ulong* v = (ulong*)(words + 64);
        for (int i = 0; i < 3; i++)
        {
            v[i * 3] = 0;
            v[i * 3 + 1] = (ulong)(words + i);
            v[i * 3 + 2] = 2;
        }
        return v;
    }

    private static void VectorRefused()
    {
        uint* w = Words();
        ulong* v = Vector(w);
        w[2] = 1;
        Equal(Errno.TryAgain, WaitVector(v, 3));
        Equal(Errno.Invalid, WaitVector(v, 0));
        Equal(Errno.Invalid, WaitVector(v, 129));
        Equal(Errno.Invalid, WaitVector(v, 3, 1));
        Equal(Errno.Invalid, WaitVector(null, 3));
        Equal(Errno.BadAddress, WaitVector((ulong*)8, 3));
        v[2] = 0;
        Equal(Errno.Invalid, WaitVector(v, 3));
        v[2] = 2 | 64;
        Equal(Errno.Invalid, WaitVector(v, 3));
        v[2] = 2 | 1UL << 32;
        Equal(Errno.Invalid, WaitVector(v, 3));
        v[2] = 2;
        v[1]++;
        Equal(Errno.Invalid, WaitVector(v, 3));
        v[1] = 8;
        Equal(Errno.BadAddress, WaitVector(v, 3));
        Drop((nint)w, 1);
    }

    private static void VectorWoken()
    {
        uint* w = Words();
        ulong* v = Vector(w);
        for (int i = 0; i < 3; i++)
        {
            int pid = Linux.Fork();
            if (pid == 0)
                Exit((int)WaitVector(v, 3) + 10);
            while (Futex(w + i, Wake, 1) == 0)
                Yield();
            Equal(10 + i, Child.Status(pid));
        }
        Drop((nint)w, 1);
    }

    private static void VectorTime()
    {
        uint* w = Words();
        ulong* v = Vector(w);
        long* time = stackalloc long[2];
        Clock(1, time, 2_000_000);
        Equal(TimedOut, WaitVector(v, 3, 0, (nint)time, 1));
        Clock(0, time, 2_000_000);
        Equal(TimedOut, WaitVector(v, 3, 0, (nint)time, 0));
        Equal(Errno.Invalid, WaitVector(v, 3, 0, (nint)time, 2));
        time[1] = -1;
        Equal(Errno.Invalid, WaitVector(v, 3, 0, (nint)time, 1));
        Drop((nint)w, 1);
    }

    private static void PiFree()
    {
        uint* w = Words();
        Equal(0, Futex(w, LockPi));
        Equal(Me, *w);
        Equal(0, Futex(w, UnlockPi));
        Equal(0, *w);
        Equal(0, Futex(w, TryLockPi));
        Equal(Me, *w);
        Equal(0, Futex(w, UnlockPi));
        Equal(0, Futex(w, LockPi2));
        Equal(0, Futex(w, UnlockPi));
        *w = OwnerDied;
        Equal(0, Futex(w, LockPi));
        Equal(Me | OwnerDied, *w);
        Equal(0, Futex(w, UnlockPi));
        Equal(0, *w);
        Drop((nint)w, 1);
    }

    private static void PiHeld()
    {
        uint* w = Words();
        Futex(w, LockPi);
        Equal(Deadlock, Futex(w, LockPi));
        Equal(Deadlock, Futex(w, TryLockPi));
        Equal(Me, *w);
        Futex(w, UnlockPi);
        Drop((nint)w, 1);
    }

    private static void PiNotHeld()
    {
        uint* w = Words();
        Equal(Errno.NotPermitted, Futex(w, UnlockPi));
        *w = 1;
        Equal(Errno.NotPermitted, Futex(w, UnlockPi));
        Equal(Errno.BadAddress, Futex((uint*)8, UnlockPi));
        Equal(Errno.BadAddress, Futex((uint*)8, LockPi));
        Equal(Errno.Invalid, Futex((uint*)((byte*)w + 1), LockPi));
        Drop((nint)w, 1);
    }

    private static void PiNobody()
    {
        uint* w = Words();
        *w = 0x3fff_fff0;
        Equal(Errno.NoSuchProcess, Futex(w, LockPi));
        Equal(0x3fff_fff0 | Waiters, *w);
        Equal(Errno.NoSuchProcess, Futex(w, TryLockPi));
        Drop((nint)w, 1);
    }

    /// <summary>A child that takes the lock, says so in the second word, and gives it up when the third one says so.</summary>
    private static int Holder(uint* w)
    {
        int pid = Linux.Fork();
        if (pid != 0)
        {
            Until(w + 1, 1);
            return pid;
        }
        Futex(w, LockPi);
        w[1] = 1;
        Until(w + 2, 1);
        Exit((int)-Futex(w, UnlockPi));
        return 0;
    }

    private static void PiContended()
    {
        uint* w = Words();
        int pid = Holder(w);
        Equal((uint)pid, *w);
        Equal(Errno.TryAgain, Futex(w, TryLockPi));
        Equal((uint)pid | Waiters, *w);
        long* time = stackalloc long[2];
        Clock(0, time, 2_000_000);
        Equal(TimedOut, Futex(w, LockPi, 0, (nint)time));
        Clock(1, time, 2_000_000);
        Equal(TimedOut, Futex(w, LockPi2, 0, (nint)time));
        Equal(Errno.NotPermitted, Futex(w, UnlockPi));
        w[2] = 1;
        Equal(0, Child.Status(pid));
        Equal(0, *w);
        Drop((nint)w, 1);
    }

    private static void PiHandOver()
    {
        uint* w = Words();
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Until(w + 1, 1);
            nint result = Futex(w, LockPi);
            uint seen = *w;
            Futex(w, UnlockPi);
            Exit(result == 0 && (seen & Thread) == Me && *w == 0 ? 0 : 1);
        }
        Futex(w, LockPi);
        w[1] = 1;
        UntilWaited(w);
        Equal(0, Futex(w, UnlockPi));
        Equal(0, Child.Status(pid));
        Drop((nint)w, 1);
    }

    private static void PiDied()
    {
        uint* w = Words();
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Futex(w, LockPi);
            w[1] = 1;
            UntilWaited(w);
            Exit(0);
        }
        Until(w + 1, 1);
        Equal(0, Futex(w, LockPi));
        Equal(Me | Waiters | OwnerDied, *w);
        Equal(0, Child.Status(pid));
        Equal(0, Futex(w, UnlockPi));
        Equal(0, *w);
        Drop((nint)w, 1);
    }

    private static void PiHeirs()
    {
        const int children = 6;
        uint* w = Words();
        int* pids = stackalloc int[children];
        Futex(w, LockPi);
        for (int i = 0; i < children; i++)
        {
            pids[i] = Linux.Fork();
            if (pids[i] != 0)
                continue;
            System.Threading.Interlocked.Increment(ref *(int*)(w + 1));
            nint result = Futex(w, LockPi);
            w[2]++;                                     // nobody else does so now
            if ((i & 1) == 0)
                Exit(result == 0 ? 0 : 1);              // with the lock
            Futex(w, UnlockPi);
            Exit(result == 0 ? 0 : 1);
        }
        Until(w + 1, children);
        Equal(0, Futex(w, UnlockPi));
        for (int i = 0; i < children; i++)
            Check(Child.Status(pids[i]) is 0 or 1);     // who comes when the lock names a dead one and nobody waits finds nobody
        Drop((nint)w, 1);
    }

    private static void PiCircle()
    {
        uint* w = Words();
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Futex(w + 1, LockPi);
            w[2] = 1;
            Until(w + 3, 1);
            nint got = Futex(w, LockPi);
            Futex(w + 1, UnlockPi);
            Futex(w, UnlockPi);
            Exit((int)-got);
        }
        Futex(w, LockPi);
        Until(w + 2, 1);
        w[3] = 1;
        UntilWaited(w);
        // The bit comes before the waiter: either of the two may close the circle, and is told.
        nint result = Futex(w + 1, LockPi);
        if (result == 0)
            Futex(w + 1, UnlockPi);
        Equal(0, Futex(w, UnlockPi));
        int other = -Child.Status(pid);
        Check((result == Deadlock && other == 0) || (result == 0 && other == Deadlock));
        Drop((nint)w, 1);
    }

    private static void PiMixed()
    {
        uint* w = Words();
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Until(w + 1, 1);
            Exit((int)-Futex(w, LockPi));
        }
        Futex(w, LockPi);
        w[1] = 1;
        UntilWaited(w);
        while (Futex(w, Wake, 1) == 0)                  // the bit comes before the waiter
            Yield();
        Equal(Errno.Invalid, Futex(w, Wake, 1));
        Equal(Errno.Invalid, Futex(w, Requeue, 1, 1, w + 4));
        Equal(0, Futex(w, UnlockPi));
        Equal(0, Child.Status(pid));

        *w = 0;
        pid = Linux.Fork();
        if (pid == 0)
        {
            nint waited;
            while ((waited = Futex(w, Wait)) == Errno.TryAgain)        // it came while the other one had the lock
                ;
            Exit((int)-waited);
        }
        nint locked;
        while ((locked = Futex(w, LockPi)) == 0)
        {
            Futex(w, UnlockPi);
            Yield();
        }
        Equal(Errno.Invalid, locked);
        Equal(1, Futex(w, Wake, 1));
        Equal(0, Child.Status(pid));
        Drop((nint)w, 1);
    }

    /// <summary>Children that wait on the word w[4] and are to have the lock w afterwards.</summary>
    private static void Conditions(uint* w, int* pids, int count)
    {
        for (int i = 0; i < count; i++)
        {
            pids[i] = Linux.Fork();
            if (pids[i] != 0)
                continue;
            nint result = Futex(w + 4, WaitRequeuePi, 0, 0, w);
            bool mine = (*w & Thread) == Me;
            w[3]++;
            Futex(w, UnlockPi);
            Exit(result == 0 && mine ? 0 : 1);
        }
    }

    private static void PiCondition()
    {
        uint* w = Words();
        int* pids = stackalloc int[4];
        Futex(w, LockPi);
        Conditions(w, pids, 4);
        int moved = 0;
        while (moved < 4)
        {
            moved += (int)Futex(w + 4, CompareRequeuePi, 1, 100, w, 0);
            Yield();
        }
        Equal(0, w[3]);
        Equal(Me | Waiters, *w);
        Equal(0, Futex(w, UnlockPi));
        for (int i = 0; i < 4; i++)
            Equal(0, Child.Status(pids[i]));
        Equal(4, w[3]);
        Equal(0, *w);
        Drop((nint)w, 1);
    }

    private static void PiConditionFree()
    {
        uint* w = Words();
        int pid;
        Conditions(w, &pid, 1);
        while (Futex(w + 4, CompareRequeuePi, 1, 0, w, 0) == 0)
            Yield();
        Equal(0, Child.Status(pid));
        Equal(0, *w);
        Drop((nint)w, 1);
    }

    private static void PiConditionRefused()
    {
        uint* w = Words();
        Equal(Errno.Invalid, Futex(w, WaitRequeuePi, 0, 0, w));
        Equal(Errno.TryAgain, Futex(w, WaitRequeuePi, 1, 0, w + 1));
        long* time = stackalloc long[2];
        Clock(1, time, 2_000_000);
        Equal(TimedOut, Futex(w, WaitRequeuePi, 0, (nint)time, w + 1));
        Equal(Errno.Invalid, Futex(w, CompareRequeuePi, 2, 0, w + 1, 0));
        Equal(Errno.Invalid, Futex(w, CompareRequeuePi, 1, -1, w + 1, 0));
        Equal(Errno.Invalid, Futex(w, CompareRequeuePi, 1, 0, w, 0));
        Equal(Errno.TryAgain, Futex(w, CompareRequeuePi, 1, 0, w + 1, 9));
        Equal(0, Futex(w, CompareRequeuePi, 1, 0, w + 1, 0));
        Drop((nint)w, 1);
    }

    private static void PiKilled()
    {
        uint* w = Words();
        Futex(w, LockPi);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit((int)-Futex(w, LockPi));
        UntilWaited(w);
        while (Futex(w, Wake, 1) == 0)
            Yield();
        Kill(pid, Signal.Kill);
        Equal(128 + Signal.Kill, Child.Status(pid));
        Equal(0, Futex(w, UnlockPi));
        Equal(0, *w);
        Drop((nint)w, 1);
    }
}
