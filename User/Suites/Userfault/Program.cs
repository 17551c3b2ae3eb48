using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Userfault;

/// <summary><c>userfaultfd</c>: a program answers the faults of memory it has asked for, here a child those of its parent.</summary>
/// <remarks>The child shares the descriptor, which stands for the parent's address space; what it copies from is its own memory.</remarks>
internal static unsafe partial class Program
{
    private const int NonBlocking = 0x800;
    private const uint IoApi = 0xc018aa3f, IoRegister = 0xc020aa00, IoUnregister = 0x8010aa01, IoWake = 0x8010aa02, IoCopy = 0xc028aa03, IoZero = 0xc020aa04,
        IoProtect = 0xc018aa06, IoContinue = 0xc020aa07;
    private const int Missing = 1, WriteProtect = 2, Minor = 4;
    private const ulong FeatureFork = 2, FeatureRemap = 4, FeatureRemove = 8, FeatureUnmap = 0x40, FeatureSigbus = 0x80, FeatureMinorShmem = 0x400;
    private const byte EventFault = 0x12, EventFork = 0x13, EventRemove = 0x15, EventUnmap = 0x16;

    public static int Main() => Run(
        new("The handshake comes first, once, and refuses what is not known", &Handshake),
        new("Only whole pages of anonymous and shared memory can be registered", &Registering),
        new("A missing page is filled by another program", &MissingPage),
        new("COPY fills each page once and only registered memory", &Copying),
        new("COPY from nowhere leaves the area one that may have pages of its own", &CopiedFromNowhere),
        new("ZEROPAGE fills a page with zeros", &Zeroing),
        new("ZEROPAGE over two areas is ENOENT, though both are watched", &ZeroingTwoAreas),
        new("A write to a protected page waits until the protection is taken away", &Protecting),
        new("A missing page of shared memory is filled by COPY", &SharedPage),
        new("A page that the file has but the table has not is CONTINUEd", &MinorFault),
        new("A system call that meets a missing page waits too", &SystemCall),
        new("Populating and locking wait too", &Populating),
        new("With the SIGBUS feature nobody waits", &Sigbus),
        new("DONTNEED, munmap and mremap are told", &Events),
        new("A fork is told, and the child's memory can be watched by the new descriptor", &Forked),
        new("A waiting program can be killed", &Killed),
        new("Closing the descriptor ends the watch", &Closing),
        new("Registered memory shows um and uw, and joins its neighbours when it is given back", &Shown),
        new("fdinfo tells how many faults wait", &Information));

    private static void Information()
    {
        int u = New();
        if (u < 0)
            return;
        Span<byte> path = stackalloc byte[32];
        path.Clear();
        "/proc/self/fdinfo/"u8.CopyTo(path);
        int at = 18;
        if (u >= 10)
            path[at++] = (byte)('0' + u / 10);
        path[at] = (byte)('0' + u % 10);
        int file = Open(path, 0);
        Check(file >= 0);
        byte* text = stackalloc byte[512];
        nint length = Read(file, text, 512);
        ReadOnlySpan<byte> all = new(text, (int)Math.Max(0, length));
        Check(all.IndexOf("pending:\t0\ntotal:\t0\nAPI:\taa:"u8) >= 0);
        Close(file);
        Close(u);
    }

    /// <summary>Makes a descriptor whose handshake is done; -1, with the case skipped, where the system does not let us.</summary>
    private static int New(ulong features = 0, int flags = NonBlocking)
    {
        int u = UserFaultFd(flags);
        if (u < 0)
        {
            Skip("no userfaultfd here");
            return -1;
        }
        if (Handshake(u, features) == 0)
            return u;
        Close(u);
        Skip("the features are not known here");
        return -1;
    }

    private static nint Handshake(int u, ulong features, ulong version = 0xaa)
    {
        ulong* api = stackalloc ulong[3] { version, features, 0 };
        return Control(u, IoApi, api);
    }

    private static nint Control(int u, uint command, void* argument) => Syscall.Call(16, u, (nint)command, (nint)argument);

    private static nint Register(int u, nint start, nint bytes, int mode)
    {
        ulong* r = stackalloc ulong[4] { (ulong)start, (ulong)bytes, (ulong)mode, 0 };
        return Control(u, IoRegister, r);
    }

    private static nint Range(int u, uint command, nint start, nint bytes)
    {
        ulong* r = stackalloc ulong[2] { (ulong)start, (ulong)bytes };
        return Control(u, command, r);
    }

    private static nint Copy(int u, nint to, nint from, nint bytes, int mode = 0)
    {
        ulong* c = stackalloc ulong[5] { (ulong)to, (ulong)from, (ulong)bytes, (ulong)mode, 0 };
        return Control(u, IoCopy, c);
    }

    private static nint Zero(int u, nint at, nint bytes)
    {
        ulong* z = stackalloc ulong[4] { (ulong)at, (ulong)bytes, 0, 0 };
        return Control(u, IoZero, z);
    }

    private static nint Protect(int u, nint at, nint bytes, bool protect)
    {
        ulong* p = stackalloc ulong[3] { (ulong)at, (ulong)bytes, protect ? 1UL : 0 };
        return Control(u, IoProtect, p);
    }

    private static nint Continue(int u, nint at, nint bytes)
    {
        ulong* c = stackalloc ulong[4] { (ulong)at, (ulong)bytes, 0, 0 };
        return Control(u, IoContinue, c);
    }

    /// <summary>Memory with unmapped pages on both sides, so that it merges with nothing.</summary>
    private static nint Fresh(int pages)
    {
        nint all = Mmap(0, (pages + 2) * Page, Protection.None, Map.PrivateAnonymous);
        return Mmap(all + Page, pages * Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Fixed);
    }

    private static ref byte At(nint address) => ref *(byte*)address;

    /// <summary>Starts a child that answers so many faults, filling missing pages with letters from 'A' on; its status is the number answered.</summary>
    private static int Answerer(int u, int faults)
    {
        int pid = Linux.Fork();
        if (pid != 0)
            return pid;
        int done = 0;
        while (done < faults)
        {
            byte* message = stackalloc byte[32];
            if (!Next(u, message))
                Exit(100);
            if (message[0] != EventFault)
                Exit(100 + message[0]);
            ulong flags = *(ulong*)(message + 8);
            nint page = (nint)(*(ulong*)(message + 16) & ~4095UL);
            if ((flags & 2) != 0)
            {
                Protect(u, page, Page, protect: false);
            }
            else if ((flags & 4) != 0)
            {
                Continue(u, page, Page);
            }
            else
            {
                nint from = Mmap(0, Page, Protection.ReadWrite, Map.PrivateAnonymous);
                new Span<byte>((void*)from, Page).Fill((byte)('A' + done));
                Copy(u, page, from, Page);
                Munmap(from, Page);
            }
            done++;
        }
        return (int)Exit(done);
    }

    /// <summary>Waits for a message, ten seconds at most.</summary>
    private static bool Next(int u, byte* message)
    {
        ulong poll = (uint)u | 1UL << 32;
        return Syscall.Call(7, (nint)(&poll), 1, 10_000) == 1 && Linux.Read(u, message, 32) == 32;
    }

    private static void Handshake()
    {
        Equal(Errno.Invalid, UserFaultFd(8));
        int u = UserFaultFd(NonBlocking);
        if (u < 0)
        {
            Skip("no userfaultfd here");
            return;
        }
        nint a = Fresh(1);
        byte* message = stackalloc byte[32];
        Equal(Errno.Invalid, Register(u, a, Page, Missing));
        Equal(Errno.Invalid, Linux.Read(u, message, 32));
        Equal(Errno.Invalid, Handshake(u, 0, version: 5));
        Equal(Errno.Invalid, Handshake(u, 1UL << 40));
        Equal(0, Handshake(u, 0));
        Equal(Errno.Invalid, Handshake(u, 0));
        Equal(Errno.TryAgain, Linux.Read(u, message, 32));
        Equal(Errno.Invalid, Linux.Read(u, message, 5));
        Close(u);
        Munmap(a, Page);
    }

    private static void Registering()
    {
        int u = New();
        if (u < 0)
            return;
        nint a = Fresh(4);
        Equal(Errno.Invalid, Register(u, a, Page, 0));
        Equal(Errno.Invalid, Register(u, a, Page, 1 << 10));
        Equal(Errno.Invalid, Register(u, a + 1, Page, Missing));
        Equal(Errno.Invalid, Register(u, a, 0, Missing));
        Equal(Errno.Invalid, Register(u, a, 5, Missing));
        Equal(Errno.Invalid, Register(u, a, 4 * Page, Minor));
        Equal(0, Register(u, a + Page, 2 * Page, Missing));
        Equal(3, Areas.Count(a, 4 * Page));
        int other = New();
        Equal(Errno.Busy, Register(other, a + Page, Page, Missing));
        Close(other);
        Equal(0, Range(u, IoUnregister, a, 4 * Page));
        Equal(1, Areas.Count(a, 4 * Page));
        Close(u);
        Munmap(a, 4 * Page);
    }

    private static void MissingPage()
    {
        int u = New();
        if (u < 0)
            return;
        nint a = Fresh(3);
        Equal(0, Register(u, a, 3 * Page, Missing));
        int child = Answerer(u, 2);
        Equal('A', At(a + Page + 17));
        At(a + 5) = 1;
        Equal('B', At(a + 4095));
        Equal(1, At(a + 5));
        Equal(2, Child.Status(child));
        byte* there = stackalloc byte[3];
        Equal(0, Mincore(a, 3 * Page, there));
        Equal(0, there[2] & 1);
        Close(u);
        Equal(0, At(a + 2 * Page));
        Munmap(a, 3 * Page);
    }

    private static void Copying()
    {
        int u = New();
        if (u < 0)
            return;
        nint a = Fresh(4), from = Fresh(1);
        At(from) = 77;
        Equal(0, Register(u, a, 2 * Page, Missing));
        Equal(0, Copy(u, a, from, Page));
        Equal(77, At(a));
        Equal(Errno.Exists, Copy(u, a, from, Page));
        Equal(Errno.NoEntry, Copy(u, a + 2 * Page, from, Page));
        Equal(Errno.BadAddress, Copy(u, a + Page, 8, Page));
        Equal(Errno.Invalid, Copy(u, a + Page, from, 3));
        Equal(Errno.Invalid, Copy(u, a + Page, from, Page, mode: 4));
        Close(u);
        Munmap(a, 4 * Page);
        Munmap(from, Page);
    }

    /// <summary>Linux 6.9 and later, known by a memory policy that came then, join such areas after all.</summary>
    private static bool IsNewer()
    {
        const int weightedInterleave = 6;
        ulong nodes = 1;
        bool newer = Syscall.Call(238, weightedInterleave, (nint)(&nodes), 65) == 0;
        Syscall.Call(238, 0, 0, 0);
        return newer;
    }

    private static void CopiedFromNowhere()
    {
        int u = New();
        if (u < 0)
            return;
        nint a = Pages.Alone(2);
        Equal(0, Register(u, a + Page, Page, Missing));
        Pages.Look(a, "w|w"u8);
        Equal(Errno.BadAddress, Copy(u, a + Page, 8, Page));
        Close(u);
        Equal(IsNewer() ? 1 : 2, Areas.Count(a, 2 * Page));     // one area with a list of pages, though empty, one without: they do not join
        Pages.Drop(a, 2);
    }

    private static void ZeroingTwoAreas()
    {
        int u = New();
        if (u < 0)
            return;
        nint a = Pages.Alone(3);
        Mprotect(a + Page, Page, Protection.Read);
        Equal(0, Register(u, a, 3 * Page, Missing));
        Equal(Errno.NoEntry, Zero(u, a, 2 * Page));
        Equal(0, Zero(u, a, Page));
        Equal(0, Zero(u, a + Page, Page));
        Close(u);
        Pages.Drop(a, 3);
    }

    private static void Zeroing()
    {
        int u = New();
        if (u < 0)
            return;
        nint a = Fresh(2);
        Equal(0, Register(u, a, 2 * Page, Missing));
        Equal(0, Zero(u, a, 2 * Page));
        Equal(0, At(a + Page));
        At(a) = 3;
        Equal(Errno.Exists, Zero(u, a, Page));
        Close(u);
        Munmap(a, 2 * Page);
    }

    private static void Protecting()
    {
        int u = New(1);
        if (u < 0)
            return;
        nint a = Fresh(2);
        At(a) = 1;
        At(a + Page) = 2;
        Equal(0, Register(u, a, 2 * Page, WriteProtect));
        Equal(0, Protect(u, a, 2 * Page, protect: true));
        Equal(1, At(a));
        int child = Answerer(u, 1);
        At(a) = 9;
        Equal(9, At(a));
        Equal(1, Child.Status(child));
        Equal(Errno.NoEntry, Protect(u, a, 4 * Page, protect: true));
        Close(u);
        At(a + Page) = 5;
        Equal(5, At(a + Page));
        Munmap(a, 2 * Page);
    }

    private static void SharedPage()
    {
        int u = New();
        if (u < 0)
            return;
        int file = MemFd("watched"u8, 0);
        Truncate(file, 2 * Page);
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Shared, file);
        Equal(0, Register(u, a, 2 * Page, Missing));
        int child = Answerer(u, 1);
        Equal('A', At(a + Page));
        Equal(1, Child.Status(child));
        byte c;
        PositionedRead(file, &c, 1, Page);
        Equal('A', c);
        Close(u);
        Close(file);
        Munmap(a, 2 * Page);
    }

    private static void MinorFault()
    {
        int u = New(FeatureMinorShmem);
        if (u < 0)
            return;
        int file = MemFd("minor"u8, 0);
        Truncate(file, 2 * Page);
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Shared, file);
        nint second = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Shared, file);
        At(second + Page) = 42;
        Equal(0, Register(u, a, 2 * Page, Minor));
        int child = Answerer(u, 1);
        Equal(42, At(a + Page));
        Equal(1, Child.Status(child));
        Equal(Errno.Exists, Continue(u, a + Page, Page));
        Equal(Errno.BadAddress, Continue(u, a, Page));
        Close(u);
        Close(file);
        Munmap(a, 2 * Page);
        Munmap(second, 2 * Page);
    }

    private static void SystemCall()
    {
        int u = New();
        if (u < 0)
            return;
        nint a = Fresh(2);
        int file = MemFd("call"u8, 0);
        Equal(0, Register(u, a, 2 * Page, Missing));
        int child = Answerer(u, 2);
        Equal(10, Linux.Write(file, (void*)(a + 100), 10));
        Seek(file, 0, 0);
        Equal(10, Linux.Read(file, (void*)(a + Page + 5), 10));
        Equal(2, Child.Status(child));
        Equal('A', At(a + Page + 5));
        Equal('B', At(a + Page));
        Close(u);
        Close(file);
        Munmap(a, 2 * Page);
    }

    private static void Populating()
    {
        int u = New();
        if (u < 0)
            return;
        nint a = Fresh(3);
        Equal(0, Register(u, a, 3 * Page, Missing));
        int child = Answerer(u, 3);
        Equal(0, Madvise(a, 2 * Page, Advice.PopulateRead));
        Equal(0, Mlock(a + 2 * Page, Page));
        Equal(3, Child.Status(child));
        Equal('B', At(a + Page));
        Equal('C', At(a + 2 * Page));
        Close(u);
        Munmap(a, 3 * Page);
    }
}
