using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Pages;

namespace NanoVm.User.Suites.Locking;

/// <summary><c>mlock</c>, <c>mlock2</c>, <c>mlockall</c> and their opposites: what is resident, what is counted, what the limit refuses.</summary>
internal static unsafe class Program
{
    private const int OnFault = 1;
    private const int Current = 1, Future = 2, AllOnFault = 4;

    public static int Main() => Run(
        new("mlock brings every page in", &BringsIn),
        new("mlock rounds outward to whole pages", &Rounds),
        new("mlock of length zero does nothing", &ZeroLength),
        new("mlock whose end wraps is EINVAL", &Wraps),
        new("mlock with a hole locks up to it and says ENOMEM", &Hole),
        new("mlock of memory without rights locks it and says ENOMEM", &NoRights),
        new("mlock of read-only memory brings the page of zeros in", &ReadOnly),
        new("mlock of a private file page copies nothing", &PrivateFile),
        new("mlock of a writable private page copies it", &PrivateWritable),
        new("mlock beyond the end of a file says ENOMEM and keeps the lock", &BeyondFile),
        new("mlock counts a page once", &CountedOnce),
        new("munlock ends it, however often it was locked", &OneUnlock),
        new("munlock of a hole is ENOMEM", &UnlockHole),
        new("munmap takes the count back", &UnmapCounts),
        new("A part of a locked area can be unlocked", &PartUnlocked),
        new("mlock2 with ONFAULT brings nothing in", &OnFaultBringsNothing),
        new("mlock2 with ONFAULT counts all the same", &OnFaultCounts),
        new("mlock2 refuses unknown flags before looking at the range", &LockFlags),
        new("mlock after ONFAULT brings the pages in", &OnFaultThenLock),
        new("ONFAULT after mlock leaves the pages", &LockThenOnFault),
        new("MAP_LOCKED brings pages in and counts them", &MapLocked),
        new("A child inherits no locks", &ChildHasNone),
        new("mlockall refuses bad flags", &AllFlags),
        new("mlockall CURRENT locks what is there and not what comes", &AllCurrent),
        new("mlockall FUTURE locks what comes and not what is there", &AllFuture),
        new("mlockall FUTURE with ONFAULT brings nothing in", &AllFutureOnFault),
        new("mlockall CURRENT with ONFAULT brings nothing in", &AllCurrentOnFault),
        new("mlockall CURRENT ends FUTURE", &CurrentEndsFuture),
        new("munlockall ends both", &UnlockAll),
        new("exec keeps no lock, fork no FUTURE", &FutureNotInherited),
        new("The limit refuses mlock with ENOMEM and changes nothing", &LimitRefuses),
        new("The limit counts what is not locked yet", &LimitCountsNew),
        new("A limit of zero refuses with EPERM", &LimitZero),
        new("The limit refuses MAP_LOCKED with EAGAIN", &LimitMap),
        new("MAP_LOCKED with a limit of zero is EPERM", &LimitMapZero),
        new("The limit refuses mlockall CURRENT", &LimitAll),
        new("The limit of FUTURE holds for mmap, brk and the stack", &LimitFuture),
        new("Root has no limit", &RootUnlimited),
        new("Locked memory cannot be dropped", &NotDropped),
        new("mincore and smaps agree on locked memory", &Agree),
        new("Locking a growing area", &Growing),
        new("A locked heap grows locked", &HeapLocked));

    private static long Locked() => Proc.Status("VmLck"u8);

    /// <summary>Runs the body in a child that is not root, with this limit on locked memory.</summary>
    private static void Limited(ulong bytes, delegate*<int> body, [System.Runtime.CompilerServices.CallerLineNumber] int line = 0)
    {
        Areas.Prepare();
        Proc.Prepare();
        int pid = Linux.Fork();
        if (pid == 0)
        {
            SetSoftLimit(Limit.Locked, bytes);
            Syscall.Call(105, 1000);
            Exit(body());
        }
        Equal(0, Child.Status(pid), "the step that failed in the child", line);
    }

    private static int InChild(delegate*<int> body) => Child.Run(body);

    private static void BringsIn()
    {
        nint a = Alone(4);
        Equal(0, Resident(a, 4));
        Equal(0, Mlock(a, 4 * Page));
        Equal(4, Resident(a, 4));
        Equal(16, Locked());
        Drop(a, 4);
    }

    private static void Rounds()
    {
        nint a = Alone(4);
        Equal(0, Mlock(a + Page + 100, Page));
        Look(a, "w|ww|w"u8);
        Equal(8, Locked());
        Equal(0, Munlock(a + Page + 4000, 1));
        Equal(4, Locked());
        Drop(a, 4);
    }

    private static void ZeroLength()
    {
        nint a = Alone(1);
        Equal(0, Mlock(a, 0));
        Equal(0, Munlock(a, 0));
        Equal(0, Mlock(12345 * Page, 0));
        Equal(0, Locked());
        Drop(a, 1);
    }

    private static void Wraps()
    {
        Equal(Errno.Invalid, Mlock(3 * Page, -2 * Page));
        Equal(Errno.Invalid, Munlock(3 * Page, -2 * Page));
        Equal(0, Mlock(Page, -1));      // rounds to nothing
    }

    private static void Hole()
    {
        nint a = Alone(4);
        Drop(a + 2 * Page, 1);
        Equal(Errno.NoMemory, Mlock(a, 4 * Page));
        Check(Proc.HasFlag(a, "lo"u8));
        Check(!Proc.HasFlag(a + 3 * Page, "lo"u8));
        Equal(8, Locked());
        Equal(Errno.NoMemory, Mlock(a + 2 * Page, 2 * Page));
        Equal(8, Locked());
        Drop(a, 4);
    }

    private static void NoRights()
    {
        nint a = Alone(2, Protection.None);
        Equal(Errno.NoMemory, Mlock(a, 2 * Page));
        Check(Proc.HasFlag(a, "lo"u8));
        Equal(8, Locked());
        Equal(0, Resident(a, 2));
        Drop(a, 2);
    }

    private static void ReadOnly()
    {
        nint a = Alone(2, Protection.Read);
        Equal(0, Mlock(a, 2 * Page));
        Equal(2, Resident(a, 2));
        Equal(0, Proc.Smaps(a, "Anonymous"u8));
        Drop(a, 2);
    }

    private static void PrivateFile()
    {
        int file = NewFile(2);
        nint a = Mmap(0, 2 * Page, Protection.Read, Map.Private, file);
        Equal(0, Mlock(a, 2 * Page));
        Equal(2, Resident(a, 2));
        Equal(0, Proc.Smaps(a, "Anonymous"u8));
        Drop(a, 2);
        Close(file);
    }

    private static void PrivateWritable()
    {
        int file = NewFile(2);
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Private, file);
        Equal(0, Mlock(a, 2 * Page));
        Equal(8, Proc.Smaps(a, "Anonymous"u8));
        Drop(a, 2);
        Close(file);
    }

    private static void BeyondFile()
    {
        int file = NewFile(1);
        nint a = Mmap(0, 3 * Page, Protection.Read, Map.Shared, file);
        Equal(Errno.NoMemory, Mlock(a, 3 * Page));
        Check(Proc.HasFlag(a, "lo"u8));
        Equal(12, Locked());
        Drop(a, 3);
        Close(file);
    }

    private static void CountedOnce()
    {
        nint a = Alone(3);
        Equal(0, Mlock(a, 2 * Page));
        Equal(0, Mlock(a, 2 * Page));
        Equal(0, Mlock(a + Page, 2 * Page));
        Equal(12, Locked());
        Drop(a, 3);
    }

    private static void OneUnlock()
    {
        nint a = Alone(1);
        Mlock(a, Page);
        Mlock(a, Page);
        Equal(0, Munlock(a, Page));
        Equal(0, Locked());
        Equal(0, Munlock(a, Page));
        Equal(1, Resident(a, 1));
        Drop(a, 1);
    }

    private static void UnlockHole()
    {
        nint a = Alone(3);
        Mlock(a, 3 * Page);
        Drop(a + Page, 1);
        Equal(Errno.NoMemory, Munlock(a, 3 * Page));
        Equal(4, Locked());     // up to the hole
        Equal(Errno.NoMemory, Munlock(a + Page, Page));
        Drop(a, 3);
        Equal(0, Locked());
    }

    private static void UnmapCounts()
    {
        nint a = Alone(4);
        Mlock(a, 4 * Page);
        Drop(a + Page, 2);
        Equal(8, Locked());
        Put(a, 1);
        Equal(4, Locked());
        Drop(a, 4);
        Equal(0, Locked());
    }

    private static void PartUnlocked()
    {
        nint a = Alone(3);
        Mlock(a, 3 * Page);
        Equal(0, Munlock(a + Page, Page));
        Look(a, "w|w|w"u8);
        Equal(8, Locked());
        Drop(a, 3);
    }

    private static void OnFaultBringsNothing()
    {
        nint a = Alone(4);
        *(byte*)(a + Page) = 1;
        Equal(0, Mlock2(a, 4 * Page, OnFault));
        Equal(1, Resident(a, 4));
        Check(Proc.HasFlag(a, "lo"u8));
        *(byte*)(a + 2 * Page) = 1;
        Equal(2, Resident(a, 4));
        Drop(a, 4);
    }

    private static void OnFaultCounts()
    {
        nint a = Alone(4);
        Equal(0, Mlock2(a, 4 * Page, OnFault));
        Equal(16, Locked());
        Equal(0, Munlock(a, 4 * Page));
        Equal(0, Locked());
        Drop(a, 4);
    }

    private static void LockFlags()
    {
        nint a = Alone(1);
        Equal(Errno.Invalid, Mlock2(a, Page, 2));
        Equal(Errno.Invalid, Mlock2(0, Page, 5));
        Equal(0, Mlock2(a, Page, 0));
        Equal(4, Locked());
        Drop(a, 1);
        Equal(Errno.NoMemory, Mlock2(a, Page, OnFault));
    }

    private static void OnFaultThenLock()
    {
        nint a = Alone(3);
        Mlock2(a, 3 * Page, OnFault);
        Equal(0, Mlock(a, 3 * Page));
        Equal(3, Resident(a, 3));
        Drop(a, 3);
    }

    private static void LockThenOnFault()
    {
        nint a = Alone(3);
        Mlock(a, 3 * Page);
        Equal(0, Mlock2(a, 3 * Page, OnFault));
        Equal(3, Resident(a, 3));
        Equal(12, Locked());
        Drop(a, 3);
    }

    private static void MapLocked()
    {
        nint a = New(3, Protection.ReadWrite, Map.PrivateAnonymous | Map.Locked);
        Equal(3, Resident(a, 3));
        Equal(12, Locked());
        nint b = New(1, Protection.None, Map.PrivateAnonymous | Map.Locked);
        Check(!IsError(b));
        Equal(16, Locked());
        Drop(a, 3);
        Drop(b, 1);
    }

    private static void ChildHasNone()
    {
        nint a = Alone(2);
        Mlock(a, 2 * Page);
        Equal(8, Locked());
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(Locked() == 0 && !Proc.HasFlag(a, "lo"u8) ? 0 : 1);
        Equal(0, Child.Status(pid));
        Equal(8, Locked());
        Drop(a, 2);
    }

    private static void AllFlags()
    {
        Equal(Errno.Invalid, MlockAll(0));
        Equal(Errno.Invalid, MlockAll(8));
        Equal(Errno.Invalid, MlockAll(AllOnFault));
        Equal(Errno.Invalid, MlockAll(Current | 16));
    }

    private static void AllCurrent() => Equal(0, InChild(&AllCurrentBody));

    private static int AllCurrentBody()
    {
        nint a = Alone(3), none = New(1, Protection.None);
        if (MlockAll(Current) != 0 || Resident(a, 3) != 3 || !Proc.HasFlag(none, "lo"u8))
            return 1;
        nint b = New(3);
        return Resident(b, 3) == 0 && !Proc.HasFlag(b, "lo"u8) ? 0 : 2;
    }

    private static void AllFuture() => Equal(0, InChild(&AllFutureBody));

    private static int AllFutureBody()
    {
        nint a = Alone(3);
        if (MlockAll(Future) != 0 || Resident(a, 3) != 0 || Locked() != 0)
            return 1;
        nint b = New(3), file = NewFile(2), c = Mmap(0, 2 * Page, Protection.Read, Map.Shared, (int)file);
        return Resident(b, 3) == 3 && Proc.HasFlag(b, "lo"u8) && Resident(c, 2) == 2 && Locked() == 20 ? 0 : 2;
    }

    private static void AllFutureOnFault() => Equal(0, InChild(&AllFutureOnFaultBody));

    private static int AllFutureOnFaultBody()
    {
        if (MlockAll(Future | AllOnFault) != 0)
            return 1;
        nint a = New(3);
        return Resident(a, 3) == 0 && Proc.HasFlag(a, "lo"u8) && Locked() == 12 ? 0 : 2;
    }

    private static void AllCurrentOnFault() => Equal(0, InChild(&AllCurrentOnFaultBody));

    private static int AllCurrentOnFaultBody()
    {
        nint a = Alone(3);
        return MlockAll(Current | AllOnFault) == 0 && Resident(a, 3) == 0 && Proc.HasFlag(a, "lo"u8) ? 0 : 1;
    }

    private static void CurrentEndsFuture() => Equal(0, InChild(&CurrentEndsFutureBody));

    private static int CurrentEndsFutureBody()
    {
        if (MlockAll(Future) != 0 || MlockAll(Current) != 0)
            return 1;
        nint a = New(1);
        return Resident(a, 1) == 0 ? 0 : 2;
    }

    private static void UnlockAll() => Equal(0, InChild(&UnlockAllBody));

    private static int UnlockAllBody()
    {
        if (MlockAll(Current | Future) != 0 || Locked() == 0 || MunlockAll() != 0 || Locked() != 0)
            return 1;
        nint a = New(1);
        return Resident(a, 1) == 0 && !Proc.HasFlag(a, "lo"u8) ? 0 : 2;
    }

    private static void FutureNotInherited() => Equal(0, InChild(&FutureNotInheritedBody));

    private static int FutureNotInheritedBody()
    {
        if (MlockAll(Future) != 0)
            return 1;
        int pid = Linux.Fork();
        if (pid == 0)
        {
            nint a = New(2);
            Exit(Resident(a, 2));
        }
        return Child.Status(pid);
    }

    private static void LimitRefuses() => Limited(4 * Page, &LimitRefusesBody);

    private static int LimitRefusesBody()
    {
        nint a = Alone(5);
        if (Mlock(a, 5 * Page) != Errno.NoMemory || Locked() != 0 || Resident(a, 5) != 0)
            return 1;
        if (Mlock(a + 8, 4 * Page) != Errno.NoMemory)       // rounded: five pages
            return 2;
        return Mlock(a, 4 * Page) == 0 && Mlock(a + 4 * Page, 1) == Errno.NoMemory ? 0 : 3;
    }

    private static void LimitCountsNew() => Limited(4 * Page, &LimitCountsNewBody);

    private static int LimitCountsNewBody()
    {
        nint a = Alone(5);
        if (Mlock(a, 3 * Page) != 0 || Mlock(a, 4 * Page) != 0 || Locked() != 16)
            return 1;
        return Mlock(a + Page, 4 * Page) == Errno.NoMemory ? 0 : 2;
    }

    private static void LimitZero() => Limited(0, &LimitZeroBody);

    private static int LimitZeroBody()
    {
        nint a = Alone(1);
        if (Mlock(a, Page) != Errno.NotPermitted || Mlock2(a, Page, OnFault) != Errno.NotPermitted || MlockAll(Current) != Errno.NotPermitted)
            return 1;
        return Munlock(a, Page) == 0 && MunlockAll() == 0 ? 0 : 2;
    }

    private static void LimitMap() => Limited(2 * Page, &LimitMapBody);

    private static int LimitMapBody()
    {
        if (New(3, Protection.ReadWrite, Map.PrivateAnonymous | Map.Locked) != Errno.TryAgain)
            return 1;
        return !IsError(New(2, Protection.ReadWrite, Map.PrivateAnonymous | Map.Locked)) ? 0 : 2;
    }

    private static void LimitMapZero() => Limited(0, &LimitMapZeroBody);

    private static int LimitMapZeroBody() => New(1, Protection.ReadWrite, Map.PrivateAnonymous | Map.Locked) == Errno.NotPermitted ? 0 : 1;

    private static void LimitAll() => Limited(4 * Page, &LimitAllBody);

    private static int LimitAllBody() => MlockAll(Current) == Errno.NoMemory && Locked() == 0 && MlockAll(Future) == 0 ? 0 : 1;

    private static void LimitFuture() => Limited(4 * Page, &LimitFutureBody);

    private static int LimitFutureBody()
    {
        if (MlockAll(Future) != 0)
            return 1;
        if (New(5) != Errno.TryAgain || IsError(New(3)))
            return 2;
        nint end = Brk(0);
        if (Brk(end + 8 * Page) != end)
            return 3;
        return 0;
    }

    private static void RootUnlimited()
    {
        nint a = Alone(8);
        ulong before = SetSoftLimit(Limit.Locked, Page);
        nint result = Mlock(a, 8 * Page);
        SetSoftLimit(Limit.Locked, before);
        Equal(0, result);
        Drop(a, 8);
    }

    private static void NotDropped()
    {
        nint a = Alone(2);
        Touch(a, 2, 4);
        Mlock(a, Page);
        Equal(Errno.Invalid, Madvise(a, Page, Advice.DontNeed));
        Equal(Errno.Invalid, Madvise(a, 2 * Page, Advice.DontNeed));
        Equal(Errno.Invalid, Madvise(a, Page, Advice.Cold));
        Equal(Errno.Invalid, Madvise(a, Page, Advice.PageOut));
        Equal(4, At(a));
        Equal(4, At(a + Page));
        Drop(a, 2);
    }

    private static void Agree()
    {
        nint a = Alone(4);
        Mlock(a, 2 * Page);
        Equal(8, Proc.Smaps(a, "Rss"u8));
        Equal(8, Proc.Smaps(a, "Locked"u8));
        Equal(0, Proc.Smaps(a + 2 * Page, "Locked"u8));
        Drop(a, 4);
    }

    private static void Growing()
    {
        nint a = Alone(1);
        Mlock(a, Page);
        Equal(a, Mremap(a, Page, 3 * Page, 0));
        Equal(3, Resident(a, 3));
        Equal(12, Locked());
        Drop(a, 3);
    }

    private static void HeapLocked() => Equal(0, InChild(&HeapLockedBody));

    private static int HeapLockedBody()
    {
        if (MlockAll(Future) != 0)
            return 1;
        nint end = (Brk(0) + Page - 1) & -Page;
        Brk(end + 4 * Page);
        return Resident(end, 4) == 4 ? 0 : 2;
    }
}
