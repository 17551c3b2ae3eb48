using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Mapping;

/// <summary><c>mmap</c>, <c>munmap</c>, <c>mremap</c>: where areas come to lie, how they are joined and cut, what is refused.</summary>
internal static unsafe class Program
{
    private const int MayMove = 1, MoveFixed = 2, DontUnmap = 4;

    public static int Main() => Run(
        new("Fresh anonymous memory reads zero", &FreshIsZero),
        new("A length of zero is refused", &ZeroLength),
        new("Neither private nor shared is refused", &NoType),
        new("A bad descriptor is refused", &BadDescriptor),
        new("An unaligned fixed address or offset is refused", &Unaligned),
        new("A range beyond user space is refused", &BeyondUserSpace),
        new("A free hint is honoured", &HintHonoured),
        new("A taken hint is not", &HintTaken),
        new("FIXED replaces what is there", &FixedReplaces),
        new("FIXED_NOREPLACE refuses a taken range", &NoReplace),
        new("32BIT lies below two gigabytes", &Low),
        new("Neighbours with equal rights become one area", &NeighboursMerge),
        new("Neighbours with other rights stay two areas", &OtherRightsStay),
        new("A hole filled again joins three areas into one", &FilledHole),
        new("Unmapping the middle leaves two areas", &UnmapMiddle),
        new("Unmapping head and tail shortens an area", &UnmapEnds),
        new("Unmapping a hole is no error", &UnmapHole),
        new("Unmapping across areas and holes clears all of it", &UnmapAcross),
        new("Unmapping refuses bad ranges and changes nothing", &UnmapRefused),
        new("POPULATE makes pages resident at once", &Populate),
        new("Shared anonymous memory joins only itself", &SharedNoMerge),
        new("Mremap shrinks in place", &RemapShrinks),
        new("Mremap grows in place where there is room", &RemapGrows),
        new("Mremap without MAYMOVE refuses where there is none", &RemapNoRoom),
        new("Mremap moves pages with their contents", &RemapMoves),
        new("Mremap to a fixed place replaces what was there", &RemapFixed),
        new("Mremap refuses bad arguments", &RemapRefused),
        new("Mremap of old size zero doubles a shared mapping", &RemapDoubles),
        new("DONTUNMAP leaves an empty area behind", &RemapKeeps));

    private static nint New(int pages, int protection = Protection.ReadWrite, int flags = Map.PrivateAnonymous) =>
        Mmap(0, pages * Page, protection, flags);

    /// <summary>A range with an unmapped page on both sides, so that nothing outside joins.</summary>
    private static nint Alone(int pages, int protection = Protection.ReadWrite)
    {
        nint all = New(pages + 2, Protection.None);
        Munmap(all, Page);
        Munmap(all + (pages + 1) * Page, Page);
        if (protection != Protection.None)
            Mprotect(all + Page, pages * Page, protection);
        return all + Page;
    }

    private static void FreshIsZero()
    {
        nint a = New(4);
        for (int i = 0; i < 4 * Page; i += 8)
            if (!Check(*(ulong*)(a + i) == 0))
                break;
        Munmap(a, 4 * Page);
    }

    private static void ZeroLength() => Equal(Errno.Invalid, Mmap(0, 0, Protection.ReadWrite, Map.PrivateAnonymous));

    private static void NoType()
    {
        Equal(Errno.Invalid, Mmap(0, Page, Protection.ReadWrite, Map.Anonymous));
    }

    private static void BadDescriptor()
    {
        Equal(Errno.BadDescriptor, Mmap(0, Page, Protection.Read, Map.Private, -1));
        Equal(Errno.BadDescriptor, Mmap(0, Page, Protection.Read, Map.Shared, 777));
    }

    private static void Unaligned()
    {
        Equal(Errno.Invalid, Mmap(0x10000001, Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Fixed));
        Equal(Errno.Invalid, Mmap(0, Page, Protection.ReadWrite, Map.PrivateAnonymous, -1, 1));
    }

    private static void BeyondUserSpace()
    {
        Equal(Errno.NoMemory, Mmap(0, unchecked((nint)(-Page)), Protection.ReadWrite, Map.PrivateAnonymous));
        Equal(Errno.NoMemory, Mmap(0, unchecked((nint)(1L << 47)), Protection.ReadWrite, Map.PrivateAnonymous));
        Equal(Errno.NoMemory, Mmap(unchecked((nint)0xfffffffffff000), Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Fixed));
    }

    private static void HintHonoured()
    {
        nint a = Alone(4);
        Munmap(a, 4 * Page);
        Equal(a, Mmap(a, 4 * Page, Protection.ReadWrite, Map.PrivateAnonymous));
        Munmap(a, 4 * Page);
    }

    private static void HintTaken()
    {
        nint a = New(1);
        nint b = Mmap(a, Page, Protection.ReadWrite, Map.PrivateAnonymous);
        Check(!IsError(b) && b != a);
        Munmap(a, Page);
        Munmap(b, Page);
    }

    private static void FixedReplaces()
    {
        nint a = Alone(3);
        *(byte*)(a + Page) = 7;
        Equal(a + Page, Mmap(a + Page, Page, Protection.Read, Map.PrivateAnonymous | Map.Fixed));
        Equal(0, *(byte*)(a + Page));
        Equal(3, Areas.Count(a, 3 * Page));
        Munmap(a, 3 * Page);
    }

    private static void NoReplace()
    {
        nint a = Alone(3);
        *(byte*)a = 7;
        Equal(Errno.Exists, Mmap(a + 2 * Page, 4 * Page, Protection.Read, Map.PrivateAnonymous | Map.FixedNoReplace));
        Equal(7, *(byte*)a);
        Munmap(a, 3 * Page);
        Equal(a, Mmap(a, 3 * Page, Protection.Read, Map.PrivateAnonymous | Map.FixedNoReplace));
        Munmap(a, 3 * Page);
    }

    private static void Low()
    {
        nint a = New(1, Protection.ReadWrite, Map.PrivateAnonymous | Map.Low32);
        Check(a > 0 && a < 1L << 31);
        Munmap(a, Page);
    }

    private static void NeighboursMerge()
    {
        nint a = Alone(4, Protection.None);
        Mmap(a, Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Fixed);
        Mmap(a + Page, Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Fixed);
        Equal(2, Areas.Count(a, 4 * Page));
        Munmap(a, 4 * Page);
    }

    private static void OtherRightsStay()
    {
        nint a = Alone(2, Protection.Read);
        Mmap(a + Page, Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Fixed);
        Equal(2, Areas.Count(a, 2 * Page));
        Munmap(a, 2 * Page);
    }

    private static void FilledHole()
    {
        nint a = Alone(3);
        Munmap(a + Page, Page);
        Equal(2, Areas.Count(a, 3 * Page));
        Mmap(a + Page, Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Fixed);
        Equal(1, Areas.Count(a, 3 * Page));
        Munmap(a, 3 * Page);
    }

    private static void UnmapMiddle()
    {
        nint a = Alone(3);
        *(byte*)a = 1;
        *(byte*)(a + 2 * Page) = 3;
        Equal(0, Munmap(a + Page, Page));
        Equal(2, Areas.Count(a, 3 * Page));
        Equal(1, *(byte*)a);
        Equal(3, *(byte*)(a + 2 * Page));
        Equal(Signal.Segmentation, Child.SignalOfRead(a + Page));
        Munmap(a, 3 * Page);
    }

    private static void UnmapEnds()
    {
        nint a = Alone(5);
        Equal(0, Munmap(a, Page));
        Equal(0, Munmap(a + 4 * Page, Page));
        Span<Areas.Area> found = stackalloc Areas.Area[1];
        Equal(1, Areas.In(a, 5 * Page, found));
        Equal(a + Page, found[0].Start);
        Equal(a + 4 * Page, found[0].End);
        Munmap(a, 5 * Page);
    }

    private static void UnmapHole()
    {
        nint a = Alone(1);
        Equal(0, Munmap(a, Page));
        Equal(0, Munmap(a, Page));
    }

    private static void UnmapAcross()
    {
        nint a = Alone(9);
        for (int i = 1; i < 9; i += 2)
            Munmap(a + i * Page, Page);
        Equal(5, Areas.Count(a, 9 * Page));
        Equal(0, Munmap(a + Page, 7 * Page));
        Equal(2, Areas.Count(a, 9 * Page));
        Munmap(a, 9 * Page);
    }

    private static void UnmapRefused()
    {
        nint a = Alone(2);
        Equal(Errno.Invalid, Munmap(a + 1, Page));
        Equal(Errno.Invalid, Munmap(a, 0));
        Equal(Errno.Invalid, Munmap(a, unchecked((nint)(1UL << 57))));
        Equal(1, Areas.Count(a, 2 * Page));
        Munmap(a, 2 * Page);
    }

    private static void Populate()
    {
        nint a = New(4, Protection.ReadWrite, Map.PrivateAnonymous | Map.Populate);
        byte* resident = stackalloc byte[4];
        Equal(0, Mincore(a, 4 * Page, resident));
        for (int i = 0; i < 4; i++)
            Equal(1, resident[i] & 1);
        Munmap(a, 4 * Page);
    }

    private static void SharedNoMerge()
    {
        nint a = Alone(2, Protection.None);
        Mmap(a, Page, Protection.ReadWrite, Map.SharedAnonymous | Map.Fixed);
        Mmap(a + Page, Page, Protection.ReadWrite, Map.SharedAnonymous | Map.Fixed);
        Equal(2, Areas.Count(a, 2 * Page));
        Munmap(a, 2 * Page);
    }

    private static void RemapShrinks()
    {
        nint a = Alone(4);
        *(byte*)a = 9;
        Equal(a, Mremap(a, 4 * Page, 2 * Page, 0));
        Equal(9, *(byte*)a);
        Equal(Signal.Segmentation, Child.SignalOfRead(a + 2 * Page));
        Munmap(a, 4 * Page);
    }

    private static void RemapGrows()
    {
        nint a = Alone(4);
        Munmap(a + 2 * Page, 2 * Page);
        Equal(a, Mremap(a, 2 * Page, 4 * Page, 0));
        *(byte*)(a + 3 * Page) = 1;
        Equal(1, Areas.Count(a, 4 * Page));
        Munmap(a, 4 * Page);
    }

    private static void RemapNoRoom()
    {
        nint a = Alone(4);
        Mprotect(a + 2 * Page, 2 * Page, Protection.Read);
        Equal(Errno.NoMemory, Mremap(a, 2 * Page, 4 * Page, 0));
        Munmap(a, 4 * Page);
    }

    private static void RemapMoves()
    {
        nint a = Alone(4);
        for (int i = 0; i < 2; i++)
            *(int*)(a + i * Page) = 100 + i;
        Mprotect(a + 2 * Page, 2 * Page, Protection.Read);
        nint b = Mremap(a, 2 * Page, 16 * Page, MayMove);
        if (Check(!IsError(b) && b != a))
        {
            Equal(100, *(int*)b);
            Equal(101, *(int*)(b + Page));
            Equal(0, *(int*)(b + 15 * Page));
            Equal(Signal.Segmentation, Child.SignalOfRead(a));
            Munmap(b, 16 * Page);
        }
        Munmap(a, 4 * Page);
    }

    private static void RemapFixed()
    {
        nint a = Alone(1), b = Alone(3);
        *(int*)a = 5;
        *(int*)(b + Page) = 6;
        Equal(b + Page, Mremap(a, Page, Page, MayMove | MoveFixed, b + Page));
        Equal(5, *(int*)(b + Page));
        Munmap(b, 3 * Page);
    }

    private static void RemapRefused()
    {
        nint a = Alone(4);
        Equal(Errno.Invalid, Mremap(a + 1, Page, Page, 0));
        Equal(Errno.Invalid, Mremap(a, Page, 0, 0));
        Equal(Errno.Invalid, Mremap(a, Page, Page, 64));
        Equal(Errno.Invalid, Mremap(a, Page, Page, MoveFixed, a + 2 * Page));
        Equal(Errno.Invalid, Mremap(a, 2 * Page, 2 * Page, MayMove | MoveFixed, a + Page));
        Equal(Errno.Invalid, Mremap(a, 0, Page, MayMove));
        Munmap(a + Page, Page);
        Equal(Errno.BadAddress, Mremap(a + Page, Page, 2 * Page, MayMove));
        Equal(Errno.BadAddress, Mremap(a, 2 * Page, 3 * Page, MayMove));
        Munmap(a, 4 * Page);
    }

    private static void RemapDoubles()
    {
        nint a = New(1, Protection.ReadWrite, Map.SharedAnonymous);
        *(int*)a = 1;
        nint b = Mremap(a, 0, Page, MayMove);
        if (Check(!IsError(b) && b != a))
        {
            *(int*)b = 2;
            Equal(2, *(int*)a);
            Munmap(b, Page);
        }
        Munmap(a, Page);
    }

    private static void RemapKeeps()
    {
        nint a = Alone(1);
        *(int*)a = 11;
        nint b = Mremap(a, Page, Page, MayMove | DontUnmap);
        if (Check(!IsError(b) && b != a))
        {
            Equal(11, *(int*)b);
            Equal(0, *(int*)a);
            Munmap(b, Page);
        }
        Munmap(a, Page);
    }
}
