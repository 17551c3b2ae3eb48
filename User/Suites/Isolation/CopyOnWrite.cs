using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Isolation.Writers;

namespace NanoVm.User.Suites.Isolation;

/// <summary>Whatever way the kernel writes to a private page: nobody else sees it.</summary>
internal static unsafe class CopyOnWrite
{
    private const int Bytes = RegionPages * Page;

    /// <summary>After a fork the child's kernel writes; the parent's page stays.</summary>
    public static void ParentKeeps()
    {
        nint region = Pages.New(RegionPages);
        var bytes = new Span<byte>((void*)region, Bytes);
        for (int way = 0; way < Count; way++)
        {
            bytes.Fill(Filling);
            Equal(7, InChild(way, region), "the way's child");
            if (!Check(IsAll(region, Filling)))
                Say(way);
        }
        Munmap(region, Bytes);
    }

    /// <summary>The parent's kernel writes; the child's page stays.</summary>
    public static void ChildKeeps()
    {
        nint region = Pages.New(RegionPages);
        int* ends = stackalloc int[2];
        byte* word = stackalloc byte[1];
        for (int way = 0; way < Count; way++)
        {
            new Span<byte>((void*)region, Bytes).Fill(Filling);
            Linux.Pipe(ends);
            int child = Linux.Fork();
            if (child == 0)
            {
                Close(ends[1]);
                Read(ends[0], word, 1);                     // until the parent has written, and gone
                Exit(IsAll(region, Filling) ? 0 : 1);
            }
            Close(ends[0]);
            int writer = Linux.Fork();                      // a third process: the page has three users
            if (writer == 0)
                Exit(0);
            Child.Status(writer);
            Writers.Write(way, region);
            Close(ends[1]);
            if (!Equal(0, Child.Status(child), "the child's page"))
                Say(way);
            CloseAll();
        }
        Undo();
        Munmap(region, Bytes);
    }

    /// <summary>A private mapping of a file: the file stays, for others who read or map it.</summary>
    public static void FileKeeps()
    {
        int file = Open("/tmp/suite-isolation"u8, 2 | 0x40 | 0x200, 0x1a4);
        byte* page = stackalloc byte[Page];
        new Span<byte>(page, Page).Fill(Filling);
        for (int i = 0; i < RegionPages; i++)
            Linux.Write(file, page, Page);
        nint shared = Mmap(0, Bytes, Protection.Read, Map.Shared, file);
        for (int way = 0; way < Count; way++)
        {
            nint region = Mmap(0, Bytes, Protection.ReadWrite, Map.Private, file);
            if ((way & 1) != 0)
                _ = Pages.At(region);                       // mapped read-only already, or not at all
            Equal(7, InChild(way, region), "the way's child");
            if (!Check(IsAll(shared, Filling)))
                Say(way);
            Munmap(region, Bytes);
        }
        Munmap(shared, Bytes);
        Close(file);
        Unlink("/tmp/suite-isolation"u8);
    }

    /// <summary>Memory that was only read shows the page of zeros: it is everybody's and stays zero.</summary>
    public static void ZeroPageKeeps()
    {
        nint other = Pages.New(1);
        _ = Pages.At(other);
        for (int way = 0; way < Count; way++)
        {
            nint region = Pages.New(RegionPages);
            for (int i = 0; i < RegionPages; i++)
                _ = Pages.At(region + i * Page);
            Linux.Wait(Start(way, region), out _);
            if (!Check(IsAll(region, 0) && Pages.At(other) == 0))
                Say(way);
            Munmap(region, Bytes);
        }
        Munmap(other, Page);
    }

    /// <summary>Memory that the program may not write, the kernel does not write for it.</summary>
    public static void ReadOnlyKeeps()
    {
        nint region = Pages.New(RegionPages);
        new Span<byte>((void*)region, Bytes).Fill(Filling);
        Mprotect(region, Bytes, Protection.Read);
        for (int way = 0; way < FirstForced; way++)
        {
            int child = Linux.Fork();
            if (child == 0)
            {
                nint result = Writers.Write(way, region);
                Exit(Writers.IsRefused(way, result) && IsAll(region, Filling) ? 0 : 1);
            }
            if (!Equal(0, Child.Status(child), "EFAULT"))
                Say(way);
        }
        Munmap(region, Bytes);
    }

    /// <summary>A thread ends with a lock: the kernel marks the word as its dead owner's, in this process alone.</summary>
    public static void DeadOwnersLock()
    {
        const uint died = 0x4000_0000;
        s_place = Pages.New(1);
        s_child = 0;
        nint stack = Mmap(0, 16 * Page, Protection.ReadWrite, Map.PrivateAnonymous);
        nint* top = (nint*)(stack + 16 * Page - 64);
        top[0] = (nint)(delegate*<void>)&TakeAndEnd;
        uint* running = (uint*)(stack + 64);
        *running = 1;
        int* ends = stackalloc int[2];
        Linux.Pipe(ends);
        (s_readEnd, s_writeEnd) = (ends[0], ends[1]);
        const int flags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x20_0000;
        Syscall.Call(56, flags, (nint)top, 0, (nint)running);
        while (System.Threading.Volatile.Read(ref *running) != 0)
            Linux.Yield();

        Equal(died, *(uint*)(s_place + 64), "the lock");
        Close(s_writeEnd);
        Equal(0, Child.Status(s_child), "the child's page");
        Close(s_readEnd);
        Munmap(s_place, Page);
        Munmap(stack, 16 * Page);
    }

    private static int s_child, s_readEnd, s_writeEnd;

    /// <summary>The lock is held, a child shares its page, and the thread ends.</summary>
    private static void TakeAndEnd()
    {
        nint* head = (nint*)s_place;                        // first lock, from a lock's link to its word, pending
        uint* word = (uint*)(s_place + 64);
        head[0] = s_place + 32;
        head[1] = 32;
        head[2] = 0;
        *(nint*)(s_place + 32) = s_place;
        uint held = (uint)Syscall.Call(186);
        *word = held;
        Syscall.Call(273, (nint)head, 24);
        int child = Linux.Fork();
        if (child == 0)
        {
            Close(s_writeEnd);
            byte end;
            Read(s_readEnd, &end, 1);                       // until the thread has ended
            Exit(*word == held ? 0 : 1);
        }
        s_child = child;
        Syscall.Call(60, 0);
    }

    /// <summary>Madvise(DONTNEED) races with a forced write to a private read-only mapping ("Dirty COW"): the file stays.</summary>
    public static void DontNeedRace()
    {
        int file = Open("/tmp/suite-isolation"u8, 2 | 0x40 | 0x200, 0x1a4);
        byte* page = stackalloc byte[Page];
        new Span<byte>(page, Page).Fill(Filling);
        Linux.Write(file, page, Page);
        int child = Linux.Fork();
        if (child == 0)
        {
            s_place = Mmap(0, Page, Protection.Read, Map.Private, file);
            StartThread(&Discard);
            int memory = Open("/proc/self/mem"u8, 2);
            byte bad = (byte)'!';
            for (int i = 0; i < 3000; i++)
            {
                PositionedWrite(memory, &bad, 1, s_place);
                if (i % 16 == 0)
                    Linux.Yield();
            }
            Exit(0);
        }
        Equal(0, Child.Status(child));
        PositionedRead(file, page, Page, 0);
        Check(new ReadOnlySpan<byte>(page, Page).IndexOf((byte)'!') < 0);
        Close(file);
        Unlink("/tmp/suite-isolation"u8);
    }

    /// <summary>A page moves while the kernel writes to where it was or is: nothing beside it changes, and it is never two pages.</summary>
    public static void MoveRace()
    {
        nint room = Mmap(0, 8 * Page, Protection.ReadWrite, Map.PrivateAnonymous);
        new Span<byte>((void*)room, 8 * Page).Fill(Filling);
        int child = Linux.Fork();
        if (child == 0)
        {
            s_place = room + 2 * Page;
            StartThread(&Move);
            int* ends = stackalloc int[2];
            byte* page = stackalloc byte[Page];
            Linux.Pipe(ends);
            for (int i = 0; i < 3000; i++)
            {
                Linux.Write(ends[1], page, 64);
                if (Syscall.Call(0, ends[0], s_place, 64) != 64)
                    Syscall.Call(0, ends[0], (nint)page, 64);
                if (i % 8 == 0)
                    Linux.Yield();
            }
            bool good = true;
            for (nint at = room; at < room + 8 * Page; at++)
                good &= (at >= s_place && at < s_place + Page) || (at >= s_place + 2 * Page && at < s_place + 3 * Page) || Pages.At(at) == Filling;
            Exit(good ? 0 : 1);
        }
        Equal(0, Child.Status(child));
        for (int i = 0; i < 8; i++)
            Check(Pages.At(room + i * Page) == Filling);
        Munmap(room, 8 * Page);
    }

    private static nint s_place;

    private static void Discard()
    {
        while (true)
        {
            Madvise(s_place, Page, Advice.DontNeed);
            Linux.Yield();
        }
    }

    private static void Move()
    {
        while (true)
        {
            Mremap(s_place, Page, Page, Remap.MayMove | Remap.Fixed, s_place + 2 * Page);
            Linux.Yield();
            Mremap(s_place + 2 * Page, Page, Page, Remap.MayMove | Remap.Fixed, s_place);
            Linux.Yield();
        }
    }

    /// <summary>A thread of this process, as a C library makes it, without storage of its own.</summary>
    private static void StartThread(delegate*<void> body)
    {
        const int flags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000;
        nint stack = Mmap(0, 16 * Page, Protection.ReadWrite, Map.PrivateAnonymous);
        nint* top = (nint*)(stack + 16 * Page - 64);
        top[0] = (nint)body;
        Syscall.Call(56, flags, (nint)top, 0, 0);
    }

    /// <summary>Writes in a child: 7 when the child has seen it.</summary>
    private static int InChild(int way, nint region) => Child.Status(Start(way, region));

    private static int Start(int way, nint region)
    {
        int child = Linux.Fork();
        if (child == 0)
        {
            byte first = Pages.At(region);
            nint result = Writers.Write(way, region);
            Exit(IsError(result) ? 1 : IsAll(region, first) ? 2 : 7);
        }
        return child;
    }

    private static bool IsAll(nint region, byte value)
    {
        ulong word = value * 0x0101_0101_0101_0101UL;
        for (int i = 0; i < Bytes / 8; i++)
            if (((ulong*)region)[i] != word)
                return false;
        return true;
    }

    private static void CloseAll() => Syscall.Call(436, 3, int.MaxValue, 0);

    /// <summary>The alternate stack and its signal are as before.</summary>
    private static void Undo()
    {
        nint* none = stackalloc nint[4] { 0, 2, 0, 0 };
        Syscall.Call(131, (nint)none, 0);
        none[1] = 0;
        Syscall.Call(13, Signal.User1, (nint)none, 0, 8);
    }

    private static void Say(int way)
    {
        Output.Standard.Write($"# way {(long)way}\n");
        Output.Standard.Flush();
    }
}
