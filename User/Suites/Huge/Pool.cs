using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Huge;

/// <summary>Huge pages of the pool (<c>MAP_HUGETLB</c>, <c>MFD_HUGETLB</c>, <c>SHM_HUGETLB</c>, hugetlbfs): promises, contents, what is refused.</summary>
/// <remarks>Each case sizes the pool for itself and empties it at its end. It skips who may not size it, or where 2 MiB in a piece are short.</remarks>
internal static unsafe class Pool
{
    private const nint Block = 2 << 20;
    private const int HugeTlb = 0x40000;
    private const int PrivatePool = Map.PrivateAnonymous | HugeTlb, SharedPool = Map.SharedAnonymous | HugeTlb;
    private const int MemFdHuge = 4, MemFdSealing = 2;
    private const int KeepSize = 1, PunchHole = 2;
    private const int AddSeals = 1033, SealShrink = 2, SealGrow = 4, SealWrite = 8;
    private const int SegmentHuge = 0x800, Create = 0x200, RemoveSegment = 0;

    /// <summary>What the pool looks like, in huge pages.</summary>
    private readonly struct Figures
    {
        public readonly long Total, Free, Reserved, Surplus;

        public Figures()
        {
            Total = MemInfo("HugePages_Total:"u8);
            Free = MemInfo("HugePages_Free:"u8);
            Reserved = MemInfo("HugePages_Rsvd:"u8);
            Surplus = MemInfo("HugePages_Surp:"u8);
        }

        /// <summary>The case fails unless the pool looks so.</summary>
        public static void Are(long total, long free, long reserved, long surplus = 0, [System.Runtime.CompilerServices.CallerLineNumber] int line = 0)
        {
            var seen = new Figures();
            Equal(total, seen.Total, line: line);
            Equal(free, seen.Free, line: line);
            Equal(reserved, seen.Reserved, line: line);
            Equal(surplus, seen.Surplus, line: line);
        }
    }

    private static long MemInfo(ReadOnlySpan<byte> name)
    {
        byte* buffer = stackalloc byte[8192];
        int file = Open("/proc/meminfo"u8, 0);
        nint length = Read(file, buffer, 8192);
        Close(file);
        var text = new ReadOnlySpan<byte>(buffer, (int)Math.Max(0, length));
        while (text.IndexOf((byte)'\n') is >= 0 and int end)
        {
            ReadOnlySpan<byte> line = text.Slice(0, end);
            text = text.Slice(end + 1);
            if (!line.StartsWith(name))
                continue;
            long number = 0;
            foreach (byte c in line.Slice(name.Length))
                number = c is >= (byte)'0' and <= (byte)'9' ? number * 10 + (c - '0') : number;
            return number;
        }

        return -1;
    }

    private static nint Set(ReadOnlySpan<byte> file, int number)
    {
        byte* text = stackalloc byte[8];
        int length = 0;
        for (int unit = 100; unit > 0; unit /= 10)
            text[length++] = (byte)('0' + number / unit % 10);
        // A leading zero would make it an octal number.
        int skip = 0;
        while (skip < 2 && text[skip] == '0')
            skip++;
        int handle = Open(file, 1);
        nint result = Linux.Write(handle, text + skip, length - skip);
        Close(handle);
        return result;
    }

    /// <summary>Makes the pool that large; false, with the case skipped, where that cannot be.</summary>
    private static bool Size(int pages)
    {
        if (MemInfo("HugePages_Total:"u8) == 0 && Set("/proc/sys/vm/nr_hugepages"u8, pages) > 0 && MemInfo("HugePages_Total:"u8) == pages)
            return true;
        Empty();
        Skip("no pool of huge pages to be had");
        return false;
    }

    private static void Empty() => Set("/proc/sys/vm/nr_hugepages"u8, 0);

    /// <summary>Ends a case: all pages have come back, and the pool goes.</summary>
    private static void End(int pages)
    {
        Figures.Are(pages, pages, 0);
        Empty();
        Figures.Are(0, 0, 0);
    }

    private static ref byte At(nint address) => ref *(byte*)address;

    public static void Promise()
    {
        if (!Size(4))
            return;
        nint a = Mmap(0, 3 * Block - 5000, Protection.ReadWrite, PrivatePool);
        Check(!IsError(a) && (a & (Block - 1)) == 0);
        Figures.Are(4, 4, 3);
        Equal(Errno.NoMemory, Mmap(0, 2 * Block, Protection.ReadWrite, PrivatePool));
        Equal(0, At(a + Block + 4567));
        At(a) = 1;
        Figures.Are(4, 2, 1);
        Equal(0, Munmap(a, 3 * Block));
        End(4);
    }

    public static void Shown()
    {
        if (!Size(2))
            return;
        nint a = Mmap(0, 2 * Block, Protection.ReadWrite, PrivatePool);
        At(a) = 1;
        Check(Smaps.HasFlags(a, "ht"u8));
        Equal(2048, Smaps.Kilobytes(a, "KernelPageSize:"u8));
        Equal(2048, Smaps.Kilobytes(a, "MMUPageSize:"u8));
        Equal(2048, Smaps.Kilobytes(a, "Private_Hugetlb:"u8));
        Equal(0, Smaps.Kilobytes(a, "Rss:"u8));
        Equal(512, Pages.Resident(a, 512));
        Equal(0, Pages.Resident(a + Block, 512));
        Munmap(a, 2 * Block);
        End(2);
    }

    public static void OnlyWhole()
    {
        if (!Size(3))
            return;
        nint a = Mmap(0, 3 * Block, Protection.ReadWrite, PrivatePool);
        At(a) = 5;
        Equal(Errno.Invalid, Munmap(a + Page, Page));
        Equal(Errno.Invalid, Munmap(a, Page));
        Equal(Errno.Invalid, Munmap(a + Block, Block + Page));
        Equal(Errno.Invalid, Mprotect(a, Page, Protection.Read));
        Equal(Errno.Invalid, Madvise(a + Page, Block, Advice.DontNeed));
        Check(IsError(Mmap(a, Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Fixed)));     // ENOMEM; since Linux 6.12 EINVAL
        Equal(Errno.Invalid, Mmap(a + Page, Block, Protection.ReadWrite, PrivatePool | Map.Fixed));
        Equal(Errno.Invalid, Mremap(a, 2 * Block, 3 * Block, Remap.MayMove));
        Equal(5, At(a));
        Equal(0, Mprotect(a + Block, Block, Protection.Read));
        Equal(Signal.Segmentation, Child.SignalOfWrite(a + Block));
        Equal(0, Munmap(a + Block, Block));
        Figures.Are(3, 2, 1);
        Equal(Signal.Segmentation, Child.SignalOfRead(a + Block));
        Munmap(a, 3 * Block);
        End(3);
    }

    public static void DontNeed()
    {
        if (!Size(2))
            return;
        nint a = Mmap(0, 2 * Block, Protection.ReadWrite, PrivatePool);
        At(a) = At(a + Block) = 7;
        Equal(0, Madvise(a, Block + Page, Advice.DontNeed));      // the part behind the last whole one stays
        Equal(1, new Figures().Free);           // whether the mapping is promised a page again depends on Linux's version
        Equal(0, At(a));
        Equal(7, At(a + Block));
        Equal(Errno.Invalid, Madvise(a, Block, Advice.Free));
        Munmap(a, 2 * Block);
        End(2);
    }

    public static void ForkCopies()
    {
        if (!Size(4))
            return;
        nint a = Mmap(0, 2 * Block, Protection.ReadWrite, PrivatePool);
        At(a) = 1;
        At(a + Block) = 2;
        int pid = Fork();
        if (pid == 0)
        {
            At(a) = 9;
            Exit(At(a) == 9 && At(a + Block) == 2 && new Figures().Free == 1 ? 0 : 1);
        }

        Equal(0, Child.Status(pid));
        Equal(1, At(a));
        Figures.Are(4, 2, 0);
        Munmap(a, 2 * Block);
        End(4);
    }

    public static void ParentIsPreferred()
    {
        if (!Size(1))
            return;
        nint a = Mmap(0, Block, Protection.ReadWrite, PrivatePool);
        At(a) = 1;
        int* ends = stackalloc int[2];
        Pipe(ends);
        byte* go = stackalloc byte[1];
        int pid = Fork();
        if (pid == 0)
        {
            Read(ends[0], go, 1);
            Exit(At(a));                        // its entry was taken for the parent's write, and the pool is empty
        }

        At(a) = 2;
        Linux.Write(ends[1], go, 1);
        Equal(128 + Signal.Bus, Child.Status(pid));
        Equal(2, At(a));
        Close(ends[0]);
        Close(ends[1]);
        Munmap(a, Block);
        End(1);
    }

    public static void NoPromise()
    {
        if (!Size(2))
            return;
        nint a = Mmap(0, 3 * Block, Protection.ReadWrite, PrivatePool | Map.NoReserve);
        Figures.Are(2, 2, 0);
        At(a) = At(a + Block) = 1;
        Equal(Signal.Bus, Child.SignalOfWrite(a + 2 * Block));
        Munmap(a, 3 * Block);
        End(2);
    }

    public static void Surplus()
    {
        if (!Size(1))
            return;
        Set("/proc/sys/vm/nr_overcommit_hugepages"u8, 1);
        nint a = Mmap(0, 2 * Block, Protection.ReadWrite, PrivatePool);
        if (IsError(a))
        {
            Skip("no two huge pages to be had");
        }
        else
        {
            Figures.Are(2, 2, 2, surplus: 1);
            At(a) = At(a + Block) = 1;
            Figures.Are(2, 0, 0, surplus: 1);
            Equal(Errno.NoMemory, Mmap(0, Block, Protection.ReadWrite, PrivatePool));
            Munmap(a, 2 * Block);
        }

        Set("/proc/sys/vm/nr_overcommit_hugepages"u8, 0);
        End(1);
    }

    public static void Moved()
    {
        if (!Size(2))
            return;
        nint a = Mmap(0, 4 * Block, Protection.None, Map.PrivateAnonymous | Map.NoReserve);
        nint to = (a + Block - 1) & -Block;
        nint from = Mmap(0, 2 * Block, Protection.ReadWrite, PrivatePool);
        At(from) = 3;
        Equal(to, Mremap(from, 2 * Block, 2 * Block, Remap.MayMove | Remap.Fixed, to));
        Figures.Are(2, 1, 1);
        Equal(3, At(to));
        At(to + Block) = 4;
        Figures.Are(2, 0, 0);
        Equal(to, Mremap(to, 2 * Block, Block, 0));
        Figures.Are(2, 1, 0);
        Munmap(a, 4 * Block);
        End(2);
    }

    public static void Shared()
    {
        if (!Size(2))
            return;
        nint a = Mmap(0, 2 * Block, Protection.ReadWrite, SharedPool);
        Figures.Are(2, 2, 2);
        int pid = Fork();
        if (pid == 0)
        {
            At(a) = 5;
            At(a + 2 * Block - 1) = 6;
            Exit(0);
        }

        Equal(0, Child.Status(pid));
        Equal(5, At(a));
        Equal(6, At(a + 2 * Block - 1));
        Figures.Are(2, 0, 0);
        Equal(0, Madvise(a, Block, Advice.DontNeed));
        Equal(5, At(a));                        // it is the file's
        Equal(0, Madvise(a, Block, Advice.Remove));
        Equal(0, At(a));
        Munmap(a, 2 * Block);
        End(2);
    }

    public static void MemoryFile()
    {
        if (!Size(3))
            return;
        int file = MemFd("pool"u8, MemFdHuge | MemFdSealing);
        Check(file >= 0);
        Equal(Errno.Invalid, Truncate(file, Page));
        Equal(0, Truncate(file, 3 * Block));
        byte* bytes = stackalloc byte[8];
        Equal(Errno.Invalid, Linux.Write(file, bytes, 3));
        Equal(Errno.Invalid, Mmap(0, Block, Protection.ReadWrite, Map.Shared, file, Page));
        Equal(0, Fallocate(file, 0, 0, Block));
        Figures.Are(3, 2, 0);
        nint a = Mmap(0, 3 * Block, Protection.ReadWrite, Map.Shared, file);
        Figures.Are(3, 2, 2);
        At(a + 2 * Block) = (byte)'x';
        Equal(3, PositionedRead(file, bytes, 3, 2 * Block));
        Equal((byte)'x', bytes[0]);
        ReadOnlySpan<byte> report = Proc.ReadAll("/proc/memfsck"u8);            // a kernel without it is always in order
        Check(report.IsEmpty || report.IndexOf("errors 0\n"u8) >= 0);
        Equal(2, PositionedRead(file, bytes, 8, 3 * Block - 2));
        Equal(0, Fallocate(file, PunchHole | KeepSize, Page, 3 * Block));       // only the whole ones: the second, the third
        Equal(0, At(a + 2 * Block));
        Equal(0, Truncate(file, Block));
        Equal(Signal.Bus, Child.SignalOfRead(a + Block));
        Equal(Errno.Busy, Fcntl(file, AddSeals, SealWrite));
        Equal(0, Fcntl(file, AddSeals, SealShrink | SealGrow));
        Equal(Errno.NotPermitted, Truncate(file, 0));
        Equal(Errno.NotPermitted, Fallocate(file, 0, 0, 2 * Block));
        Munmap(a, 3 * Block);
        Equal(0, Fcntl(file, AddSeals, SealWrite));
        Equal(Errno.NotPermitted, Mmap(0, Block, Protection.ReadWrite, Map.Shared, file));
        Close(file);
        End(3);
    }

    public static void PrivateOfFile()
    {
        if (!Size(3))
            return;
        int file = MemFd("pool"u8, MemFdHuge);
        Truncate(file, Block);
        nint shared = Mmap(0, Block, Protection.ReadWrite, Map.Shared, file);
        At(shared) = 1;
        nint own = Mmap(0, Block, Protection.ReadWrite, Map.Private, file);
        Equal(1, At(own));
        At(own) = 2;
        Equal(1, At(shared));
        Figures.Are(3, 1, 0);
        Equal(0, Truncate(file, 0));
        Equal(Signal.Bus, Child.SignalOfRead(own));
        Munmap(own, Block);
        Munmap(shared, Block);
        Close(file);
        End(3);
    }

    public static void Segment()
    {
        if (!Size(2))
            return;
        int id = ShmGet(0, Block + 100, Create | SegmentHuge | 0x180);
        Check(id >= 0);
        Figures.Are(2, 2, 2);
        nint a = ShmAttach(id, 0, 0);
        Check((a & (Block - 1)) == 0);
        At(a + Block) = 1;
        Equal(0, ShmControl(id, RemoveSegment));
        Equal(0, ShmDetach(a));
        Equal(Errno.NoMemory, ShmGet(0, 3 * Block, Create | SegmentHuge | 0x180));
        End(2);
    }

    public static void Calls()
    {
        if (!Size(1))
            return;
        nint a = Mmap(0, Block, Protection.ReadWrite, SharedPool);
        int* ends = stackalloc int[2];
        Pipe(ends);
        "through a pipe"u8.CopyTo(new Span<byte>((void*)(a + 8190), 14));
        Equal(14, Linux.Write(ends[1], (void*)(a + 8190), 14));
        Equal(14, Read(ends[0], (void*)(a + Block - 14), 14));
        Equal((byte)'e', At(a + Block - 1));
        Close(ends[0]);
        Close(ends[1]);
        nint* own = stackalloc nint[2];
        nint* theirs = stackalloc nint[2];
        byte* bytes = stackalloc byte[14];
        own[0] = (nint)bytes;
        theirs[0] = a + 8190;
        own[1] = theirs[1] = 14;
        Equal(14, ProcessRead(GetPid(), own, 1, theirs, 1));
        Equal((byte)'t', bytes[0]);
        Munmap(a, Block);
        End(1);
    }
}
