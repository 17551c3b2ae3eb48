using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Pages;

namespace NanoVm.User.Suites.Remapping;

/// <summary><c>mremap</c> in all its ways, and <c>remap_file_pages</c>, which Linux plays with <c>mmap</c> now.</summary>
internal static unsafe class Program
{
    public static int Main() => Run(
        new("Unknown flags are EINVAL", &UnknownFlags),
        new("FIXED and DONTUNMAP want MAYMOVE", &NeedMayMove),
        new("DONTUNMAP wants equal sizes", &DontUnmapSizes),
        new("An unaligned old address is EINVAL", &UnalignedOld),
        new("An unaligned new address is EINVAL", &UnalignedNew),
        new("A new size of zero is EINVAL", &NewSizeZero),
        new("A new range beyond user space is EINVAL", &NewBeyond),
        new("Ranges that overlap are EINVAL", &Overlap),
        new("An old range that is not mapped is EFAULT", &OldUnmapped),
        new("Growing over the end of an area is EFAULT", &OldCrosses),
        new("Shrinking may cross areas", &ShrinkCrosses),
        new("An equal size returns the same place", &EqualSize),
        new("Sizes are rounded up to pages", &Rounded),
        new("Shrinking in the middle of an area leaves both ends", &ShrinkMiddle),
        new("Growing in place into a hole", &GrowInPlace),
        new("Growing in place fills the hole just so", &GrowFits),
        new("Growing the head of an area needs a move", &GrowHead),
        new("A moved area leaves a hole and keeps its pages", &MovedLeavesHole),
        new("A moved part leaves the rest", &MovedPart),
        new("A move joins nothing and loses nothing when it grows", &MovedGrown),
        new("FIXED shrinks and moves", &FixedShrinks),
        new("FIXED grows and moves", &FixedGrows),
        new("FIXED clears what was there, over several areas", &FixedClears),
        new("FIXED to where it is overlaps", &FixedSame),
        new("FIXED of what is not mapped leaves its target as it was", &FixedFailed),
        new("Old size zero copies a shared mapping", &ZeroShared),
        new("Old size zero of private memory is EINVAL", &ZeroPrivate),
        new("Old size zero wants MAYMOVE", &ZeroInPlace),
        new("DONTUNMAP leaves an empty area with its rights", &KeptArea),
        new("DONTUNMAP to a fixed place", &KeptFixed),
        new("DONTUNMAP of a part", &KeptPart),
        new("DONTUNMAP of shared memory leaves the same pages", &KeptShared),
        new("Pages of a file follow, private copies too", &FilePages),
        new("A grown file mapping shows more of the file", &FileGrown),
        new("A moved mapping keeps its offset in the file", &FileOffset),
        new("Growing a file mapping past the file's end is allowed, touching is SIGBUS", &FileBeyond),
        new("The rights of a page are those of its area after a move", &RightsFollow),
        new("A locked area stays locked when it moves, and grows locked", &LockedMoves),
        new("Growing locked memory beyond RLIMIT_MEMLOCK is EAGAIN", &LockedLimit),
        new("Growing beyond RLIMIT_AS is ENOMEM, shrinking is not", &AddressLimit),
        new("A child's copy follows its own move", &MoveAfterFork),
        new("Mixed pages: there, not there, shared with a child", &Mixed),
        new("Half a megabyte moves across page tables", &AcrossTables),
        new("A moved area of two megabytes keeps every page", &TableMove),
        new("The heap may be moved away", &HeapMoved),
        new("remap_file_pages refuses protections and bad ranges", &RemapFileRefuses),
        new("remap_file_pages wants a shared mapping", &RemapFilePrivate),
        new("remap_file_pages shows another page of the file", &RemapFileShows),
        new("remap_file_pages of shared anonymous memory", &RemapFileAnonymous));

    private static nint Move(nint from, int old, int fresh, nint to) => Mremap(from, old * Page, fresh * Page, Remap.MayMove | Remap.Fixed, to);

    private static void UnknownFlags()
    {
        nint a = Alone(1);
        Equal(Errno.Invalid, Mremap(a, Page, Page, 8));
        Equal(Errno.Invalid, Mremap(a, Page, Page, Remap.MayMove | 0x10));
        Equal(Errno.Invalid, Mremap(a, Page, Page, -1));
        Drop(a, 1);
    }

    private static void NeedMayMove()
    {
        nint a = Alone(1), b = Room(1);
        Equal(Errno.Invalid, Mremap(a, Page, Page, Remap.Fixed, b));
        Equal(Errno.Invalid, Mremap(a, Page, Page, Remap.DontUnmap));
        Equal(Errno.Invalid, Mremap(a, Page, Page, Remap.DontUnmap | Remap.Fixed, b));
        Drop(a, 1);
    }

    private static void DontUnmapSizes()
    {
        nint a = Alone(2);
        Equal(Errno.Invalid, Mremap(a, Page, 2 * Page, Remap.MayMove | Remap.DontUnmap));
        Equal(Errno.Invalid, Mremap(a, 2 * Page, Page, Remap.MayMove | Remap.DontUnmap));
        Look(a, "ww"u8);
        Drop(a, 2);
    }

    private static void UnalignedOld()
    {
        nint a = Alone(1);
        Equal(Errno.Invalid, Mremap(a + 1, Page, 2 * Page, Remap.MayMove));
        Equal(Errno.Invalid, Mremap(a + 0x800, 0, 0, 0));
        Drop(a, 1);
    }

    private static void UnalignedNew()
    {
        nint a = Alone(1), b = Room(2);
        Equal(Errno.Invalid, Mremap(a, Page, Page, Remap.MayMove | Remap.Fixed, b + 1));
        Look(a, "w"u8);
        Drop(a, 1);
    }

    private static void NewSizeZero()
    {
        nint a = Alone(1);
        Equal(Errno.Invalid, Mremap(a, Page, 0, 0));
        Equal(Errno.Invalid, Mremap(a, Page, 0, Remap.MayMove));
        Equal(Errno.Invalid, Mremap(a, 0, 0, Remap.MayMove));
        Look(a, "w"u8);
        Drop(a, 1);
    }

    private static void NewBeyond()
    {
        nint a = Alone(1);
        Equal(Errno.Invalid, Mremap(a, Page, Page, Remap.MayMove | Remap.Fixed, unchecked((nint)0xffff_8000_0000_0000)));
        Equal(Errno.Invalid, Mremap(a, Page, Page, Remap.MayMove | Remap.Fixed, -Page));
        Look(a, "w"u8);
        Drop(a, 1);
    }

    private static void Overlap()
    {
        nint a = Alone(4);
        Equal(Errno.Invalid, Move(a, 2, 2, a + Page));
        Equal(Errno.Invalid, Move(a + 2 * Page, 1, 4, a));
        Equal(Errno.Invalid, Move(a + Page, 2, 2, a));
        Look(a, "wwww"u8);
        Drop(a, 4);
    }

    private static void OldUnmapped()
    {
        nint a = Room(4);
        Equal(Errno.BadAddress, Mremap(a, Page, Page, 0));
        Equal(Errno.BadAddress, Mremap(a, Page, 2 * Page, Remap.MayMove));
        Equal(Errno.BadAddress, Move(a, 1, 1, a + 2 * Page));
    }

    private static void OldCrosses()
    {
        nint a = Alone(2);
        Put(a + 2 * Page, 1, Protection.Read);
        Equal(Errno.BadAddress, Mremap(a, 3 * Page, 4 * Page, Remap.MayMove));
        Equal(Errno.BadAddress, Mremap(a + Page, 3 * Page, 4 * Page, Remap.MayMove));
        Look(a, "ww|r"u8);
        Drop(a, 3);
    }

    private static void ShrinkCrosses()
    {
        nint a = Alone(2);
        Put(a + 2 * Page, 2, Protection.Read);
        Put(a + 5 * Page, 1);
        Equal(a, Mremap(a, 6 * Page, Page, 0));
        Look(a, "w....."u8);
        Drop(a, 1);
    }

    private static void EqualSize()
    {
        nint a = Alone(2);
        Equal(a, Mremap(a, 2 * Page, 2 * Page, 0));
        Equal(a, Mremap(a, 2 * Page, 2 * Page, Remap.MayMove));
        Equal(a + Page, Mremap(a + Page, Page, Page, 0));
        Look(a, "ww"u8);
        Drop(a, 2);
    }

    private static void Rounded()
    {
        nint a = Alone(3);
        Equal(a, Mremap(a, 2 * Page + 1, Page + 1, 0));
        Look(a, "ww."u8);
        Equal(a, Mremap(a, Page + 1, 2 * Page - 5, 0));
        Look(a, "ww."u8);
        Drop(a, 2);
    }

    private static void ShrinkMiddle()
    {
        nint a = Alone(5);
        Equal(a + Page, Mremap(a + Page, 3 * Page, Page, 0));
        Look(a, "ww..w"u8);
        Drop(a, 5);
    }

    private static void GrowInPlace()
    {
        nint a = Alone(1);
        Touch(a, 1, 7);
        Equal(a, Mremap(a, Page, 4 * Page, 0));
        Look(a, "wwww."u8);
        Equal(7, At(a));
        Equal(0, At(a + 3 * Page));
        Drop(a, 4);
    }

    private static void GrowFits()
    {
        nint a = Alone(1);
        Put(a + 3 * Page, 1, Protection.None);
        Equal(Errno.NoMemory, Mremap(a, Page, 4 * Page, 0));
        Look(a, "w..n"u8);
        Equal(a, Mremap(a, Page, 3 * Page, 0));
        Look(a, "www|n"u8);
        Drop(a, 4);
    }

    private static void GrowHead()
    {
        nint a = Alone(3);
        Touch(a, 3, 4);
        Equal(Errno.NoMemory, Mremap(a, Page, 2 * Page, 0));
        nint b = Mremap(a, Page, 2 * Page, Remap.MayMove);
        Check(b > 0 && b != a);
        Look(a, ".ww"u8);
        Equal(4, At(b));
        Equal(0, At(b + Page));
        Drop(a, 3);
        Drop(b, 2);
    }

    private static void MovedLeavesHole()
    {
        nint a = Alone(3), b = Room(1);
        *(byte*)(a + Page) = 9;
        Equal(b, Move(a + Page, 1, 1, b));
        Look(a, "w.w"u8);
        Look(b - Page, ".w."u8);
        Equal(9, At(b));
        Drop(a, 3);
        Drop(b, 1);
    }

    private static void MovedPart()
    {
        nint a = Alone(4, Protection.Read), b = Room(2);
        Equal(b, Move(a + 2 * Page, 2, 2, b));
        Look(a, "rr.."u8);
        Look(b, "rr"u8);
        Drop(a, 2);
        Drop(b, 2);
    }

    private static void MovedGrown()
    {
        nint a = Alone(2), b = Room(6);
        *(byte*)a = 1;
        *(byte*)(a + Page) = 2;
        Equal(b, Move(a, 2, 6, b));
        Look(a, ".."u8);
        Look(b, "wwwwww."u8);
        Equal(1, At(b));
        Equal(2, At(b + Page));
        Equal(0, At(b + 5 * Page));
        Drop(b, 6);
    }

    private static void FixedShrinks()
    {
        nint a = Alone(4), b = Room(2);
        Touch(a, 4, 3);
        Equal(b, Move(a, 4, 2, b));
        Look(a, "...."u8);
        Look(b, "ww."u8);
        Equal(3, At(b + Page));
        Drop(b, 2);
    }

    private static void FixedGrows()
    {
        nint a = Alone(3), b = Room(3);
        Touch(a, 3, 3);
        Equal(b, Move(a + Page, 1, 3, b));
        Look(a, "w.w"u8);
        Look(b, "www"u8);
        Equal(0, At(b + Page));
        Drop(a, 3);
        Drop(b, 3);
    }

    private static void FixedClears()
    {
        nint a = Alone(3), b = Alone(2);
        Touch(a, 3, 8);
        Put(b + 2 * Page, 2, Protection.Read);
        Equal(b + Page, Move(a, 2, 2, b + Page));
        Look(a, "..w"u8);
        Look(b, "w|ww|r"u8);
        Equal(8, At(b + 2 * Page));
        Drop(a, 3);
        Drop(b, 4);
    }

    private static void FixedSame()
    {
        nint a = Alone(2);
        Equal(Errno.Invalid, Move(a, 2, 2, a));
        Equal(Errno.Invalid, Move(a, 1, 2, a));
        Drop(a, 2);
    }

    private static void FixedFailed()
    {
        nint b = Alone(2), a = Room(2);
        Equal(Errno.BadAddress, Move(a, 1, 1, b));
        Look(b, "ww"u8);
        Drop(b, 2);
    }

    private static void ZeroShared()
    {
        nint a = New(2, Protection.ReadWrite, Map.SharedAnonymous);
        Touch(a, 2, 3);
        nint b = Mremap(a, 0, 2 * Page, Remap.MayMove);
        Check(b > 0 && b != a);
        Equal(3, At(b + Page));
        *(byte*)(b + Page) = 4;
        Equal(4, At(a + Page));
        Look(a, "WW"u8);
        Look(b, "WW"u8);
        Drop(a, 2);
        Drop(b, 2);
    }

    private static void ZeroPrivate()
    {
        nint a = Alone(1);
        Equal(Errno.Invalid, Mremap(a, 0, Page, Remap.MayMove));
        Look(a, "w"u8);
        Drop(a, 1);
    }

    private static void ZeroInPlace()
    {
        nint a = Room(1);
        Mmap(a, Page, Protection.ReadWrite, Map.SharedAnonymous | Map.Fixed);
        Equal(Errno.NoMemory, Mremap(a, 0, Page, 0));
        Look(a, "W."u8);
        Drop(a, 1);
    }

    private static void KeptArea()
    {
        nint a = Alone(3, Protection.ReadWrite);
        Touch(a, 3, 5);
        nint b = Mremap(a, 3 * Page, 3 * Page, Remap.MayMove | Remap.DontUnmap);
        Check(b > 0 && b != a);
        Look(a, "www"u8);
        Equal(0, Resident(a, 3));
        Equal(3, Resident(b, 3));
        Equal(5, At(b + Page));
        Equal(0, At(a + Page));
        Drop(a, 3);
        Drop(b, 3);
    }

    private static void KeptFixed()
    {
        nint a = Alone(2), b = Alone(4, Protection.Read);
        Touch(a, 2, 5);
        Equal(b + Page, Mremap(a, 2 * Page, 2 * Page, Remap.MayMove | Remap.DontUnmap | Remap.Fixed, b + Page));
        Look(b, "r|ww|r"u8);
        Equal(5, At(b + 2 * Page));
        Equal(0, At(a));
        Drop(a, 2);
        Drop(b, 4);
    }

    private static void KeptPart()
    {
        nint a = Alone(3), b = Room(1);
        Touch(a, 3, 5);
        Equal(b, Mremap(a + Page, Page, Page, Remap.MayMove | Remap.DontUnmap | Remap.Fixed, b));
        Equal(5, At(a));
        Equal(0, At(a + Page));
        Equal(5, At(a + 2 * Page));
        Equal(5, At(b));
        Drop(a, 3);
        Drop(b, 1);
    }

    private static void KeptShared()
    {
        nint a = New(1, Protection.ReadWrite, Map.SharedAnonymous);
        *(byte*)a = 6;
        nint b = Mremap(a, Page, Page, Remap.MayMove | Remap.DontUnmap);
        Check(b > 0);
        Equal(6, At(a));
        *(byte*)a = 7;
        Equal(7, At(b));
        Drop(a, 1);
        Drop(b, 1);
    }

    private static void FilePages()
    {
        int file = NewFile(3);
        nint a = Mmap(0, 3 * Page, Protection.ReadWrite, Map.Private, file), b = Room(3);
        *(byte*)(a + Page) = 99;
        Equal(b, Move(a, 3, 3, b));
        Equal(1, At(b));
        Equal(99, At(b + Page));
        Equal(2, At(b + Page + 1));
        Equal(3, At(b + 2 * Page));
        Drop(b, 3);
        Close(file);
    }

    private static void FileGrown()
    {
        int file = NewFile(4);
        nint a = Room(4);
        Mmap(a, Page, Protection.Read, Map.Shared | Map.Fixed, file, Page);
        Equal(a, Mremap(a, Page, 3 * Page, 0));
        Look(a, "RRR"u8);
        Equal(4, At(a + 2 * Page));
        Drop(a, 3);
        Close(file);
    }

    private static void FileOffset()
    {
        int file = NewFile(4);
        nint a = Room(4);
        Mmap(a, 4 * Page, Protection.Read, Map.Private | Map.Fixed, file);
        nint b = Room(2);
        Equal(b, Move(a + 2 * Page, 1, 2, b));
        Span<Areas.Area> found = stackalloc Areas.Area[1];
        Areas.In(b, Page, found);
        Equal(2 * Page, found[0].Offset);
        Equal(3, At(b));
        Equal(4, At(b + Page));
        Look(a, "rr.r"u8);
        Drop(a, 4);
        Drop(b, 2);
        Close(file);
    }

    private static void FileBeyond()
    {
        int file = NewFile(1);
        nint a = Room(3);
        Mmap(a, Page, Protection.Read, Map.Shared | Map.Fixed, file);
        Equal(a, Mremap(a, Page, 3 * Page, 0));
        Equal(Signal.Bus, Child.SignalOfRead(a + Page));
        Drop(a, 3);
        Close(file);
    }

    private static void RightsFollow()
    {
        nint a = Alone(2), b = Room(2);
        Touch(a, 2);
        Mprotect(a, 2 * Page, Protection.Read);
        Equal(b, Move(a, 2, 2, b));
        Equal(0, Child.SignalOfRead(b));
        Equal(Signal.Segmentation, Child.SignalOfWrite(b));
        Equal(Signal.Segmentation, Child.SignalOfRead(a));
        Drop(b, 2);
    }

    private static void LockedMoves()
    {
        nint a = Alone(2), b = Room(4);
        Equal(0, Mlock(a, 2 * Page));
        Equal(b, Move(a, 2, 4, b));
        Check(Proc.HasFlag(b, "lo"u8));
        Equal(4, Resident(b, 4));
        Equal(16, Proc.Smaps(b, "Locked"u8));
        Drop(b, 4);
        Equal(0, Proc.Status("VmLck"u8));
    }

    private static void LockedLimit()
    {
        nint a = Alone(2);
        Equal(0, Mlock(a, 2 * Page));
        int pid = Linux.Fork();
        if (pid == 0)
        {
            SetSoftLimit(Limit.Locked, 3 * Page);
            Syscall.Call(105, 1000);        // root has no limit
            bool good = Mlock(a, 2 * Page) == 0 && Mremap(a, 2 * Page, 4 * Page, Remap.MayMove) == Errno.TryAgain && Mremap(a, 2 * Page, 3 * Page, Remap.MayMove) > 0;
            Exit(good ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
        Drop(a, 2);
    }

    private static void AddressLimit()
    {
        nint a = Alone(2);
        ulong before = SetSoftLimit(Limit.AddressSpace, 1);
        nint grown = Mremap(a, 2 * Page, 3 * Page, Remap.MayMove), shrunk = Mremap(a, 2 * Page, Page, 0);
        SetSoftLimit(Limit.AddressSpace, before);
        Equal(Errno.NoMemory, grown);
        Equal(a, shrunk);
        Drop(a, 1);
    }

    private static void MoveAfterFork()
    {
        nint a = Alone(2), b = Room(2);
        Touch(a, 2, 6);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            bool good = Move(a, 2, 2, b) == b && At(b + Page) == 6;
            *(byte*)b = 1;
            Exit(good && At(b) == 1 && Child.SignalOfRead(a) == Signal.Segmentation ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
        Equal(6, At(a));
        Look(b, ".."u8);
        Drop(a, 2);
    }

    private static void Mixed()
    {
        nint a = Alone(6), b = Room(6);
        for (int i = 0; i < 6; i += 2)
            *(byte*)(a + i * Page) = (byte)(i + 1);
        int* ends = stackalloc int[2];
        Pipe(ends);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            byte go;
            Linux.Read(ends[0], &go, 1);
            Exit(At(a) + At(a + 2 * Page) + At(a + 4 * Page));
        }
        Equal(b, Move(a, 6, 6, b));
        *(byte*)(b + 2 * Page) = 100;
        byte value = 1;
        Linux.Write(ends[1], &value, 1);
        Equal(1 + 3 + 5, Child.Status(pid));
        Equal(1 + 0 + 100 + 0 + 5 + 0, At(b) + At(b + Page) + At(b + 2 * Page) + At(b + 3 * Page) + At(b + 4 * Page) + At(b + 5 * Page));
        Close(ends[0]);
        Close(ends[1]);
        Drop(b, 6);
    }

    private static void AcrossTables()
    {
        const int pages = 128;
        nint table = 512 * Page;
        nint wide = Room(2048);
        nint a = ((wide + table - 1) & -table) + table - 64 * Page, b = a + table + 17 * Page;
        Put(a, pages);
        for (int i = 0; i < pages; i++)
            *(int*)(a + i * Page) = i * 3 + 1;
        Equal(b, Move(a, pages, pages, b));
        bool good = true;
        for (int i = 0; i < pages; i++)
            good &= *(int*)(b + i * Page) == i * 3 + 1;
        Check(good);
        Equal(Signal.Segmentation, Child.SignalOfRead(a));
        Drop(b, pages);
    }

    private static void TableMove()
    {
        const int pages = 1024;
        nint table = 512 * Page;
        nint wide = Room(4 * pages);
        nint a = (wide + table - 1) & -table, b = a + 2 * pages * Page;
        Put(a, pages);
        Madvise(a, pages * Page, Advice.NoHugePage);
        for (int i = 0; i < pages; i++)
            *(int*)(a + i * Page) = i ^ 0x55;
        Equal(b, Move(a, pages, pages, b));
        bool good = true;
        for (int i = 0; i < pages; i++)
            good &= *(int*)(b + i * Page) == (i ^ 0x55);
        Check(good);
        Drop(b, pages);
    }

    private static void HeapMoved()
    {
        int pid = Linux.Fork();
        if (pid == 0)
        {
            nint end = (Brk(0) + Page - 1) & -Page;
            Brk(end + 2 * Page);
            *(byte*)(end + Page) = 77;
            nint b = Room(1);
            bool good = Move(end + Page, 1, 1, b) == b && At(b) == 77 && Child.SignalOfRead(end + Page) == Signal.Segmentation && At(end) == 0;
            Exit(good ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
    }

    private static void RemapFileRefuses()
    {
        int file = NewFile(2);
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Shared, file);
        Equal(Errno.Invalid, RemapFilePages(a, Page, Protection.Read, 0, 0));
        Equal(Errno.Invalid, RemapFilePages(a, 0, 0, 0, 0));
        Equal(Errno.Invalid, RemapFilePages(a + 2 * Page, Page, 0, -1, 0));
        Drop(a, 2);
        Equal(Errno.Invalid, RemapFilePages(a, Page, 0, 0, 0));
        Close(file);
    }

    private static void RemapFilePrivate()
    {
        int file = NewFile(2);
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Private, file), b = Alone(1);
        Equal(Errno.Invalid, RemapFilePages(a, Page, 0, 1, 0));
        Equal(Errno.Invalid, RemapFilePages(b, Page, 0, 1, 0));
        Drop(a, 2);
        Drop(b, 1);
        Close(file);
    }

    private static void RemapFileShows()
    {
        int file = NewFile(4);
        nint a = Room(4);
        Mmap(a, 4 * Page, Protection.ReadWrite, Map.Shared | Map.Fixed, file);
        Equal(0, RemapFilePages(a, Page, 0, 3, 0));
        Equal(0, RemapFilePages(a + 3 * Page, Page, 0, 0, 0));
        Look(a, "W|WW|W"u8);
        Equal(4, At(a));
        Equal(2, At(a + Page));
        Equal(1, At(a + 3 * Page));
        *(byte*)a = 40;
        byte back = 0;
        PositionedRead(file, &back, 1, 3 * Page);
        Equal(40, back);
        Equal(0, RemapFilePages(a, Page, 0, 0, 0));
        Equal(0, RemapFilePages(a + 3 * Page, Page, 0, 3, 0));
        Look(a, "WWWW"u8);
        Drop(a, 4);
        Close(file);
    }

    private static void RemapFileAnonymous()
    {
        nint a = New(2, Protection.ReadWrite, Map.SharedAnonymous);
        *(byte*)a = 10;
        *(byte*)(a + Page) = 20;
        Equal(0, RemapFilePages(a, Page, 0, 1, 0));
        Equal(20, At(a));
        *(byte*)a = 21;
        Equal(21, At(a + Page));
        Drop(a, 2);
    }
}
