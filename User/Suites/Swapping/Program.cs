using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Swapping;

/// <summary>
/// Shared memory larger than a small machine's: run with <c>--mem 64M --swap 256M</c> most of it is in swap, with more memory none of it. The
/// answers are the same.
/// </summary>
internal static unsafe class Program
{
    private const int Megabyte = 1 << 20, Bytes = 72 * Megabyte, Words = Page / 8;
    private const int SeekData = 3, SeekHole = 4, KeepSize = 1, PunchHole = 2;
    private const int WillNeed = 3, Remove = 9;

    public static int Main() => Run(
        new("Shared anonymous memory is the same in parent and child", &Anonymous),
        new("What a child writes the parent reads", &ChildWrites),
        new("A memfd is the same through a mapping and through read", &MemFd),
        new("Blocks, holes and ends of a memfd count what is in swap", &Holes),
        new("A System V segment keeps its content without attachments", &Segment),
        new("Private copies over a shared file stay private", &PrivateCopies),
        new("A part is removed with MADV_REMOVE", &RemovePart),
        new("MADV_WILLNEED and msync change nothing", &Advised),
        new("Locked shared memory stays resident", &Locked),
        new("Private and shared memory of four processes at once", &Four),
        new("smaps tells what is in swap, and of how many it is", &Told));

    /// <summary>Where there is no swap the pages stay, and what is said of them agrees with that.</summary>
    private static void Told()
    {
        const int pages = 16, pageOut = 21;
        nint fence = Mmap(0, (pages + 2) * Page, Protection.None, Map.PrivateAnonymous);       // so that it is an area of its own
        nint own = fence + Page;
        Mprotect(own, pages * Page, Protection.ReadWrite);
        Fill(own, pages * Page, 11);
        Equal(0, Madvise(own, pages * Page, pageOut));
        long swapped = Smaps.Kilobytes(own, "Swap:"u8);
        Check(Smaps.Kilobytes(own, "Rss:"u8) + swapped == pages * Page / 1024);
        Equal(swapped, Smaps.Kilobytes(own, "SwapPss:"u8));
        int pid = Fork();
        if (pid == 0)
            Exit(Smaps.Kilobytes(own, "SwapPss:"u8) * 2 == Smaps.Kilobytes(own, "Swap:"u8) ? 0 : 1);
        Wait(pid, out int status);
        Equal(0, status);
        Equal(0, Wrong(own, pages * Page, 11));
        Munmap(fence, (pages + 2) * Page);

        // A private mapping of shared memory, with a page of its own: that one hides what the file has in swap.
        int file = NewMemFd(pages * Page);
        nint shared = NewShared(pages * Page, file);
        Fill(shared, pages * Page, 12);
        nint copy = Mmap(0, pages * Page, Protection.ReadWrite, Map.Private, file);
        FillPage(copy, 3, 13);
        Equal(0, Madvise(shared, pages * Page, pageOut));
        long inFile = Smaps.Kilobytes(shared, "Swap:"u8), behind = Smaps.Kilobytes(copy, "Swap:"u8);
        Check(behind == inFile || behind == inFile - Page / 1024);
        Munmap(copy, pages * Page);
        Equal(0, Wrong(shared, pages * Page, 12));
        Munmap(shared, pages * Page);
        Close(file);
    }

    /// <summary>Each page says at its beginning and its end which one it is.</summary>
    private static void Fill(nint at, nint bytes, ulong seed)
    {
        for (nint page = 0; page < bytes / Page; page++)
            FillPage(at, page, seed);
    }

    private static void FillPage(nint at, nint page, ulong seed)
    {
        ulong* words = (ulong*)(at + page * Page);
        words[0] = Value(page, seed);
        words[Words - 1] = ~words[0];
    }

    private static nint Wrong(nint at, nint bytes, ulong seed)
    {
        nint wrong = 0;
        for (nint page = 0; page < bytes / Page; page++)
        {
            ulong* words = (ulong*)(at + page * Page);
            if (words[0] != Value(page, seed) || words[Words - 1] != ~words[0])
                wrong++;
        }

        return wrong;
    }

    private static ulong Value(nint page, ulong seed) => ((ulong)page + 1) * 0x9e37_79b9_7f4a_7c15 + seed;

    private static nint NewShared(nint bytes, int file = -1)
        => Mmap(0, bytes, Protection.ReadWrite, file < 0 ? Map.Shared | Map.Anonymous : Map.Shared, file);

    private static int NewMemFd(nint bytes)
    {
        int file;
        fixed (byte* name = "swapping"u8)
            file = (int)Syscall.Call(319, (nint)name, 0);
        Truncate(file, bytes);
        return file;
    }

    private static nint BlocksOf(int file)
    {
        ulong* stat = stackalloc ulong[18];
        Syscall.Call(5, file, (nint)stat);
        return (nint)stat[8];
    }

    private static nint Fallocate(int file, int mode, nint offset, nint length) => Syscall.Call(285, file, mode, offset, length);

    private static void Anonymous()
    {
        nint at = NewShared(Bytes);
        Fill(at, Bytes, 1);
        int child = Fork();
        if (child == 0)
            Exit(Wrong(at, Bytes, 1) == 0 ? 0 : 1);
        Equal(0, Child.Status(child));
        Equal(0, Wrong(at, Bytes, 1));
        Munmap(at, Bytes);
    }

    private static void ChildWrites()
    {
        nint at = NewShared(Bytes);
        Fill(at, Bytes, 2);
        int child = Fork();
        if (child == 0)
        {
            nint wrong = Wrong(at, Bytes, 2);
            Fill(at, Bytes, 3);
            Exit(wrong == 0 ? 0 : 1);
        }

        Equal(0, Child.Status(child));
        Equal(0, Wrong(at, Bytes, 3));
        Munmap(at, Bytes);
    }

    private static void MemFd()
    {
        int file = NewMemFd(Bytes);
        nint at = NewShared(Bytes, file);
        Fill(at, Bytes, 4);
        nint buffer = Mmap(0, Megabyte, Protection.ReadWrite, Map.PrivateAnonymous);
        nint wrong = 0;
        for (nint offset = 0; offset < Bytes; offset += Megabyte)
        {
            if (PositionedRead(file, (void*)buffer, Megabyte, offset) != Megabyte)
                wrong++;
            ulong* words = (ulong*)buffer;
            for (nint page = 0; page < Megabyte / Page; page++)
                wrong += words[page * Words] == Value(offset / Page + page, 4) ? 0 : 1;
        }

        Equal(0, wrong);
        // And what is written by write is seen in the mapping.
        for (nint offset = 0; offset < Bytes; offset += Megabyte)
        {
            *(ulong*)buffer = (ulong)offset;
            Equal(8, PositionedWrite(file, (void*)buffer, 8, offset));
        }

        for (nint offset = 0; offset < Bytes; offset += Megabyte)
        {
            if (*(ulong*)(at + offset) != (ulong)offset)
                wrong++;
        }

        Equal(0, wrong);
        Munmap(buffer, Megabyte);
        Munmap(at, Bytes);
        Close(file);
    }

    private static void Holes()
    {
        int file = NewMemFd(Bytes);
        nint at = NewShared(Bytes, file);
        Fill(at, Bytes, 5);
        Equal(Bytes / 512, BlocksOf(file));
        Equal(0, Fallocate(file, PunchHole | KeepSize, Bytes / 4, Bytes / 4));
        Equal(Bytes / 512 / 4 * 3, BlocksOf(file));
        Equal(Bytes / 2, Seek(file, Bytes / 4, SeekData));
        Equal(Bytes / 4, Seek(file, 0, SeekHole));
        Equal(0, Wrong(at, Bytes / 4, 5));
        Equal(0, *(long*)(at + Bytes / 4));
        Equal(0, Truncate(file, Bytes / 8 + 100));
        Equal((Bytes / 8 + Page) / 512, BlocksOf(file));
        Equal(0, Wrong(at, Bytes / 8, 5));
        Equal(0, Truncate(file, Bytes));
        Equal(0, *(long*)(at + Bytes / 8 + Page - 8));
        Munmap(at, Bytes);
        Close(file);
    }

    private static void Segment()
    {
        const int create = 0x200, removeId = 0;
        int id = (int)Syscall.Call(29, 0, Bytes, create | 0x180);
        nint at = Syscall.Call(30, id, 0, 0);
        Fill(at, Bytes, 6);
        Equal(0, Syscall.Call(67, at));
        // Something else wants the memory meanwhile.
        nint other = Mmap(0, Bytes / 2, Protection.ReadWrite, Map.PrivateAnonymous);
        Fill(other, Bytes / 2, 7);
        at = Syscall.Call(30, id, 0, 0);
        Equal(0, Wrong(at, Bytes, 6));
        Equal(0, Wrong(other, Bytes / 2, 7));
        Munmap(other, Bytes / 2);
        Equal(0, Syscall.Call(31, id, removeId, 0));
        Equal(0, Syscall.Call(67, at));
    }

    private static void PrivateCopies()
    {
        int file = NewMemFd(Bytes);
        nint shared = NewShared(Bytes, file);
        Fill(shared, Bytes, 8);
        nint copy = Mmap(0, Bytes, Protection.ReadWrite, Map.Private, file);
        for (nint page = 0; page < Bytes / Page; page += 8)
            FillPage(copy, page, 9);
        Equal(0, Wrong(shared, Bytes, 8));
        nint wrong = 0;
        for (nint page = 0; page < Bytes / Page; page++)
            wrong += *(ulong*)(copy + page * Page) == Value(page, page % 8 == 0 ? 9UL : 8) ? 0 : 1;
        Equal(0, wrong);
        Munmap(copy, Bytes);
        Munmap(shared, Bytes);
        Close(file);
    }

    private static void RemovePart()
    {
        nint at = NewShared(Bytes);
        Fill(at, Bytes, 10);
        Equal(0, Madvise(at + Bytes / 2, Bytes / 2, Remove));
        Equal(0, Wrong(at, Bytes / 2, 10));
        nint set = 0;
        for (nint page = Bytes / 2 / Page; page < Bytes / Page; page++)
            set += *(ulong*)(at + page * Page) == 0 ? 0 : 1;
        Equal(0, set);
        Munmap(at, Bytes);
    }

    private static void Advised()
    {
        nint at = NewShared(Bytes);
        Fill(at, Bytes, 11);
        Equal(0, Madvise(at, Bytes, WillNeed));
        Equal(0, Msync(at, Bytes, 4));
        Equal(0, Wrong(at, Bytes, 11));
        Munmap(at, Bytes);
    }

    private static void Locked()
    {
        const int pages = 64;
        byte* resident = stackalloc byte[pages];
        nint locked = NewShared(pages * Page);
        Equal(0, Mlock(locked, pages * Page));
        Fill(locked, pages * Page, 12);
        nint at = NewShared(Bytes);
        Fill(at, Bytes, 13);
        Equal(0, Mincore(locked, pages * Page, resident));
        int there = 0;
        for (int i = 0; i < pages; i++)
            there += resident[i] & 1;
        Equal(pages, there);
        Equal(0, Wrong(locked, pages * Page, 12));
        Munmap(at, Bytes);
        Munmap(locked, pages * Page);
    }

    private static void Four()
    {
        nint shared = NewShared(Bytes / 2);
        Fill(shared, Bytes / 2, 14);
        int* children = stackalloc int[4];
        for (int i = 0; i < 4; i++)
        {
            children[i] = Fork();
            if (children[i] != 0)
                continue;
            nint own = Mmap(0, Bytes / 4, Protection.ReadWrite, Map.PrivateAnonymous);
            Fill(own, Bytes / 4, (ulong)(20 + i));
            nint wrong = Wrong(shared, Bytes / 2, 14) + Wrong(own, Bytes / 4, (ulong)(20 + i));
            Exit(wrong == 0 ? 0 : 1);
        }

        for (int i = 0; i < 4; i++)
            Equal(0, Child.Status(children[i]));
        Equal(0, Wrong(shared, Bytes / 2, 14));
        Munmap(shared, Bytes / 2);
    }
}
