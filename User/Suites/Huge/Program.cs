using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Huge;

/// <summary>Huge pages of anonymous memory and of the pool, as a program sees them: what it reads and writes is the same, <c>smaps</c> tells how it is mapped.</summary>
/// <remarks>Cases that need 2 MiB in a piece skip where the machine has none: memory may be scattered, or huge pages switched off.</remarks>
internal static unsafe class Program
{
    private const int DontNeed = 4, DontFork = 10, DoFork = 11, HugePage = 14, NoHugePage = 15, Collapse = 25;
    private const int MayMove = 1, Fixed = 2;
    private const nint Block = 2 << 20;

    public static int Main() => Run(
        new("The first write to 2 MiB that were asked for maps them at once", &FirstWrite),
        new("Memory nobody asked huge pages for is mapped page by page", &NotAsked),
        new("NOHUGEPAGE takes the wish back", &TakenBack),
        new("What does not fill 2 MiB is mapped page by page", &TooSmall),
        new("A huge page reads as zeros and keeps what is written to each page", &Contents),
        new("Unmapping one page splits, and the others keep their contents", &UnmapOne),
        new("Protecting one page splits, protecting all does not", &Protect),
        new("DONTNEED of one page clears just that one", &ThrowAway),
        new("DONTNEED of all gives zeros, huge again at the next write", &ThrowAllAway),
        new("A child's write is the child's alone", &ChildWrites),
        new("A parent's write is the parent's alone", &ParentWrites),
        new("The parent's huge page outlives a child that wrote", &OutlivesChild),
        new("A move to a place of 2 MiB keeps it huge, any other keeps the contents", &Move),
        new("Mincore and pagemap see 512 pages in a row", &Seen),
        new("COLLAPSE joins small pages", &Joined),
        new("COLLAPSE refuses memory that was never touched or must not be huge", &NotJoined),
        new("A system call reads and writes across its small pages", &SystemCall),
        new("PR_SET_THP_DISABLE is kept, and keeps huge pages away", &Disabled),
        new("A mapping of the pool is promised its pages, rounded up to whole ones", &Pool.Promise),
        new("smaps and mincore show pages of the pool, which are not resident ones", &Pool.Shown),
        new("Pages of the pool are cut, protected and replaced only as a whole", &Pool.OnlyWhole),
        new("DONTNEED gives whole pages back to the pool and leaves the rest", &Pool.DontNeed),
        new("A child's write to a page of the pool is the child's alone", &Pool.ForkCopies),
        new("When the pool is empty, the parent who was promised gets the page and the child SIGBUS", &Pool.ParentIsPreferred),
        new("Without a promise the touch that finds no page ends in SIGBUS", &Pool.NoPromise),
        new("Surplus pages are made on demand and go when they are free", &Pool.Surplus),
        new("A move takes the promise with it, a shrink gives it back", &Pool.Moved),
        new("Shared pages of the pool are one for parent and child", &Pool.Shared),
        new("A memory file of huge pages: length, holes, reads, seals", &Pool.MemoryFile),
        new("A private mapping of such a file copies what it writes", &Pool.PrivateOfFile),
        new("A System V segment of huge pages", &Pool.Segment),
        new("System calls read and write pages of the pool", &Pool.Calls));

    /// <summary>Memory that starts between huge pages.</summary>
    private static nint New(int blocks, bool asked = true)
    {
        nint all = Mmap(0, (blocks + 1) * Block, Protection.ReadWrite, Map.PrivateAnonymous);
        nint start = (all + Block - 1) & -Block;
        if (start > all)
            Munmap(all, start - all);
        Munmap(start + blocks * Block, all + Block - start);
        if (asked)
            Equal(0, Madvise(start, blocks * Block, HugePage));
        return start;
    }

    private static long HugeKilobytes(nint address) => Smaps.Kilobytes(address, "AnonHugePages:"u8);

    private static ref byte At(nint address) => ref *(byte*)address;

    /// <summary>Touches a block; false, with the case skipped, when it did not become a huge page.</summary>
    private static bool Touch(nint address)
    {
        At(address) = 1;
        if (HugeKilobytes(address) > 0)
            return true;
        Skip("no huge page to be had");
        return false;
    }

    private static void FirstWrite()
    {
        nint a = New(2);
        if (Touch(a))
        {
            Equal(2048, HugeKilobytes(a));
            Equal(2048, Smaps.Kilobytes(a, "Rss:"u8));
            Equal(1, Smaps.Kilobytes(a, "THPeligible:"u8));
            At(a + Block + 12345) = 2;
            Equal(4096, HugeKilobytes(a));
        }

        Munmap(a, 2 * Block);
    }

    private static void NotAsked()
    {
        nint a = New(1, asked: false);
        Madvise(a, Block, NoHugePage);
        At(a) = 1;
        Equal(4, Smaps.Kilobytes(a, "Rss:"u8));
        Equal(0, HugeKilobytes(a));
        Munmap(a, Block);
    }

    private static void TakenBack()
    {
        nint a = New(1);
        Check(Smaps.HasFlags(a, "hg"u8));
        Equal(0, Madvise(a, Block, NoHugePage));
        Check(!Smaps.HasFlags(a, "hg"u8) && Smaps.HasFlags(a, "nh"u8));
        At(a) = 1;
        Equal(4, Smaps.Kilobytes(a, "Rss:"u8));
        Equal(0, Smaps.Kilobytes(a, "THPeligible:"u8));
        Munmap(a, Block);
    }

    private static void TooSmall()
    {
        nint a = New(2);
        Munmap(a, Page);
        Munmap(a + 2 * Block - Page, Page);
        At(a + Page) = 1;
        At(a + Block) = 1;
        Equal(8, Smaps.Kilobytes(a + Page, "Rss:"u8));
        Munmap(a + Page, 2 * Block - 2 * Page);
    }

    private static void Contents()
    {
        nint a = New(1);
        At(a + 7) = 9;
        nint sum = 0;
        for (nint i = 0; i < Block; i += 512)
            sum += At(a + i + 8);
        Equal(0, sum);
        for (int i = 0; i < 512; i++)
            At(a + i * Page) = (byte)i;
        for (int i = 0; i < 512; i++)
            sum += At(a + i * Page);
        Equal(2 * 255 * 128, sum);
        Munmap(a, Block);
    }

    private static void UnmapOne()
    {
        nint a = New(1);
        bool isHuge = Touch(a);
        At(a + 99 * Page) = 99;
        At(a + 101 * Page) = 101;
        Equal(0, Munmap(a + 100 * Page, Page));
        if (isHuge)
        {
            Equal(0, HugeKilobytes(a));
            Equal(400, Smaps.Kilobytes(a, "Rss:"u8));
            Equal(4 * 411, Smaps.Kilobytes(a + 101 * Page, "Rss:"u8));
        }

        Equal(99, At(a + 99 * Page));
        Equal(101, At(a + 101 * Page));
        Equal(Signal.Segmentation, Child.SignalOfRead(a + 100 * Page));
        Munmap(a, Block);
    }

    private static void Protect()
    {
        nint a = New(1);
        if (Touch(a))
        {
            Equal(0, Mprotect(a, Block, Protection.Read));
            Equal(2048, HugeKilobytes(a));
            Equal(Signal.Segmentation, Child.SignalOfWrite(a + 5 * Page));
            Equal(0, Mprotect(a, Block, Protection.None));
            Equal(Signal.Segmentation, Child.SignalOfRead(a + 5 * Page));
            Equal(0, Mprotect(a, Block, Protection.ReadWrite));
            At(a + 5 * Page) = 5;
            Equal(2048, HugeKilobytes(a));
            Equal(0, Mprotect(a + 5 * Page, Page, Protection.Read));
            Equal(0, HugeKilobytes(a));
            Equal(5, At(a + 5 * Page));
            Equal(Signal.Segmentation, Child.SignalOfWrite(a + 5 * Page));
            Equal(0, Child.SignalOfWrite(a + 4 * Page));
        }

        Munmap(a, Block);
    }

    private static void ThrowAway()
    {
        nint a = New(1);
        bool isHuge = Touch(a);
        At(a + Page) = 2;
        At(a + 2 * Page) = 3;
        Equal(0, Madvise(a + Page, Page, DontNeed));
        if (isHuge)
            Equal(2044, Smaps.Kilobytes(a, "Rss:"u8));
        Equal(1, At(a));
        Equal(0, At(a + Page));
        Equal(3, At(a + 2 * Page));
        Munmap(a, Block);
    }

    private static void ThrowAllAway()
    {
        nint a = New(1);
        if (Touch(a))
        {
            At(a + 300 * Page) = 3;
            Equal(0, Madvise(a, Block, DontNeed));
            Equal(0, Smaps.Kilobytes(a, "Rss:"u8));
            At(a) = 1;
            Equal(0, At(a + 300 * Page));
            Equal(2048, HugeKilobytes(a));
        }

        Munmap(a, Block);
    }

    private static void ChildWrites()
    {
        nint a = New(1);
        At(a + 7 * Page) = 7;
        int pid = Fork();
        if (pid == 0)
        {
            At(a + 7 * Page) = 8;
            At(a + 8 * Page) = 9;
            Exit(At(a + 7 * Page) == 8 && At(a + 9 * Page) == 0 ? 0 : 1);
        }

        Equal(0, Child.Status(pid));
        Equal(7, At(a + 7 * Page));
        Equal(0, At(a + 8 * Page));
        Munmap(a, Block);
    }

    private static void ParentWrites()
    {
        nint a = New(1);
        int* ends = stackalloc int[2];
        Pipe(ends);
        At(a + 7 * Page) = 7;
        int pid = Fork();
        if (pid == 0)
        {
            byte go;
            Linux.Read(ends[0], &go, 1);
            Exit(At(a + 7 * Page) == 7 && At(a + 8 * Page) == 0 ? 0 : 1);
        }

        At(a + 7 * Page) = 8;
        At(a + 8 * Page) = 9;
        byte one = 1;
        Linux.Write(ends[1], &one, 1);
        Equal(0, Child.Status(pid));
        Equal(8, At(a + 7 * Page));
        Close(ends[0]);
        Close(ends[1]);
        Munmap(a, Block);
    }

    private static void OutlivesChild()
    {
        nint a = New(1);
        if (Touch(a))
        {
            int pid = Fork();
            if (pid == 0)
            {
                At(a) = 2;
                Exit(HugeKilobytes(a) == 0 && Smaps.Kilobytes(a, "Rss:"u8) == 2048 ? 0 : 1);
            }

            Equal(0, Child.Status(pid));
            Equal(2048, HugeKilobytes(a));
            At(a) = 3;
            Equal(2048, HugeKilobytes(a));
        }

        Munmap(a, Block);
    }

    private static void Move()
    {
        nint a = New(2), to = New(4, asked: false);
        bool isHuge = Touch(a);
        At(a + Block + 40) = 4;
        At(a + 3 * Page) = 3;
        Equal(to + Block, Mremap(a, 2 * Block, 2 * Block, MayMove | Fixed, to + Block));
        if (isHuge)
            Check(HugeKilobytes(to + Block) > 0);
        Equal(3, At(to + Block + 3 * Page));
        Equal(to + Page, Mremap(to + Block, 2 * Block, 2 * Block, MayMove | Fixed, to + 4 * Block) == to + 4 * Block ? to + Page : -1);
        Equal(4, At(to + 5 * Block + 40));
        nint odd = New(3, asked: false) + Page;
        Equal(odd, Mremap(to + 4 * Block, 2 * Block, 2 * Block, MayMove | Fixed, odd));
        Equal(0, HugeKilobytes(odd));
        Equal(3, At(odd + 3 * Page));
        Equal(4, At(odd + Block + 40));
        Munmap(odd - Page, 3 * Block);
        Munmap(to, 4 * Block);
    }

    private static void Seen()
    {
        nint a = New(1);
        if (Touch(a))
        {
            byte* resident = stackalloc byte[512];
            Equal(0, Mincore(a, Block, resident));
            int count = 0;
            for (int i = 0; i < 512; i++)
                count += resident[i] & 1;
            Equal(512, count);
            int map = Open("/proc/self/pagemap"u8, 0);
            ulong first, last;
            Equal(8, PositionedRead(map, &first, 8, a / Page * 8));
            Equal(8, PositionedRead(map, &last, 8, (a / Page + 511) * 8));
            Check(first >> 63 == 1 && last >> 63 == 1);
            const ulong frame = (1UL << 55) - 1;
            if ((first & frame) != 0)
                Equal(511, (int)((last & frame) - (first & frame)));
            Close(map);
        }

        Munmap(a, Block);
    }

    private static void Joined()
    {
        nint a = New(1, asked: false);
        for (int i = 0; i < 512; i += 3)
            At(a + i * Page) = (byte)i;
        nint result = Madvise(a, Block, Collapse);
        if (result is Errno.NoMemory or Errno.Invalid)
            Skip("cannot collapse");
        else
        {
            Equal(0, result);
            Equal(2048, HugeKilobytes(a));
            Equal(2048, Smaps.Kilobytes(a, "Rss:"u8));
        }

        int wrong = 0;
        for (int i = 0; i < 512; i++)
            wrong += At(a + i * Page) != (i % 3 == 0 ? (byte)i : 0) ? 1 : 0;
        Equal(0, wrong);
        Munmap(a, Block);
    }

    private static void NotJoined()
    {
        nint a = New(1, asked: false);
        Equal(Errno.Invalid, Madvise(a, Block, Collapse));
        At(a) = 1;
        Equal(0, Madvise(a, Block, NoHugePage));
        Equal(Errno.Invalid, Madvise(a, Block, Collapse));
        Equal(1, At(a));
        Munmap(a, Block);
    }

    private static void SystemCall()
    {
        nint a = New(1);
        int* ends = stackalloc int[2];
        Pipe(ends);
        At(a + 5 * Page - 1) = 5;
        At(a + 5 * Page) = 6;
        Equal(2, Linux.Write(ends[1], (void*)(a + 5 * Page - 1), 2));
        Equal(2, Linux.Read(ends[0], (void*)(a + 9 * Page - 1), 2));
        Equal(5, At(a + 9 * Page - 1));
        Equal(6, At(a + 9 * Page));
        Close(ends[0]);
        Close(ends[1]);
        Munmap(a, Block);
    }

    private static void Disabled()
    {
        const int Set = 41, Get = 42;
        Equal(0, Syscall.Call(157, Get, 0, 0, 0, 0));
        Equal(0, Syscall.Call(157, Set, 1, 0, 0, 0));
        Equal(1, Syscall.Call(157, Get, 0, 0, 0, 0));
        nint a = New(1);
        At(a) = 1;
        Equal(4, Smaps.Kilobytes(a, "Rss:"u8));
        Munmap(a, Block);
        Equal(0, Syscall.Call(157, Set, 0, 0, 0, 0));
        Equal(Errno.Invalid, Syscall.Call(157, Get, 1, 0, 0, 0));
    }
}
