using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Pages;

namespace NanoVm.User.Suites.Merging;

/// <summary>How areas are joined and cut: the eight cases, what keeps neighbours apart, and the flags that <c>smaps</c> shows.</summary>
/// <remarks>The pictures are explained at <see cref="Pages.Look"/>.</remarks>
internal static unsafe class Program
{
    public static int Main() => Run(
        new("Case 1: an area that fills a hole joins both sides", &Case1),
        new("Case 2: an area that fills a hole joins the one before", &Case2),
        new("Case 3: an area that fills a hole joins the one behind", &Case3),
        new("Case 4: the end of an area goes over to the next one", &Case4),
        new("Case 5: the beginning of an area goes over to the one before", &Case5),
        new("Case 6: an area that becomes like both sides joins them", &Case6),
        new("Case 7: an area that becomes like the one before joins it", &Case7),
        new("Case 8: an area that becomes like the one behind joins it", &Case8),
        new("mprotect over three areas and parts of them leaves one", &AcrossThree),
        new("mprotect to what is there changes nothing", &SameRights),
        new("mprotect that ends in a hole has changed what lies before it", &UntilHole),
        new("mprotect that begins in a hole changes nothing", &FromHole),
        new("mprotect that a file refuses has changed what lies before it", &UntilRefusal),
        new("mprotect of the middle page leaves three areas", &Middle),
        new("munmap across holes and areas cuts the outer two", &UnmapOuter),
        new("A touched area that was cut joins again", &TouchedRejoin),
        new("Fresh memory beside touched memory joins it", &FreshBesideTouched),
        new("SEQUENTIAL, RANDOM and NORMAL keep areas apart and join them", &ReadFlags),
        new("DONTFORK keeps areas apart, DOFORK joins them", &ForkFlag),
        new("WIPEONFORK keeps areas apart, KEEPONFORK joins them", &WipeFlag),
        new("DONTDUMP keeps areas apart, DODUMP joins them", &DumpFlag),
        new("NORESERVE memory does not join other memory", &NoReserve),
        new("Locked memory does not join other memory", &LockedApart),
        new("Growing areas join only their kind", &GrowsDownApart),
        new("File pages in the file's order join", &FileInOrder),
        new("File pages in another order stay apart", &FileOutOfOrder),
        new("The same pages of two files stay apart", &TwoFiles),
        new("Two openings of one file stay apart", &TwoOpenings),
        new("Shared and private pages of one file stay apart", &SharedAndPrivate),
        new("Anonymous and file memory stay apart", &AnonymousAndFile),
        new("A hole in a file mapping filled with the right pages closes", &FileHole),
        new("Shared anonymous memory cut by mprotect joins again", &SharedRejoin),
        new("A moved untouched area joins its new neighbours", &MovedUntouched),
        new("A moved touched area does not join its new neighbours", &MovedTouched),
        new("A touched area moved away and back joins again", &MovedBack),
        new("A grown area joins the one behind it", &GrownJoins),
        new("VmFlags of private memory", &FlagsPrivate),
        new("VmFlags of memory without rights", &FlagsNone),
        new("VmFlags of read-only and of executable memory", &FlagsReadOnly),
        new("VmFlags of shared anonymous memory", &FlagsShared),
        new("VmFlags of NORESERVE and of growing memory", &FlagsSpecial),
        new("VmFlags of file mappings", &FlagsFile),
        new("VmFlags of a shared mapping of a read-only file", &FlagsReadOnlyFile),
        new("VmFlags after each advice", &FlagsAdvice),
        new("VmFlags of locked memory", &FlagsLocked),
        new("VmFlags of the stack, the vDSO and its data", &FlagsNamed),
        new("mprotect away from writable keeps the account", &AccountKept),
        new("mprotect of NORESERVE memory to writable is not accounted", &AccountNoReserve),
        new("65,530 areas, and then ENOMEM for all that would make one more", &ManyAreas));

    private static void Change(nint a, int page, int pages, int protection) => Equal(0, Mprotect(a + page * Page, pages * Page, protection));

    /// <summary>Areas of one page each, from letters: n, r, w, x, or a hole.</summary>
    /// <remarks>
    /// All were writable once, for that is remembered: Linux 6.1 charges an area when it may first be written to, and goes on charging it when
    /// <c>mprotect</c> makes it read-only. A read-only area that was never writable does not join it.
    /// </remarks>
    private static nint Draw(ReadOnlySpan<byte> letters)
    {
        nint a = Room(letters.Length);
        for (int i = 0; i < letters.Length; i++)
        {
            if (letters[i] == '.')
                continue;
            int rights = letters[i] switch { (byte)'r' => Protection.Read, (byte)'w' => Protection.ReadWrite, (byte)'x' => Protection.Read | Protection.Execute, _ => Protection.None };
            Put(a + i * Page, 1);
            Change(a, i, 1, rights);
        }
        return a;
    }

    private static void Case1()
    {
        nint a = Draw("w.w"u8);
        Put(a + Page, 1);
        Look(a, "www"u8);
        Drop(a, 3);
    }

    private static void Case2()
    {
        nint a = Draw("w.r"u8);
        Put(a + Page, 1);
        Look(a, "ww|r"u8);
        Drop(a, 3);
    }

    private static void Case3()
    {
        nint a = Draw("r.w"u8);
        Put(a + Page, 1);
        Look(a, "r|ww"u8);
        Drop(a, 3);
    }

    private static void Case4()
    {
        nint a = Draw("wwrr"u8);
        Change(a, 1, 1, Protection.Read);
        Look(a, "w|rrr"u8);
        Drop(a, 4);
    }

    private static void Case5()
    {
        nint a = Draw("rrww"u8);
        Change(a, 2, 1, Protection.Read);
        Look(a, "rrr|w"u8);
        Drop(a, 4);
    }

    private static void Case6()
    {
        nint a = Draw("rwr"u8);
        Change(a, 1, 1, Protection.Read);
        Look(a, "rrr"u8);
        Drop(a, 3);
    }

    private static void Case7()
    {
        nint a = Draw("rwx"u8);
        Change(a, 1, 1, Protection.Read);
        Look(a, "rr|x"u8);
        Drop(a, 3);
    }

    private static void Case8()
    {
        nint a = Draw("xwr"u8);
        Change(a, 1, 1, Protection.Read);
        Look(a, "x|rr"u8);
        Drop(a, 3);
    }

    private static void AcrossThree()
    {
        nint a = Draw("wwrrxxww"u8);
        Change(a, 1, 6, Protection.Read);
        Look(a, "w|rrrrrr|w"u8);
        Change(a, 0, 8, Protection.ReadWrite);
        Look(a, "wwwwwwww"u8);
        Drop(a, 8);
    }

    private static void SameRights()
    {
        nint a = Draw("wwww"u8);
        Change(a, 1, 2, Protection.ReadWrite);
        Look(a, "wwww"u8);
        Drop(a, 4);
    }

    private static void UntilHole()
    {
        nint a = Draw("wx.w"u8);
        Equal(Errno.NoMemory, Mprotect(a, 4 * Page, Protection.Read));
        Look(a, "rr.w"u8);
        Drop(a, 4);
    }

    private static void FromHole()
    {
        nint a = Draw(".www"u8);
        Equal(Errno.NoMemory, Mprotect(a, 4 * Page, Protection.Read));
        Look(a, ".www"u8);
        Drop(a, 4);
    }

    private static void UntilRefusal()
    {
        Close(NewFile(2, keepName: true));
        int file = Open("/tmp/suite-pages"u8, 0);
        Unlink("/tmp/suite-pages"u8);
        nint a = Draw("rr.rr"u8);
        Mmap(a + 2 * Page, Page, Protection.Read, Map.Shared | Map.Fixed, file);
        Equal(Errno.Access, Mprotect(a, 5 * Page, Protection.ReadWrite));
        Look(a, "ww|R|rr"u8);
        Close(file);
        Drop(a, 5);
    }

    private static void Middle()
    {
        nint a = Draw("wwwww"u8);
        Change(a, 2, 1, Protection.None);
        Look(a, "ww|n|ww"u8);
        Change(a, 2, 1, Protection.ReadWrite);
        Look(a, "wwwww"u8);
        Drop(a, 5);
    }

    private static void UnmapOuter()
    {
        nint a = Draw("wwwr.xx.nnn"u8);
        Equal(0, Drop(a + Page, 8));
        Look(a, "w........nn"u8);
        Drop(a, 11);
    }

    private static void TouchedRejoin()
    {
        nint a = Draw("wwww"u8);
        Touch(a, 4);
        Change(a, 1, 2, Protection.Read);
        Look(a, "w|rr|w"u8);
        Change(a, 0, 4, Protection.Read);
        Look(a, "rrrr"u8);
        Drop(a, 4);
    }

    private static void FreshBesideTouched()
    {
        nint a = Draw("ww.ww"u8);
        Touch(a, 2);
        Put(a + 2 * Page, 1);
        Look(a, "wwwww"u8);
        Drop(a, 5);
    }

    private static void ReadFlags()
    {
        nint a = Draw("wwww"u8);
        Equal(0, Madvise(a, Page, Advice.Sequential));
        Look(a, "w|www"u8);
        Equal(0, Madvise(a + Page, Page, Advice.Random));
        Look(a, "w|w|ww"u8);
        Equal(0, Madvise(a, 2 * Page, Advice.Random));
        Look(a, "ww|ww"u8);
        Equal(0, Madvise(a, 4 * Page, Advice.Normal));
        Look(a, "wwww"u8);
        Drop(a, 4);
    }

    /// <summary>One advice on the middle page cuts the area, the other joins it again.</summary>
    private static void Apart(int advice, int back)
    {
        nint a = Draw("www"u8);
        Equal(0, Madvise(a + Page, Page, advice));
        Look(a, "w|w|w"u8);
        Equal(0, Madvise(a + Page, Page, back));
        Look(a, "www"u8);
        Drop(a, 3);
    }

    private static void ForkFlag() => Apart(Advice.DontFork, Advice.DoFork);

    private static void WipeFlag() => Apart(Advice.WipeOnFork, Advice.KeepOnFork);

    private static void DumpFlag() => Apart(Advice.DontDump, Advice.DoDump);

    private static void NoReserve()
    {
        nint a = Draw("w.w"u8);
        Mmap(a + Page, Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Fixed | Map.NoReserve);
        Look(a, "w|w|w"u8);
        Drop(a, 3);
    }

    private static void LockedApart()
    {
        nint a = Draw("w.w"u8);
        Mmap(a + Page, Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Fixed | Map.Locked);
        Look(a, "w|w|w"u8);
        Equal(0, Munlock(a + Page, Page));
        Check(!Proc.HasFlag(a + Page, "lo"u8));
        Drop(a, 3);
    }

    private static void GrowsDownApart()
    {
        nint a = Draw("...w"u8);
        Mmap(a + 2 * Page, Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Fixed | Map.GrowsDown);
        Look(a, "..w|w"u8);
        Mmap(a + Page, Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Fixed | Map.GrowsDown);
        Look(a, ".ww|w"u8);
        Drop(a, 4);
    }

    private static void MapPage(nint a, int place, int page, int file, int type = Map.Private) => Mmap(a + place * Page, Page, Protection.Read, type | Map.Fixed, file, page * Page);

    private static void FileInOrder()
    {
        int file = NewFile(4);
        nint a = Room(3);
        foreach (int type in (ReadOnlySpan<int>)[Map.Private, Map.Shared])
        {
            MapPage(a, 0, 1, file, type);
            MapPage(a, 2, 3, file, type);
            MapPage(a, 1, 2, file, type);
            Look(a, type == Map.Shared ? "RRR"u8 : "rrr"u8);
        }
        Close(file);
        Drop(a, 3);
    }

    private static void FileOutOfOrder()
    {
        int file = NewFile(4);
        nint a = Room(3);
        MapPage(a, 0, 1, file);
        MapPage(a, 1, 1, file);
        MapPage(a, 2, 0, file);
        Look(a, "r|r|r"u8);
        Close(file);
        Drop(a, 3);
    }

    private static void TwoFiles()
    {
        int file = NewFile(2), other = NewFile(2);
        nint a = Room(2);
        MapPage(a, 0, 0, file);
        MapPage(a, 1, 1, other);
        Look(a, "r|r"u8);
        Close(file);
        Close(other);
        Drop(a, 2);
    }

    private static void TwoOpenings()
    {
        int file = NewFile(2, keepName: true), other = Open("/tmp/suite-pages"u8, 0);
        Unlink("/tmp/suite-pages"u8);
        nint a = Room(2);
        MapPage(a, 0, 0, file);
        MapPage(a, 1, 1, other);
        Look(a, "r|r"u8);
        Close(file);
        Close(other);
        Drop(a, 2);
    }

    private static void SharedAndPrivate()
    {
        int file = NewFile(2);
        nint a = Room(2);
        MapPage(a, 0, 0, file, Map.Shared);
        MapPage(a, 1, 1, file);
        Look(a, "R|r"u8);
        Close(file);
        Drop(a, 2);
    }

    private static void AnonymousAndFile()
    {
        int file = NewFile(2);
        nint a = Draw("r.r"u8);
        MapPage(a, 1, 1, file);
        Look(a, "r|r|r"u8);
        Close(file);
        Drop(a, 3);
    }

    private static void FileHole()
    {
        int file = NewFile(5);
        nint a = Room(5);
        Mmap(a, 5 * Page, Protection.ReadWrite, Map.Shared | Map.Fixed, file);
        Drop(a + Page, 2);
        Look(a, "W..WW"u8);
        Mmap(a + Page, 2 * Page, Protection.ReadWrite, Map.Shared | Map.Fixed, file, Page);
        Look(a, "WWWWW"u8);
        Equal(3, At(a + 2 * Page));
        Close(file);
        Drop(a, 5);
    }

    private static void SharedRejoin()
    {
        nint a = Room(3);
        Mmap(a, 3 * Page, Protection.ReadWrite, Map.SharedAnonymous | Map.Fixed);
        Change(a, 1, 1, Protection.Read);
        Look(a, "W|R|W"u8);
        Change(a, 1, 1, Protection.ReadWrite);
        Look(a, "WWW"u8);
        Drop(a, 3);
    }

    private static void MovedUntouched()
    {
        nint a = Draw("w.w"u8), b = Draw("w"u8);
        Equal(a + Page, Mremap(b, Page, Page, Remap.MayMove | Remap.Fixed, a + Page));
        Look(a, "www"u8);
        Drop(a, 3);
    }

    private static void MovedTouched()
    {
        nint a = Draw("w.w"u8), b = Draw("w"u8);
        Touch(b, 1, 6);
        Equal(a + Page, Mremap(b, Page, Page, Remap.MayMove | Remap.Fixed, a + Page));
        Look(a, "w|w|w"u8);
        Equal(6, At(a + Page));
        Drop(a, 3);
    }

    private static void MovedBack()
    {
        nint a = Draw("www"u8), b = Room(1);
        Touch(a, 3, 8);
        Equal(b, Mremap(a + Page, Page, Page, Remap.MayMove | Remap.Fixed, b));
        Look(a, "w.w"u8);
        Equal(a + Page, Mremap(b, Page, Page, Remap.MayMove | Remap.Fixed, a + Page));
        Look(a, "www"u8);
        Equal(8, At(a + Page));
        Drop(a, 3);
    }

    private static void GrownJoins()
    {
        nint a = Draw("w..w"u8);
        Equal(a, Mremap(a, Page, 3 * Page, 0));
        Look(a, "wwww"u8);
        Drop(a, 4);
    }

    private static void Flags(nint a, ReadOnlySpan<byte> expected, [System.Runtime.CompilerServices.CallerLineNumber] int line = 0) =>
        Same(expected, Proc.Flags(a), "VmFlags", line);

    private static void FlagsPrivate()
    {
        nint a = Draw("w"u8);
        Flags(a, "rd wr mr mw me ac"u8);
        Drop(a, 1);
    }

    private static void FlagsNone()
    {
        nint a = Alone(1, Protection.None);
        Flags(a, "mr mw me"u8);
        Drop(a, 1);
    }

    private static void FlagsReadOnly()
    {
        nint a = Alone(1, Protection.Read);
        Put(a + Page, 1, Protection.Read | Protection.Execute);
        Flags(a, "rd mr mw me"u8);
        Flags(a + Page, "rd ex mr mw me"u8);
        Drop(a, 2);
    }

    private static void FlagsShared()
    {
        nint a = New(1, Protection.ReadWrite, Map.SharedAnonymous);
        Flags(a, "rd wr sh mr mw me ms"u8);
        Drop(a, 1);
    }

    private static void FlagsSpecial()
    {
        nint a = New(1, Protection.ReadWrite, Map.PrivateAnonymous | Map.NoReserve);
        Flags(a, "rd wr mr mw me nr"u8);
        Drop(a, 1);
        a = New(1, Protection.ReadWrite, Map.PrivateAnonymous | Map.GrowsDown);
        Flags(a, "rd wr mr mw me gd ac"u8);
        Drop(a, 1);
    }

    private static void FlagsFile()
    {
        int file = NewFile(1);
        nint a = Mmap(0, Page, Protection.Read, Map.Private, file), b = Mmap(0, Page, Protection.ReadWrite, Map.Private, file), c = Mmap(0, Page, Protection.ReadWrite, Map.Shared, file);
        Flags(a, "rd mr mw me"u8);
        Flags(b, "rd wr mr mw me ac"u8);
        Flags(c, "rd wr sh mr mw me ms"u8);
        Drop(a, 1);
        Drop(b, 1);
        Drop(c, 1);
        Close(file);
    }

    private static void FlagsReadOnlyFile()
    {
        Close(NewFile(1, keepName: true));
        int file = Open("/tmp/suite-pages"u8, 0);
        Unlink("/tmp/suite-pages"u8);
        nint a = Mmap(0, Page, Protection.Read, Map.Shared, file);
        Flags(a, "rd mr me ms"u8);
        Look(a, "R"u8);
        Drop(a, 1);
        Close(file);
    }

    private static void FlagsAdvice()
    {
        nint a = Draw("wwwwwwwww"u8);
        ReadOnlySpan<int> advice = [Advice.Sequential, Advice.Random, Advice.DontFork, Advice.WipeOnFork, Advice.DontDump, Advice.HugePage, Advice.NoHugePage];
        for (int i = 0; i < advice.Length; i++)
            Equal(0, Madvise(a + i * Page, Page, advice[i]));
        Flags(a, "rd wr mr mw me sr ac"u8);
        Flags(a + Page, "rd wr mr mw me rr ac"u8);
        Flags(a + 2 * Page, "rd wr mr mw me dc ac"u8);
        Flags(a + 3 * Page, "rd wr mr mw me ac wf"u8);
        Flags(a + 4 * Page, "rd wr mr mw me ac dd"u8);
        Flags(a + 5 * Page, "rd wr mr mw me ac hg"u8);
        Flags(a + 6 * Page, "rd wr mr mw me ac nh"u8);
        Look(a, "w|w|w|w|w|w|w|ww"u8);
        Drop(a, 9);
    }

    private static void FlagsLocked()
    {
        nint a = Draw("ww"u8);
        Equal(0, Mlock(a, Page));
        Flags(a, "rd wr mr mw me lo ac"u8);
        Flags(a + Page, "rd wr mr mw me ac"u8);
        Drop(a, 2);
    }

    private static void FlagsNamed()
    {
        Flags(Areas.Named("[stack]"u8).Start, "rd wr mr mw me gd ac"u8);
        Flags(Areas.Named("[vdso]"u8).Start, "rd ex mr mw me de"u8);
        Check(Proc.HasFlag(Areas.Named("[vvar]"u8).Start, "pf"u8));
        Check(Proc.HasFlag(Areas.Named("[vvar]"u8).Start, "io"u8));
    }

    private static void AccountKept()
    {
        nint a = Draw("www"u8);
        Touch(a, 3);
        Change(a, 1, 1, Protection.Read);
        Flags(a + Page, "rd mr mw me ac"u8);
        Change(a, 1, 1, Protection.ReadWrite);
        Look(a, "www"u8);
        Drop(a, 3);
    }

    private static void AccountNoReserve()
    {
        nint a = New(1, Protection.Read, Map.PrivateAnonymous | Map.NoReserve);
        Change(a, 0, 1, Protection.ReadWrite);
        Flags(a, "rd wr mr mw me nr"u8);
        Drop(a, 1);
    }

    private static void ManyAreas()
    {
        if (Proc.Number(Proc.ReadAll("/proc/sys/vm/max_map_count"u8)) != 65530)
        {
            Skip("vm.max_map_count is not 65530 here");
            return;
        }
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(FillWithAreas());
        Equal(0, Child.Status(pid));
    }

    /// <summary>0 when all was as expected, else the number of the step that was not.</summary>
    private static int FillWithAreas()
    {
        nint a = Room(70_000);
        int count = 0;
        while (count < 70_000 && Put(a + count * Page, 1, (count & 1) == 0 ? Protection.Read : Protection.ReadWrite) >= 0)
            count++;
        if (count is < 65_000 or > 65_530)
            return 1;
        nint next = a + count * Page;
        if (Put(next, 1, Protection.None) != Errno.NoMemory)
            return 2;
        // One area more than the limit is there by now: nothing may be cut.
        Drop(a + 10 * Page, 1);
        if (Mremap(a + 12 * Page, Page, Page, Remap.MayMove | Remap.DontUnmap) != Errno.NoMemory)
            return 3;
        // Joining is not refused, nor is what leaves the number as it is.
        if (Mprotect(a + 20 * Page, Page, Protection.ReadWrite) != 0 || Put(a + 30 * Page, 1, Protection.Read) != a + 30 * Page)
            return 4;
        if (Drop(a, 70_000) != 0)
            return 5;
        return 0;
    }
}
