using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Pages;

namespace NanoVm.User.Suites.Looking;

/// <summary>What the kernel's own files say about memory: <c>maps smaps pagemap clear_refs status statm mem</c> and the machine's.</summary>
internal static unsafe class Program
{
    private const ulong Present = 1UL << 63, Swapped = 1UL << 62, OfFile = 1UL << 61, Exclusive = 1UL << 56, SoftDirty = 1UL << 55, FrameMask = (1UL << 55) - 1;

    public static int Main() => Run(
        new("maps: a line's columns", &MapsColumns),
        new("maps: names begin in column 74", &MapsNameColumn),
        new("maps: the device and inode of anonymous memory are zero", &MapsAnonymous),
        new("maps can be read byte by byte", &MapsByteWise),
        new("maps of the dead and of nobody", &MapsOfNobody),
        new("smaps: every field, in this order", &SmapsOrder),
        new("smaps: sizes of fresh and of touched memory", &SmapsSizes),
        new("smaps: Referenced and clear_refs 1", &Referenced),
        new("smaps_rollup begins with a line of its own", &Rollup),
        new("pagemap: an absent page is zero", &PageMapAbsent),
        new("pagemap: a written page is present and exclusive", &PageMapPresent),
        new("pagemap: the page of zeros is one frame", &PageMapZero),
        new("pagemap: a shared page is of a file", &PageMapShared),
        new("pagemap: after fork both show one frame, not exclusive", &PageMapFork),
        new("pagemap: reads of other than eight bytes", &PageMapRead),
        new("clear_refs 4 clears soft-dirty, a write sets it", &ClearSoftDirty),
        new("Fresh mappings are soft-dirty after clear_refs 4", &FreshSoftDirty),
        new("mremap makes soft-dirty", &MovedSoftDirty),
        new("mprotect to and fro hides no write from clear_refs 4", &ProtectedSoftDirty),
        new("clear_refs refuses other values", &ClearRefused),
        new("clear_refs 5 resets the high-water mark", &ResetPeak),
        new("status: the memory fields, in this order", &StatusOrder),
        new("status: VmSize follows mmap and munmap", &StatusSize),
        new("status: VmData counts private writable memory", &StatusData),
        new("status: VmLck, VmStk and VmExe", &StatusOthers),
        new("status: VmPeak and VmHWM never fall", &StatusPeaks),
        new("statm: seven numbers that agree with status", &Statm),
        new("stat: the addresses of code, heap and stack", &Stat),
        new("/proc/self/mem reads memory at its address", &MemRead),
        new("/proc/self/mem writes read-only private memory, as a debugger does", &MemWrite),
        new("/proc/self/mem at a hole is EIO", &MemHole),
        new("/proc/self/auxv is what the stack has", &Auxv),
        new("/proc/self/cmdline and environ come from the stack", &CommandLine),
        new("/proc/self/exe leads to the program", &ExeLink),
        new("The auxiliary vector: page size, headers, entry, random bytes", &AuxiliaryVector),
        new("The program's headers are where AT_PHDR says", &ProgramHeaders),
        new("The vDSO is at AT_SYSINFO_EHDR, an ELF with clock_gettime", &Vdso),
        new("oom_score_adj can be set from -1000 to 1000", &OomAdjust),
        new("overcommit: 2 TiB is refused, 2 TiB of NORESERVE is not", &Overcommit),
        new("meminfo: MemTotal, MemFree, Committed_AS and others", &MemInfo),
        new("vmstat counts faults", &VmStat),
        new("maps: a name is not lost where a piece of the text ends", &NamesBetweenPieces));

    private static void MapsColumns()
    {
        nint a = Alone(3, Protection.Read);
        Span<Areas.Area> found = stackalloc Areas.Area[1];
        Equal(1, Areas.In(a, 3 * Page, found));
        Equal(a, found[0].Start);
        Equal(a + 3 * Page, found[0].End);
        Equal(Areas.ReadOnlyPrivate, found[0].Rights);
        Equal(0, found[0].Offset);
        Drop(a, 3);
    }

    private static ReadOnlySpan<byte> LineWith(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name)
    {
        ReadOnlySpan<byte> text = Proc.ReadAll(path);
        int at = text.IndexOf(name);
        if (at < 0)
            return default;
        int begin = at;
        while (begin > 0 && text[begin - 1] != '\n')
            begin--;
        int end = at;
        while (text[end] != '\n')
            end++;
        return text.Slice(begin, end - begin);
    }

    private static void MapsNameColumn() => Equal(73, LineWith("/proc/self/maps"u8, "[stack]"u8).IndexOf("[stack]"u8));

    private static void MapsAnonymous()
    {
        ReadOnlySpan<byte> line = LineWith("/proc/self/maps"u8, "[stack]"u8);
        Check(line.IndexOf(" rw-p 00000000 00:00 0 "u8) > 0);
    }

    private static void MapsByteWise()
    {
        nint a = Alone(1);
        int file = Open("/proc/self/maps"u8, 0);
        byte* whole = (byte*)New(16);
        int length = 0;
        while (length < 16 * Page && Linux.Read(file, whole + length, 1) == 1)
            length++;
        Close(file);
        Check(length > 200 && whole[length - 1] == '\n');
        int lines = 0;
        for (int i = 0; i < length; i++)
            lines += whole[i] == '\n' ? 1 : 0;
        int expected = 0;
        foreach (byte b in Proc.ReadAll("/proc/self/maps"u8))
            expected += b == '\n' ? 1 : 0;
        Equal(expected, lines);
        Drop((nint)whole, 16);
        Drop(a, 1);
    }

    private static void MapsOfNobody()
    {
        Equal(Errno.NoEntry, Open("/proc/4194303/maps"u8, 0));
        Equal(Errno.NoEntry, Open("/proc/self/nothing"u8, 0));
    }

    private static void SmapsOrder()
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/self/smaps"u8);
        int at = 0;
        foreach (string name in (ReadOnlySpan<string>)["Size:", "KernelPageSize:", "MMUPageSize:", "Rss:", "Pss:", "Pss_Dirty:", "Shared_Clean:", "Shared_Dirty:", "Private_Clean:",
            "Private_Dirty:", "Referenced:", "Anonymous:", "LazyFree:", "AnonHugePages:", "ShmemPmdMapped:", "FilePmdMapped:", "Shared_Hugetlb:", "Private_Hugetlb:", "Swap:",
            "SwapPss:", "Locked:", "THPeligible:", "VmFlags:"])
        {
            Span<byte> bytes = stackalloc byte[32];
            bytes[0] = (byte)'\n';
            int length = 1;
            foreach (char c in name.AsSpan())
                bytes[length++] = (byte)c;
            int next = text.Slice(at).IndexOf((ReadOnlySpan<byte>)bytes.Slice(0, length));
            if (!Check(next >= 0))
                return;
            at += next;
        }
    }

    private static void SmapsSizes()
    {
        nint a = Alone(6);
        Madvise(a, 6 * Page, Advice.NoHugePage);
        Equal(24, Proc.Smaps(a, "Size"u8));
        Equal(0, Proc.Smaps(a, "Rss"u8));
        Touch(a, 3);
        _ = At(a + 4 * Page);
        Equal(12, Proc.Smaps(a, "Rss"u8));
        Equal(12, Proc.Smaps(a, "Pss"u8));
        Equal(12, Proc.Smaps(a, "Anonymous"u8));
        Equal(12, Proc.Smaps(a, "Private_Dirty"u8));
        Equal(0, Proc.Smaps(a, "Swap"u8));
        Drop(a, 6);
    }

    private static void Referenced()
    {
        nint a = Alone(4);
        Madvise(a, 4 * Page, Advice.NoHugePage);
        Touch(a, 4);
        Equal(16, Proc.Smaps(a, "Referenced"u8));
        Equal(1, Proc.Put("/proc/self/clear_refs"u8, "1"u8));
        Equal(0, Proc.Smaps(a, "Referenced"u8));
        Drop(a, 4);
    }

    private static void Rollup()
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/self/smaps_rollup"u8);
        Check(text.IndexOf(" ---p 00000000 00:00 0 "u8) > 0 && text.IndexOf("[rollup]\n"u8) > 0);
        Check(Proc.Field("/proc/self/smaps_rollup"u8, "Rss"u8) > 0);
        Check(Proc.Field("/proc/self/smaps_rollup"u8, "Pss_Anon"u8) > 0);
        Equal(-1, Proc.Field("/proc/self/smaps_rollup"u8, "VmFlags"u8));
    }

    private static void PageMapAbsent()
    {
        nint a = Alone(1);
        Equal(0, (long)(Proc.PageMap(a) & ~SoftDirty));
        Drop(a, 1);
        Equal(0, (long)Proc.PageMap(a));
    }

    private static void PageMapPresent()
    {
        nint a = Alone(1);
        Touch(a, 1);
        ulong entry = Proc.PageMap(a);
        Equal(unchecked((long)(Present | Exclusive)), (long)(entry & (Present | Exclusive | OfFile | Swapped)));
        Check((entry & FrameMask) != 0);
        Drop(a, 1);
    }

    private static void PageMapZero()
    {
        nint a = Alone(2);
        _ = At(a);
        _ = At(a + Page);
        ulong first = Proc.PageMap(a), second = Proc.PageMap(a + Page);
        Check((first & Present) != 0);
        Equal((long)(first & FrameMask), (long)(second & FrameMask));
        Touch(a, 1);
        Check((Proc.PageMap(a) & FrameMask) != (second & FrameMask));
        Drop(a, 2);
    }

    private static void PageMapShared()
    {
        nint a = New(1, Protection.ReadWrite, Map.SharedAnonymous);
        Touch(a, 1);
        Equal(unchecked((long)(Present | OfFile)), (long)(Proc.PageMap(a) & (Present | OfFile)));
        Drop(a, 1);
    }

    private static void PageMapFork()
    {
        ulong* shared = (ulong*)New(1, Protection.ReadWrite, Map.SharedAnonymous);
        nint a = Alone(1);
        Touch(a, 1);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            shared[0] = Proc.PageMap(a);
            *(byte*)a = 2;
            shared[1] = Proc.PageMap(a);
            Exit(0);
        }
        ulong own = Proc.PageMap(a);
        Child.Status(pid);
        Equal((long)(own & FrameMask), (long)(shared[0] & FrameMask));
        Equal(0, (long)(shared[0] & Exclusive));
        Check((shared[1] & FrameMask) != (own & FrameMask));
        Check((shared[1] & Exclusive) != 0);
        Drop(a, 1);
        Drop((nint)shared, 1);
    }

    private static void PageMapRead()
    {
        int file = Open("/proc/self/pagemap"u8, 0);
        byte* buffer = stackalloc byte[32];
        Equal(Errno.Invalid, PositionedRead(file, buffer, 4, 0));
        Equal(Errno.Invalid, PositionedRead(file, buffer, 8, 4));
        Equal(Errno.Invalid, PositionedRead(file, buffer, 12, 8));
        Equal(0, PositionedRead(file, buffer, 0, 0));
        nint a = Alone(4);
        Equal(32, PositionedRead(file, buffer, 32, a / Page * 8));
        Close(file);
        Drop(a, 4);
    }

    private static bool IsSoftDirty(nint a) => (Proc.PageMap(a) & SoftDirty) != 0;

    /// <summary>Skips the case where the kernel follows nothing: it then shows the flag on no area.</summary>
    private static bool HasSoftDirty()
    {
        nint fresh = Mmap(0, Page, Protection.ReadWrite, Map.SharedAnonymous);      // new areas have it, whatever was cleared before
        bool has = Proc.ReadAll("/proc/self/smaps"u8).IndexOf(" sd "u8) >= 0;
        Munmap(fresh, Page);
        if (!has)
            Skip("this kernel does not follow soft-dirty pages");
        return has;
    }

    private static void ClearSoftDirty()
    {
        if (!HasSoftDirty())
            return;
        nint a = Alone(3);
        Madvise(a, 3 * Page, Advice.NoHugePage);
        Touch(a, 3);
        Check(IsSoftDirty(a));
        Equal(1, Proc.Put("/proc/self/clear_refs"u8, "4"u8));
        Check(!IsSoftDirty(a) && !IsSoftDirty(a + Page));
        _ = At(a);
        Check(!IsSoftDirty(a));
        *(byte*)(a + Page) = 2;
        Check(IsSoftDirty(a + Page) && !IsSoftDirty(a + 2 * Page));
        Drop(a, 3);
    }

    private static void FreshSoftDirty()
    {
        if (!HasSoftDirty())
            return;
        Proc.Put("/proc/self/clear_refs"u8, "4"u8);
        nint a = Alone(1);
        Check(Proc.HasFlag(a, "sd"u8));
        Check(IsSoftDirty(a));
        Proc.Put("/proc/self/clear_refs"u8, "4"u8);
        Check(!Proc.HasFlag(a, "sd"u8));
        Drop(a, 1);
    }

    private static void MovedSoftDirty()
    {
        if (!HasSoftDirty())
            return;
        nint a = Alone(1);
        Touch(a, 1);
        Proc.Put("/proc/self/clear_refs"u8, "4"u8);
        Check(!IsSoftDirty(a));
        nint b = Room(1);
        Equal(b, Mremap(a, Page, Page, Remap.MayMove | Remap.Fixed, b));
        Check(IsSoftDirty(b));
        Drop(b, 1);
    }

    private static void ProtectedSoftDirty()
    {
        if (!HasSoftDirty())
            return;
        nint a = Alone(2);
        Madvise(a, 2 * Page, Advice.NoHugePage);
        nint shared = Mmap(0, 2 * Page, Protection.ReadWrite, Map.SharedAnonymous);
        foreach (nint memory in (ReadOnlySpan<nint>)[a, shared])
        {
            Touch(memory, 2);
            Proc.Put("/proc/self/clear_refs"u8, "4"u8);
            Mprotect(memory, 2 * Page, Protection.Read);
            Mprotect(memory, 2 * Page, Protection.ReadWrite);
            Check(!IsSoftDirty(memory));
            *(byte*)memory = 2;
            Check(IsSoftDirty(memory) && !IsSoftDirty(memory + Page));
        }
        Munmap(shared, 2 * Page);
        Drop(a, 2);
    }

    private static void ClearRefused()
    {
        foreach (int value in (ReadOnlySpan<int>)['0', '6', '9', 'x'])
        {
            byte text = (byte)value;
            Equal(Errno.Invalid, Proc.Put("/proc/self/clear_refs"u8, new ReadOnlySpan<byte>(&text, 1)));
        }
        Equal(1, Proc.Put("/proc/self/clear_refs"u8, "2"u8));
        Equal(2, Proc.Put("/proc/self/clear_refs"u8, "3\n"u8));
    }

    private static void ResetPeak()
    {
        Proc.Prepare();
        nint a = New(1024);
        Madvise(a, 1024 * Page, Advice.NoHugePage);
        Touch(a, 1024);
        Drop(a, 1024);
        long before = Proc.Status("VmHWM"u8);
        Equal(1, Proc.Put("/proc/self/clear_refs"u8, "5"u8));
        Check(before - Proc.Status("VmHWM"u8) > 2048);
    }

    private static void StatusOrder()
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/self/status"u8);
        int at = 0;
        foreach (string name in (ReadOnlySpan<string>)["VmPeak:\t", "VmSize:\t", "VmLck:\t", "VmPin:\t", "VmHWM:\t", "VmRSS:\t", "RssAnon:\t", "RssFile:\t", "RssShmem:\t", "VmData:\t",
            "VmStk:\t", "VmExe:\t", "VmLib:\t", "VmPTE:\t", "VmSwap:\t", "HugetlbPages:\t", "CoreDumping:\t", "THP_enabled:\t", "Threads:\t"])
        {
            Span<byte> bytes = stackalloc byte[32];
            int length = 0;
            bytes[length++] = (byte)'\n';
            foreach (char c in name.AsSpan())
                bytes[length++] = (byte)c;
            int next = text.Slice(at).IndexOf((ReadOnlySpan<byte>)bytes.Slice(0, length));
            if (!Check(next >= 0))
                return;
            at += next;
        }
    }

    private static void StatusSize()
    {
        Proc.Prepare();
        long before = Proc.Status("VmSize"u8);
        nint a = New(100, Protection.None);
        Equal(before + 400, Proc.Status("VmSize"u8));
        Drop(a + 50 * Page, 50);
        Equal(before + 200, Proc.Status("VmSize"u8));
        Drop(a, 50);
        Equal(before, Proc.Status("VmSize"u8));
    }

    private static void StatusData()
    {
        Proc.Prepare();
        long before = Proc.Status("VmData"u8);
        nint a = New(10), b = New(10, Protection.Read), c = New(10, Protection.ReadWrite, Map.SharedAnonymous);
        Equal(before + 40, Proc.Status("VmData"u8));
        Mprotect(b, 5 * Page, Protection.ReadWrite);
        Equal(before + 60, Proc.Status("VmData"u8));
        Mprotect(a, 10 * Page, Protection.Read);
        Equal(before + 20, Proc.Status("VmData"u8));
        Drop(a, 10);
        Drop(b, 10);
        Drop(c, 10);
    }

    private static void StatusOthers()
    {
        Proc.Prepare();
        Equal(0, Proc.Status("VmLck"u8));
        nint a = Alone(2);
        Mlock(a, Page);
        Equal(4, Proc.Status("VmLck"u8));
        Drop(a, 2);
        Areas.Area stack = Areas.Named("[stack]"u8);
        Equal((stack.End - stack.Start) / 1024, Proc.Status("VmStk"u8));
        Check(Proc.Status("VmExe"u8) > 0);
        Equal(1, Proc.Status("Threads"u8));
    }

    private static void StatusPeaks()
    {
        Proc.Prepare();
        nint a = New(4096, Protection.None);
        long peak = Proc.Status("VmPeak"u8);
        Check(peak >= Proc.Status("VmSize"u8));
        Drop(a, 4096);
        Equal(peak, Proc.Status("VmPeak"u8));
        Check(Proc.Status("VmHWM"u8) >= Proc.Status("VmRSS"u8));
    }

    private static void Statm()
    {
        Proc.Prepare();
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/self/statm"u8);
        Span<long> numbers = stackalloc long[8];
        int count = 0;
        int at = 0;
        while (at < text.Length && count < 8)
        {
            numbers[count++] = Proc.Number(text.Slice(at));
            while (at < text.Length && text[at] is not ((byte)' ' or (byte)'\n'))
                at++;
            at++;
        }
        Equal(7, count);
        Equal(0, numbers[4]);
        Equal(0, numbers[6]);
        Equal(Proc.Status("VmSize"u8), numbers[0] * 4);
        Equal(Proc.Status("VmExe"u8), numbers[3] * 4);
        Equal(Proc.Status("VmData"u8) + Proc.Status("VmStk"u8), numbers[5] * 4);
    }

    private static void Stat()
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/self/stat"u8);
        int at = text.IndexOf(") "u8) + 2;
        Span<long> fields = stackalloc long[53];
        for (int i = 3; i <= 52 && at < text.Length; i++)
        {
            fields[i] = Proc.Number(text.Slice(at));
            while (at < text.Length && text[at] is not ((byte)' ' or (byte)'\n'))
                at++;
            at++;
        }
        byte here;
        Check(fields[28] > (nint)(&here));              // startstack
        Areas.Area heap = Areas.Named("[heap]"u8);
        nint code = (nint)(delegate*<void>)&Stat;
        Check(code >= fields[26] && code < fields[27]); // startcode, endcode
        Check(fields[48] < fields[49] && fields[50] < fields[51]);      // arguments, environment
        Check(fields[47] <= Brk(0));                    // start_brk
        Check(heap.Start == 0 || heap.Start <= Brk(0));
    }

    private static void MemRead()
    {
        nint a = Alone(2);
        Touch(a, 2, 31);
        int file = Open("/proc/self/mem"u8, 0);
        byte* buffer = stackalloc byte[8];
        Equal(8, PositionedRead(file, buffer, 8, a + Page - 7));
        Equal(31, buffer[7]);
        Equal(a + 5, Seek(file, a + 5, 0));
        Equal(1, Linux.Read(file, buffer, 1));
        Close(file);
        Drop(a, 2);
    }

    private static void MemWrite()
    {
        nint a = Alone(1);
        Touch(a, 1, 1);
        Mprotect(a, Page, Protection.Read);
        int file = Open("/proc/self/mem"u8, 2);
        byte value = 99;
        Equal(1, PositionedWrite(file, &value, 1, a + 10));
        Equal(99, At(a + 10));
        Look(a, "r"u8);
        Equal(Signal.Segmentation, Child.SignalOfWrite(a));
        Close(file);
        Drop(a, 1);
    }

    private static void MemHole()
    {
        nint a = Alone(1);
        int file = Open("/proc/self/mem"u8, 2);
        byte* buffer = stackalloc byte[16];
        Equal(8, PositionedRead(file, buffer, 16, a + Page - 8));
        Equal(-5, PositionedRead(file, buffer, 16, a + Page));
        Equal(-5, PositionedWrite(file, buffer, 16, a + Page));
        Close(file);
        Drop(a, 1);
    }

    private static void Auxv()
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/self/auxv"u8);
        Check(text.Length > 100 && text.Length % 16 == 0);
        fixed (byte* t = text)
        {
            for (ulong* entry = (ulong*)t; entry[0] != 0; entry += 2)
                Check(Arguments.Auxiliary(entry[0]) == entry[1]);
        }
    }

    private static void CommandLine()
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/self/cmdline"u8);
        ReadOnlySpan<byte> own = Arguments.At(0);
        Check(text.StartsWith(own) && text[own.Length] == 0);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Arguments.Vector[0][0] = (byte)'#';
            Exit(Proc.ReadAll("/proc/self/cmdline"u8)[0] == '#' ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
    }

    private static void ExeLink()
    {
        byte* buffer = stackalloc byte[256];
        nint length;
        fixed (byte* path = "/proc/self/exe"u8)
            length = Syscall.Call(89, (nint)path, (nint)buffer, 256);
        Check(length > 0 && buffer[0] == '/');
        var name = new ReadOnlySpan<byte>(buffer, (int)length);
        Check(name.EndsWith("/looking"u8));
    }

    private static void AuxiliaryVector()
    {
        Equal(Page, (long)Arguments.Auxiliary(6));
        Equal(56, (long)Arguments.Auxiliary(4));
        Check(Arguments.Auxiliary(5) is > 1 and < 20);
        Equal(0, (long)Arguments.Auxiliary(7));         // AT_BASE: no interpreter
        Equal(100, (long)Arguments.Auxiliary(17));      // AT_CLKTCK
        nint entry = (nint)Arguments.Auxiliary(9);
        Look(entry & -Page, "x"u8);
        nint random = (nint)Arguments.Auxiliary(25);
        Areas.Area stack = Areas.Named("[stack]"u8);
        Check(random > stack.Start && random < stack.End);
        nint file = (nint)Arguments.Auxiliary(31);      // AT_EXECFN
        Check(file > stack.Start && file < stack.End);
        Equal(0, *(long*)(stack.End - 8));              // the last word of a stack is zero
    }

    private static void ProgramHeaders()
    {
        byte* header = (byte*)Arguments.Auxiliary(3);
        bool executable = false;
        for (ulong i = 0; i < Arguments.Auxiliary(5); i++)
        {
            int type = *(int*)(header + i * 56), flags = *(int*)(header + i * 56 + 4);
            executable |= type == 1 && (flags & 1) != 0;
        }
        Check(executable);
    }

    private static void Vdso()
    {
        nint image = (nint)Arguments.Auxiliary(33);
        Equal(image, Areas.Named("[vdso]"u8).Start);
        Equal(0x464c457f, *(int*)image);
        Equal(3, *(short*)(image + 16));        // ET_DYN
        Areas.Area area = Areas.Named("[vdso]"u8);
        var text = new ReadOnlySpan<byte>((void*)image, (int)(area.End - area.Start));
        foreach (string name in (ReadOnlySpan<string>)["__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time", "__vdso_getcpu"])
        {
            Span<byte> bytes = stackalloc byte[32];
            int length = 0;
            foreach (char c in name.AsSpan())
                bytes[length++] = (byte)c;
            Check(text.IndexOf((ReadOnlySpan<byte>)bytes.Slice(0, length)) > 0);
        }
        Equal(Signal.Segmentation, Child.SignalOfWrite(image));
    }

    private static void OomAdjust()
    {
        Equal(3, Proc.Put("/proc/self/oom_score_adj"u8, "500"u8));
        Equal(500, Proc.Number(Proc.ReadAll("/proc/self/oom_score_adj"u8)));
        Equal(Errno.Invalid, Proc.Put("/proc/self/oom_score_adj"u8, "1001"u8));
        Equal(Errno.Invalid, Proc.Put("/proc/self/oom_score_adj"u8, "-1001"u8));
        Equal(1, Proc.Put("/proc/self/oom_score_adj"u8, "0"u8));
    }

    private static void Overcommit()
    {
        if (Proc.Number(Proc.ReadAll("/proc/sys/vm/overcommit_memory"u8)) != 0)
        {
            Skip("vm.overcommit_memory is not 0 here");
            return;
        }
        const int pages = 1 << 29;
        Equal(Errno.NoMemory, Mmap(0, unchecked((nint)((long)pages * Page)), Protection.ReadWrite, Map.PrivateAnonymous));
        nint a = Mmap(0, unchecked((nint)((long)pages * Page)), Protection.ReadWrite, Map.PrivateAnonymous | Map.NoReserve);
        Check(!IsError(a));
        Munmap(a, unchecked((nint)((long)pages * Page)));
        nint b = Mmap(0, unchecked((nint)((long)pages * Page)), Protection.Read, Map.PrivateAnonymous);
        Check(!IsError(b));
        Equal(Errno.NoMemory, Mprotect(b, unchecked((nint)((long)pages * Page)), Protection.ReadWrite));
        Munmap(b, unchecked((nint)((long)pages * Page)));
    }

    private static void MemInfo()
    {
        foreach (string name in (ReadOnlySpan<string>)["MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SwapCached", "Active", "Inactive", "Active(anon)", "Inactive(anon)", "Active(file)",
            "Inactive(file)", "Unevictable", "Mlocked", "SwapTotal", "SwapFree", "Dirty", "Writeback", "AnonPages", "Mapped", "Shmem", "Slab", "KernelStack", "PageTables", "CommitLimit",
            "Committed_AS", "VmallocTotal", "AnonHugePages", "HugePages_Total", "Hugepagesize"])
        {
            Span<byte> bytes = stackalloc byte[32];
            int length = 0;
            foreach (char c in name.AsSpan())
                bytes[length++] = (byte)c;
            if (!Check(Proc.Field("/proc/meminfo"u8, bytes.Slice(0, length)) >= 0))
                return;
        }
    }

    private static long VmCount(ReadOnlySpan<byte> name)
    {
        ReadOnlySpan<byte> line = LineWith("/proc/vmstat"u8, name);
        return Proc.Number(line.Slice(name.Length));
    }

    private static void VmStat()
    {
        Proc.Prepare();
        long before = VmCount("pgfault "u8);
        nint a = New(300);
        Madvise(a, 300 * Page, Advice.NoHugePage);
        Touch(a, 300);
        Check(VmCount("pgfault "u8) - before >= 200);       // counts of processors may lag
        Drop(a, 300);
        Check(VmCount("pgmajfault "u8) >= 0);
        Check(VmCount("nr_free_pages "u8) > 0);
    }

    private static void NamesBetweenPieces()
    {
        // Sixty areas with a name; what comes before them is longer by one byte each time, until some name has met every end of a piece.
        int names = SharedNames() + 60;
        nint areas = Mmap(0, 120 * Page, Protection.None, Map.PrivateAnonymous);
        for (int i = 0; i < 60; i++)
            Mmap(areas + 2 * i * Page, Page, Protection.Read, Map.SharedAnonymous | Map.Fixed);
        nint first = Mmap(0x10_0000, Page, Protection.Read, Map.PrivateAnonymous | Map.FixedNoReplace);
        Check(!IsError(first));
        byte* name = stackalloc byte[110];
        int lost = 0;
        for (int length = 1; length <= 100; length++)
        {
            name[length - 1] = (byte)'n';
            name[length] = 0;
            int file = (int)Syscall.Call(319, (nint)name, 0);
            Mmap(first, Page, Protection.Read, Map.Private | Map.Fixed, file);
            Close(file);
            lost += SharedNames() == names ? 0 : 1;
        }
        Equal(0, lost);
        Munmap(first, Page);
        Munmap(areas, 120 * Page);
    }

    private static int SharedNames()
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/self/maps"u8);
        int found = 0;
        for (int at = text.IndexOf("/dev/zero"u8); at >= 0; at = text.IndexOf("/dev/zero"u8))
        {
            found++;
            text = text.Slice(at + 9);
        }
        return found;
    }
}
