using System;
using NanoVm.User.Suites;
using static NanoVm.User.Ktap;

namespace NanoVm.User.Tools.DiskCases;

/// <summary>Cases of reading ahead, syncing, names and room; and what all cases share.</summary>
internal static unsafe partial class Program
{
    /// <summary>A number of <c>/proc/self/io</c>.</summary>
    private static long Counted(ReadOnlySpan<byte> name)
    {
        byte* text = stackalloc byte[512];
        int file = Linux.Open("/proc/self/io"u8, 0);
        nint length = Linux.Read(file, text, 512);
        Linux.Close(file);
        var rest = new ReadOnlySpan<byte>(text, length < 0 ? 0 : (int)length);
        // A name may be the end of another: it begins its line.
        int at = rest.IndexOf(name);
        while (at > 0 && rest[at - 1] != (byte)'\n')
        {
            rest = rest.Slice(at + 1);
            at = rest.IndexOf(name);
        }
        if (at < 0)
            return -1;
        long value = 0;
        for (at += name.Length + 2; rest[at] != (byte)'\n'; at++)
            value = value * 10 + rest[at] - '0';
        return value;
    }

    private static void CancelledWrites()
    {
        int file = Linux.Open("cancelled"u8, ReadWrite | Create | Truncating, 0x180);
        long written = Counted("write_bytes"u8), cancelled = Counted("cancelled_write_bytes"u8);
        byte* bytes = stackalloc byte[Page];
        new Span<byte>(bytes, Page).Fill(7);
        // Three pages: of blocks that the inode names itself, so that no other block is changed or given back.
        for (int page = 0; page < 3; page++)
            Equal(Page, Linux.PositionedWrite(file, bytes, Page, page * Page));
        Equal(written + 3 * Page, Counted("write_bytes"u8));
        Equal(cancelled, Counted("cancelled_write_bytes"u8));
        Equal(0, Linux.Truncate(file, Page));
        Equal(cancelled + 2 * Page, Counted("cancelled_write_bytes"u8));
        Equal(0, Syscall.Call(74, file));                   // what has been written cannot be cancelled
        Equal(0, Linux.Truncate(file, 0));
        Equal(cancelled + 2 * Page, Counted("cancelled_write_bytes"u8));
        Linux.Close(file);
        Linux.Unlink("cancelled"u8);
    }

    private static void DataAndHoles()
    {
        byte* memory = Memory(Page, 1);
        int file = Linux.Open("sparse"u8, ReadWrite | Create | Truncating, 0x1a4);
        Equal(Page, Linux.PositionedWrite(file, memory, Page, 8 * Page));
        Equal(Page, Linux.PositionedWrite(file, memory, Page, 2000 * (nint)Page));
        Equal(8 * Page, Linux.Seek(file, 0, 3));
        Equal(8 * Page + 5, Linux.Seek(file, 8 * Page + 5, 3));
        Equal(0, Linux.Seek(file, 0, 4));
        Equal(9 * Page, Linux.Seek(file, 8 * Page, 4));
        Equal(2000 * Page, Linux.Seek(file, 9 * Page, 3));
        Equal(2001 * Page, Linux.Seek(file, 2000 * Page, 4));
        Equal(-6, Linux.Seek(file, 2001 * Page, 3));
        Equal(0, Linux.Truncate(file, 3000 * (nint)Page));
        Equal(-6, Linux.Seek(file, 2001 * Page, 3));
        Check(BlocksOf(file) < 200);
        Remove(file, "sparse"u8, memory, Page);
    }

    private static void ReadAheadCounts()
    {
        const int Pages = 1024;
        byte* memory = Memory(64 * Page, 1);
        int file = Linux.Open("ahead"u8, ReadWrite | Create | Truncating, 0x1a4);
        for (int i = 0; i < Pages / 64; i++)
            Linux.Write(file, memory, 64 * Page);
        Forget(file);
        long before = Reads();
        Linux.Seek(file, 0, 0);
        while (Linux.Read(file, memory, Page) == Page)
        {
        }
        long sequential = Reads() - before;
        Forget(file);
        Equal(0, Syscall.Call(221, file, 0, 0, 1));          // random
        before = Reads();
        for (int i = 0; i < 64; i++)
            Linux.PositionedRead(file, memory, Page, (i * 379 % Pages) * (nint)Page);
        long random = Reads() - before;
        byte* mapped = Map(file, Pages * Page);
        Check(Resident(mapped, Pages) <= 64);
        Linux.Munmap((nint)mapped, Pages * Page);
        if (before >= 0)
        {
            Check(sequential <= 100);
            Check(random is >= 60 and <= 80);
        }
        Remove(file, "ahead"u8, memory, 64 * Page);
    }

    private static void Advice()
    {
        const int Pages = 256;
        byte* memory = Memory(Pages * Page, 1);
        int file = Linux.Open("advice"u8, ReadWrite | Create | Truncating, 0x1a4);
        Equal(Pages * Page, Linux.Write(file, memory, Pages * Page));
        byte* mapped = Map(file, Pages * Page);
        Equal(Pages, Resident(mapped, Pages));
        Forget(file);
        Equal(0, Resident(mapped, Pages));
        Equal(0, Syscall.Call(221, file, 0, 64 * Page, 3));  // will need
        Equal(0, Syscall.Call(187, file, 128 * Page, 32 * Page));
        // They may still be on their way, but nobody asks the disk for them again.
        long before = Reads();
        Equal(64 * Page, Linux.PositionedRead(file, memory, 64 * Page, 0));
        Equal(32 * Page, Linux.PositionedRead(file, memory, 32 * Page, 128 * Page));
        Equal(before, Reads());
        Equal(64, Resident(mapped, 64));
        Equal(32, Resident(mapped + 128 * Page, 32));
        Forget(file);
        Equal(0, Linux.Madvise((nint)mapped + 64 * Page, 32 * Page, 3));
        before = Reads();
        Equal(32 * Page, Linux.PositionedRead(file, memory, 32 * Page, 64 * Page));
        Equal(before, Reads());
        Equal(32, Resident(mapped + 64 * Page, 32));
        // Parts of pages at the ends stay.
        Equal(0, Syscall.Call(221, file, 64 * Page + 1, 4 * Page, 4));
        Equal(32 - 3, Resident(mapped + 64 * Page, 32));
        Equal(0, Linux.Madvise((nint)mapped, Pages * Page, 1));
        Equal(1, mapped[200 * Page]);
        Equal(1, Resident(mapped + 192 * Page, 64));
        Equal(Invalid, Syscall.Call(221, file, 0, 0, 9));
        Linux.Munmap((nint)mapped, Pages * Page);
        Remove(file, "advice"u8, memory, Pages * Page);
    }

    private static void SyncCalls()
    {
        byte* memory = Memory(Page, 1);
        int file = Linux.Open("sync"u8, ReadWrite | Create | Truncating, 0x1a4);
        Equal(Page, Linux.Write(file, memory, Page));
        Equal(0, Syscall.Call(74, file));
        Equal(0, Syscall.Call(75, file));
        Equal(0, Syscall.Call(306, file));
        Equal(0, Syscall.Call(277, file, 0, 0, 7));
        Equal(0, Syscall.Call(277, file, 0, Page, 0));
        Equal(Invalid, Syscall.Call(277, file, 0, Page, 8));
        Equal(Invalid, Syscall.Call(277, file, -1, Page, 2));
        Equal(BadDescriptor, Syscall.Call(74, 999));
        Equal(BadDescriptor, Syscall.Call(306, 999));
        int* ends = stackalloc int[2];
        Linux.Pipe(ends);
        Equal(Invalid, Syscall.Call(74, ends[0]));
        Equal(IllegalSeek, Syscall.Call(277, ends[0], 0, 0, 2));
        Equal(Invalid, Syscall.Call(187, ends[0], 0, Page));
        Linux.Close(ends[0]);
        Linux.Close(ends[1]);
        int synced = Linux.Open("sync"u8, ReadWrite | DataSync);
        Equal(Page, Linux.Write(synced, memory, Page));
        Linux.Close(synced);
        Remove(file, "sync"u8, memory, Page);
    }

    private static void SyncWritesOne()
    {
        byte* memory = Memory(256 * Page, 1);
        int large = Linux.Open("large"u8, ReadWrite | Create | Truncating, 0x1a4);
        Syscall.Call(162);
        Equal(256 * Page, Linux.Write(large, memory, 256 * Page));
        int small = Linux.Open("small"u8, ReadWrite | Create | Truncating, 0x1a4);
        Equal(100, Linux.Write(small, memory, 100));
        long before = Field("/proc/vmstat"u8, "nr_written"u8);
        Equal(0, Syscall.Call(74, small));
        // Its page and a few blocks of metadata; the other file's 256 pages wait.
        Check(Field("/proc/vmstat"u8, "nr_written"u8) - before < 100);
        Linux.Close(small);
        Linux.Unlink("small"u8);
        Remove(large, "large"u8, memory, 256 * Page);
    }

    private static void ManyNames()
    {
        const int Names = 3000;
        Equal(0, Linux.MakeDirectory("many"u8, 0x1ed));
        Span<byte> name = stackalloc byte[32];
        int wrong = 0;
        for (int i = 0; i < Names; i++)
        {
            int file = Linux.Open(NameOf(i, name), ReadWrite | Create, 0x1a4);
            wrong += file < 0 ? 1 : 0;
            Linux.Close(file);
        }
        Equal(0, wrong);
        for (int i = 0; i < Names; i += 2)
            wrong += Linux.Unlink(NameOf(i, name)) != 0 ? 1 : 0;
        for (int i = 0; i < Names; i++)
        {
            int file = Linux.Open(NameOf(i, name), 0);
            wrong += (file >= 0) != (i % 2 == 1) ? 1 : 0;
            if (file >= 0)
                Linux.Close(file);
        }
        Equal(0, wrong);
        Equal(-39, Linux.RemoveDirectory("many"u8));
        for (int i = 1; i < Names; i += 2)
            wrong += Linux.Unlink(NameOf(i, name)) != 0 ? 1 : 0;
        Equal(0, wrong);
        Equal(0, Linux.RemoveDirectory("many"u8));
    }

    private static void Times()
    {
        int file = Linux.Open("times"u8, ReadWrite | Create | Truncating, 0x1a4);
        long* times = stackalloc long[4] { 1_000_000_007, 123_456_789, 4_500_000_000, 987_654_321 };
        Equal(0, Syscall.Call(280, file, 0, (nint)times));
        Linux.Close(file);
        Syscall.Call(162);
        Put("/proc/sys/vm/drop_caches"u8, "3"u8);
        file = Linux.Open("times"u8, ReadWrite);
        long* stat = stackalloc long[18];
        Equal(0, Syscall.Call(5, file, (nint)stat));
        Check(stat[9] == times[0] && stat[10] == times[1]);
        Check(stat[11] == times[2] && stat[12] == times[3]);
        Remove(file, "times"u8, null, 0);
    }

    private static void RoomComesBack()
    {
        byte* memory = Memory(64 * Page, 1);
        int file = Linux.Open("room"u8, ReadWrite | Create | Truncating, 0x1a4);
        Syscall.Call(162);
        long before = FreeBlocks(file);
        for (int i = 0; i < 16; i++)
            Linux.Write(file, memory, 64 * Page);
        Syscall.Call(162);
        Check(FreeBlocks(file) < before);
        int other = Linux.Open("."u8, 0);
        Remove(file, "room"u8, memory, 64 * Page);
        Check(FreeBlocks(other) >= before);
        Linux.Close(other);
    }

    private static void FullDisk()
    {
        const int Piece = 64 * Page;
        byte* memory = Memory(Piece, 1);
        int sparse = Linux.Open("sparse"u8, ReadWrite | Create | Truncating, 0x1a4);
        Equal(Page, Linux.Write(sparse, memory, Page));
        Equal(0, Linux.Truncate(sparse, 4000 * (nint)Page));
        Equal(0, Syscall.Call(74, sparse));
        byte* mapped = Map(sparse, 4000L * Page);
        int file = Linux.Open("full"u8, ReadWrite | Create | Truncating, 0x1a4);
        nint total = 0, wrote;
        while ((wrote = Linux.Write(file, memory, Piece)) > 0)
            total += wrote;
        Equal(NoRoom, wrote);
        Equal(total, Linux.Seek(file, 0, 2));
        Equal(NoRoom, Linux.Write(file, memory, Page));
        Equal(total, Linux.Seek(file, 0, 2));
        // What has its block can be written, a hole can be read; a store into a hole finds no room.
        mapped[5] = 2;
        Equal(0, mapped[2000 * Page]);
        int child = Linux.Fork();
        if (child == 0)
        {
            for (int i = 0; i < 3000; i++)
                mapped[(1000 + i) * Page] = 1;
            Linux.Exit(0);
        }
        Linux.Wait(child, out int status);
        Equal(7, status & 0x7f);
        Equal(NoRoom, Linux.PositionedWrite(sparse, memory, Page, 3999 * (nint)Page));
        Equal(0, Linux.Msync((nint)mapped, 4000 * (nint)Page, 4));
        Equal(0, Syscall.Call(74, file));
        // Room comes back at once.
        Equal(0, Linux.Truncate(file, 0));
        mapped[3000 * Page] = 3;
        Equal(0, Linux.Msync((nint)mapped, 4000 * (nint)Page, 4));
        Equal(Piece, Linux.PositionedWrite(file, memory, Piece, 0));
        Linux.Munmap((nint)mapped, 4000 * (nint)Page);
        Remove(sparse, "sparse"u8, null, 0);
        Remove(file, "full"u8, memory, Piece);
    }

    // What a name costs that is not there, in nanoseconds: nothing but the directory itself knows that.
    private static int Lookups(ReadOnlySpan<byte> number)
    {
        const int Asked = 100;
        int names = 0;
        foreach (byte digit in number)
            names = names * 10 + digit - '0';
        if (Linux.MakeDirectory("many"u8, 0x1ed) != 0)
            return 1;
        Span<byte> name = stackalloc byte[32];
        for (int i = 0; i < names; i++)
        {
            int file = Linux.Open(NameOf(i, name), ReadWrite | Create, 0x1a4);
            if (file < 0)
                return 1;
            Linux.Close(file);
        }
        Syscall.Call(162);
        Span<byte> missing = stackalloc byte[16];
        "many/missing000"u8.CopyTo(missing);
        missing[15] = 0;
        long* before = stackalloc long[4];
        for (int i = -10; i < Asked; i++)
        {
            if (i == 0)
                Syscall.Call(228, 1, (nint)before);
            missing[12] = (byte)('0' + (i + 10) / 100);
            missing[13] = (byte)('0' + (i + 10) / 10 % 10);
            missing[14] = (byte)('0' + (i + 10) % 10);
            if (Linux.Open(missing, 0) != -2)
                return 1;
        }
        Syscall.Call(228, 1, (nint)(before + 2));
        Output.Standard.Write($"{((before[2] - before[0]) * 1_000_000_000 + before[3] - before[1]) / Asked}\n");
        Output.Standard.Flush();
        for (int i = 0; i < names; i++)
            Linux.Unlink(NameOf(i, name));
        return Linux.RemoveDirectory("many"u8) == 0 ? 0 : 1;
    }

    // ---- what the cases share ------------------------------------------------------------------------------------------------------

    private static byte* Memory(long bytes, byte value)
    {
        byte* memory = (byte*)Linux.Mmap(0, (nint)bytes, 3, 0x22);
        Fill(memory, bytes, value);
        return memory;
    }

    private static byte* Map(int file, long bytes) => (byte*)Linux.Mmap(0, (nint)bytes, 3, 1, file);

    private static void Fill(byte* memory, long bytes, byte value) => new Span<byte>(memory, (int)bytes).Fill(value);

    private static bool All(byte* memory, long bytes, byte value)
    {
        for (long i = 0; i < bytes; i++)
        {
            if (memory[i] != value)
                return false;
        }
        return true;
    }

    private static void Remove(int file, ReadOnlySpan<byte> name, byte* memory, long bytes)
    {
        Linux.Close(file);
        Linux.Unlink(name);
        if (memory is not null)
            Linux.Munmap((nint)memory, (nint)bytes);
    }

    // Written out, then out of memory.
    private static void Forget(int file)
    {
        Syscall.Call(74, file);
        Syscall.Call(221, file, 0, 0, 4);
    }

    private static int Resident(byte* mapped, int pages)
    {
        byte* map = stackalloc byte[2048];
        int count = 0;
        if (Linux.Mincore((nint)mapped, (nint)pages * Page, map) != 0)
            return -1;
        for (int i = 0; i < pages; i++)
            count += map[i] & 1;
        return count;
    }

    private static long BlocksOf(int file)
    {
        long* stat = stackalloc long[18];
        return Syscall.Call(5, file, (nint)stat) == 0 ? stat[8] : -1;
    }

    private static long FreeBlocks(int file)
    {
        long* stat = stackalloc long[15];
        return Syscall.Call(138, file, (nint)stat) == 0 ? stat[3] : -1;
    }

    // Requests of reading from the first virtio disk.
    private static long Reads() => Field("/proc/diskstats"u8, "vda"u8);

    private static long Field(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name)
    {
        byte* text = (byte*)Linux.Mmap(0, 4 * Page, 3, 0x22);
        int file = Linux.Open(path, 0);
        int length = 0;
        nint got;
        while (length < 4 * Page && (got = Linux.Read(file, text + length, 4 * Page - length)) > 0)
            length += (int)got;
        Linux.Close(file);
        long value = -1;
        for (int at = 0; at + name.Length < length && value < 0; at++)
        {
            bool begins = at == 0 || text[at - 1] is (byte)'\n' or (byte)' ';
            if (!begins || text[at + name.Length] != ' ' || !new ReadOnlySpan<byte>(text + at, name.Length).SequenceEqual(name))
                continue;
            value = 0;
            for (at += name.Length + 1; at < length && text[at] is >= (byte)'0' and <= (byte)'9'; at++)
                value = value * 10 + text[at] - '0';
        }
        Linux.Munmap((nint)text, 4 * Page);
        return value;
    }

    private static void Put(ReadOnlySpan<byte> path, ReadOnlySpan<byte> text)
    {
        int file = Linux.Open(path, 1);
        fixed (byte* p = text)
            Linux.Write(file, p, text.Length);
        Linux.Close(file);
    }

    private static ReadOnlySpan<byte> NameOf(int number, Span<byte> name)
    {
        "many/a_name_of_some_length_"u8.CopyTo(name);
        int at = 27;
        for (int unit = 1000; unit > 0; unit /= 10)
            name[at++] = (byte)('0' + number / unit % 10);
        name[at] = 0;
        return name[..(at + 1)];
    }
}
