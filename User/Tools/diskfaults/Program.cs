using System;
using NanoVm.User.Suites;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Tools.DiskFaults;

/// <summary><c>diskfaults PART DIRECTORY</c>: who hears of it when a disk cannot be read or written, once, and nobody else. KTAP.</summary>
/// <remarks>
/// <c>Kernel.Tests/Qemu/DiskFaultTests.cs</c> makes the disks and says which sectors are bad: of <c>data</c> (64 pages, page i filled with i + 1)
/// the one of page <see cref="Bad"/>; of <c>long</c> the table that leads to what lies behind its first twelve pages.
/// </remarks>
internal static unsafe class Program
{
    private const int ReadWrite = 2, Create = 0x40, Truncating = 0x200, Synchronous = 0x101000, Direct = 0x4000, DirectoryFlag = 0x10000;
    private const int Size = 4096, PagesOfData = 64, Bad = 20, DirectPages = 12;
    private const int InputOutput = -5, BadAddress = -14;
    private const int SwapPages = 300;

    private static byte* s_memory;

    public static int Main()
    {
        if (Arguments.Count < 3)
            return 2;
        s_memory = (byte*)Pages.New(PagesOfData);
        fixed (byte* path = Arguments.At(2))
        {
            if (Syscall.Call(80, (nint)path) != 0)
                return 2;
        }
        ReadOnlySpan<byte> part = Arguments.At(1);
        if (part.SequenceEqual("read"u8))
        {
            return Run(
                new("A read stops before the bad page and says so there", &ReadStops),
                new("Reading ahead into a bad page costs nobody anything", &ReadingAhead),
                new("A mapping has SIGBUS at the bad page, and nowhere else", &MappedRead),
                new("A system call that reads a mapping's bad page says EFAULT", &CallReadsMapping),
                new("A direct read says EIO", &DirectRead),
                new("A part of the bad page cannot be written, another page can", &WriteIntoBad),
                new("Advice about a bad page is only advice", &AdviceOnBad));
        }
        if (part.SequenceEqual("write"u8))
        {
            return Run(
                new("fsync tells each descriptor once", &SyncTellsOnce),
                new("Who opens the file later is told if nobody was", &SyncTellsLater),
                new("msync says EIO", &MappedWrite),
                new("A direct write and a synchronous one say EIO", &DirectWrite),
                new("syncfs tells each descriptor once", &SyncFileSystem),
                new("Other files are written as ever", &OthersAreWritten));
        }
        if (part.SequenceEqual("metaread"u8))
        {
            return Run(
                new("Behind a table that cannot be read there is EIO, before it there is data", &BadTable),
                new("A directory that cannot be read has no names, and takes none", &BadDirectory),
                new("An inode that cannot be read cannot be asked for", &BadInode),
                new("Everything else is there", &OthersAreThere));
        }
        if (part.SequenceEqual("metawrite"u8))
        {
            return Run(
                new("fsync of a new file says EIO when its inode cannot be written", &BadInodeWrite),
                new("Other files are written as ever", &OthersAreWritten),
                new("The file is there while the machine runs", &NewFileIsThere));
        }
        if (part.SequenceEqual("swapread"u8))
            return Run(new TestCase("A page that swap has lost is SIGBUS for who touches it, and others are whole", &SwapRead));
        if (part.SequenceEqual("swapwrite"u8))
            return Run(new TestCase("A page that swap does not take stays in memory", &SwapWrite));
        return 2;
    }

    // ---- data ------------------------------------------------------------------------------------------------------------------

    private static void ReadStops()
    {
        int file = Open("data"u8, 0);
        Equal(Bad * Size, PositionedRead(file, s_memory, PagesOfData * Size, 0));
        Check(s_memory[0] == 1 && s_memory[Bad * Size - 1] == Bad);
        Equal(InputOutput, PositionedRead(file, s_memory, Size, Bad * Size));
        Equal(InputOutput, PositionedRead(file, s_memory, 1, Bad * Size + 77));
        Equal(100, PositionedRead(file, s_memory, 200, Bad * Size - 100));
        Equal((PagesOfData - Bad - 1) * Size, PositionedRead(file, s_memory, PagesOfData * Size, (Bad + 1) * Size));
        Check(s_memory[0] == Bad + 2);
        // The position stays where the data ended.
        Equal((Bad - 1) * Size, Seek(file, (Bad - 1) * Size, 0));
        Equal(Size, Read(file, s_memory, 4 * Size));
        Equal(InputOutput, Read(file, s_memory, 4 * Size));
        Equal(Bad * Size, Seek(file, 0, 1));
        Close(file);
    }

    private static void ReadingAhead()
    {
        int file = Open("data"u8, 0);
        Equal(0, Syscall.Call(221, file, 0, 0, 4));
        for (int page = 0; page < PagesOfData; page++)
        {
            Equal(page == Bad ? InputOutput : Size, PositionedRead(file, s_memory, Size, page * Size));
            Check(page == Bad || s_memory[Size - 1] == page + 1);
        }
        Close(file);
    }

    private static void MappedRead()
    {
        int file = Open("data"u8, ReadWrite);
        Equal(0, Syscall.Call(221, file, 0, 0, 4));
        foreach (int kind in (ReadOnlySpan<int>)[1, 2])
        {
            nint mapped = Mmap(0, PagesOfData * Size, Protection.ReadWrite, kind, file);
            Trap.Expect(Trap.Read(mapped + Bad * Size + 5), Signal.Bus, Trap.AddressError);
            Trap.Expect(Trap.Write(mapped + Bad * Size), Signal.Bus, Trap.AddressError);
            for (int page = 0; page < PagesOfData; page++)
            {
                if (page != Bad)
                    Equal(page + 1, ((byte*)mapped)[page * Size + 9]);
            }
            // Populating is only a wish, locking is not.
            Munmap(mapped, PagesOfData * Size);
        }
        nint populated = Mmap(0, PagesOfData * Size, Protection.Read, 1 | 0x8000, file);
        Check(!IsError(populated));
        Equal(BadAddress, Madvise(populated, PagesOfData * Size, 22));
        Munmap(populated, PagesOfData * Size);
        Close(file);
    }

    private static void CallReadsMapping()
    {
        int file = Open("data"u8, 0);
        nint mapped = Mmap(0, PagesOfData * Size, Protection.Read, 1, file);
        int* ends = stackalloc int[2];
        Equal(0, Pipe(ends));
        Equal(BadAddress, Write(ends[1], (void*)(mapped + Bad * Size), 10));
        Equal(10, Write(ends[1], (void*)(mapped + (Bad + 1) * Size), 10));
        Close(ends[0]);
        Close(ends[1]);
        Munmap(mapped, PagesOfData * Size);
        Close(file);
    }

    private static void DirectRead()
    {
        int file = Open("data"u8, Direct);
        Equal(InputOutput, PositionedRead(file, s_memory, Size, Bad * Size));
        Equal(Size, PositionedRead(file, s_memory, Size, (Bad + 1) * Size));
        Equal(Bad + 2, s_memory[0]);
        Close(file);
    }

    private static void WriteIntoBad()
    {
        int file = Open("data"u8, ReadWrite);
        s_memory[0] = Bad + 1;
        Equal(InputOutput, PositionedWrite(file, s_memory, 1, Bad * Size + 100));
        s_memory[0] = Bad + 2;
        Equal(1, PositionedWrite(file, s_memory, 1, (Bad + 1) * Size + 100));
        Equal(0, Syscall.Call(74, file));
        // A whole page need not be read first. The next reader finds it in memory.
        new Span<byte>(s_memory, Size).Fill(Bad + 1);
        Equal(Size, PositionedWrite(file, s_memory, Size, Bad * Size));
        s_memory[7] = 0;
        Equal(Size, PositionedRead(file, s_memory, Size, Bad * Size));
        Equal(Bad + 1, s_memory[7]);
        Equal(0, Syscall.Call(74, file));
        Equal(0, Syscall.Call(221, file, 0, 0, 4));
        Close(file);
    }

    private static void AdviceOnBad()
    {
        int file = Open("data"u8, 0);
        Equal(0, Syscall.Call(221, file, 0, 0, 4));
        Equal(0, Syscall.Call(187, file, 0, PagesOfData * Size));
        Equal(0, Syscall.Call(221, file, 0, 0, 3));
        Equal(Size, PositionedRead(file, s_memory, Size, (Bad - 1) * Size));
        Equal(InputOutput, PositionedRead(file, s_memory, Size, Bad * Size));
        Close(file);
    }

    private static void SyncTellsOnce()
    {
        int first = Open("data"u8, ReadWrite), second = Open("data"u8, ReadWrite), reader = Open("data"u8, 0);
        WritePages(first, Bad - 1, 3, 100);
        Equal(InputOutput, Syscall.Call(74, first));
        Equal(0, Syscall.Call(74, first));
        Equal(InputOutput, Syscall.Call(75, second));
        Equal(0, Syscall.Call(74, second));
        Equal(InputOutput, Syscall.Call(74, reader));
        Equal(0, Syscall.Call(74, reader));
        // It was told: who comes now need not hear of it. What was written is in memory, and the pages beside it are on the disk.
        int later = Open("data"u8, ReadWrite);
        Equal(0, Syscall.Call(74, later));
        Equal(Size, PositionedRead(later, s_memory, Size, Bad * Size));
        Equal(100 + Bad, s_memory[0]);
        Close(first);
        Close(second);
        Close(reader);
        Close(later);
    }

    private static void SyncTellsLater()
    {
        int first = Open("data"u8, ReadWrite);
        WritePages(first, Bad, 1, 100);
        Equal(0, Syscall.Call(162));
        Equal(0, Close(first));
        int later = Open("data"u8, ReadWrite);
        Equal(InputOutput, Syscall.Call(74, later));
        Equal(0, Syscall.Call(74, later));
        Close(later);
    }

    private static void MappedWrite()
    {
        int file = Open("data"u8, ReadWrite), other = Open("data"u8, 0);
        nint mapped = Mmap(0, PagesOfData * Size, Protection.ReadWrite, 1, file);
        ((byte*)mapped)[Bad * Size] = 1;
        Equal(InputOutput, Msync(mapped + Bad * Size, Size, 4));
        Equal(0, Msync(mapped, PagesOfData * Size, 4));
        ((byte*)mapped)[Bad * Size + 1] = 1;
        Equal(0, Msync(mapped, PagesOfData * Size, 1));      // later: nothing to say yet
        Equal(InputOutput, Syscall.Call(277, file, 0, 0, 7));
        Equal(InputOutput, Syscall.Call(74, other));
        Munmap(mapped, PagesOfData * Size);
        Close(file);
        Close(other);
    }

    private static void DirectWrite()
    {
        int file = Open("data"u8, ReadWrite | Direct);
        Equal(InputOutput, PositionedWrite(file, s_memory, Size, Bad * Size));
        new Span<byte>(s_memory, Size).Fill(22);
        Equal(Size, PositionedWrite(file, s_memory, Size, 21 * Size));
        Close(file);
        file = Open("data"u8, ReadWrite | Synchronous);
        Equal(InputOutput, PositionedWrite(file, s_memory, Size, Bad * Size));
        Equal(Size, PositionedWrite(file, s_memory, Size, 21 * Size));
        Close(file);
    }

    private static void SyncFileSystem()
    {
        int file = Open("data"u8, ReadWrite), watcher = Open("."u8, DirectoryFlag), other = Open("good"u8, 0);
        Syscall.Call(306, watcher);
        WritePages(file, Bad, 1, 100);
        Equal(InputOutput, Syscall.Call(306, watcher));
        Equal(0, Syscall.Call(306, watcher));
        Equal(InputOutput, Syscall.Call(306, other));
        Equal(0, Syscall.Call(306, other));
        Equal(0, Syscall.Call(74, other));                   // its own contents are fine
        Close(file);
        Close(watcher);
        Close(other);
    }

    private static void OthersAreWritten()
    {
        int file = Open("good"u8, ReadWrite);
        Syscall.Call(74, file);
        WritePages(file, 0, 4, 50);
        Equal(0, Syscall.Call(74, file));
        Equal(0, Syscall.Call(221, file, 0, 0, 4));
        Equal(Size, PositionedRead(file, s_memory, Size, 3 * Size));
        Equal(53, s_memory[5]);
        Close(file);
    }

    // ---- metadata ----------------------------------------------------------------------------------------------------------------

    private static void BadTable()
    {
        int file = Open("long"u8, ReadWrite);
        Equal(DirectPages * Size, PositionedRead(file, s_memory, PagesOfData * Size, 0));
        Equal(InputOutput, PositionedRead(file, s_memory, Size, DirectPages * Size));
        nint mapped = Mmap(0, PagesOfData * Size, Protection.ReadWrite, 1, file);
        Trap.Expect(Trap.Read(mapped + (DirectPages + 3) * Size), Signal.Bus, Trap.AddressError);
        Trap.Expect(Trap.Write(mapped + (DirectPages + 3) * Size), Signal.Bus, Trap.AddressError);
        Equal(3, ((byte*)mapped)[2 * Size]);
        Munmap(mapped, PagesOfData * Size);
        Equal(InputOutput, PositionedWrite(file, s_memory, Size, 100 * Size));
        Equal(1, PositionedWrite(file, s_memory, 1, 5 * Size));
        Equal(0, Syscall.Call(74, file));
        Close(file);
    }

    private static void BadDirectory()
    {
        Equal(InputOutput, Open("bad/name"u8, 0));
        Equal(InputOutput, Open("bad/new"u8, ReadWrite | Create, 0x1a4));
        Equal(InputOutput, Rename("good"u8, "bad/good"u8));
        Equal(InputOutput, RemoveDirectory("bad"u8));
        int directory = Open("bad"u8, DirectoryFlag);
        Check(directory >= 0);
        Check(Syscall.Call(217, directory, (nint)s_memory, Size) <= 0);
        Close(directory);
    }

    private static void BadInode()
    {
        Equal(InputOutput, Open("many/last"u8, 0));
        Equal(InputOutput, Unlink("many/last"u8));
        Equal(InputOutput, Rename("many/last"u8, "first"u8));
    }

    private static void OthersAreThere()
    {
        int file = Open("data"u8, 0);
        Equal(PagesOfData * Size, PositionedRead(file, s_memory, PagesOfData * Size, 0));
        for (int page = 0; page < PagesOfData; page++)
            Equal(page + 1, s_memory[page * Size]);
        Close(file);
        OthersAreWritten();
    }

    private static void BadInodeWrite()
    {
        int file = Open("many/last"u8, ReadWrite | Truncating);
        Check(file >= 0);
        WritePages(file, 0, 2, 70);
        Equal(InputOutput, Syscall.Call(74, file));
        Close(file);
        Syscall.Call(162);
    }

    private static void NewFileIsThere()
    {
        int file = Open("many/last"u8, 0);
        Equal(2 * Size, Read(file, s_memory, 4 * Size));
        Check(s_memory[0] == 70 && s_memory[Size] == 71);
        Close(file);
    }

    // ---- swap --------------------------------------------------------------------------------------------------------------------

    private static void SwapRead()
    {
        byte* memory = Filled();
        Equal(0, Madvise((nint)memory, SwapPages * Size, 21));
        int lost = 0;
        for (int page = 0; page < SwapPages; page++)
        {
            Trap.Report report = Trap.Read((nint)memory + page * Size);
            if (report.Signal != 0)
            {
                Trap.Expect(report, Signal.Bus, Trap.AddressError);
                lost++;
                // A call that needs the page is refused, too; and the page can be had anew.
                Equal(BadAddress, Write(1, memory + page * Size, 1));
                Equal(0, Madvise((nint)memory + page * Size, Size, 4));
                Equal(0, memory[page * Size]);
                continue;
            }
            Equal(page * 7 % 251, memory[page * Size + 100]);
        }
        Equal(4, lost);
        Munmap((nint)memory, SwapPages * Size);
    }

    private static void SwapWrite()
    {
        byte* memory = Filled();
        Equal(0, Madvise((nint)memory, SwapPages * Size, 21));
        for (int page = 0; page < SwapPages; page++)
        {
            for (int at = 0; at < Size; at += 512)
                Equal(page * 7 % 251, memory[page * Size + at]);
        }
        Munmap((nint)memory, SwapPages * Size);
    }

    private static byte* Filled()
    {
        byte* memory = (byte*)Mmap(0, SwapPages * Size, Protection.ReadWrite, 0x22);
        for (int page = 0; page < SwapPages; page++)
            new Span<byte>(memory + page * Size, Size).Fill((byte)(page * 7 % 251));
        return memory;
    }

    private static void WritePages(int file, int first, int count, int value)
    {
        for (int page = first; page < first + count; page++)
        {
            new Span<byte>(s_memory, Size).Fill((byte)(value + page));
            Equal(Size, PositionedWrite(file, s_memory, Size, page * Size));
        }
    }
}
