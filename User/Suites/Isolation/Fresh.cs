using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Isolation;

/// <summary>Memory that comes from the kernel is zero, whatever was there before.</summary>
internal static unsafe class Fresh
{
    private const int Count = 256;

    /// <summary>A child fills memory and ends: free frames are full of its bytes.</summary>
    private static void Soil()
    {
        int child = Linux.Fork();
        if (child == 0)
        {
            nint memory = Pages.New(4 * Count);
            new Span<byte>((void*)memory, 4 * Count * Page).Fill(0xc3);
            Exit(0);
        }
        Child.Status(child);
    }

    private static bool IsZero(nint at, nint bytes)
    {
        for (nint i = 0; i < bytes / 8; i++)
            if (((ulong*)at)[i] != 0)
                return false;
        return true;
    }

    public static void Anonymous()
    {
        Soil();
        nint memory = Pages.New(Count);
        for (int i = 0; i < Count; i += 2)
            ((byte*)memory)[i * Page + 100] = 0;            // every second one by a write, the others by a read
        Check(IsZero(memory, Count * Page));
        Munmap(memory, Count * Page);
    }

    public static void SharedAnonymous()
    {
        Soil();
        nint memory = Pages.New(Count, Protection.ReadWrite, Map.SharedAnonymous);
        Check(IsZero(memory, Count * Page));
        Munmap(memory, Count * Page);
    }

    public static void Populated()
    {
        Soil();
        nint memory = Pages.New(Count, Protection.ReadWrite, Map.PrivateAnonymous | Map.Populate);
        Check(IsZero(memory, Count * Page));
        Munmap(memory, Count * Page);
    }

    public static void HugePages()
    {
        const nint huge = 2 << 20;
        Soil();
        nint memory = Mmap(0, 3 * huge, Protection.ReadWrite, Map.PrivateAnonymous);
        nint at = (memory + huge - 1) & -huge;
        Madvise(at, 2 * huge, Advice.HugePage);
        *(byte*)at = 0;
        Check(IsZero(at, 2 * huge));
        Munmap(memory, 3 * huge);
    }

    public static void Heap()
    {
        nint start = Brk(0);
        nint end = Brk(start + Count * Page);
        Check(IsZero(start, end - start));
        new Span<byte>((void*)start, (int)(end - start)).Fill(0xc3);
        Brk(start + 100);
        Brk(end);
        // The page that stayed keeps its bytes: what was cut off is new.
        nint page = (start + 100 + Page - 1) & -Page;
        Check(IsZero(page, end - page));
        Brk(start);
    }

    public static void Stack()
    {
        Soil();
        int child = Linux.Fork();
        if (child == 0)
        {
            byte* here = stackalloc byte[16];
            nint low = ((nint)here & -Page) - 64 * Page;
            Exit(IsZero(low, 60 * Page) ? 0 : 1);
        }
        Equal(0, Child.Status(child));
    }

    public static void Discarded()
    {
        nint memory = Pages.New(8);
        new Span<byte>((void*)memory, 8 * Page).Fill(0xc3);
        Madvise(memory, 8 * Page, Advice.DontNeed);
        Check(IsZero(memory, 8 * Page));
        Munmap(memory, 8 * Page);
    }

    public static void Grown()
    {
        Soil();
        nint memory = Pages.New(2);
        new Span<byte>((void*)memory, 2 * Page).Fill(0xc3);
        memory = Mremap(memory, 2 * Page, 20 * Page, Remap.MayMove);
        Check(IsZero(memory + 2 * Page, 18 * Page));
        Munmap(memory, 20 * Page);
    }

    public static void MemoryFile()
    {
        Soil();
        int file = MemFd("fresh"u8, 0);
        Truncate(file, 32 * Page);
        Check(IsFileZero(file, 0, 32 * Page));
        nint memory = Mmap(0, 32 * Page, Protection.ReadWrite, Map.Shared, file);
        Check(IsZero(memory, 32 * Page));
        Munmap(memory, 32 * Page);
        Close(file);
    }

    public static void HolesAndTails()
    {
        Soil();
        int file = Open("/tmp/suite-fresh"u8, 2 | 0x40 | 0x200, 0x1a4);
        byte* some = stackalloc byte[Page];
        new Span<byte>(some, Page).Fill(0xc3);
        Linux.Write(file, some, 100);
        PositionedWrite(file, some, 100, 10 * Page);
        Check(IsFileZero(file, 104, 10 * Page));
        nint memory = Mmap(0, 11 * Page, Protection.ReadWrite, Map.Shared, file);
        Check(IsZero(memory + 104, 10 * Page - 104));
        Check(IsZero(memory + 10 * Page + 104, Page - 104), "behind the end");
        // What a mapping wrote behind the end is never the file's, even when it grows.
        new Span<byte>((void*)(memory + 10 * Page + 104), Page - 104).Fill(0xc3);
        Truncate(file, 50);
        Truncate(file, 12 * Page);
        Check(IsFileZero(file, 56, 12 * Page));
        Munmap(memory, 11 * Page);
        Close(file);
        Unlink("/tmp/suite-fresh"u8);
    }

    public static void Segment()
    {
        Soil();
        int id = ShmGet(0, 16 * Page, 0x3b6);
        nint memory = ShmAttach(id, 0, 0);
        ShmControl(id, 0);
        Check(IsZero(memory, 16 * Page));
        ShmDetach(memory);
    }

    /// <summary>The kernel fills structures whole: the bytes between their fields and behind short names are its own, and zero.</summary>
    public static void Structures()
    {
        Soil();
        byte* room = stackalloc byte[1024];
        Filled(room);
        Syscall.Call(63, (nint)room);                       // uname: six names of 65 bytes
        for (int field = 0; field < 6; field++)
        {
            bool ended = false;
            for (int i = 0; i < 65; i++)
            {
                ended |= room[field * 65 + i] == 0;
                Check(!ended || room[field * 65 + i] == 0);
            }
        }

        Filled(room);
        Syscall.Call(5, 0, (nint)room);                     // fstat: padding behind the mode's group, three spare words
        Check(*(uint*)(room + 36) == 0 && IsZero((nint)room + 120, 24));
        Filled(room);
        fixed (byte* p = "/"u8)
            Syscall.Call(332, -100, (nint)p, 0, 0x7ff, (nint)room);
        Check(*(ushort*)(room + 30) == 0 && *(uint*)(room + 76) == 0 && IsZero((nint)room + 176, 80));
        Filled(room);
        Syscall.Call(99, (nint)room);                       // sysinfo: padding
        Check(*(ushort*)(room + 82) == 0 && *(uint*)(room + 84) == 0 && *(uint*)(room + 108) == 0);
        Filled(room);
        Syscall.Call(98, 0, (nint)room);                    // getrusage: fields that Linux does not keep
        Check(IsZero((nint)room + 40, 24) && IsZero((nint)room + 80, 8));
    }

    /// <summary>waitid writes six words whatever comes of it, zeros when there is no child, and leaves the rest of the structure alone.</summary>
    public static void WaitInformation()
    {
        const int noChild = -10, exited = 4, any = 0;
        byte* room = stackalloc byte[1024];
        foreach ((int kind, int options, nint expected) in ((int, int, nint)[])[(any, exited, noChild), (any, 0, Errno.Invalid), (9, exited, Errno.Invalid)])
        {
            Filled(room);
            Equal(expected, Syscall.Call(247, kind, 0, (nint)room, options, 0));
            Check(*(ulong*)room == 0 && *(uint*)(room + 8) == 0 && *(ulong*)(room + 16) == 0 && *(uint*)(room + 24) == 0, "the six words");
            Check(*(uint*)(room + 12) == 0xa5a5_a5a5 && *(uint*)(room + 28) == 0xa5a5_a5a5 && *(ulong*)(room + 120) == 0xa5a5_a5a5_a5a5_a5a5, "the others");
            Equal(Errno.BadAddress, Syscall.Call(247, kind, 0, 8, options, 0));
        }
    }

    /// <summary>A signal that is asked for comes in a structure of 128 bytes: 16 or 24 of them are said, all others are zero.</summary>
    public static void SignalsAskedFor()
    {
        const int block = 0, unblock = 1;
        byte* room = stackalloc byte[1024];
        ulong set = 1UL << (Signal.User2 - 1);
        nint* now = stackalloc nint[2] { 0, 0 };
        Syscall.Call(14, block, (nint)(&set), 0, 8);
        int file = (int)Syscall.Call(289, -1, (nint)(&set), 8, 0x800);
        Kill(GetPid(), Signal.User2);
        Filled(room);
        Equal(Signal.User2, Syscall.Call(128, (nint)(&set), (nint)room, (nint)now, 8));
        Check(*(uint*)(room + 12) == 0 && IsZero((nint)room + 24, 104), "rt_sigtimedwait");
        Kill(GetPid(), Signal.User2);
        Filled(room);
        Equal(128, Syscall.Call(0, file, (nint)room, 128));
        Check(IsZero((nint)room + 24, 104), "a signalfd");
        Syscall.Call(14, unblock, (nint)(&set), 0, 8);
        Close(file);
    }

    /// <summary>The structures of System V objects are written whole.</summary>
    public static void StructuresOfSegments()
    {
        const int stat = 2;
        byte* room = stackalloc byte[1024];
        nint id = Syscall.Call(29, 0, Page, 0x180);
        Filled(room);
        Equal(0, Syscall.Call(31, id, stat, (nint)room));
        Check(IsZero((nint)room + 32, 16) && IsZero((nint)room + 96, 16), "shmctl");
        Syscall.Call(31, id, 0, 0);
        id = Syscall.Call(68, 0, 0x180);
        Filled(room);
        Equal(0, Syscall.Call(71, id, stat, (nint)room));
        Check(IsZero((nint)room + 32, 16) && IsZero((nint)room + 104, 16), "msgctl");
        Syscall.Call(71, id, 0, 0);
        id = Syscall.Call(64, 0, 3, 0x180);
        Filled(room);
        Equal(0, Syscall.Call(66, id, 0, stat, (nint)room));
        Check(IsZero((nint)room + 32, 16) && IsZero((nint)room + 88, 16), "semctl");
        Syscall.Call(66, id, 0, 0, 0);
    }

    /// <summary>A signal's frame: what is not said of the signal is zero.</summary>
    public static void SignalInformation()
    {
        nint* action = stackalloc nint[4] { (nint)(delegate*<int, byte*, byte*, void>)&LookAtFrame, 0x0400_0004, Syscall.SignalRestorer(), 0 };
        Syscall.Call(13, Signal.User1, (nint)action, 0, 8);
        s_good = false;
        Soil();
        Kill(GetPid(), Signal.User1);
        Check(s_good);
        action[0] = 0;
        Syscall.Call(13, Signal.User1, (nint)action, 0, 8);
    }

    private static bool s_good;

    private static void LookAtFrame(int signal, byte* information, byte* context)
    {
        // Behind pid and uid, and the context's link. (The reserved words at its end are nobody's: the program's own old stack.)
        s_good = IsZero((nint)information + 24, 104) && *(ulong*)(context + 8) == 0;
    }

    private static void Filled(byte* room) => new Span<byte>(room, 1024).Fill(0xa5);

    private static bool IsFileZero(int file, nint from, nint to)
    {
        byte* page = stackalloc byte[Page];
        for (nint at = from; at < to; at += Page)
        {
            int bytes = (int)Math.Min(Page, to - at);
            if (PositionedRead(file, page, bytes, at) != bytes || !IsZero((nint)page, bytes))
                return false;
        }
        return true;
    }
}
