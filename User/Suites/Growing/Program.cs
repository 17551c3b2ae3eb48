using System;
using System.Runtime.CompilerServices;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Pages;

namespace NanoVm.User.Suites.Growing;

/// <summary>What grows by itself or by <c>brk</c>: stacks, areas with GROWSDOWN, the heap.</summary>
internal static unsafe class Program
{
    private const int Gap = 256;        // the pages below a growing area that nothing else may use

    public static int Main() => Run(
        new("A growing area grows by the page that is touched", &Grows),
        new("It grows over many pages at once", &GrowsFar),
        new("A read makes it grow too", &GrowsByRead),
        new("A system call's write makes it grow", &GrowsByKernel),
        new("It does not grow upward", &NotUpward),
        new("It stops at its gap before an accessible area", &StopsAtGap),
        new("It may touch an area without rights", &NoneBelow),
        new("It may touch another growing area", &GrowingBelow),
        new("mmap without an address keeps the gap free", &PlacedOutside),
        new("mmap FIXED may use the gap", &FixedInGap),
        new("munmap of its first page lets it grow again", &CutAndGrow),
        new("A page unmapped in the middle: the upper part grows into the hole", &MiddleHole),
        new("mprotect GROWSDOWN changes down to the area's beginning", &ProtectGrowsDown),
        new("mprotect GROWSDOWN of another area is EINVAL", &ProtectRefused),
        new("mprotect GROWSUP is EINVAL here", &ProtectUp),
        new("mprotect of a part cuts a growing area, both parts grow", &CutGrowing),
        new("A growing area without rights grows and is refused", &GrowsWithoutRights),
        new("RLIMIT_STACK holds for every growing area", &StackLimitHolds),
        new("RLIMIT_AS stops growth", &AddressLimitHolds),
        new("Growth counts as stack in status", &CountedAsStack),
        new("VmFlags show gd, fork keeps it", &FlagKept),
        new("The stack lies in its area and grows", &OwnStack),
        new("The stack's overflow is SIGSEGV with MAPERR", &Overflow),
        new("A fault far below the stack is MAPERR", &FarBelow),
        new("mmap_base keeps away from the stack's limit", &BaseAway),
        new("brk of zero, of less than the start, of too much: the end as it is", &BrkRefused),
        new("brk by bytes moves the end by bytes, the area by pages", &BrkBytes),
        new("brk down unmaps whole pages only", &BrkDown),
        new("brk to its start removes the heap from maps", &BrkStart),
        new("brk next to a mapping stops one page before it", &BrkNeighbour),
        new("brk does not use a stack's gap", &BrkGap),
        new("The heap is private, writable, not executable", &HeapArea),
        new("brk zeroes what comes back", &BrkZero),
        new("A hole in the heap stays when brk grows", &HeapHole),
        new("A child has its own end of the heap", &BrkFork));

    private static nint NewGrowing(int free, int pages, int protection = Protection.ReadWrite)
    {
        nint room = Room(free + pages + 2 * Gap);
        nint a = room + (Gap + free) * Page;
        Mmap(a, pages * Page, protection, Map.PrivateAnonymous | Map.Fixed | Map.GrowsDown);
        return a;
    }

    private static void Grows()
    {
        nint a = NewGrowing(8, 2);
        *(byte*)(a - Page) = 5;
        Look(a - 2 * Page, ".www."u8);
        *(byte*)(a - 2 * Page) = 6;
        Look(a - 3 * Page, ".wwww"u8);
        Equal(5, At(a - Page));
        Drop(a - 2 * Page, 4);
    }

    private static void GrowsFar()
    {
        nint a = NewGrowing(40, 1);
        *(byte*)(a - 32 * Page) = 5;
        Equal(1, Areas.Count(a - 33 * Page, 34 * Page));
        Equal(1, Resident(a - 32 * Page, 33));
        Drop(a - 32 * Page, 33);
    }

    private static void GrowsByRead()
    {
        nint a = NewGrowing(8, 1);
        Equal(0, At(a - 3 * Page + 7));
        Look(a - 4 * Page, ".wwww"u8);
        Drop(a - 3 * Page, 4);
    }

    private static void GrowsByKernel()
    {
        nint a = NewGrowing(8, 1);
        int zero = Open("/dev/zero"u8, 0);
        Equal(16, Linux.Read(zero, (void*)(a - 2 * Page), 16));
        Look(a - 3 * Page, ".www"u8);
        Close(zero);
        Drop(a - 2 * Page, 3);
    }

    private static void NotUpward()
    {
        nint a = NewGrowing(8, 1);
        Equal(Signal.Segmentation, Child.SignalOfWrite(a + Page));
        Drop(a, 1);
    }

    private static void StopsAtGap()
    {
        nint a = NewGrowing(Gap + 8, 1);
        nint below = a - (Gap + 4) * Page;
        Put(below, 1);
        Equal(Signal.Segmentation, Child.SignalOfWrite(a - 4 * Page));
        Equal(0, Child.SignalOfWrite(a - 3 * Page));
        Equal(Signal.Segmentation, Child.SignalOfWrite(below + Page));
        Drop(below, Gap + 5);
    }

    private static void NoneBelow()
    {
        nint a = NewGrowing(8, 1);
        Put(a - 3 * Page, 1, Protection.None);
        *(byte*)(a - 2 * Page) = 1;
        Look(a - 4 * Page, ".n|www"u8);
        Equal(Signal.Segmentation, Child.SignalOfWrite(a - 3 * Page));
        Drop(a - 3 * Page, 4);
    }

    private static void GrowingBelow()
    {
        nint a = NewGrowing(8, 1);
        Mmap(a - 3 * Page, Page, Protection.Read, Map.PrivateAnonymous | Map.Fixed | Map.GrowsDown);
        *(byte*)(a - 2 * Page) = 1;
        Look(a - 4 * Page, ".r|www"u8);
        Drop(a - 3 * Page, 4);
    }

    private static void PlacedOutside()
    {
        nint a = NewGrowing(Gap + 8, 1);
        nint b = Mmap(a - Page, Page, Protection.Read, Map.PrivateAnonymous);
        Check(b < a - Gap * Page || b > a);
        nint c = Mmap(a - (Gap + 1) * Page, Page, Protection.Read, Map.PrivateAnonymous);
        Equal(a - (Gap + 1) * Page, c);
        Drop(b, 1);
        Drop(c, 1);
        Drop(a, 1);
    }

    private static void FixedInGap()
    {
        nint a = NewGrowing(8, 1);
        Equal(a - Page, Put(a - Page, 1, Protection.Read));
        Look(a - 2 * Page, ".r|w"u8);
        Drop(a - Page, 2);
    }

    private static void CutAndGrow()
    {
        nint a = NewGrowing(8, 3);
        Drop(a, 1);
        *(byte*)a = 1;
        Look(a - Page, ".www"u8);
        Drop(a, 3);
    }

    private static void MiddleHole()
    {
        nint a = NewGrowing(8, 4);
        Touch(a, 4, 9);
        Drop(a + Page, 2);
        Look(a, "w..w"u8);
        Equal(0, At(a + 2 * Page));     // the area below is a growing one: no gap between them
        Look(a, "w.ww"u8);
        Drop(a, 4);
    }

    private static void ProtectGrowsDown()
    {
        nint a = NewGrowing(8, 4);
        Equal(0, Mprotect(a + 2 * Page, Page, Protection.Read | Protection.GrowsDown));
        Look(a, "rrr|w"u8);
        Drop(a, 4);
    }

    private static void ProtectRefused()
    {
        nint a = Alone(2);
        Equal(Errno.Invalid, Mprotect(a, Page, Protection.Read | Protection.GrowsDown));
        Look(a, "ww"u8);
        Drop(a, 2);
        Equal(Errno.NoMemory, Mprotect(a, Page, Protection.Read | Protection.GrowsDown));
    }

    private static void ProtectUp()
    {
        nint a = NewGrowing(8, 1);
        Equal(Errno.Invalid, Mprotect(a, Page, Protection.Read | Protection.GrowsUp));
        Equal(Errno.Invalid, Mprotect(a, Page, Protection.Read | Protection.GrowsUp | Protection.GrowsDown));
        Drop(a, 1);
    }

    private static void CutGrowing()
    {
        nint a = NewGrowing(8, 3);
        Touch(a, 3);
        Equal(0, Mprotect(a + Page, Page, Protection.Read));
        Look(a, "w|r|w"u8);
        Check(Proc.HasFlag(a, "gd"u8) && Proc.HasFlag(a + Page, "gd"u8) && Proc.HasFlag(a + 2 * Page, "gd"u8));
        *(byte*)(a - Page) = 1;
        Look(a - Page, "ww|r|w"u8);
        Drop(a - Page, 4);
    }

    private static void GrowsWithoutRights()
    {
        nint a = NewGrowing(8, 1, Protection.None);
        Trap.Report report = Trap.Write(a - Page);
        Equal(Signal.Segmentation, report.Signal);
        Equal(Trap.AccessError, report.Code);
        Drop(a, 1);
    }

    private static void StackLimitHolds()
    {
        nint a = NewGrowing(64, 1);
        ulong before = SetSoftLimit(Limit.Stack, 16 * Page);
        int inside = Child.SignalOfWrite(a - 15 * Page), outside = Child.SignalOfWrite(a - 16 * Page);
        SetSoftLimit(Limit.Stack, before);
        Equal(0, inside);
        Equal(Signal.Segmentation, outside);
        Drop(a, 1);
    }

    private static void AddressLimitHolds()
    {
        Proc.Prepare();
        nint a = NewGrowing(64, 1);
        ulong before = SetSoftLimit(Limit.AddressSpace, (ulong)Proc.Status("VmSize"u8) * 1024 + 4 * Page);
        int inside = Child.SignalOfWrite(a - 4 * Page), outside = Child.SignalOfWrite(a - 5 * Page);
        SetSoftLimit(Limit.AddressSpace, before);
        Equal(0, inside);
        Equal(Signal.Segmentation, outside);
        Drop(a, 1);
    }

    private static void CountedAsStack()
    {
        Proc.Prepare();
        nint a = NewGrowing(8, 1);
        long before = Proc.Status("VmStk"u8);
        *(byte*)(a - 4 * Page) = 1;
        Equal(16, Proc.Status("VmStk"u8) - before);
        Drop(a - 4 * Page, 5);
        Equal(before - 4, Proc.Status("VmStk"u8));
    }

    private static void FlagKept()
    {
        nint a = NewGrowing(8, 1);
        Check(Proc.HasFlag(a, "gd"u8));
        int pid = Linux.Fork();
        if (pid == 0)
        {
            *(byte*)(a - Page) = 1;
            Exit(Proc.HasFlag(a, "gd"u8) && Look(a - Page, "ww"u8) ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
        Look(a - Page, ".w"u8);
        Drop(a, 1);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Deep(int levels)
    {
        byte* space = stackalloc byte[Page];
        space[0] = (byte)levels;
        space[Page - 1] = 1;
        return levels == 0 ? 0 : Deep(levels - 1) + space[Page - 1];
    }

    private static void OwnStack()
    {
        byte here;
        Areas.Area stack = Areas.Named("[stack]"u8);
        Check((nint)(&here) >= stack.Start && (nint)(&here) < stack.End);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Deep(100);
            Exit(Areas.Named("[stack]"u8).Start <= stack.Start - 64 * Page ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
    }

    private static void Overflow()
    {
        ulong before = SetSoftLimit(Limit.Stack, 64 * Page);
        Areas.Area stack = Areas.Named("[stack]"u8);
        Trap.Report report = Trap.Write(stack.End - 64 * Page - 8);
        SetSoftLimit(Limit.Stack, before);
        Trap.Expect(report, Signal.Segmentation, Trap.MapError);
    }

    private static void FarBelow()
    {
        Areas.Area stack = Areas.Named("[stack]"u8);
        Trap.Expect(Trap.Write(stack.End - unchecked((nint)(1L << 30))), Signal.Segmentation, Trap.MapError);
    }

    private static void BaseAway()
    {
        ulong* pair = stackalloc ulong[2];
        GetResourceLimit(Limit.Stack, pair);
        nint a = New(1);
        Check(pair[0] == Limit.Infinity || a < Areas.Named("[stack]"u8).End - (nint)pair[0]);
        Drop(a, 1);
    }

    private static nint PageEnd() => (Brk(0) + Page - 1) & -Page;

    private static void BrkRefused()
    {
        nint end = Brk(0);
        Equal(end, Brk(1));
        Equal(end, Brk(-1));
        Equal(end, Brk(unchecked((nint)0x7fff_ffff_f000)));
        Equal(end, Brk(unchecked((nint)0xffff_8000_0000_0000)));
        Equal(end, Brk(0));
    }

    private static void BrkBytes()
    {
        nint end = Brk(0), page = PageEnd();
        Equal(page + 1, Brk(page + 1));
        Equal(page + Page, Areas.Named("[heap]"u8).End);
        Equal(page + 100, Brk(page + 100));
        Equal(page + Page, Areas.Named("[heap]"u8).End);
        Equal(0, At(page + Page - 1));
        Equal(page + Page + 1, Brk(page + Page + 1));
        Equal(page + 2 * Page, Areas.Named("[heap]"u8).End);
        Equal(end, Brk(end));
    }

    private static void BrkDown()
    {
        nint end = Brk(0), page = PageEnd();
        Brk(page + 2 * Page);
        *(byte*)(page + Page) = 5;
        Brk(page + Page + 10);
        Equal(5, At(page + Page));
        Brk(page + Page);
        Equal(Signal.Segmentation, Child.SignalOfRead(page + Page));
        Brk(end);
    }

    private static void BrkStart()
    {
        nint end = Brk(0), page = PageEnd();
        Brk(page + Page);
        Check(Areas.Named("[heap]"u8).End == page + Page);
        nint start = Areas.Named("[heap]"u8).Start;
        if (start == page)      // nothing was there before
        {
            Brk(end);
            Equal(0, Areas.Named("[heap]"u8).End);
        }
        Brk(end);
    }

    private static void BrkNeighbour()
    {
        nint end = Brk(0), page = PageEnd();
        Put(page + 8 * Page, 1, Protection.None);
        Equal(end, Brk(page + 8 * Page + 1));
        Equal(end, Brk(page + 8 * Page));
        Equal(page + 7 * Page, Brk(page + 7 * Page));
        Drop(page + 8 * Page, 1);
        Brk(end);
    }

    private static void BrkGap()
    {
        nint end = Brk(0), page = PageEnd();
        nint at = page + (Gap + 8) * Page;
        Mmap(at, Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Fixed | Map.GrowsDown);
        Equal(end, Brk(page + 8 * Page));
        Equal(page + 7 * Page, Brk(page + 7 * Page));
        Drop(at, 1);
        Brk(end);
    }

    private static void HeapArea()
    {
        nint end = Brk(0), page = PageEnd();
        Brk(page + 2 * Page);
        Look(page, "ww."u8);
        Same("rd wr mr mw me ac"u8, Proc.Flags(page), "VmFlags");
        Brk(end);
    }

    private static void BrkZero()
    {
        nint end = Brk(0), page = PageEnd();
        Brk(page + Page);
        new Span<byte>((void*)page, Page).Fill(0xee);
        Brk(page);
        Brk(page + Page);
        bool zero = true;
        for (int i = 0; i < Page; i++)
            zero &= ((byte*)page)[i] == 0;
        Check(zero);
        Brk(end);
    }

    private static void HeapHole()
    {
        nint end = Brk(0), page = PageEnd();
        Brk(page + 4 * Page);
        Drop(page + Page, 1);
        Equal(page + 6 * Page, Brk(page + 6 * Page));
        Look(page, "w.wwww."u8);
        Equal(end, Brk(end));
        Look(page, "......"u8);
    }

    private static void BrkFork()
    {
        nint end = Brk(0), page = PageEnd();
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(Brk(page + 5 * Page) == page + 5 * Page ? 0 : 1);
        Equal(0, Child.Status(pid));
        Equal(end, Brk(0));
        Equal(Signal.Segmentation, Child.SignalOfRead(page + Page));
    }
}
