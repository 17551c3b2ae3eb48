using static NanoVm.User.Suites.Injection.Walker;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Injection;

/// <summary>Pages of 2 MiB: those of the pool, and those that the kernel makes of ordinary memory.</summary>
internal static unsafe class HugeCases
{
    private const int HugeBytes = 0x20_0000, HugeTlb = 0x4_0000, MemFdHugeTlb = 4, SegmentHugeTlb = 0x800;
    private const int HugePage = 14, Collapse = 25, DontNeed = 4;

    private static nint Far => unchecked((nint)0x2400_0000_0000);

    private static void UnmapFar(nint result) => Munmap(Far, 4 * HugeBytes);

    /// <summary>Makes the pool <paramref name="pages"/> large.</summary>
    /// <returns>Whether it is; a machine without room for it cannot try.</returns>
    private static bool SizePool(int pages)
    {
        int file = Open("/proc/sys/vm/nr_hugepages"u8, 2);
        if (file < 0)
            return false;
        byte* digit = stackalloc byte[8];
        digit[0] = (byte)('0' + pages);
        Write(file, digit, 1);
        nint length = PositionedRead(file, digit, 8, 0);
        Close(file);
        return length >= 2 && digit[0] == '0' + pages;
    }

    public static void Pool()
    {
        static nint Private()
        {
            nint at = Mmap(Far, 2 * HugeBytes, Protection.ReadWrite, Map.PrivateAnonymous | Map.FixedNoReplace | HugeTlb);
            if (IsError(at))
                return at;
            *(byte*)at = 1;
            *(byte*)(at + HugeBytes) = 1;
            return Mprotect(at + HugeBytes, HugeBytes, Protection.Read);
        }

        static nint Shared()
        {
            nint at = Mmap(Far, 2 * HugeBytes, Protection.ReadWrite, Map.SharedAnonymous | Map.FixedNoReplace | HugeTlb);
            if (IsError(at))
                return at;
            *(byte*)at = 1;
            int pid = Fork();
            if (pid == 0)
            {
                *(byte*)(at + HugeBytes) = 1;
                Exit(0);
            }

            Undo.Reap(pid);
            return pid < 0 ? pid : Madvise(at, HugeBytes, DontNeed);
        }

        if (!SizePool(3))
        {
            SizePool(0);
            Ktap.Skip("there is no room for a pool of huge pages");
            return;
        }

        Walk(&Private, &UnmapFar);
        Walk(&Shared, &UnmapFar);
        SizePool(0);
    }

    public static void PoolFile()
    {
        static nint Act()
        {
            int file = MemFd("huge"u8, MemFdHugeTlb);
            *(int*)Data = file;
            if (file < 0)
                return file;
            nint result = Truncate(file, 2 * HugeBytes);
            if (result == 0)
                result = Syscall.Call(285, file, 0, 0, HugeBytes);
            if (result == 0)
                result = Mmap(Far, 2 * HugeBytes, Protection.ReadWrite, Map.Shared | Map.FixedNoReplace, file);
            if (IsError(result))
                return result;
            *(byte*)(result + HugeBytes) = 1;
            return Syscall.Call(285, file, 1 | 2, 0, HugeBytes);            // a hole again
        }

        static void After(nint result)
        {
            UnmapFar(0);
            if (*(int*)Data >= 0)
                Close(*(int*)Data);
        }

        static nint Segment()
        {
            nint id = ShmGet(0, HugeBytes, 0x380 | SegmentHugeTlb);
            *(nint*)Data = id;
            if (id < 0)
                return id;
            nint at = ShmAttach((int)id, Far, 0);
            if (IsError(at))
                return at;
            *(byte*)at = 1;
            return ShmDetach(at);
        }

        static void AfterSegment(nint result)
        {
            ShmDetach(Far);
            if (*(nint*)Data >= 0)
                ShmControl((int)*(nint*)Data, 0);
        }

        if (!SizePool(3))
        {
            SizePool(0);
            Ktap.Skip("there is no room for a pool of huge pages");
            return;
        }

        Walk(&Act, &After, May.NoSpace | May.TooManyFiles);
        Walk(&Segment, &AfterSegment, May.NoSpace | May.TooManyFiles);
        SizePool(0);
    }

    /// <summary>A huge page that cannot be had is small ones, and no program sees it.</summary>
    public static void Transparent()
    {
        static nint Act()
        {
            nint at = Mmap(Far, 2 * HugeBytes, Protection.ReadWrite, Map.PrivateAnonymous | Map.FixedNoReplace);
            if (IsError(at))
                return at;
            nint error = Madvise(at, 2 * HugeBytes, HugePage);
            if (error != 0)
                return error;
            *(byte*)at = 1;
            byte zero = *(byte*)(at + HugeBytes);            // the huge page of zeros
            *(byte*)(at + HugeBytes) = zero;
            error = Madvise(at, 2 * HugeBytes, 20);          // COLD
            if (error == 0)
                error = Mprotect(at + Page, Page, Protection.Read);
            return error == 0 ? Munmap(at + HugeBytes + 8 * Page, Page) : error;
        }

        Walk(&Act, &UnmapFar);
        WalkInChild(&Act);
    }

    public static void TransparentAfterFork()
    {
        static nint Act()
        {
            for (int i = 0; i < 3; i++)
                *(byte*)(Far + i * 100 * Page) = 2;
            return *(byte*)(Far + 50 * Page);
        }

        Mmap(Far, HugeBytes, Protection.ReadWrite, Map.PrivateAnonymous | Map.FixedNoReplace);
        Madvise(Far, HugeBytes, HugePage);
        *(byte*)Far = 1;
        WalkInChild(&Act);
        UnmapFar(0);
    }

    public static void Collapsed()
    {
        static void Small()
        {
            Mmap(Far, HugeBytes, Protection.ReadWrite, Map.PrivateAnonymous | Map.FixedNoReplace);
            for (int i = 0; i < 8; i++)
                *(byte*)(Far + i * Page) = 1;
        }

        static nint Act()
        {
            Suspended(&Small);
            return Madvise(Far, HugeBytes, Collapse);
        }

        Walk(&Act, &UnmapFar, May.Again | May.Busy);
    }
}
