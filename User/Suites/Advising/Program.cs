using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Pages;

namespace NanoVm.User.Suites.Advising;

/// <summary><c>madvise</c>, advice by advice, and the calls that look and write back: <c>mincore</c>, <c>msync</c>.</summary>
internal static unsafe class Program
{
    public static int Main() => Run(
        new("The advice is looked at before the range", &AdviceFirst),
        new("Then the address's alignment, then the length", &RangeChecks),
        new("A length of zero is fine anywhere", &ZeroLength),
        new("Holes: the rest is advised, then ENOMEM", &Holes),
        new("A range in nothing but holes is ENOMEM", &OnlyHoles),
        new("NORMAL, RANDOM, SEQUENTIAL, WILLNEED are accepted on all memory", &Accepted),
        new("DONTNEED gives zeros, and frees pages", &DontNeed),
        new("DONTNEED of a private file page forgets its copy", &DontNeedFile),
        new("DONTNEED of shared memory loses nothing", &DontNeedShared),
        new("DONTNEED in the child leaves the parent's pages", &DontNeedChild),
        new("DONTNEED of memory without rights works", &DontNeedNone),
        new("DONTNEED across areas and over a hole", &DontNeedAcross),
        new("FREE wants private anonymous memory", &FreeRefused),
        new("FREE keeps a page that is written to afterwards", &FreeWritten),
        new("FREE in a child leaves the parent's pages", &FreeChild),
        new("REMOVE wants a shared writable file mapping", &RemoveRefused),
        new("REMOVE punches a hole in the file", &RemovePunches),
        new("REMOVE is seen in every mapping, but private copies stay", &RemoveSeen),
        new("REMOVE of shared anonymous memory gives zeros to all", &RemoveAnonymous),
        new("DONTFORK leaves a hole in the child", &DontForkHole),
        new("DONTFORK of the middle page", &DontForkMiddle),
        new("DOFORK of a special mapping is refused", &DoForkSpecial),
        new("WIPEONFORK wants private anonymous memory", &WipeRefused),
        new("WIPEONFORK gives the child zeros, and its child too", &WipeGenerations),
        new("KEEPONFORK ends WIPEONFORK", &KeepOnFork),
        new("DONTDUMP and DODUMP change a flag", &DumpFlag),
        new("DODUMP of a special mapping is refused", &DumpSpecial),
        new("COLD keeps contents", &Cold),
        new("PAGEOUT keeps contents", &PageOut),
        new("COLD and PAGEOUT of files and shared memory keep contents", &PageOutShared),
        new("HUGEPAGE and NOHUGEPAGE change flags and exclude each other", &HugeFlags),
        new("POPULATE_READ brings pages in without copying", &PopulateRead),
        new("POPULATE_WRITE brings private pages in", &PopulateWrite),
        new("POPULATE_WRITE of read-only memory is EINVAL", &PopulateWriteRefused),
        new("POPULATE_READ of memory without rights is EINVAL", &PopulateReadRefused),
        new("POPULATE into a hole is ENOMEM, after what lies before", &PopulateHole),
        new("POPULATE beyond the end of a file is EFAULT", &PopulateBeyond),
        new("POPULATE_WRITE of a shared file marks it written", &PopulateFile),
        new("POPULATE_WRITE breaks a child's sharing", &PopulateCow),
        new("mincore: alignment, then the range, then holes, then the vector", &MincoreOrder),
        new("mincore of nothing succeeds", &MincoreZero),
        new("mincore of private memory tells of this process's pages", &MincorePrivate),
        new("mincore of a file tells of the page cache", &MincoreFile),
        new("mincore of memory without rights, and of the page of zeros", &MincoreNone),
        new("mincore across areas", &MincoreAcross),
        new("mincore's vector may lie in what it looks at", &MincoreSelf),
        new("msync: flags, alignment, both flags, overflow", &MsyncOrder),
        new("msync over holes does the rest and says ENOMEM", &MsyncHole),
        new("msync INVALIDATE of locked memory is EBUSY", &MsyncLocked),
        new("msync of anonymous and of private memory succeeds", &MsyncAnonymous),
        new("msync makes a write visible in the file", &MsyncFile));

    private static void AdviceFirst()
    {
        Equal(Errno.Invalid, Madvise(1, 0, 99));
        Equal(Errno.Invalid, Madvise(0, 0, 5));
        Equal(Errno.Invalid, Madvise(0, 0, -1));
        Equal(Errno.Invalid, Madvise(0, 0, 7));
    }

    private static void RangeChecks()
    {
        nint a = Alone(1);
        Equal(Errno.Invalid, Madvise(a + 1, 0, Advice.Normal));
        Equal(Errno.Invalid, Madvise(a, -1, Advice.Normal));
        Equal(Errno.Invalid, Madvise(a, -2 * Page, Advice.DontNeed));
        Equal(0, Madvise(a, 1, Advice.Normal));
        Drop(a, 1);
    }

    private static void ZeroLength()
    {
        Equal(0, Madvise(0, 0, Advice.DontNeed));
        Equal(0, Madvise(Room(1), 0, Advice.Normal));
        Equal(0, Madvise(unchecked((nint)0xffff_8000_0000_0000), 0, Advice.Normal));
        Equal(0, Madvise(0, 0, Advice.PopulateRead));
    }

    private static void Holes()
    {
        nint a = Alone(5);
        Touch(a, 5, 3);
        Drop(a + Page, 1);
        Drop(a + 3 * Page, 1);
        Equal(Errno.NoMemory, Madvise(a, 5 * Page, Advice.DontNeed));
        Equal(0, At(a));
        Equal(0, At(a + 2 * Page));
        Equal(0, At(a + 4 * Page));
        Equal(Errno.NoMemory, Madvise(a, 5 * Page, Advice.Sequential));
        Check(Proc.HasFlag(a, "sr"u8) && Proc.HasFlag(a + 2 * Page, "sr"u8) && Proc.HasFlag(a + 4 * Page, "sr"u8));
        Drop(a, 5);
    }

    private static void OnlyHoles()
    {
        nint a = Room(2);
        Equal(Errno.NoMemory, Madvise(a, Page, Advice.Normal));
        Equal(Errno.NoMemory, Madvise(a, Page, Advice.DontNeed));
        Equal(Errno.NoMemory, Madvise(a, Page, Advice.PopulateRead));
        Equal(Errno.NoMemory, Madvise(0, Page, Advice.Free));
    }

    private static void Accepted()
    {
        int file = NewFile(1);
        ReadOnlySpan<nint> all = [Alone(1), New(1, Protection.None), New(1, Protection.ReadWrite, Map.SharedAnonymous), Mmap(0, Page, Protection.Read, Map.Private, file), Mmap(0, Page, Protection.ReadWrite, Map.Shared, file)];
        foreach (nint a in all)
        {
            foreach (int advice in (ReadOnlySpan<int>)[Advice.Random, Advice.Sequential, Advice.Normal])
                Equal(0, Madvise(a, Page, advice));
            Drop(a, 1);
        }
        nint b = Mmap(0, Page, Protection.Read, Map.Shared, file);
        Equal(0, Madvise(b, Page, Advice.WillNeed));
        Drop(b, 1);
        Close(file);
    }

    private static void DontNeed()
    {
        nint a = Alone(4);
        Touch(a, 4, 9);
        Equal(0, Madvise(a + Page, 2 * Page, Advice.DontNeed));
        Equal(2, Resident(a, 4));
        Equal(9, At(a));
        Equal(0, At(a + Page));
        Equal(9, At(a + 3 * Page));
        Look(a, "wwww"u8);
        Drop(a, 4);
    }

    private static void DontNeedFile()
    {
        int file = NewFile(2);
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Private, file);
        Touch(a, 2, 77);
        Equal(0, Madvise(a, Page, Advice.DontNeed));
        Equal(1, At(a));
        Equal(77, At(a + Page));
        Drop(a, 2);
        Close(file);
    }

    private static void DontNeedShared()
    {
        nint a = New(2, Protection.ReadWrite, Map.SharedAnonymous);
        Touch(a, 2, 8);
        Equal(0, Madvise(a, 2 * Page, Advice.DontNeed));
        Equal(8, At(a));
        Equal(8, At(a + Page));
        Drop(a, 2);
    }

    private static void DontNeedChild()
    {
        nint a = Alone(1);
        Touch(a, 1, 5);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(Madvise(a, Page, Advice.DontNeed) == 0 ? At(a) : 99);
        Equal(0, Child.Status(pid));
        Equal(5, At(a));
        Drop(a, 1);
    }

    private static void DontNeedNone()
    {
        nint a = Alone(1);
        Touch(a, 1, 5);
        Mprotect(a, Page, Protection.None);
        Equal(0, Madvise(a, Page, Advice.DontNeed));
        Mprotect(a, Page, Protection.Read);
        Equal(0, At(a));
        Drop(a, 1);
    }

    private static void DontNeedAcross()
    {
        nint a = Alone(2);
        Put(a + 2 * Page, 2);
        Mprotect(a + 2 * Page, Page, Protection.Read);
        Touch(a, 2, 1);
        Touch(a + 3 * Page, 1, 1);
        Equal(0, Madvise(a, 4 * Page, Advice.DontNeed));
        Equal(0, At(a) + At(a + Page) + At(a + 3 * Page));
        Drop(a, 4);
    }

    private static void FreeRefused()
    {
        int file = NewFile(1);
        nint a = Mmap(0, Page, Protection.ReadWrite, Map.Private, file), b = New(1, Protection.ReadWrite, Map.SharedAnonymous);
        Equal(Errno.Invalid, Madvise(a, Page, Advice.Free));
        Equal(Errno.Invalid, Madvise(b, Page, Advice.Free));
        Drop(a, 1);
        Drop(b, 1);
        Close(file);
    }

    private static void FreeWritten()
    {
        nint a = Alone(2);
        Touch(a, 2, 6);
        Equal(0, Madvise(a, 2 * Page, Advice.Free));
        *(byte*)(a + 1) = 7;
        Equal(7, At(a + 1));
        Check(At(a) is 0 or 6);
        Drop(a, 2);
    }

    private static void FreeChild()
    {
        nint a = Alone(1);
        Touch(a, 1, 6);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit((int)Madvise(a, Page, Advice.Free));
        Equal(0, Child.Status(pid));
        Equal(6, At(a));
        Drop(a, 1);
    }

    private static void RemoveRefused()
    {
        int file = NewFile(1);
        nint a = Alone(1), b = Mmap(0, Page, Protection.ReadWrite, Map.Private, file);
        Equal(Errno.Invalid, Madvise(a, Page, Advice.Remove));
        Equal(Errno.Access, Madvise(b, Page, Advice.Remove));
        Drop(a, 1);
        Drop(b, 1);
        Close(file);
    }

    private static void RemoveSeen()
    {
        int file = MemFd("suite"u8, 0);
        Truncate(file, 2 * Page);
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Shared, file);
        nint b = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Private, file);
        nint c = Mmap(0, 2 * Page, Protection.Read, Map.Shared, file);
        Touch(a, 2, 9);
        Touch(b, 1, 5);
        Equal(9, At(b + Page));
        Equal(9, At(c));
        Equal(0, Madvise(a, 2 * Page, Advice.Remove));
        Equal(0, At(a));
        Equal(0, At(c));
        Equal(5, At(b));
        Equal(0, At(b + Page));
        Equal(0, Madvise(c, 2 * Page, Advice.Remove));          // may become writable: that is enough
        Drop(a, 2);
        Drop(b, 2);
        Drop(c, 2);
        Close(file);
    }

    private static void RemovePunches()
    {
        int file = MemFd("suite"u8, 0);
        Truncate(file, 3 * Page);
        nint a = Mmap(0, 3 * Page, Protection.ReadWrite, Map.Shared, file);
        Touch(a, 3, 9);
        Equal(0, Madvise(a + Page, Page, Advice.Remove));
        Equal(9, At(a));
        Equal(0, At(a + Page));
        Equal(9, At(a + 2 * Page));
        byte back = 1;
        PositionedRead(file, &back, 1, Page);
        Equal(0, back);
        Equal(3 * Page, Seek(file, 0, 2));
        Drop(a, 3);
        Close(file);
    }

    private static void RemoveAnonymous()
    {
        nint a = New(2, Protection.ReadWrite, Map.SharedAnonymous);
        Touch(a, 2, 9);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit((int)Madvise(a, Page, Advice.Remove));
        Equal(0, Child.Status(pid));
        Equal(0, At(a));
        Equal(9, At(a + Page));
        Drop(a, 2);
    }

    private static void DontForkHole()
    {
        nint a = Alone(1);
        Touch(a, 1, 3);
        Equal(0, Madvise(a, Page, Advice.DontFork));
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(Areas.Count(a, Page) == 0 && Mmap(a, Page, Protection.Read, Map.PrivateAnonymous | Map.FixedNoReplace) == a ? At(a) : 50);
        Equal(0, Child.Status(pid));
        Equal(3, At(a));
        Drop(a, 1);
    }

    private static void DontForkMiddle()
    {
        nint a = Alone(3);
        Touch(a, 3, 3);
        Equal(0, Madvise(a + Page, Page, Advice.DontFork));
        int pid = Linux.Fork();
        if (pid == 0)
        {
            bool good = Look(a, "w.w"u8);
            Exit(good ? At(a) + At(a + 2 * Page) : 50);
        }
        Equal(6, Child.Status(pid));
        Drop(a, 3);
    }

    private static void DoForkSpecial()
    {
        nint vvar = Areas.Named("[vvar]"u8).Start;
        Equal(Errno.Invalid, Madvise(vvar, Page, Advice.DoFork));
    }

    private static void WipeRefused()
    {
        int file = NewFile(1);
        nint a = Mmap(0, Page, Protection.ReadWrite, Map.Private, file), b = New(1, Protection.ReadWrite, Map.SharedAnonymous);
        Equal(Errno.Invalid, Madvise(a, Page, Advice.WipeOnFork));
        Equal(Errno.Invalid, Madvise(b, Page, Advice.WipeOnFork));
        Drop(a, 1);
        Drop(b, 1);
        Close(file);
    }

    private static void WipeGenerations()
    {
        nint a = Alone(1);
        Touch(a, 1, 11);
        Equal(0, Madvise(a, Page, Advice.WipeOnFork));
        int pid = Linux.Fork();
        if (pid == 0)
        {
            if (At(a) != 0 || !Proc.HasFlag(a, "wf"u8))
                Exit(1);
            Touch(a, 1, 12);
            int grandchild = Linux.Fork();
            if (grandchild == 0)
                Exit(At(a));
            Exit(Child.Status(grandchild) == 0 && At(a) == 12 ? 0 : 2);
        }
        Equal(0, Child.Status(pid));
        Equal(11, At(a));
        Drop(a, 1);
    }

    private static void KeepOnFork()
    {
        nint a = Alone(2);
        Touch(a, 2, 11);
        Madvise(a, 2 * Page, Advice.WipeOnFork);
        Equal(0, Madvise(a, Page, Advice.KeepOnFork));
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(At(a) * 10 + At(a + Page));
        Equal(110, Child.Status(pid));
        Drop(a, 2);
    }

    private static void DumpFlag()
    {
        nint a = Alone(1);
        Equal(0, Madvise(a, Page, Advice.DontDump));
        Check(Proc.HasFlag(a, "dd"u8));
        Equal(0, Madvise(a, Page, Advice.DoDump));
        Check(!Proc.HasFlag(a, "dd"u8));
        Drop(a, 1);
    }

    private static void DumpSpecial()
    {
        nint vvar = Areas.Named("[vvar]"u8).Start;
        Equal(Errno.Invalid, Madvise(vvar, Page, Advice.DoDump));
    }

    private static void Cold()
    {
        nint a = Alone(3);
        Touch(a, 3, 21);
        Equal(0, Madvise(a, 3 * Page, Advice.Cold));
        Equal(63, At(a) + At(a + Page) + At(a + 2 * Page));
        Drop(a, 3);
    }

    private static void PageOut()
    {
        nint a = Alone(3);
        Touch(a, 3, 22);
        Equal(0, Madvise(a, 3 * Page, Advice.PageOut));
        Equal(66, At(a) + At(a + Page) + At(a + 2 * Page));
        Drop(a, 3);
    }

    private static void PageOutShared()
    {
        int file = NewFile(2);
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Shared, file), b = New(2, Protection.ReadWrite, Map.SharedAnonymous);
        Touch(a, 2, 4);
        Touch(b, 2, 5);
        foreach (int advice in (ReadOnlySpan<int>)[Advice.Cold, Advice.PageOut])
        {
            Equal(0, Madvise(a, 2 * Page, advice));
            Equal(0, Madvise(b, 2 * Page, advice));
        }
        Equal(18, At(a) + At(a + Page) + At(b) + At(b + Page));
        Drop(a, 2);
        Drop(b, 2);
        Close(file);
    }

    private static void HugeFlags()
    {
        nint a = Alone(1);
        Equal(0, Madvise(a, Page, Advice.HugePage));
        Check(Proc.HasFlag(a, "hg"u8) && !Proc.HasFlag(a, "nh"u8));
        Equal(0, Madvise(a, Page, Advice.NoHugePage));
        Check(!Proc.HasFlag(a, "hg"u8) && Proc.HasFlag(a, "nh"u8));
        Drop(a, 1);
    }

    private static void PopulateRead()
    {
        nint a = Alone(4);
        Equal(0, Madvise(a, 3 * Page, Advice.PopulateRead));
        Equal(3, Resident(a, 4));
        Equal(0, Proc.Smaps(a, "Anonymous"u8));
        Drop(a, 4);
    }

    private static void PopulateWrite()
    {
        nint a = Alone(4);
        Equal(0, Madvise(a, 3 * Page, Advice.PopulateWrite));
        Equal(3, Resident(a, 4));
        Equal(12, Proc.Smaps(a, "Anonymous"u8));
        Drop(a, 4);
    }

    private static void PopulateWriteRefused()
    {
        nint a = Alone(2);
        Put(a + 2 * Page, 1, Protection.Read);
        Equal(Errno.Invalid, Madvise(a + 2 * Page, Page, Advice.PopulateWrite));
        Equal(Errno.Invalid, Madvise(a, 3 * Page, Advice.PopulateWrite));
        Equal(2, Resident(a, 3));       // what lies before it is there
        Drop(a, 3);
    }

    private static void PopulateReadRefused()
    {
        nint a = Alone(1, Protection.None);
        Equal(Errno.Invalid, Madvise(a, Page, Advice.PopulateRead));
        Equal(Errno.Invalid, Madvise(a, Page, Advice.PopulateWrite));
        Drop(a, 1);
    }

    private static void PopulateHole()
    {
        nint a = Alone(2);
        Equal(Errno.NoMemory, Madvise(a, 3 * Page, Advice.PopulateWrite));
        Equal(2, Resident(a, 2));
        Equal(Errno.NoMemory, Madvise(a - Page, 3 * Page, Advice.PopulateRead));
        Drop(a, 2);
    }

    private static void PopulateBeyond()
    {
        int file = NewFile(1);
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Shared, file);
        Equal(Errno.BadAddress, Madvise(a, 2 * Page, Advice.PopulateRead));
        Equal(Errno.BadAddress, Madvise(a, 2 * Page, Advice.PopulateWrite));
        Drop(a, 2);
        Close(file);
    }

    private static void PopulateFile()
    {
        int file = NewFile(2);
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Shared, file);
        Equal(0, Madvise(a, 2 * Page, Advice.PopulateWrite));
        Equal(8, Proc.Smaps(a, "Rss"u8));
        Equal(1, At(a));
        Equal(2, At(a + Page));
        Drop(a, 2);
        Close(file);
    }

    private static void PopulateCow()
    {
        nint a = Alone(1);
        Touch(a, 1, 3);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            bool shared = Proc.Smaps(a, "Shared_Dirty"u8) == 4;
            bool done = Madvise(a, Page, Advice.PopulateWrite) == 0;
            Exit(shared && done && Proc.Smaps(a, "Private_Dirty"u8) == 4 && At(a) == 3 ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
        Drop(a, 1);
    }

    private static void MincoreOrder()
    {
        nint a = Alone(2);
        byte* vector = stackalloc byte[4];
        Equal(Errno.Invalid, Mincore(a + 1, -1, null));
        Equal(Errno.NoMemory, Mincore(a, unchecked((nint)0x8000_0000_0000_0000), vector));
        Equal(Errno.BadAddress, Mincore(a, 2 * Page, (byte*)1));
        Equal(Errno.NoMemory, Mincore(a + 2 * Page, Page, (byte*)Page));
        Equal(Errno.BadAddress, Mincore(a + 2 * Page, Page, (byte*)unchecked((nint)0xffff_8000_0000_0000)));
        Equal(Errno.NoMemory, Mincore(a + 2 * Page, Page, vector));
        Equal(Errno.NoMemory, Mincore(a, 3 * Page, vector));
        Drop(a, 2);
    }

    private static void MincoreZero()
    {
        byte vector = 77;
        Equal(0, Mincore(Room(1), 0, &vector));
        Equal(77, vector);
    }

    private static void MincorePrivate()
    {
        nint a = Alone(4);
        *(byte*)(a + Page) = 1;
        _ = At(a + 2 * Page);
        byte* vector = stackalloc byte[4];
        Equal(0, Mincore(a, 4 * Page - 7, vector));
        Equal(0, vector[0]);
        Equal(1, vector[1]);
        Equal(1, vector[2]);
        Equal(0, vector[3]);
        Drop(a, 4);
    }

    private static void MincoreFile()
    {
        int file = MemFd("suite"u8, 0);
        Truncate(file, 3 * Page);
        nint a = Mmap(0, 4 * Page, Protection.ReadWrite, Map.Shared, file), b = Mmap(0, 3 * Page, Protection.Read, Map.Private, file);
        *(byte*)(a + Page) = 1;
        byte* vector = stackalloc byte[4];
        Equal(0, Mincore(a, 4 * Page, vector));
        Equal(0x0100, vector[0] | vector[1] << 8 | vector[2] << 16 | vector[3] << 24);
        Equal(0, Mincore(b, 3 * Page, vector));
        Equal(0x0100, vector[0] | vector[1] << 8 | vector[2] << 16);
        Drop(a, 4);
        Drop(b, 3);
        Close(file);
    }

    private static void MincoreNone()
    {
        nint a = Alone(2);
        Touch(a, 1);
        Mprotect(a, 2 * Page, Protection.None);
        Equal(1, Resident(a, 2));
        Drop(a, 2);
    }

    private static void MincoreAcross()
    {
        nint a = Alone(2);
        Put(a + 2 * Page, 2, Protection.Read);
        Touch(a + Page, 1);
        _ = At(a + 2 * Page);
        Equal(2, Resident(a, 4));
        Drop(a, 4);
    }

    private static void MincoreSelf()
    {
        nint a = Alone(3);
        Equal(0, Mincore(a, 3 * Page, (byte*)a));
        Equal(0, At(a));
        Equal(1, Resident(a, 3));
        Drop(a, 3);
    }

    private static void MsyncOrder()
    {
        nint a = Alone(1);
        const int async = 1, invalidate = 2, sync = 4;
        Equal(Errno.Invalid, Msync(a, Page, 8));
        Equal(Errno.Invalid, Msync(a + 1, Page, sync));
        Equal(Errno.Invalid, Msync(a, Page, sync | async));
        Equal(Errno.NoMemory, Msync(a, -2 * Page, sync));
        Equal(0, Msync(a, 0, sync));
        Equal(0, Msync(a, Page, 0));
        Equal(0, Msync(a, Page, async | invalidate));
        Drop(a, 1);
    }

    private static void MsyncHole()
    {
        int file = NewFile(3);
        nint a = Mmap(0, 3 * Page, Protection.ReadWrite, Map.Shared, file);
        Drop(a + Page, 1);
        Touch(a, 1, 90);
        Touch(a + 2 * Page, 1, 91);
        Equal(Errno.NoMemory, Msync(a, 3 * Page, 4));
        Equal(Errno.NoMemory, Msync(a + Page, Page, 4));
        byte back = 0;
        PositionedRead(file, &back, 1, 2 * Page);
        Equal(91, back);
        Drop(a, 3);
        Close(file);
    }

    private static void MsyncLocked()
    {
        nint a = Alone(2);
        Mlock(a, Page);
        Equal(-16, Msync(a, Page, 2));
        Equal(-16, Msync(a, 2 * Page, 2 | 4));
        Equal(0, Msync(a, Page, 4));
        Drop(a, 2);
    }

    private static void MsyncAnonymous()
    {
        int file = NewFile(1);
        nint a = Alone(1), b = Mmap(0, Page, Protection.ReadWrite, Map.Private, file), c = New(1, Protection.None);
        foreach (nint at in (ReadOnlySpan<nint>)[a, b, c])
        {
            Equal(0, Msync(at, Page, 4));
            Drop(at, 1);
        }
        Close(file);
    }

    private static void MsyncFile()
    {
        int file = NewFile(1);
        nint a = Mmap(0, Page, Protection.ReadWrite, Map.Shared, file);
        *(byte*)(a + 5) = 200;
        Equal(0, Msync(a, Page, 4));
        byte back = 0;
        PositionedRead(file, &back, 1, 5);
        Equal(200, back);
        Drop(a, 1);
        Close(file);
    }
}
