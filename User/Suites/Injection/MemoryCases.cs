using static NanoVm.User.Suites.Injection.Walker;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Injection;

/// <summary>The calls on memory, and faults of each kind.</summary>
internal static unsafe class MemoryCases
{
    private const int Pages = 16;

    /// <summary>Far from everything else, so that each page needs tables of its own.</summary>
    private static nint Far => unchecked((nint)0x2000_0000_0000);

    private static nint Elsewhere => unchecked((nint)0x2100_0000_0000);

    private static int s_file = -1;

    private static nint AtFar(int protection, int flags, int file = -1) => Mmap(Far, Pages * Page, protection, flags | Map.FixedNoReplace, file);

    private static void UnmapFar(nint result) => Munmap(Far, 2 * Pages * Page);

    private static int File()
    {
        if (s_file < 0)
        {
            s_file = Open("/tmp/inject-mapped"u8, 0x42, 0x180);
            Write(s_file, Data, Pages * Page);
            Unlink("/tmp/inject-mapped"u8);
        }

        return s_file;
    }

    public static void MapAnonymous()
    {
        static nint Act() => AtFar(Protection.ReadWrite, Map.PrivateAnonymous);
        Walk(&Act, &UnmapFar);
    }

    public static void MapPopulated()
    {
        // What cannot be populated is left out: Linux says nothing.
        static nint Act() => AtFar(Protection.ReadWrite, Map.PrivateAnonymous | Map.Populate);
        Walk(&Act, &UnmapFar);
    }

    public static void MapLocked()
    {
        static nint Act() => AtFar(Protection.ReadWrite, Map.PrivateAnonymous | Map.Locked);
        Walk(&Act, &UnmapFar);
    }

    public static void MapShared()
    {
        static nint Act() => AtFar(Protection.ReadWrite, Map.SharedAnonymous | Map.Populate);
        Walk(&Act, &UnmapFar);
    }

    public static void MapFileShared()
    {
        static nint Act() => AtFar(Protection.ReadWrite, Map.Shared | Map.Populate, s_file);
        File();
        Walk(&Act, &UnmapFar);
    }

    public static void MapFilePrivate()
    {
        static nint Act() => AtFar(Protection.ReadWrite, Map.Private | Map.Populate, s_file);
        File();
        Walk(&Act, &UnmapFar);
    }

    public static void MapOver()
    {
        // A fixed mapping over the middle of another: what was there is gone or whole.
        static nint Act()
        {
            AtFar(Protection.ReadWrite, Map.PrivateAnonymous);
            return Mmap(Far + 4 * Page, Page, Protection.Read, Map.PrivateAnonymous | Map.Fixed);
        }

        Walk(&Act, &UnmapFar);
    }

    private static void MakeFar()
    {
        AtFar(Protection.ReadWrite, Map.PrivateAnonymous);
        for (int i = 0; i < Pages; i++)
            *(byte*)(Far + i * Page) = 1;
    }

    /// <summary>A call on a range that is there before the failures begin.</summary>
    private static void OnRange(delegate*<nint> act, May may = May.Nothing)
    {
        s_act = act;
        static nint Act()
        {
            Suspended(&MakeFar);
            return s_act();
        }

        Walk(&Act, &UnmapFar, may);
    }

    private static delegate*<nint> s_act;

    public static void UnmapMiddle()
    {
        static nint Act() => Munmap(Far + 4 * Page, Page);
        OnRange(&Act);
    }

    public static void ProtectMiddle()
    {
        static nint Act() => Mprotect(Far + 4 * Page, Page, Protection.Read);
        OnRange(&Act);
    }

    public static void LockMiddle()
    {
        static nint Act() => Mlock(Far + 4 * Page, 2 * Page);
        OnRange(&Act, May.Again);
    }

    public static void AdviseMiddle()
    {
        static nint Act()
        {
            nint error = Madvise(Far + 4 * Page, Page, 10);  // DONTFORK cuts twice
            if (error == 0)
                error = Madvise(Far, Pages * Page, 4);       // DONTNEED
            if (error == 0)
                error = Madvise(Far + 8 * Page, Page, 23);   // POPULATE_WRITE
            if (error == 0)
                error = Madvise(Far + 12 * Page, Page, 8);   // FREE
            if (error == 0)
                error = Madvise(Far + 13 * Page, Page, 20);  // COLD
            return error == 0 ? Madvise(Far + 14 * Page, Page, 21) : error; // PAGEOUT
        }

        OnRange(&Act, May.Again | May.Fault);
    }

    public static void RemapGrows()
    {
        static nint Act() => Mremap(Far, Pages * Page, 2 * Pages * Page, 0);
        static nint Shrunk() => Mremap(Far, Pages * Page, Page, 0);
        OnRange(&Act);
        OnRange(&Shrunk);
    }

    public static void RemapMoves()
    {
        static nint Act()
        {
            nint to = Mremap(Far + 2 * Page, 4 * Page, 8 * Page, 3, Elsewhere);
            if (!IsError(to))
                Munmap(to, 8 * Page);
            return to;
        }

        OnRange(&Act);
    }

    public static void RemapKeeps()
    {
        static nint Act()
        {
            nint to = Mremap(Far, Pages * Page, Pages * Page, 1 | 4);
            if (!IsError(to))
                Munmap(to, Pages * Page);
            return to;
        }

        OnRange(&Act);
    }

    public static void Break()
    {
        static nint Act()
        {
            nint now = Brk(0);
            nint then = Brk(now + 64 * Page);
            if (then != now + 64 * Page)
                return Errno.NoMemory;
            *(byte*)now = 1;
            Brk(now);
            return 0;
        }

        Walk(&Act, &Undo.Nothing);
    }

    public static void Residence()
    {
        static nint Act() => Mincore(Far, Pages * Page, Data);
        OnRange(&Act, May.Again);
    }

    public static void LockAll()
    {
        static nint Act()
        {
            nint error = Syscall.Call(151, 1 | 2);
            Syscall.Call(152);
            return error;
        }

        WalkInChild(&Act, May.Again);
    }

    public static void Faults()
    {
        // A page that cannot be had is asked for again: a program never sees it.
        static nint Act()
        {
            AtFar(Protection.ReadWrite, Map.PrivateAnonymous | Map.NoReserve);
            byte sum = *(byte*)Far;                          // the zero page
            *(byte*)Far = 1;                                 // instead of it
            *(byte*)(Far + Page) = 1;                        // a fresh one
            return sum;
        }

        static nint Private()
        {
            nint at = AtFar(Protection.ReadWrite, Map.Private, s_file);
            if (IsError(at))
                return at;
            byte sum = *(byte*)Far;
            *(byte*)Far = sum;
            *(byte*)(Far + Page) = 1;
            return 0;
        }

        static nint Shared()
        {
            nint at = AtFar(Protection.ReadWrite, Map.Shared, s_file);
            if (IsError(at))
                return at;
            byte sum = *(byte*)Far;
            *(byte*)Far = sum;
            *(byte*)(Far + Page) = 1;
            return 0;
        }

        WalkInChild(&Act, May.Nothing, 1UL << Signal.Segmentation);
        File();
        WalkInChild(&Private);
        WalkInChild(&Shared);
    }

    public static void CopyOnWrite()
    {
        static nint Act()
        {
            for (int i = 0; i < Pages; i++)
                *(byte*)(Far + i * Page) = 2;
            return 0;
        }

        MakeFar();
        WalkInChild(&Act);
        UnmapFar(0);
    }

    /// <summary>A page that cannot be read back is SIGBUS, one that cannot be written stays.</summary>
    public static void Swap()
    {
        static nint Act()
        {
            Madvise(Far, Pages * Page, 21);                  // PAGEOUT
            for (int i = 0; i < Pages; i++)
            {
                if (*(byte*)(Far + i * Page) != 1)
                    return -1;
                *(byte*)(Far + i * Page) = 1;
            }

            return 0;
        }

        MakeFar();
        WalkInChild(&Act);
        WalkChildKinds("io"u8, &Act, Errno.InputOutput, May.Nothing, 1UL << Signal.Bus);
        UnmapFar(0);
    }

    public static void StackGrows()
    {
        static nint Act()
        {
            byte* far = stackalloc byte[64 * Page];
            for (int i = 63; i >= 0; i--)
                far[i * Page] = 1;
            return far[5 * Page] - 1;
        }

        WalkInChild(&Act);
    }

    public static void CopyFaults()
    {
        // The kernel touches our fresh pages itself: EFAULT, or less than was asked for, when they cannot be had.
        static nint Act()
        {
            AtFar(Protection.ReadWrite, Map.PrivateAnonymous);
            nint got = PositionedRead(s_file, (void*)Far, 4 * Page, 0);
            return got == 0 ? -1 : got;
        }

        File();
        Walk(&Act, &UnmapFar, May.Fault);
    }

    public static void OtherProcess()
    {
        // Reading our own memory by the way of another's.
        static nint Act()
        {
            nint* local = (nint*)(Data + 1024);
            local[0] = (nint)Data + 8 * Page;
            local[1] = 2 * Page;
            local[2] = Far;
            local[3] = 2 * Page;
            nint got = Syscall.Call(310, GetPid(), (nint)local, 1, (nint)(local + 2), 1, 0);
            return got < 0 ? got : Syscall.Call(311, GetPid(), (nint)local, 1, (nint)(local + 2), 1, 0);
        }

        OnRange(&Act, May.Fault);
    }

    public static void SharedSegment()
    {
        static nint Act()
        {
            nint id = Syscall.Call(29, 0, Pages * Page, 0x380);
            *(nint*)Data = id;
            if (id < 0)
                return id;
            nint at = Syscall.Call(30, id, 0, 0);
            if (IsError(at))
                return at;
            *(byte*)at = 1;
            nint error = Syscall.Call(31, id, 2, (nint)(Data + 512));
            Syscall.Call(67, at);
            return error;
        }

        static void After(nint result)
        {
            if (*(nint*)Data >= 0)
                Syscall.Call(31, *(nint*)Data, 0, 0);
        }

        Walk(&Act, &After, May.NoSpace);
    }

    public static void MemoryFile()
    {
        static nint Act()
        {
            nint file;
            fixed (byte* name = "inject"u8)
                file = Syscall.Call(319, (nint)name, 2);
            *(int*)Data = (int)file;
            if (file < 0)
                return file;
            nint error = Truncate((int)file, 8 * Page);
            if (error == 0)
                error = Syscall.Call(285, file, 0, 0, 4 * Page);
            if (error == 0)
                error = PositionedWrite((int)file, Data + 4096, 2 * Page, 6 * Page);
            return error < 0 ? error : Syscall.Call(72, file, 1033, 1); // F_ADD_SEALS
        }

        static void After(nint result)
        {
            if (*(int*)Data >= 0)
                Close(*(int*)Data);
        }

        Walk(&Act, &After, May.NoSpace | May.TooManyFiles);
    }

    public static void Userfault()
    {
        static nint Act()
        {
            nint file = Syscall.Call(323, 0x800 | 1);
            *(int*)Data = (int)file;
            if (file < 0)
                return file;
            ulong* api = (ulong*)(Data + 256);
            api[0] = 0xAA;
            api[1] = api[2] = 0;
            nint error = Syscall.Call(16, file, unchecked((nint)0xC018AA3F), (nint)api);
            if (error != 0)
                return error;
            ulong* register = (ulong*)(Data + 512);
            register[0] = (ulong)(Far + 4 * Page);
            register[1] = Page;
            register[2] = 1;
            error = Syscall.Call(16, file, unchecked((nint)0xC020AA00), (nint)register);
            if (error != 0)
                return error;
            Madvise(Far + 4 * Page, Page, 4);
            ulong* copy = (ulong*)(Data + 768);
            copy[0] = (ulong)(Far + 4 * Page);
            copy[1] = (ulong)(Data + 8 * Page);
            copy[2] = Page;
            copy[3] = copy[4] = 0;
            return Syscall.Call(16, file, unchecked((nint)0xC028AA03), (nint)copy);
        }

        s_userfault = &Act;
        static nint Whole()
        {
            Suspended(&MakeFar);
            return s_userfault();
        }

        static void After(nint result)
        {
            if (*(int*)Data >= 0)
                Close(*(int*)Data);
            UnmapFar(0);
        }

        Walk(&Whole, &After, May.TooManyFiles | May.Fault);
    }

    private static delegate*<nint> s_userfault;

    public static void Keys()
    {
        static nint Act()
        {
            nint key = Syscall.Call(330, 0, 0);
            if (key < 0)
                return key == -28 || key == -22 ? 0 : key;   // a processor without keys
            nint error = Syscall.Call(329, Far + 4 * Page, Page, Protection.Read, key);
            Syscall.Call(331, key);
            return error;
        }

        OnRange(&Act);
    }
}
