using System;
using System.Threading;
using NanoVm.User.Suites;
using static NanoVm.User.Ktap;

namespace NanoVm.User.Tools.DiskCases;

/// <summary>
/// <c>diskcases DIRECTORY</c>: what programs see of files on a disk; <c>diskcases DIRECTORY names</c>: what they see on every file system. KTAP; as root,
/// also on Linux's ext2 of 256-byte inodes: <c>tools/compare-linux.sh --disk 64M --on linux,nanovm --program …/diskcases /mnt</c>.
/// </summary>
internal static unsafe partial class Program
{
    private const int ReadWrite = 2, Create = 0x40, Truncating = 0x200, Append = 0x400, DataSync = 0x1000, Direct = 0x4000;
    private const int Page = 4096;
    private const int BadDescriptor = -9, Fault = -14, Invalid = -22, NoRoom = -28, IllegalSeek = -29;

    public static int Main()
    {
        if (Arguments.Count < 2)
            return 2;
        fixed (byte* path = Arguments.At(1))
        {
            if (Syscall.Call(80, (nint)path) != 0)
                return 2;
        }
        int file = Linux.Open("."u8, 0);
        long* numbers = stackalloc long[15];
        s_isExt2 = Syscall.Call(138, file, (nint)numbers) == 0 && numbers[0] == 0xEF53;
        Linux.Close(file);
        if (Arguments.Count > 3)
            return Lookups(Arguments.At(3));
        return Arguments.Count > 2 ? RunNames() : RunDisk();
    }

    private static int RunNames() => Run(
        new("A rename refuses what it must, in Linux's order", &RenameRefuses),
        new("A rename moves links, parents and open files", &RenameMoves),
        new("Links are counted", &LinksCount),
        new("A file without a name can get one, once", &Unnamed),
        new("A file that was removed lives while it is open, across syncs", &OpenWithoutName),
        new("Each call changes the times that it should", &TimesOfCalls),
        new("Extended attributes", &Attributes),
        new("Numbers of the file system", &Numbers),
        new("Reserving room refuses what it must", &Reserving),
        new("Symbolic links and names of every length", &SymbolicLinks),
        new("A directory is read once, whatever goes meanwhile", &ReadingDirectories),
        new("Vectors, appending, bad memory", &Vectors));

    private static int RunDisk() => Run(
        new("Direct I/O wants whole sectors, of the file, of memory and of length", &DirectAlignment),
        new("A direct read sees what was written to the cache and through a mapping", &DirectReadSees),
        new("A direct write is seen by buffered readers and by mappings", &DirectWriteSeen),
        new("A direct read is short at the end and zeros in a hole", &DirectEndAndHole),
        new("A direct write makes a file longer, by whole blocks and by less", &DirectGrows),
        new("Direct I/O refuses memory that may not be used so", &DirectFaults),
        new("A direct read arrives, whatever others do to its page meanwhile", &DirectReadUnderPressure),
        new("A mapping's store behind the old end survives growth", &MappedGrowth),
        new("A mapping that was synced hears of the next store", &StoreAfterSync),
        new("Bytes behind the end in a mapping never become the file's", &BehindTheEnd),
        new("Data and holes are where they are", &DataAndHoles),
        new("Changes that are truncated away count as cancelled writes", &CancelledWrites),
        new("Sequential reading takes few requests, random reading no more than it asks for", &ReadAheadCounts),
        new("Advice brings pages into memory and out of it", &Advice),
        new("The calls that sync refuse what they must and do the rest", &SyncCalls),
        new("Only the file that is synced is written", &SyncWritesOne),
        new("Three thousand names in one directory come, are found and go", &ManyNames),
        new("Times keep their nanoseconds when the inode is read again", &Times),
        new("A file that was removed gives its room back", &RoomComesBack),
        new("Truncation takes the blocks and the pages of mappings", &TruncateMapped),
        new("A full disk says ENOSPC to writers, SIGBUS to mappings, and has room again", &FullDisk));

    // ---- O_DIRECT ----------------------------------------------------------------------------------------------------------------

    private static void DirectAlignment()
    {
        byte* memory = Memory(4 * Page, 1);
        int file = Linux.Open("direct"u8, ReadWrite | Create | Truncating | Direct, 0x1a4);
        Equal(2 * Page, Linux.PositionedWrite(file, memory, 2 * Page, 0));
        Equal(Invalid, Linux.PositionedWrite(file, memory + 1, Page, 0));
        Equal(Invalid, Linux.PositionedWrite(file, memory, Page, 7));
        Equal(Invalid, Linux.PositionedWrite(file, memory, 100, 0));
        Equal(Invalid, Linux.PositionedRead(file, memory + 8, 512, 0));
        Equal(Invalid, Linux.PositionedRead(file, memory, 513, 0));
        Equal(512, Linux.PositionedRead(file, memory + 512, 512, 512));
        Equal(0, Linux.PositionedRead(file, memory + 3, 1, 2 * Page));
        Remove(file, "direct"u8, memory, 4 * Page);
    }

    private static void DirectReadSees()
    {
        byte* memory = Memory(4 * Page, 0);
        int cached = Linux.Open("both"u8, ReadWrite | Create | Truncating, 0x1a4);
        int direct = Linux.Open("both"u8, ReadWrite | Direct);
        Fill(memory, 4 * Page, 3);
        Equal(4 * Page, Linux.Write(cached, memory, 4 * Page));
        byte* mapped = Map(cached, 4 * Page);
        mapped[5000] = 99;
        Fill(memory, 4 * Page, 0);
        Equal(4 * Page, Linux.PositionedRead(direct, memory, 4 * Page, 0));
        Check(memory[0] == 3 && memory[5000] == 99 && memory[4 * Page - 1] == 3);
        mapped[5001] = 98;
        Equal(Page, Linux.PositionedRead(direct, memory, Page, Page));
        Check(memory[5001 - Page] == 98);
        Linux.Munmap((nint)mapped, 4 * Page);
        Linux.Close(direct);
        Remove(cached, "both"u8, memory, 4 * Page);
    }

    private static void DirectWriteSeen()
    {
        byte* memory = Memory(4 * Page, 5);
        int cached = Linux.Open("both"u8, ReadWrite | Create | Truncating, 0x1a4);
        int direct = Linux.Open("both"u8, ReadWrite | Direct);
        Equal(4 * Page, Linux.Write(cached, memory, 4 * Page));
        byte* mapped = Map(cached, 4 * Page);
        Check(mapped[0] == 5 && mapped[Page] == 5);
        mapped[10] = 77;
        Fill(memory, 4 * Page, 6);
        Equal(Page + 512, Linux.PositionedWrite(direct, memory, Page + 512, Page));
        byte back = 0;
        Equal(1, Linux.PositionedRead(cached, &back, 1, Page + 100));
        Equal(6, back);
        Check(mapped[Page] == 6 && mapped[2 * Page + 511] == 6 && mapped[2 * Page + 512] == 5 && mapped[10] == 77);
        Linux.Munmap((nint)mapped, 4 * Page);
        Linux.Close(direct);
        Remove(cached, "both"u8, memory, 4 * Page);
    }

    private static void DirectEndAndHole()
    {
        byte* memory = Memory(8 * Page, 9);
        int cached = Linux.Open("hole"u8, ReadWrite | Create | Truncating, 0x1a4);
        int direct = Linux.Open("hole"u8, ReadWrite | Direct);
        Equal(700, Linux.PositionedWrite(cached, memory, 700, 5 * Page));
        Fill(memory, 8 * Page, 1);
        Equal(5 * Page + 700, Linux.PositionedRead(direct, memory, 8 * Page, 0));
        Check(All(memory, 5 * Page, 0) && All(memory + 5 * Page, 700, 9));
        Equal(700 - 512, Linux.PositionedRead(direct, memory, Page, 5 * Page + 512));
        Equal(0, Linux.PositionedRead(direct, memory, Page, 6 * Page));
        // A direct write into the hole is as good as any.
        Fill(memory, Page, 4);
        Equal(512, Linux.PositionedWrite(direct, memory, 512, Page + 512));
        Equal(2 * Page, Linux.PositionedRead(cached, memory + Page, 2 * Page, Page));
        Check(All(memory + Page, 512, 0) && All(memory + Page + 512, 512, 4) && All(memory + Page + 1024, 2 * Page - 1024, 0));
        Linux.Close(direct);
        Remove(cached, "hole"u8, memory, 8 * Page);
    }

    private static void DirectGrows()
    {
        byte* memory = Memory(64 * Page, 11);
        int direct = Linux.Open("grow"u8, ReadWrite | Create | Truncating | Direct, 0x1a4);
        int cached = Linux.Open("grow"u8, ReadWrite);
        Equal(64 * Page, Linux.Write(direct, memory, 64 * Page));
        Equal(512, Linux.Write(direct, memory, 512));
        Equal(64 * Page + 512, Linux.Seek(cached, 0, 2));
        Equal(1536, Linux.PositionedWrite(direct, memory, 1536, 100 * Page));
        Equal(100 * Page + 1536, Linux.Seek(cached, 0, 2));
        byte* back = Memory(Page, 1);
        Equal(Page, Linux.PositionedRead(cached, back, Page, 64 * Page));
        Check(All(back, 512, 11) && All(back + 512, Page - 512, 0));
        Equal(1536, Linux.PositionedRead(cached, back, Page, 100 * Page));
        Check(All(back, 1536, 11));
        Linux.Munmap((nint)back, Page);
        Linux.Close(cached);
        Remove(direct, "grow"u8, memory, 64 * Page);
    }

    private static void DirectFaults()
    {
        byte* memory = Memory(4 * Page, 2);
        int direct = Linux.Open("fault"u8, ReadWrite | Create | Truncating | Direct, 0x1a4);
        Equal(4 * Page, Linux.Write(direct, memory, 4 * Page));
        Linux.Munmap((nint)memory + 2 * Page, Page);
        Equal(Fault, Linux.PositionedRead(direct, memory + 2 * Page, Page, 0));
        Equal(Fault, Linux.PositionedWrite(direct, memory + 2 * Page, Page, 0));
        Linux.Mprotect((nint)memory, Page, 1);
        Equal(Fault, Linux.PositionedRead(direct, memory, Page, 0));
        Equal(Page, Linux.PositionedWrite(direct, memory, Page, 0));
        // A frame that a child shares is copied before the disk writes to it.
        Linux.Mprotect((nint)memory, Page, 3);
        memory[Page] = 50;
        int child = Linux.Fork();
        if (child == 0)
        {
            long read = Linux.PositionedRead(direct, memory + Page, Page, 0);
            Linux.Exit(read == Page && memory[Page] == 2 ? 0 : 1);
        }
        Linux.Wait(child, out int status);
        Equal(0, status);
        Equal(50, memory[Page]);
        Remove(direct, "fault"u8, memory, 4 * Page);
    }

    private static byte* s_pressed;
    private static int s_pressing;

    private static void DirectReadUnderPressure()
    {
        const int Reads = 1000, Pages = 16, StackBytes = 4 * Page;
        // A thread as a C library makes it: VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, CHILD_CLEARTID.
        const int ThreadFlags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x200000;
        byte* memory = Memory(Page, 0);
        int direct = Linux.Open("pressed"u8, ReadWrite | Create | Truncating | Direct, 0x1a4);
        for (int i = 0; i < Pages; i++)
        {
            Fill(memory, Page, (byte)(i + 1));
            Equal(Page, Linux.PositionedWrite(direct, memory, Page, i * Page));
        }

        s_pressed = memory;
        s_pressing = 1;
        int thread = 1;
        byte* stack = Memory(StackBytes, 0);
        nint* top = (nint*)(stack + StackBytes - 64);
        delegate*<void> first = &Press;
        top[0] = (nint)first;
        Check(Syscall.Call(56, ThreadFlags, (nint)top, 0, (nint)(&thread)) > 0);
        int wrong = 0;
        for (int i = 0; i < Reads; i++)
        {
            int at = i * 7 % Pages;
            if (Linux.PositionedRead(direct, memory, 1024, at * Page) != 1024 || !All(memory, 1024, (byte)(at + 1)))
                wrong++;
        }

        Volatile.Write(ref s_pressing, 0);
        while (Volatile.Read(ref thread) != 0)
            Syscall.Call(24);
        Equal(0, wrong);
        Linux.Munmap((nint)stack, StackBytes);
        Remove(direct, "pressed"u8, memory, Page);
    }

    // Out to swap where there is any, back by a look at it, then a store beside what the disk writes: that must not make it another page.
    private static void Press()
    {
        while (Volatile.Read(ref s_pressing) != 0)
        {
            Syscall.Call(28, (nint)s_pressed, Page, 21);
            _ = Volatile.Read(ref s_pressed[2048]);
            Volatile.Write(ref s_pressed[2049], 1);
        }

        Syscall.Call(60, 0);
    }

    // ---- mappings ----------------------------------------------------------------------------------------------------------------

    private static void MappedGrowth()
    {
        int file = Linux.Open("growth"u8, ReadWrite | Create | Truncating, 0x1a4);
        Equal(0, Linux.Truncate(file, 100));
        byte* mapped = Map(file, Page);
        mapped[10] = 1;
        // Where blocks are smaller than pages, those behind the old end have no room on the disk yet.
        Equal(0, Linux.Truncate(file, Page));
        mapped[3000] = 2;
        Equal(0, Linux.Msync((nint)mapped, Page, 4));
        Linux.Munmap((nint)mapped, Page);
        Forget(file);
        byte back = 0;
        Equal(1, Linux.PositionedRead(file, &back, 1, 3000));
        Equal(2, back);
        Remove(file, "growth"u8, null, 0);
    }

    private static void StoreAfterSync()
    {
        int file = Linux.Open("again"u8, ReadWrite | Create | Truncating, 0x1a4);
        Equal(0, Linux.Truncate(file, 8 * Page));
        byte* mapped = Map(file, 8 * Page);
        for (int round = 1; round <= 3; round++)
        {
            for (int i = 0; i < 8; i++)
                mapped[i * Page + round] = (byte)round;
            Equal(0, round == 2 ? Syscall.Call(75, file) : Linux.Msync((nint)mapped, 8 * Page, 4));
        }
        Linux.Munmap((nint)mapped, 8 * Page);
        Forget(file);
        byte* back = Memory(8 * Page, 0);
        Equal(8 * Page, Linux.PositionedRead(file, back, 8 * Page, 0));
        for (int i = 0; i < 8; i++)
            Check(back[i * Page + 1] == 1 && back[i * Page + 2] == 2 && back[i * Page + 3] == 3);
        Remove(file, "again"u8, back, 8 * Page);
    }

    private static void BehindTheEnd()
    {
        int file = Linux.Open("behind"u8, ReadWrite | Create | Truncating, 0x1a4);
        Equal(0, Linux.Truncate(file, 1000));
        byte* mapped = Map(file, Page);
        mapped[2000] = 66;
        Equal(0, Linux.Truncate(file, 3000));
        mapped[3500] = 66;
        Equal(0, Linux.Msync((nint)mapped, Page, 4));
        Linux.Munmap((nint)mapped, Page);
        Forget(file);
        Equal(0, Linux.Truncate(file, Page));
        byte back = 1;
        Equal(1, Linux.PositionedRead(file, &back, 1, 3500));
        Equal(0, back);
        Remove(file, "behind"u8, null, 0);
    }

    private static void TruncateMapped()
    {
        int file = Linux.Open("cut"u8, ReadWrite | Create | Truncating, 0x1a4);
        byte* memory = Memory(16 * Page, 8);
        Equal(16 * Page, Linux.Write(file, memory, 16 * Page));
        byte* mapped = Map(file, 16 * Page);
        mapped[10 * Page] = 1;
        Equal(0, Linux.Truncate(file, 4 * Page + 10));
        int child = Linux.Fork();
        if (child == 0)
        {
            mapped[5 * Page] = 1;
            Linux.Exit(0);
        }
        Linux.Wait(child, out int status);
        Equal(7, status & 0x7f);
        Equal(0, mapped[4 * Page + 10]);
        Check(BlocksOf(file) is > 0 and <= 5 * Page / 512 + 8);
        Equal(0, Linux.Truncate(file, 0));
        Equal(0, BlocksOf(file));
        Linux.Munmap((nint)mapped, 16 * Page);
        Remove(file, "cut"u8, memory, 16 * Page);
    }
}
