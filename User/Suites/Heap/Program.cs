using System.Runtime.CompilerServices;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Heap;

/// <summary>The heap (<c>brk</c>) and the stack: the two areas that grow, and their limits.</summary>
internal static unsafe class Program
{
    private const int DataLimit = 2, StackLimit = 3, AddressSpaceLimit = 9;
    private const ulong Infinity = ulong.MaxValue;

    public static int Main() => Run(
        new("Brk of zero tells the end", &Tells),
        new("The heap grows and is zero", &Grows),
        new("A shrunk heap is gone and comes back zero", &ShrinksToZero),
        new("Brk below its start changes nothing", &BelowStart),
        new("Brk into a mapping changes nothing", &IntoMapping),
        new("The heap is one area named [heap]", &Named),
        new("RLIMIT_DATA stops the heap", &DataLimited),
        new("RLIMIT_AS stops mmap", &AddressSpaceLimited),
        new("The stack grows by faults", &StackGrows),
        new("The stack stops at RLIMIT_STACK", &StackLimited),
        new("A mapping is never placed in the stack's way", &GuardGap),
        new("A growing area needs its gap", &GrowsDownGap),
        new("A gap is passed over whole where there would have been room", &WholeGap));

    private static nint PageEnd() => (Brk(0) + Page - 1) & -Page;

    private static void Tells()
    {
        nint end = Brk(0);
        Check(end > 0);
        Equal(end, Brk(0));
    }

    private static void Grows()
    {
        nint end = Brk(0), page = PageEnd();
        Equal(page + 8 * Page, Brk(page + 8 * Page));
        bool zero = true;
        for (nint a = page; a < page + 8 * Page; a += 8)
            zero &= *(long*)a == 0;
        Check(zero);
        Equal(end, Brk(end));
    }

    private static void ShrinksToZero()
    {
        nint end = Brk(0), page = PageEnd();
        Brk(page + 2 * Page);
        *(int*)(page + Page) = 1;
        Brk(page + Page);
        Equal(Signal.Segmentation, Child.SignalOfRead(page + Page));
        Brk(page + 2 * Page);
        Equal(0, *(int*)(page + Page));
        Brk(end);
    }

    private static void BelowStart()
    {
        nint end = Brk(0);
        Equal(end, Brk(Page));
        Equal(end, Brk(-1));
    }

    private static void IntoMapping()
    {
        nint end = Brk(0), page = PageEnd();
        nint wall = Mmap(page + 4 * Page, Page, Protection.Read, Map.PrivateAnonymous | Map.FixedNoReplace);
        Equal(page + 4 * Page, wall);
        Equal(end, Brk(page + 8 * Page));
        Munmap(wall, Page);
        Equal(page + 8 * Page, Brk(page + 8 * Page));
        Brk(end);
    }

    private static void Named()
    {
        nint end = Brk(0), page = PageEnd();
        Brk(page + 2 * Page);
        Areas.Area heap = Areas.Named("[heap]"u8);
        Equal(page + 2 * Page, heap.End);
        Equal(Areas.ReadWritePrivate, heap.Rights);
        Brk(end);
    }

    private static void DataLimited()
    {
        int pid = Fork();
        if (pid == 0)
        {
            ulong* limit = stackalloc ulong[] { 1 << 20, Infinity };
            SetResourceLimit(DataLimit, limit);
            nint end = Brk(0);
            bool refused = Brk(end + (16 << 20)) == end;
            bool privateToo = Mmap(0, 16 << 20, Protection.ReadWrite, Map.PrivateAnonymous) == Errno.NoMemory;
            bool readable = !IsError(Mmap(0, 16 << 20, Protection.Read, Map.PrivateAnonymous));
            Exit((refused ? 0 : 1) | (privateToo ? 0 : 2) | (readable ? 0 : 4));
        }
        Equal(0, Child.Status(pid));
    }

    private static void AddressSpaceLimited()
    {
        int pid = Fork();
        if (pid == 0)
        {
            ulong* limit = stackalloc ulong[] { 64 << 20, Infinity };
            SetResourceLimit(AddressSpaceLimit, limit);
            bool refused = Mmap(0, 128 << 20, Protection.None, Map.PrivateAnonymous) == Errno.NoMemory;
            bool small = !IsError(Mmap(0, 1 << 20, Protection.None, Map.PrivateAnonymous));
            Exit((refused ? 0 : 1) | (small ? 0 : 2));
        }
        Equal(0, Child.Status(pid));
    }

    private static void StackGrows() => Equal(200, Child.Run(&TwoHundredPages));

    private static int TwoHundredPages() => Deep(200);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Deep(int pages)
    {
        byte* page = stackalloc byte[Page];
        page[0] = 1;
        return pages == 0 ? 0 : Deep(pages - 1) + page[0];
    }

    private static void StackLimited() => Equal(128 + Signal.Segmentation, Child.Run(&BeyondLimit));

    private static int BeyondLimit()
    {
        ulong* limit = stackalloc ulong[] { 1 << 20, Infinity };
        SetResourceLimit(StackLimit, limit);
        return Deep(1000);
    }

    private static void GuardGap()
    {
        Areas.Area stack = Areas.Named("[stack]"u8);
        nint a = Mmap(stack.Start - Page, Page, Protection.Read, Map.PrivateAnonymous);
        Check(!IsError(a) && a + Page <= stack.Start - 256 * Page);
        Munmap(a, Page);
    }

    private static void GrowsDownGap()
    {
        // A wall 300 pages below a growing page: 44 pages may be had by faults, the last 256 are the gap.
        nint all = Mmap(0, 600 * Page, Protection.None, Map.PrivateAnonymous);
        Mprotect(all, Page, Protection.Read);       // a wall without rights would need no gap
        Munmap(all + Page, 598 * Page);
        nint top = Mmap(all + 301 * Page, Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Fixed | Map.GrowsDown);
        Equal(0, Child.SignalOfWrite(top - Page));
        Equal(Signal.Segmentation, Child.SignalOfWrite(all + 100 * Page));
        Munmap(all, 600 * Page);
    }

    private static void WholeGap()
    {
        //   all        243               478            490               500      501      600
        //    |  . . . . [ ]|◄── 256 pages ─[ twelve pages ][other]─ nine ──►[stack][ wall  ]
        nint all = Mmap(0, 600 * Page, Protection.None, Map.SharedAnonymous);
        while (Mmap(0, Page, Protection.None, Map.SharedAnonymous) > all)
        {
            // Nothing above is free.
        }
        Munmap(all, 501 * Page);
        nint stack = Mmap(all + 500 * Page, Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Fixed | Map.GrowsDown);
        Mmap(all + 490 * Page, Page, Protection.None, Map.SharedAnonymous | Map.Fixed);

        // Nine pages fit below the stack, were it none; twelve do not, and come to lie in its gap.
        Equal(stack - 257 * Page, Mmap(0, Page, Protection.None, Map.SharedAnonymous));
        Equal(stack - 265 * Page, Mmap(0, 8 * Page, Protection.None, Map.SharedAnonymous));
        Equal(all + 478 * Page, Mmap(0, 12 * Page, Protection.None, Map.SharedAnonymous));
        Munmap(all, 600 * Page);
    }
}
