using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Rights;

/// <summary><c>mprotect</c>, <c>madvise</c>, <c>mincore</c>, <c>msync</c>, <c>mlock</c>: rights and hints, page by page.</summary>
internal static unsafe class Program
{
    private const int DontNeed = 4, Free = 8, Remove = 9, DontFork = 10, DoFork = 11, WipeOnFork = 18, KeepOnFork = 19, PopulateRead = 22, PopulateWrite = 23;

    public static int Main() => Run(
        new("A read-only page can be read and not written", &ReadOnly),
        new("A page without rights can be neither read nor written", &NoRights),
        new("A page without EXEC cannot be executed", &NotExecutable),
        new("A page with EXEC can", &Executable),
        new("Taking the write right works on a page already touched", &TouchedPage),
        new("Giving the write right back keeps the contents", &BackToWritable),
        new("Changing the middle cuts an area in three, changing back joins it", &SplitAndJoin),
        new("A hole ends mprotect with ENOMEM after the pages before it", &Hole),
        new("Bad arguments are refused", &Refused),
        new("DONTNEED gives zeros again", &DontNeedZeroes),
        new("DONTNEED on a private file page gives the file's bytes again", &DontNeedFile),
        new("DONTNEED goes on behind a hole and says ENOMEM", &DontNeedHole),
        new("Unknown advice is refused", &UnknownAdvice),
        new("DONTFORK hides a page from the child", &HiddenFromChild),
        new("WIPEONFORK gives the child zeros", &Wiped),
        new("POPULATE_WRITE makes pages resident", &Populated),
        new("POPULATE_READ refuses a page without rights", &PopulateRefused),
        new("FREE keeps or zeroes, never mixes", &Freed),
        new("Mincore says what is resident", &Resident),
        new("Mincore refuses holes and bad vectors", &ResidentRefused),
        new("Msync refuses holes and clashing flags", &SyncRefused),
        new("Mlock makes pages resident", &Locked),
        new("A kernel write to a read-only page is EFAULT", &KernelWrite));

    private static nint New(int pages, int protection = Protection.ReadWrite)
    {
        nint all = Mmap(0, (pages + 2) * Page, Protection.None, Map.PrivateAnonymous);
        Munmap(all, Page);
        Munmap(all + (pages + 1) * Page, Page);
        Mprotect(all + Page, pages * Page, protection);
        return all + Page;
    }

    private static void ReadOnly()
    {
        nint a = New(1, Protection.Read);
        Equal(0, Child.SignalOfRead(a));
        Equal(Signal.Segmentation, Child.SignalOfWrite(a));
        Munmap(a, Page);
    }

    private static void NoRights()
    {
        nint a = New(1, Protection.None);
        Equal(Signal.Segmentation, Child.SignalOfRead(a));
        Equal(Signal.Segmentation, Child.SignalOfWrite(a));
        Munmap(a, Page);
    }

    private static void NotExecutable()
    {
        nint a = New(1);
        *(byte*)a = 0xc3;
        Equal(Signal.Segmentation, Child.SignalOfCall(a));
        Munmap(a, Page);
    }

    private static void Executable()
    {
        nint a = New(1);
        *(byte*)a = 0xc3;       // ret
        Equal(0, Mprotect(a, Page, Protection.Read | Protection.Execute));
        Equal(0, Child.SignalOfCall(a));
        Munmap(a, Page);
    }

    private static void TouchedPage()
    {
        nint a = New(2);
        *(byte*)a = 1;
        *(byte*)(a + Page) = 1;
        Mprotect(a, 2 * Page, Protection.Read);
        Equal(Signal.Segmentation, Child.SignalOfWrite(a));
        Equal(Signal.Segmentation, Child.SignalOfWrite(a + Page));
        Munmap(a, 2 * Page);
    }

    private static void BackToWritable()
    {
        nint a = New(1);
        *(int*)a = 77;
        Mprotect(a, Page, Protection.None);
        Mprotect(a, Page, Protection.ReadWrite);
        Equal(77, *(int*)a);
        *(int*)a = 78;
        Equal(78, *(int*)a);
        Munmap(a, Page);
    }

    private static void SplitAndJoin()
    {
        nint a = New(3);
        Mprotect(a + Page, Page, Protection.Read);
        Span<Areas.Area> found = stackalloc Areas.Area[3];
        Equal(3, Areas.In(a, 3 * Page, found));
        Equal(Areas.ReadWritePrivate, found[0].Rights);
        Equal(Areas.ReadOnlyPrivate, found[1].Rights);
        Equal(a + Page, found[1].Start);
        Mprotect(a + Page, Page, Protection.ReadWrite);
        Equal(1, Areas.Count(a, 3 * Page));
        Munmap(a, 3 * Page);
    }

    private static void Hole()
    {
        nint a = New(3);
        Munmap(a + Page, Page);
        Equal(Errno.NoMemory, Mprotect(a, 3 * Page, Protection.Read));
        Span<Areas.Area> found = stackalloc Areas.Area[2];
        Equal(2, Areas.In(a, 3 * Page, found));
        Equal(Areas.ReadOnlyPrivate, found[0].Rights);
        Equal(Areas.ReadWritePrivate, found[1].Rights);
        Munmap(a, 3 * Page);
    }

    private static void Refused()
    {
        nint a = New(1);
        Equal(Errno.Invalid, Mprotect(a + 1, Page, Protection.Read));
        Equal(0, Mprotect(a, 0, Protection.Read));
        Equal(Errno.Invalid, Mprotect(a, Page, Protection.GrowsDown | Protection.GrowsUp));
        Equal(Errno.Invalid, Mprotect(a, Page, Protection.GrowsDown | Protection.Read));
        Equal(1, Areas.Count(a, Page));
        Munmap(a, Page);
    }

    private static void DontNeedZeroes()
    {
        nint a = New(3);
        for (int i = 0; i < 3; i++)
            *(int*)(a + i * Page) = 5;
        Equal(0, Madvise(a + Page, Page, DontNeed));
        Equal(5, *(int*)a);
        Equal(0, *(int*)(a + Page));
        Equal(5, *(int*)(a + 2 * Page));
        Munmap(a, 3 * Page);
    }

    private static void DontNeedFile()
    {
        int file = Open("/tmp/suite-protection"u8, 2 | 0x40 | 0x200, 0x1a4);
        int value = 1234;
        Linux.Write(file, &value, 4);
        nint a = Mmap(0, Page, Protection.ReadWrite, Map.Private, file);
        *(int*)a = 1;
        Equal(0, Madvise(a, Page, DontNeed));
        Equal(1234, *(int*)a);
        Munmap(a, Page);
        Close(file);
        Unlink("/tmp/suite-protection"u8);
    }

    private static void DontNeedHole()
    {
        nint a = New(3);
        *(int*)(a + 2 * Page) = 5;
        Munmap(a + Page, Page);
        Equal(Errno.NoMemory, Madvise(a, 3 * Page, DontNeed));
        Equal(0, *(int*)(a + 2 * Page));
        Munmap(a, 3 * Page);
    }

    private static void UnknownAdvice()
    {
        nint a = New(1);
        Equal(Errno.Invalid, Madvise(a, Page, 12345));
        Equal(Errno.Invalid, Madvise(a + 1, Page, DontNeed));
        Equal(0, Madvise(a, 0, DontNeed));
        Equal(Errno.Invalid, Madvise(a, Page, Remove));
        Munmap(a, Page);
    }

    private static void HiddenFromChild()
    {
        nint a = New(1);
        *(int*)a = 1;
        Equal(0, Madvise(a, Page, DontFork));
        Equal(Signal.Segmentation, Child.SignalOfRead(a));
        Equal(0, Madvise(a, Page, DoFork));
        Equal(0, Child.SignalOfRead(a));
        Munmap(a, Page);
    }

    private static void Wiped()
    {
        nint a = New(1);
        *(int*)a = 99;
        Equal(0, Madvise(a, Page, WipeOnFork));
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(*(int*)a);
        Equal(0, Child.Status(pid));
        Equal(99, *(int*)a);
        Equal(0, Madvise(a, Page, KeepOnFork));
        pid = Linux.Fork();
        if (pid == 0)
            Exit(*(int*)a);
        Equal(99, Child.Status(pid));
        Munmap(a, Page);
    }

    private static void Populated()
    {
        nint a = New(4);
        Equal(0, Madvise(a + Page, 2 * Page, PopulateWrite));
        byte* resident = stackalloc byte[4];
        Mincore(a, 4 * Page, resident);
        Equal(0, resident[0] & 1);
        Equal(1, resident[1] & 1);
        Equal(1, resident[2] & 1);
        Equal(0, resident[3] & 1);
        Munmap(a, 4 * Page);
    }

    private static void PopulateRefused()
    {
        nint a = New(1, Protection.None);
        Equal(Errno.Invalid, Madvise(a, Page, PopulateRead));
        Munmap(a, Page);
        Equal(Errno.NoMemory, Madvise(a, Page, PopulateRead));
    }

    private static void Freed()
    {
        nint a = New(2);
        *(int*)a = 3;
        *(int*)(a + Page) = 3;
        Equal(0, Madvise(a, 2 * Page, Free));
        *(int*)(a + Page) = 4;
        Check(*(int*)a is 0 or 3);
        Equal(4, *(int*)(a + Page));
        Munmap(a, 2 * Page);
    }

    private static void Resident()
    {
        nint a = New(3);
        *(int*)(a + Page) = 1;
        byte* resident = stackalloc byte[3];
        Equal(0, Mincore(a, 3 * Page, resident));
        Equal(0, resident[0] & 1);
        Equal(1, resident[1] & 1);
        Equal(0, resident[2] & 1);
        Munmap(a, 3 * Page);
    }

    private static void ResidentRefused()
    {
        nint a = New(2);
        byte* resident = stackalloc byte[2];
        Equal(Errno.Invalid, Mincore(a + 1, Page, resident));
        Munmap(a + Page, Page);
        Equal(Errno.NoMemory, Mincore(a, 2 * Page, resident));
        Equal(Errno.BadAddress, Mincore(a, Page, (byte*)(a + Page)));
        Munmap(a, Page);
    }

    private static void SyncRefused()
    {
        nint a = New(2);
        Equal(0, Msync(a, Page, 4));
        Equal(Errno.Invalid, Msync(a, Page, 5));
        Equal(Errno.Invalid, Msync(a + 1, Page, 4));
        Equal(Errno.Invalid, Msync(a, Page, 8));
        Munmap(a + Page, Page);
        Equal(Errno.NoMemory, Msync(a, 2 * Page, 4));
        Munmap(a, Page);
    }

    private static void Locked()
    {
        nint a = New(3);
        Equal(0, Mlock(a + Page, Page));
        byte* resident = stackalloc byte[3];
        Mincore(a, 3 * Page, resident);
        Equal(0, resident[0] & 1);
        Equal(1, resident[1] & 1);
        Equal(3, Areas.Count(a, 3 * Page));
        Equal(0, Munlock(a, 3 * Page));
        Munmap(a, 3 * Page);

        // Pages that were there before the lock cut the area belong together, and so does the area again after it. (Linux 6.1
        // leaves the areas above apart: only the one in the middle has pages.)
        a = New(3);
        for (int i = 0; i < 3; i++)
            ((byte*)a)[i * Page] = 1;
        Equal(0, Mlock(a + Page, Page));
        Equal(3, Areas.Count(a, 3 * Page));
        Equal(0, Munlock(a, 3 * Page));
        Equal(1, Areas.Count(a, 3 * Page));
        Munmap(a, 3 * Page);
    }

    private static void KernelWrite()
    {
        nint a = New(1, Protection.Read);
        int zero = Open("/dev/zero"u8, 0);
        Equal(Errno.BadAddress, Linux.Read(zero, (void*)a, 8));
        Mprotect(a, Page, Protection.ReadWrite);
        Equal(8, Linux.Read(zero, (void*)a, 8));
        Close(zero);
        Munmap(a, Page);
    }
}
