using System;
using static NanoVm.User.Suites.Injection.Walker;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Injection;

/// <summary>Rarer calls on memory: shared memory in swap, holes in its files, answers to faults, swap areas that come and go.</summary>
internal static unsafe class MoreMemoryCases
{
    private const int Pages = 16, PageOut = 21, SwapOn = 167, SwapOff = 168;

    private static nint Far => unchecked((nint)0x2600_0000_0000);

    private static void UnmapFar(nint result) => Munmap(Far, 4 * Pages * Page);

    private static void MakeShared()
    {
        Mmap(Far, Pages * Page, Protection.ReadWrite, Map.SharedAnonymous | Map.FixedNoReplace);
        for (int i = 0; i < Pages; i++)
            *(byte*)(Far + i * Page) = 1;
    }

    public static void SharedInSwap()
    {
        static nint Act()
        {
            Madvise(Far, Pages * Page, PageOut);
            for (int i = 0; i < Pages; i++)
            {
                if (*(byte*)(Far + i * Page) != 1)
                    return -1;
            }

            return 0;
        }

        MakeShared();
        WalkInChild(&Act);
        WalkChildKinds("io"u8, &Act, Errno.InputOutput, May.Nothing, 1UL << Signal.Bus);
        UnmapFar(0);
    }

    /// <summary>Pages that are in swap are asked for before they are needed; pages that nobody needs any more are freed instead of written.</summary>
    public static void AdviceAboutSwap()
    {
        static void Prepare()
        {
            MakeShared();
            Mmap(Far + Pages * Page, Pages * Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.FixedNoReplace);
            for (int i = 0; i < Pages; i++)
                *(byte*)(Far + (Pages + i) * Page) = 1;
            Madvise(Far, 2 * Pages * Page, PageOut);
        }

        static nint WillNeed()
        {
            Suspended(&Prepare);
            nint error = Madvise(Far, 2 * Pages * Page, 3);
            return error == 0 ? *(byte*)(Far + 3 * Page) + *(byte*)(Far + (Pages + 3) * Page) - 2 : error;
        }

        static nint NoLongerNeeded()
        {
            Suspended(&Prepare);
            for (int i = 0; i < Pages; i++)
                *(byte*)(Far + (Pages + i) * Page) = 2;
            nint error = Madvise(Far + Pages * Page, Pages * Page, 8);
            return error == 0 ? Madvise(Far + Pages * Page, Pages * Page, PageOut) : error;
        }

        WalkInChild(&WillNeed);
        WalkInChild(&NoLongerNeeded);
    }

    /// <summary>Where a file of shared memory has data: some of it in memory, some in swap, some nowhere.</summary>
    public static void DataAndHoles()
    {
        static nint Act()
        {
            nint at = Seek(s_file, 0, 3);
            if (at >= 0)
                at = Seek(s_file, at, 4);
            return at >= 0 ? Seek(s_file, at, 3) : at;
        }

        s_file = MemFd("data"u8, 0);
        Truncate(s_file, 600 * (nint)Page);
        Mmap(Far, Pages * Page, Protection.ReadWrite, Map.Shared | Map.FixedNoReplace, s_file);
        for (int i = 4; i < 8; i++)
            *(byte*)(Far + i * Page) = 1;
        Madvise(Far, Pages * Page, PageOut);
        PositionedWrite(s_file, Data, 100, 590 * (nint)Page);
        Walk(&Act, &Undo.Nothing);
        UnmapFar(0);
        Close(s_file);
    }

    private static int s_file;

    /// <summary>Reading our own memory as a debugger would: ordinary pages, and the ones that the kernel shows to all.</summary>
    public static void OwnMemoryAsAFile()
    {
        static nint Act()
        {
            int file = Open("/proc/self/mem"u8, 2);
            if (file < 0)
                return file;
            nint got = PositionedRead(file, Data, 64, s_vdso);
            if (got > 0)
                got = PositionedWrite(file, Data, 64, Far + 100);
            Close(file);
            return got;
        }

        static void Prepare() => Mmap(Far, Page, Protection.Read, Map.PrivateAnonymous | Map.FixedNoReplace);

        static nint Whole()
        {
            Suspended(&Prepare);
            return Act();
        }

        int auxiliary = Open("/proc/self/auxv"u8, 0);
        nint bytes = Read(auxiliary, Data, 1024);
        Close(auxiliary);
        s_vdso = Far;
        for (nint* pair = (nint*)Data; (byte*)pair < Data + bytes; pair += 2)
        {
            if (pair[0] == 33)
                s_vdso = pair[1];
        }

        Walk(&Whole, &UnmapFar, May.Io | May.Fault);
    }

    private static nint s_vdso;

    public static void SharedTwice()
    {
        // An old length of 0 maps the same shared pages a second time; and pages of a file in another order.
        static nint Act()
        {
            Suspended(&MakeShared);
            nint second = Mremap(Far, 0, Pages * Page, 1);
            if (IsError(second))
                return second;
            Munmap(second, Pages * Page);
            nint error = RemapFilePages(Far + 2 * Page, Page, 0, 5, 0);
            return error == 0 ? Msync(Far, Pages * Page, 4) : error;
        }

        Walk(&Act, &UnmapFar);
    }

    public static void LockedOnFault()
    {
        static nint Act()
        {
            nint at = Mmap(Far, Pages * Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.FixedNoReplace);
            if (IsError(at))
                return at;
            nint error = Mlock2(at, 4 * Page, 1);
            if (error == 0)
                *(byte*)at = 1;
            return error == 0 ? Munlock(at + Page, Page) : error;
        }

        Walk(&Act, &UnmapFar, May.Again);
    }

    public static void HolesInSharedMemory()
    {
        static nint Act()
        {
            int file = MemFd("holes"u8, 0);
            *(int*)Data = file;
            if (file < 0)
                return file;
            nint result = Truncate(file, 600 * (nint)Page);
            if (result == 0)
                result = Mmap(Far, Pages * Page, Protection.ReadWrite, Map.Shared | Map.FixedNoReplace, file);
            if (IsError(result))
                return result;
            *(byte*)(Far + 3 * Page) = 1;
            result = PositionedWrite(file, Data, 100, 590 * (nint)Page);
            if (result > 0)
                result = Syscall.Call(285, file, 1 | 2, Page + 5, 4 * Page); // the ends of it are zeroed, the middle goes
            return result == 0 ? Truncate(file, 2 * Page + 7) : result;
        }

        static void After(nint result)
        {
            UnmapFar(0);
            if (*(int*)Data >= 0)
                Close(*(int*)Data);
        }

        Walk(&Act, &After, May.NoSpace | May.TooManyFiles);
    }

    /// <summary>Answers to faults: a page of zeros, pages watched for writes, a page of the cache for a shared mapping.</summary>
    public static void Answers()
    {
        static nint Act()
        {
            nint at = Mmap(Far, Pages * Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.FixedNoReplace);
            if (IsError(at))
                return at;
            nint file = UserFaultFd(0x800 | 1);
            *(int*)Data = (int)file;
            if (file < 0)
                return file;
            ulong* words = (ulong*)(Data + 256);
            words[0] = 0xAA;
            words[1] = words[2] = 0;
            nint error = Ask(file, 0xC018AA3F, words);
            if (error != 0)
                return error;
            Fill(words, 1 | 2);                              // missing, written
            error = Ask(file, 0xC020AA00, words);
            if (error != 0)
                return error;
            Fill(words, 0);
            error = Ask(file, 0xC020AA04, words);            // zeros
            if (error != 0)
                return error;
            Fill(words, 1);
            error = Ask(file, 0xC018AA06, words);            // watch for writes
            if (error != 0)
                return error;
            Fill(words, 0);
            error = Ask(file, 0xC018AA06, words);            // no longer
            return error != 0 ? error : Ask(file, 0x8010AA01, words);
        }

        static void After(nint result)
        {
            if (*(int*)Data >= 0)
                Close(*(int*)Data);
            *(int*)Data = -1;
            UnmapFar(0);
        }

        *(int*)Data = -1;
        Walk(&Act, &After, May.TooManyFiles | May.Again);
    }

    /// <summary>Begins to watch the first pages of <see cref="Far"/>; the descriptor is the first word of <see cref="Data"/>.</summary>
    private static nint Watch(ulong features, ulong mode)
    {
        nint file = UserFaultFd(1);
        *(int*)Data = (int)file;
        if (file < 0)
            return file;
        ulong* words = (ulong*)(Data + 256);
        words[0] = 0xAA;
        words[1] = features;
        words[2] = 0;
        nint error = Ask(file, 0xC018AA3F, words);
        if (error != 0)
            return error;
        Fill(words, mode);
        return Ask(file, 0xC020AA00, words);
    }

    /// <summary>Another thread touches a page; we read of it, and give it one. When we cannot, the descriptor is closed and the thread goes on.</summary>
    public static void AnsweredFault()
    {
        static void Touch()
        {
            *(byte*)Far = 1;
            ProcessCases.EndThread();
        }

        static nint Act()
        {
            s_thread = 0;
            *(int*)Data = -1;
            nint at = Mmap(Far, Pages * Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.FixedNoReplace);
            nint error = IsError(at) ? at : Watch(0, 1);
            if (error < 0)
                return error;
            nint file = *(int*)Data;
            *(int*)(Data + 8) = 1;
            s_thread = ProcessCases.StartOnStack(ProcessCases.ThreadFlags, &Touch);
            *(int*)Data = (int)file;                         // the thread's number was written there
            if (s_thread < 0)
                return s_thread;
            error = Read((int)file, Data + 512, 32);
            if (error < 0)
                return error;
            ulong* copy = (ulong*)(Data + 768);
            copy[0] = (ulong)Far;
            copy[1] = (ulong)(Data + 8 * Page);
            copy[2] = Page;
            copy[3] = copy[4] = 0;
            return Ask(file, 0xC028AA03, copy);
        }

        static void After(nint result)
        {
            if (*(int*)Data >= 0)
                Close(*(int*)Data);
            ProcessCases.AwaitThread(s_thread);
            UnmapFar(0);
        }

        ProcessCases.Stack();
        Walk(&Act, &After, May.TooManyFiles | May.Again);
    }

    private static nint s_thread;

    /// <summary>Answers for shared memory: a page that the file lacks is copied in, one that it has is mapped.</summary>
    public static void AnswersForSharedMemory()
    {
        static nint Act()
        {
            *(int*)Data = *(int*)(Data + 16) = -1;
            int memory = MemFd("answered"u8, 0);
            *(int*)(Data + 16) = memory;
            if (memory < 0)
                return memory;
            nint error = Truncate(memory, Pages * Page);
            if (error == 0)
                error = PositionedWrite(memory, Data, Page, Page);
            if (error < 0)
                return error;
            nint at = Mmap(Far, Pages * Page, Protection.ReadWrite, Map.Shared | Map.FixedNoReplace, memory);
            error = IsError(at) ? at : Watch(1 << 5 | 1 << 10, 1 | 4);
            if (error < 0)
                return error;
            ulong* words = (ulong*)(Data + 768);
            words[0] = (ulong)Far;
            words[1] = (ulong)(Data + 8 * Page);
            words[2] = Page;
            words[3] = words[4] = 0;
            error = Ask(*(int*)Data, 0xC028AA03, words);
            if (error != 0)
                return error;
            words[0] = (ulong)Far + Page;
            words[1] = Page;
            words[2] = words[3] = 0;
            return Ask(*(int*)Data, 0xC020AA07, words);
        }

        static void After(nint result)
        {
            if (*(int*)Data >= 0)
                Close(*(int*)Data);
            if (*(int*)(Data + 16) >= 0)
                Close(*(int*)(Data + 16));
            UnmapFar(0);
        }

        Walk(&Act, &After, May.TooManyFiles | May.NoSpace | May.Fault);
    }

    private static nint Ask(nint file, uint command, ulong* words) => Syscall.Call(16, file, (nint)command, (nint)words);

    private static void Fill(ulong* words, ulong mode)
    {
        words[0] = (ulong)Far;
        words[1] = 4 * Page;
        words[2] = mode;
        words[3] = 0;
    }

    /// <summary>A file becomes swap and is a file again: with pages in it, which must come back first.</summary>
    public static void SwapAreas()
    {
        static nint On() => Call(SwapOn, 0x8000 | 100);

        static void AfterOn(nint result)
        {
            if (result == 0)
                Call(SwapOff, 0);
        }

        static void Prepare()
        {
            Call(SwapOn, 0x8000 | 100);                      // before all others
            MakeShared();
            Mmap(Far + Pages * Page, Pages * Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.FixedNoReplace);
            for (int i = 0; i < Pages; i++)
                *(byte*)(Far + (Pages + i) * Page) = 1;
            Madvise(Far, 2 * Pages * Page, PageOut);
        }

        static nint Off()
        {
            Suspended(&Prepare);
            return Call(SwapOff, 0);
        }

        static void AfterOff(nint result)
        {
            if (result != 0)
                Ktap.Check(Call(SwapOff, 0) == 0, "what failed once works when nothing fails");
            UnmapFar(0);
        }

        if (!MakeSwapFile())
        {
            Ktap.Skip("there is no disk at /mnt/disk");
            return;
        }

        OnDisk = true;
        Walk(&On, &AfterOn);
        Walk(&Off, &AfterOff);
        OnDisk = false;
        Unlink("/mnt/disk/swapfile"u8);
    }

    private static nint Call(int number, nint flags)
    {
        fixed (byte* path = "/mnt/disk/swapfile"u8)
            return Syscall.Call(number, (nint)path, flags);
    }

    private static bool MakeSwapFile()
    {
        const int slots = 64;
        int file = Open("/mnt/disk/swapfile"u8, 0x42, 0x180);
        if (file < 0)
            return false;
        new Span<byte>(Data, slots * Page).Clear();
        Data[1024] = 1;
        *(int*)(Data + 1028) = slots - 1;
        "SWAPSPACE2"u8.CopyTo(new Span<byte>(Data + Page - 10, 10));
        bool whole = Write(file, Data, slots * Page) == slots * Page && Syscall.Call(74, file) == 0;
        Close(file);
        return whole;
    }
}
