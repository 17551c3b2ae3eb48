using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Pages;

namespace NanoVm.User.Suites.FileMaps;

/// <summary>Mappings of files: who sees whose bytes, what truncation, holes and unlinking do, what other calls share the page cache.</summary>
internal static unsafe class Program
{
    public static int Main() => Run(
        new("Shared mappings in two processes see each other at once", &TwoProcesses),
        new("A private mapping sees the file's changes until it is written", &PrivateSees),
        new("Two private mappings keep two copies", &TwoCopies),
        new("A private copy is by page, not by byte", &CopyByPage),
        new("write and mmap see the same bytes, both ways", &WriteAndMap),
        new("Offsets count from the file's beginning", &Offsets),
        new("A hole reads zero and is filled by writing", &HoleFilled),
        new("A mapping larger than its file keeps its size", &LargerThanFile),
        new("A file grown by truncate grows under its mapping", &GrownUnder),
        new("A file grown by write does too", &GrownByWrite),
        new("Bytes written behind the end do not make the file larger", &BehindEnd),
        new("Truncation to zero and back gives zeros", &TruncateZero),
        new("Truncation in the middle of a page clears its rest", &TruncateMiddle),
        new("A private copy outlives the file's change", &CopyOutlives),
        new("An unlinked file stays mapped, and its name says so", &Unlinked),
        new("A renamed file's new name is shown", &Renamed),
        new("Closing all descriptors leaves the mapping writable", &ClosedWritable),
        new("A mapping made read-write from O_RDWR may change its rights", &RightsOfDescriptor),
        new("O_RDONLY: a shared mapping can be executed, not written", &ReadOnlyDescriptor),
        new("fork shares a shared file mapping", &ForkShared),
        new("fork copies private pages on writing, both ways", &ForkPrivate),
        new("read into a mapping of the same file", &ReadIntoOwn),
        new("write from a mapping of the same file", &WriteFromOwn),
        new("read across the end of a mapping fills what there is", &ReadPartly),
        new("write from a hole behind a mapping writes what there is", &WritePartly),
        new("write from beyond a file's end is EFAULT, not a signal", &WriteFromBeyond),
        new("mincore tells of pages brought by read", &CachedByRead),
        new("Read faults bring neighbours in, write faults do not copy them", &FaultAround),
        new("A write fault of a shared mapping brings no neighbours", &WriteFaultAlone),
        new("fallocate grows a file and its mapping", &FallocateGrows),
        new("Punched holes read zero in every mapping", &Punched),
        new("Each descriptor's mapping counts in maps by inode", &Inode),
        new("smaps: clean and dirty, shared and private", &SmapsKinds),
        new("VmRSS counts file pages apart from anonymous ones", &RssKinds),
        new("A mapped file can be opened with O_TRUNC", &OpenTruncates),
        new("MAP_POPULATE of a file maps every page", &Populated),
        new("A private mapping made writable later is counted as data", &AccountedLater),
        new("sendfile's bytes come from the mapping's pages", &SendFile),
        new("A thousand mappings of one page", &ManyMappings),
        new("exec of a file that is mapped writable is ETXTBSY only while it is open for writing", &TextBusy));

    private static byte ByteOf(int file, nint offset)
    {
        byte value = 0xff;
        PositionedRead(file, &value, 1, offset);
        return value;
    }

    private static void SetByte(int file, nint offset, byte value) => PositionedWrite(file, &value, 1, offset);

    private static nint MapAll(int file, int pages, int type, int protection = Protection.ReadWrite) => Mmap(0, pages * Page, protection, type, file);

    private static void TwoProcesses()
    {
        int file = NewFile(1);
        nint a = MapAll(file, 1, Map.Shared);
        int* ends = stackalloc int[2], back = stackalloc int[2];
        Pipe(ends);
        Pipe(back);
        int pid = Linux.Fork();
        byte token = 0;
        if (pid == 0)
        {
            Linux.Read(ends[0], &token, 1);
            byte seen = At(a);
            *(byte*)(a + 1) = 66;
            Linux.Write(back[1], &token, 1);
            Exit(seen);
        }
        *(byte*)a = 55;
        Linux.Write(ends[1], &token, 1);
        Linux.Read(back[0], &token, 1);
        Equal(66, At(a + 1));
        Equal(55, Child.Status(pid));
        Drop(a, 1);
        Close(file);
        Close(ends[0]);
        Close(ends[1]);
        Close(back[0]);
        Close(back[1]);
    }

    private static void PrivateSees()
    {
        int file = NewFile(1);
        nint a = MapAll(file, 1, Map.Private);
        Equal(1, At(a + 10));
        SetByte(file, 10, 50);
        Equal(50, At(a + 10));
        *(byte*)(a + 11) = 1;
        SetByte(file, 10, 51);
        Equal(50, At(a + 10));
        Drop(a, 1);
        Close(file);
    }

    private static void TwoCopies()
    {
        int file = NewFile(1);
        nint a = MapAll(file, 1, Map.Private), b = MapAll(file, 1, Map.Private);
        *(byte*)a = 7;
        *(byte*)b = 8;
        Equal(7, At(a));
        Equal(8, At(b));
        Equal(1, ByteOf(file, 0));
        Drop(a, 1);
        Drop(b, 1);
        Close(file);
    }

    private static void CopyByPage()
    {
        int file = NewFile(2);
        nint a = MapAll(file, 2, Map.Private);
        *(byte*)a = 9;
        SetByte(file, 5, 70);
        SetByte(file, Page + 5, 71);
        Equal(1, At(a + 5));
        Equal(71, At(a + Page + 5));
        Drop(a, 2);
        Close(file);
    }

    private static void WriteAndMap()
    {
        int file = NewFile(2);
        nint a = MapAll(file, 2, Map.Shared);
        SetByte(file, Page + 3, 30);
        Equal(30, At(a + Page + 3));
        *(byte*)(a + Page + 4) = 31;
        Equal(31, ByteOf(file, Page + 4));
        Drop(a, 2);
        Close(file);
    }

    private static void Offsets()
    {
        int file = NewFile(5);
        nint a = Mmap(0, 2 * Page, Protection.Read, Map.Private, file, 3 * Page);
        Equal(4, At(a));
        Equal(5, At(a + Page));
        Equal(Errno.Invalid, Mmap(0, Page, Protection.Read, Map.Private, file, 100));
        nint b = Mmap(0, Page, Protection.Read, Map.Private, file, 100 * Page);
        Check(!IsError(b));
        Equal(Signal.Bus, Child.SignalOfRead(b));
        Drop(a, 2);
        Drop(b, 1);
        Close(file);
    }

    private static void HoleFilled()
    {
        int file = NewFile(0);
        Truncate(file, 64 * Page);
        nint a = MapAll(file, 64, Map.Shared);
        Equal(0, At(a + 30 * Page));
        *(byte*)(a + 30 * Page) = 5;
        Equal(5, ByteOf(file, 30 * Page));
        Equal(0, ByteOf(file, 31 * Page));
        Drop(a, 64);
        Close(file);
    }

    private static void LargerThanFile()
    {
        int file = NewFile(1);
        nint a = Room(4);
        Mmap(a, 4 * Page, Protection.Read, Map.Shared | Map.Fixed, file);
        Look(a, "RRRR"u8);
        Equal(1, At(a));
        Equal(Signal.Bus, Child.SignalOfRead(a + Page));
        Drop(a, 4);
        Close(file);
    }

    private static void GrownUnder()
    {
        int file = NewFile(1);
        nint a = MapAll(file, 3, Map.Shared);
        Equal(Signal.Bus, Child.SignalOfWrite(a + Page));
        Truncate(file, 2 * Page);
        Equal(0, Child.SignalOfWrite(a + Page));
        Equal(Signal.Bus, Child.SignalOfWrite(a + 2 * Page));
        Equal(1, ByteOf(file, Page));
        Drop(a, 3);
        Close(file);
    }

    private static void GrownByWrite()
    {
        int file = NewFile(1);
        nint a = MapAll(file, 2, Map.Private);
        Equal(Signal.Bus, Child.SignalOfRead(a + Page));
        SetByte(file, Page, 44);
        Equal(44, At(a + Page));
        Drop(a, 2);
        Close(file);
    }

    private static void BehindEnd()
    {
        int file = NewFile(1);
        Truncate(file, 100);
        nint a = MapAll(file, 1, Map.Shared);
        *(byte*)(a + 200) = 9;
        Equal(100, Seek(file, 0, 2));
        byte back = 77;
        Equal(0, PositionedRead(file, &back, 1, 200));
        Equal(77, back);
        Drop(a, 1);
        Close(file);
    }

    private static void TruncateZero()
    {
        int file = NewFile(2);
        nint a = MapAll(file, 2, Map.Shared);
        Equal(2, At(a + Page));
        Truncate(file, 0);
        Equal(Signal.Bus, Child.SignalOfRead(a));
        Truncate(file, 2 * Page);
        Equal(0, At(a));
        Equal(0, At(a + Page));
        Drop(a, 2);
        Close(file);
    }

    private static void TruncateMiddle()
    {
        int file = NewFile(2);
        nint a = MapAll(file, 2, Map.Shared), b = MapAll(file, 2, Map.Private);
        *(byte*)b = 60;             // a copy keeps its bytes
        Truncate(file, 10);
        Equal(1, At(a + 9));
        Equal(0, At(a + 10));
        Equal(60, At(b));
        Equal(1, At(b + 10));
        Truncate(file, 2 * Page);
        Equal(0, At(a + 10));
        Drop(a, 2);
        Drop(b, 2);
        Close(file);
    }

    private static void CopyOutlives()
    {
        int file = NewFile(1);
        nint a = MapAll(file, 1, Map.Private);
        *(byte*)(a + 1) = 3;
        SetByte(file, 0, 99);
        Equal(1, At(a));
        Equal(0, Madvise(a, Page, Advice.DontNeed));
        Equal(99, At(a));
        Equal(1, At(a + 1));
        Drop(a, 1);
        Close(file);
    }

    private static void Unlinked()
    {
        int file = Open("/tmp/suite-maps"u8, 2 | 0x40 | 0x200, 0x1a4);
        Truncate(file, Page);
        nint a = MapAll(file, 1, Map.Shared);
        Equal(a, Areas.Named("/tmp/suite-maps"u8).Start);
        Unlink("/tmp/suite-maps"u8);
        Equal(a, Areas.Named("/tmp/suite-maps (deleted)"u8).Start);
        *(byte*)a = 4;
        Equal(4, ByteOf(file, 0));
        Drop(a, 1);
        Close(file);
    }

    private static void Renamed()
    {
        int file = Open("/tmp/suite-maps"u8, 2 | 0x40 | 0x200, 0x1a4);
        Truncate(file, Page);
        nint a = MapAll(file, 1, Map.Shared);
        Rename("/tmp/suite-maps"u8, "/tmp/suite-maps-2"u8);
        Equal(a, Areas.Named("/tmp/suite-maps-2"u8).Start);
        Unlink("/tmp/suite-maps-2"u8);
        Drop(a, 1);
        Close(file);
    }

    private static void ClosedWritable()
    {
        int file = NewFile(1, keepName: true);
        nint a = MapAll(file, 1, Map.Shared, Protection.Read);
        Close(file);
        Equal(0, Mprotect(a, Page, Protection.ReadWrite));
        *(byte*)a = 88;
        file = Open("/tmp/suite-pages"u8, 0);
        Unlink("/tmp/suite-pages"u8);
        Equal(88, ByteOf(file, 0));
        Drop(a, 1);
        Close(file);
    }

    private static void RightsOfDescriptor()
    {
        int file = NewFile(1);
        nint a = MapAll(file, 1, Map.Shared, Protection.None);
        foreach (int rights in (ReadOnlySpan<int>)[Protection.Read, Protection.ReadWrite, Protection.ReadWrite | Protection.Execute, Protection.None])
            Equal(0, Mprotect(a, Page, rights));
        Drop(a, 1);
        Close(file);
    }

    private static void ReadOnlyDescriptor()
    {
        Close(NewFile(1, keepName: true));
        int file = Open("/tmp/suite-pages"u8, 0);
        Unlink("/tmp/suite-pages"u8);
        nint a = MapAll(file, 1, Map.Shared, Protection.Read);
        Equal(0, Mprotect(a, Page, Protection.Read | Protection.Execute));
        Equal(Errno.Access, Mprotect(a, Page, Protection.ReadWrite));
        Equal(Errno.Access, Mprotect(a, Page, Protection.Write));
        Look(a, "X"u8);
        Drop(a, 1);
        Close(file);
    }

    private static void ForkShared()
    {
        int file = NewFile(1);
        nint a = MapAll(file, 1, Map.Shared);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            *(byte*)a = 21;
            Exit(0);
        }
        Equal(0, Child.Status(pid));
        Equal(21, At(a));
        Equal(21, ByteOf(file, 0));
        Drop(a, 1);
        Close(file);
    }

    private static void ForkPrivate()
    {
        int file = NewFile(2);
        nint a = MapAll(file, 2, Map.Private);
        *(byte*)a = 21;
        int pid = Linux.Fork();
        if (pid == 0)
        {
            *(byte*)a = 22;
            *(byte*)(a + Page) = 23;
            Exit(At(a) + At(a + Page));
        }
        Equal(45, Child.Status(pid));
        Equal(21, At(a));
        Equal(2, At(a + Page));
        Drop(a, 2);
        Close(file);
    }

    private static void ReadIntoOwn()
    {
        int file = NewFile(2);
        nint a = MapAll(file, 2, Map.Shared);
        Equal(Page, PositionedRead(file, (void*)a, Page, Page));
        Equal(2, At(a));
        Equal(2, ByteOf(file, 100));
        Drop(a, 2);
        Close(file);
    }

    private static void WriteFromOwn()
    {
        int file = NewFile(2);
        nint a = MapAll(file, 2, Map.Shared);
        Equal(Page, PositionedWrite(file, (void*)(a + Page), Page, 0));
        Equal(2, At(a));
        Equal(10, PositionedWrite(file, (void*)a, 10, 2 * Page));
        Equal(2 * Page + 10, Seek(file, 0, 2));
        Drop(a, 2);
        Close(file);
    }

    private static void ReadPartly()
    {
        int file = NewFile(2);
        nint a = Alone(1);
        Equal(50, PositionedRead(file, (void*)(a + Page - 50), 100, 0));
        Equal(1, At(a + Page - 1));
        Equal(Errno.BadAddress, PositionedRead(file, (void*)(a + Page), 100, 0));
        Drop(a, 1);
        Close(file);
    }

    private static void WritePartly()
    {
        int file = NewFile(1);
        nint a = Alone(1);
        Touch(a, 1, 5);
        nint written = PositionedWrite(file, (void*)(a + Page - 50), 100, 0);
        Equal(50, written);
        Equal(Errno.BadAddress, PositionedWrite(file, (void*)(a + Page), 100, 0));
        Equal(0, ByteOf(file, 49));
        Equal(1, ByteOf(file, 50));
        Drop(a, 1);
        Close(file);
    }

    private static void WriteFromBeyond()
    {
        int file = NewFile(1), other = NewFile(1);
        nint a = MapAll(file, 2, Map.Shared);
        Equal(Errno.BadAddress, PositionedWrite(other, (void*)(a + Page), 8, 0));
        Equal(Errno.BadAddress, PositionedRead(other, (void*)(a + Page), 8, 0));
        Equal(4, PositionedWrite(other, (void*)(a + Page - 4), 8, 0));
        Drop(a, 2);
        Close(file);
        Close(other);
    }

    private static void CachedByRead()
    {
        int file = NewFile(3);
        nint a = MapAll(file, 3, Map.Shared, Protection.Read);
        Equal(3, Resident(a, 3));       // written just now
        Equal(0, Proc.Smaps(a, "Rss"u8));
        Drop(a, 3);
        Close(file);
    }

    private static void FaultAround()
    {
        int file = NewFile(16);
        nint a = (Room(64) + 16 * Page - 1) & -(16 * Page);
        Mmap(a, 16 * Page, Protection.ReadWrite, Map.Private | Map.Fixed, file);
        _ = At(a + 5 * Page);
        Equal(64, Proc.Smaps(a, "Rss"u8));
        Equal(0, Proc.Smaps(a, "Anonymous"u8));
        *(byte*)(a + 6 * Page) = 1;
        Equal(4, Proc.Smaps(a, "Anonymous"u8));
        Drop(a, 16);
        Close(file);
    }

    private static void WriteFaultAlone()
    {
        int file = NewFile(16);
        nint a = (Room(64) + 16 * Page - 1) & -(16 * Page);
        Mmap(a, 16 * Page, Protection.ReadWrite, Map.Shared | Map.Fixed, file);
        *(byte*)(a + 5 * Page) = 1;
        Equal(4, Proc.Smaps(a, "Rss"u8));
        Drop(a, 16);
        Close(file);
    }

    private static void FallocateGrows()
    {
        int file = NewFile(1);
        nint a = MapAll(file, 3, Map.Shared);
        Equal(0, Fallocate(file, 0, 0, 3 * Page));
        Equal(0, At(a + 2 * Page));
        Equal(1, At(a));
        Equal(0, Fallocate(file, 1, 0, 10 * Page));     // KEEP_SIZE
        Equal(3 * Page, Seek(file, 0, 2));
        Drop(a, 3);
        Close(file);
    }

    private static void Punched()
    {
        int file = MemFd("suite"u8, 0);
        Truncate(file, 4 * Page);
        nint a = MapAll(file, 4, Map.Shared), b = MapAll(file, 4, Map.Shared);
        Touch(a, 4, 6);
        Equal(6, At(b + Page));
        Equal(0, Fallocate(file, 3, Page + 10, Page));
        Equal(6, At(b + Page));
        Equal(0, At(b + Page + 10));
        Equal(0, At(b + 2 * Page));
        Equal(6, At(b + 3 * Page));
        Drop(a, 4);
        Drop(b, 4);
        Close(file);
    }

    private static void Inode()
    {
        int file = Open("/tmp/suite-maps"u8, 2 | 0x40 | 0x200, 0x1a4);
        Truncate(file, Page);
        byte* status = stackalloc byte[144];
        Syscall.Call(5, file, (nint)status);
        nint a = MapAll(file, 1, Map.Private, Protection.Read);
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/self/maps"u8);
        int at = text.IndexOf("/tmp/suite-maps"u8);
        if (Check(at > 0))
        {
            // The number before the spaces before the name.
            int end = at;
            while (text[end - 1] == ' ')
                end--;
            int begin = end;
            while (text[begin - 1] != ' ')
                begin--;
            Equal(*(long*)(status + 8), Proc.Number(text.Slice(begin, end - begin)));
        }
        Unlink("/tmp/suite-maps"u8);
        Drop(a, 1);
        Close(file);
    }

    private static void SmapsKinds()
    {
        int file = NewFile(4);
        nint a = MapAll(file, 4, Map.Shared), b = MapAll(file, 4, Map.Private);
        *(byte*)a = 1;
        _ = At(b);
        *(byte*)(b + Page) = 1;
        Equal(4, Proc.Smaps(a, "Rss"u8));
        Equal(4, Proc.Smaps(b, "Anonymous"u8));
        Equal(16, Proc.Smaps(b, "Size"u8));
        Check(Proc.Smaps(b, "Rss"u8) >= 8);
        Equal(0, Proc.Smaps(a, "Anonymous"u8));
        Drop(a, 4);
        Drop(b, 4);
        Close(file);
    }

    private static void RssKinds()
    {
        Proc.Prepare();
        long anonymous = Proc.Status("RssAnon"u8), shared = Proc.Status("RssShmem"u8), all = Proc.Status("VmRSS"u8);
        nint a = New(32), b = New(16, Protection.ReadWrite, Map.SharedAnonymous);
        Madvise(a, 32 * Page, Advice.NoHugePage);
        Touch(a, 32);
        Touch(b, 16);
        // Counts of tasks may lag by some pages in Linux.
        Check(Near(Proc.Status("RssAnon"u8) - anonymous, 128));
        Check(Near(Proc.Status("RssShmem"u8) - shared, 64));
        Check(Near(Proc.Status("VmRSS"u8) - all, 192));
        Drop(a, 32);
        Drop(b, 16);
    }

    private static bool Near(long a, long b) => a - b is <= 256 and >= -256;

    private static void OpenTruncates()
    {
        int file = NewFile(1, keepName: true);
        nint a = MapAll(file, 1, Map.Shared);
        Equal(1, At(a));
        int other = Open("/tmp/suite-pages"u8, 2 | 0x200);
        Check(other >= 0);
        Equal(Signal.Bus, Child.SignalOfRead(a));
        Unlink("/tmp/suite-pages"u8);
        Drop(a, 1);
        Close(file);
        Close(other);
    }

    private static void Populated()
    {
        int file = NewFile(8);
        nint a = Mmap(0, 8 * Page, Protection.ReadWrite, Map.Shared | Map.Populate, file), b = Mmap(0, 8 * Page, Protection.ReadWrite, Map.Private | Map.Populate, file);
        Equal(32, Proc.Smaps(a, "Rss"u8));
        Equal(32, Proc.Smaps(b, "Anonymous"u8));        // writable and private: copied at once
        Drop(a, 8);
        Drop(b, 8);
        Close(file);
    }

    private static void AccountedLater()
    {
        int file = NewFile(2);
        nint a = MapAll(file, 2, Map.Private, Protection.Read);
        Check(!Proc.HasFlag(a, "ac"u8));
        Mprotect(a, Page, Protection.ReadWrite);
        Check(Proc.HasFlag(a, "ac"u8));
        Look(a, "w|r"u8);
        Drop(a, 2);
        Close(file);
    }

    private static void SendFile()
    {
        int file = NewFile(1);
        nint a = MapAll(file, 1, Map.Shared);
        *(byte*)(a + 3) = 99;
        int* ends = stackalloc int[2];
        Pipe(ends);
        long offset = 0;
        Equal(10, Syscall.Call(40, ends[1], file, (nint)(&offset), 10));
        byte* got = stackalloc byte[10];
        Equal(10, Linux.Read(ends[0], got, 10));
        Equal(99, got[3]);
        Close(ends[0]);
        Close(ends[1]);
        Drop(a, 1);
        Close(file);
    }

    private static void ManyMappings()
    {
        int file = NewFile(1);
        nint a = Room(1000);
        for (int i = 0; i < 1000; i++)
            Mmap(a + i * Page, Page, Protection.ReadWrite, Map.Shared | Map.Fixed, file);
        *(byte*)(a + 500 * Page) = 123;
        int sum = 0;
        for (int i = 0; i < 1000; i++)
            sum += At(a + i * Page);
        Equal(123_000, sum);
        Truncate(file, 0);
        Equal(Signal.Bus, Child.SignalOfRead(a + 999 * Page));
        Drop(a, 1000);
        Close(file);
    }

    private static void TextBusy()
    {
        int file = Open("/tmp/suite-text"u8, 2 | 0x40 | 0x200, 0x1ed);
        ReadOnlySpan<byte> script = "#!/bin/sh\nexit 7\n"u8;
        fixed (byte* s = script)
            Linux.Write(file, s, script.Length);
        nint a = MapAll(file, 1, Map.Shared);
        Equal(-26, Execute());
        Close(file);
        Equal(-26, Execute());      // the mapping keeps it open for writing
        Drop(a, 1);
        Equal(7, Execute());
        Unlink("/tmp/suite-text"u8);
    }

    /// <summary>The status of a child that runs the file, or what execve said.</summary>
    private static int Execute()
    {
        nint shared = New(1, Protection.ReadWrite, Map.SharedAnonymous);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            fixed (byte* path = "/tmp/suite-text"u8)
            {
                nint* arguments = stackalloc nint[2];
                arguments[0] = (nint)path;
                arguments[1] = 0;
                *(int*)shared = (int)Syscall.Call(59, (nint)path, (nint)arguments, 0);
            }
            Exit(0);
        }
        int status = Child.Status(pid);
        int error = *(int*)shared;
        Drop(shared, 1);
        return error != 0 ? error : status;
    }
}
