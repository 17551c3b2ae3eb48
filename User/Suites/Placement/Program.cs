using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Pages;

namespace NanoVm.User.Suites.Placement;

/// <summary><c>mmap</c> alone: what it refuses and in which order it looks, and where it puts an area.</summary>
internal static unsafe class Program
{
    /// <summary>Behind the last page that can be mapped: with five levels of page tables there is more for those who ask for it.</summary>
    private static nint UserEnd => unchecked((nint)(s_fiveLevels ? 0xff_ffff_ffff_f000 : 0x7fff_ffff_f000));

    private static bool s_fiveLevels;

    public static int Main()
    {
        nint beyond = unchecked((nint)(1L << 47));
        s_fiveLevels = Mmap(beyond, Page, Protection.None, Map.PrivateAnonymous | Map.FixedNoReplace) == beyond;
        Drop(beyond, 1);
        return RunAll();
    }

    private static int RunAll() => Run(
        new("The offset's alignment is looked at before everything else", &OffsetFirst),
        new("The descriptor is looked at before the length", &DescriptorBeforeLength),
        new("ANONYMOUS ignores the descriptor", &DescriptorIgnored),
        new("The length is looked at before the kind", &LengthBeforeKind),
        new("A length that rounds up to nothing is ENOMEM", &LengthOverflows),
        new("An offset that overflows is EOVERFLOW", &OffsetOverflows),
        new("A fixed address must be aligned, a hint need not", &Alignment),
        new("A fixed range beyond user space is ENOMEM", &FixedBeyond),
        new("The last page of user space can be mapped", &LastPage),
        new("Addresses below mmap_min_addr are refused", &BelowMinimum),
        new("A hint of zero to one page finds a place elsewhere", &TinyHint),
        new("A hint beyond user space is ignored", &WildHint),
        new("FIXED_NOREPLACE looks before it refuses anything else", &NoReplaceOrder),
        new("FIXED_NOREPLACE next to an area joins it", &NoReplaceNeighbour),
        new("FIXED_NOREPLACE reaching into an area from below is EEXIST", &NoReplaceOverlap),
        new("Unknown flags are ignored with SHARED and PRIVATE", &UnknownFlags),
        new("Unknown flags are EOPNOTSUPP with SHARED_VALIDATE", &Validate),
        new("SHARED_VALIDATE without a file is EINVAL", &ValidateAnonymous),
        new("SYNC is refused by files that are no persistent memory", &SyncRefused),
        new("Types other than shared, private and validate are EINVAL", &Types),
        new("Unknown protection bits are ignored", &ProtectionBits),
        new("GROWSDOWN with SHARED is refused", &SharedGrowsDown),
        new("GROWSDOWN of a file is refused", &FileGrowsDown),
        new("A pipe and a directory cannot be mapped", &NoMapping),
        new("A file open for writing only cannot be mapped", &WriteOnly),
        new("A file open for reading maps privately writable", &ReadOnlyPrivate),
        new("A file open for reading does not map shared writable", &ReadOnlyShared),
        new("A path descriptor is EBADF", &PathOnly),
        new("Execution of a file is not refused on tmpfs", &ExecutableFile),
        new("Successive mappings go down, each below the one before", &TopDown),
        new("A gap of just the right size is used", &GapUsed),
        new("The highest gap that is large enough wins", &HighestGap),
        new("A hint at a gap that is too small is ignored", &GapTooSmall),
        new("A hint is rounded down to its page", &HintRounded),
        new("A hint that touches both neighbours fills the hole", &HintFills),
        new("32BIT stays low however often it is asked", &LowMany),
        new("32BIT ignores a hint above its range", &LowHint),
        new("32BIT with a low free hint takes it", &LowHintTaken),
        new("FIXED over parts of three areas cuts the outer ones", &FixedCuts),
        new("FIXED that is refused leaves what was there", &FixedRefused),
        new("RLIMIT_AS counts whole pages and counts what is there", &AddressSpace),
        new("RLIMIT_AS lets FIXED replace as much as it brings", &AddressSpaceReplace),
        new("RLIMIT_DATA counts private writable memory only", &DataLimit),
        new("mprotect to writable counts for RLIMIT_DATA", &DataLimitMprotect),
        new("POPULATE of memory without rights changes nothing and succeeds", &PopulateNone),
        new("POPULATE of a read-only area maps its pages", &PopulateReadOnly),
        new("POPULATE with NONBLOCK does not populate", &PopulateNonBlock),
        new("STACK is only a hint", &StackFlag),
        new("munmap looks at alignment, size and length", &UnmapOrder),
        new("munmap at the end of user space", &UnmapEnd),
        new("/dev/zero maps as anonymous memory", &DevZero),
        new("/dev/null cannot be mapped", &DevNull));

    private static void OffsetFirst()
    {
        Equal(Errno.Invalid, Mmap(0, 0, Protection.Read, 0, -1, 1));
        Equal(Errno.Invalid, Mmap(0, Page, Protection.Read, Map.Private, -1, 0x800));
        Equal(Errno.Invalid, Mmap(0, Page, Protection.Read, Map.PrivateAnonymous, -1, 5));
    }

    private static void DescriptorBeforeLength()
    {
        Equal(Errno.BadDescriptor, Mmap(0, 0, Protection.Read, Map.Private, -1));
        Equal(Errno.BadDescriptor, Mmap(1, 0, 99, Map.Fixed, 999));
    }

    private static void DescriptorIgnored()
    {
        nint a = Mmap(0, Page, Protection.Read, Map.PrivateAnonymous, 12345);
        Check(!IsError(a));
        Drop(a, 1);
        a = Mmap(0, Page, Protection.Read, Map.PrivateAnonymous, -1, 7 * Page);
        Check(!IsError(a));
        Drop(a, 1);
    }

    private static void LengthBeforeKind()
    {
        Equal(Errno.Invalid, Mmap(0, 0, Protection.Read, Map.Anonymous));
        Equal(Errno.Invalid, Mmap(0, 0, Protection.Read, Map.PrivateAnonymous | Map.Fixed));
        Equal(Errno.NoMemory, Mmap(0, -1, Protection.Read, Map.Anonymous));
    }

    private static void LengthOverflows()
    {
        Equal(Errno.NoMemory, Mmap(0, -1, Protection.Read, Map.PrivateAnonymous));
        Equal(Errno.NoMemory, Mmap(0, -Page + 1, Protection.Read, Map.PrivateAnonymous));
        Equal(Errno.NoMemory, Mmap(0, -Page, Protection.Read, Map.PrivateAnonymous));
        Equal(Errno.NoMemory, Mmap(0, UserEnd + Page, Protection.Read, Map.PrivateAnonymous));
    }

    private static void OffsetOverflows()
    {
        int file = NewFile(1);
        Equal(Errno.Overflow, Mmap(0, 2 * Page, Protection.Read, Map.Private, file, -Page));
        Equal(Errno.Overflow, Mmap(0, Page, Protection.Read, Map.Shared, file, nint.MaxValue & -Page));
        Close(file);
    }

    private static void Alignment()
    {
        nint a = Room(2);
        Equal(Errno.Invalid, Mmap(a + 1, Page, Protection.Read, Map.PrivateAnonymous | Map.Fixed));
        Equal(Errno.Invalid, Mmap(a + 1, Page, Protection.Read, Map.PrivateAnonymous | Map.FixedNoReplace));
        Equal(a, Mmap(a + 1, Page, Protection.Read, Map.PrivateAnonymous));
        Drop(a, 1);
    }

    private static void FixedBeyond()
    {
        Equal(Errno.NoMemory, Mmap(UserEnd, Page, Protection.Read, Map.PrivateAnonymous | Map.Fixed));
        Equal(Errno.NoMemory, Mmap(UserEnd - Page, 2 * Page, Protection.Read, Map.PrivateAnonymous | Map.Fixed));
        Equal(Errno.NoMemory, Mmap(unchecked((nint)0xffff_8000_0000_0000), Page, Protection.Read, Map.PrivateAnonymous | Map.Fixed));
        Equal(Errno.NoMemory, Mmap(-Page, Page, Protection.Read, Map.PrivateAnonymous | Map.Fixed));
        Equal(Errno.NoMemory, Mmap(UserEnd, Page, Protection.Read, Map.PrivateAnonymous | Map.FixedNoReplace));
    }

    private static void LastPage()
    {
        Equal(UserEnd - Page, Mmap(UserEnd - Page, Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Fixed));
        *(byte*)(UserEnd - 1) = 7;
        Equal(7, At(UserEnd - 1));
        Equal(0, Drop(UserEnd - Page, 1));
    }

    private static void BelowMinimum()
    {
        if (Proc.Number(Proc.ReadAll("/proc/sys/vm/mmap_min_addr"u8)) != 0x10000)
        {
            Skip("vm.mmap_min_addr is not 65536 here");
            return;
        }
        // Root may map low memory, but not without the capability to do so: a child gives its rights up.
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Syscall.Call(105, 1000);
            bool refused = Mmap(Page, Page, Protection.Read, Map.PrivateAnonymous | Map.Fixed) == Errno.NotPermitted
                && Mmap(0, Page, Protection.Read, Map.PrivateAnonymous | Map.Fixed) == Errno.NotPermitted
                && Mmap(0xf000, 2 * Page, Protection.Read, Map.PrivateAnonymous | Map.Fixed) == Errno.NotPermitted
                && Mmap(0x10000, Page, Protection.Read, Map.PrivateAnonymous | Map.Fixed) == 0x10000;
            Exit(refused ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
    }

    private static void TinyHint()
    {
        foreach (int hint in (ReadOnlySpan<int>)[1, 0xfff])
        {
            nint a = Mmap(hint, Page, Protection.Read, Map.PrivateAnonymous);
            Check(a > 0x10000);
            Drop(a, 1);
        }
    }

    private static void WildHint()
    {
        foreach (nint hint in (ReadOnlySpan<nint>)[UserEnd, UserEnd + Page, unchecked((nint)0xffff_8000_0000_0000), -Page])
        {
            nint a = Mmap(hint, Page, Protection.Read, Map.PrivateAnonymous);
            Check(a > 0 && a < UserEnd);
            Drop(a, 1);
        }
    }

    private static void NoReplaceOrder()
    {
        nint a = Alone(1);
        int directory = Open("/"u8, 0);
        Equal(Errno.Exists, Mmap(a, Page, Protection.Read, Map.FixedNoReplace | Map.Anonymous));        // no type: looked at later
        Equal(Errno.Exists, Mmap(a, Page, Protection.Read, Map.FixedNoReplace | Map.Private, directory));
        Equal(Errno.NoDevice, Mmap(a + Page, Page, Protection.Read, Map.FixedNoReplace | Map.Private, directory));
        Close(directory);
        Drop(a, 1);
    }

    private static void NoReplaceNeighbour()
    {
        nint a = Alone(1);
        Equal(a + Page, Mmap(a + Page, Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.FixedNoReplace));
        Equal(a - Page, Mmap(a - Page, Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.FixedNoReplace));
        Look(a - 2 * Page, ".www."u8);
        Drop(a - Page, 3);
    }

    private static void NoReplaceOverlap()
    {
        nint a = Alone(2, Protection.Read);
        Equal(Errno.Exists, Mmap(a - 2 * Page, 3 * Page, Protection.Read, Map.PrivateAnonymous | Map.FixedNoReplace));
        Equal(Errno.Exists, Mmap(a + Page, 3 * Page, Protection.Read, Map.PrivateAnonymous | Map.FixedNoReplace));
        Equal(Errno.Exists, Mmap(a - 2 * Page, 6 * Page, Protection.Read, Map.PrivateAnonymous | Map.FixedNoReplace));
        Look(a - 2 * Page, "..rr.."u8);
        Drop(a, 2);
    }

    private static void UnknownFlags()
    {
        nint a = Mmap(0, Page, Protection.Read, Map.PrivateAnonymous | 0x200);
        Check(!IsError(a));
        Drop(a, 1);
        a = Mmap(0, Page, Protection.Read, Map.SharedAnonymous | 0x08000000);
        Check(!IsError(a));
        Drop(a, 1);
    }

    private static void Validate()
    {
        int file = NewFile(1);
        const int notSupported = -95;
        Equal(notSupported, Mmap(0, Page, Protection.Read, Map.SharedValidate | 0x200, file));
        Equal(notSupported, Mmap(0, Page, Protection.Read, Map.SharedValidate | 0x200000, file));
        nint a = Mmap(0, Page, Protection.ReadWrite, Map.SharedValidate | Map.Populate | Map.NoReserve | Map.Locked | Map.Stack, file);
        Check(!IsError(a));
        Look(a, "W"u8);
        Drop(a, 1);
        Close(file);
    }

    private static void ValidateAnonymous()
    {
        Equal(Errno.Invalid, Mmap(0, Page, Protection.Read, Map.SharedValidate | Map.Anonymous));
    }

    private static void SyncRefused()
    {
        int file = NewFile(1);
        Equal(-95, Mmap(0, Page, Protection.Read, Map.SharedValidate | 0x80000, file));
        Close(file);
    }

    private static void Types()
    {
        int file = NewFile(1);
        foreach (int type in (ReadOnlySpan<int>)[0, 4, 12, 15])
        {
            Equal(Errno.Invalid, Mmap(0, Page, Protection.Read, type | Map.Anonymous));
            Equal(Errno.Invalid, Mmap(0, Page, Protection.Read, type, file));
        }
        Close(file);
    }

    private static void ProtectionBits()
    {
        nint a = Mmap(0, Page, 0x70 | Protection.Read, Map.PrivateAnonymous);
        Check(!IsError(a));
        Look(a, "r"u8);
        Drop(a, 1);
    }

    private static void SharedGrowsDown() => Equal(Errno.Invalid, Mmap(0, Page, Protection.ReadWrite, Map.SharedAnonymous | Map.GrowsDown));

    private static void FileGrowsDown()
    {
        int file = NewFile(1);
        Equal(Errno.Invalid, Mmap(0, Page, Protection.ReadWrite, Map.Private | Map.GrowsDown, file));
        Equal(Errno.Invalid, Mmap(0, Page, Protection.ReadWrite, Map.Shared | Map.GrowsDown, file));
        Close(file);
    }

    private static void NoMapping()
    {
        int* ends = stackalloc int[2];
        Pipe(ends);
        Equal(Errno.NoDevice, Mmap(0, Page, Protection.Read, Map.Private, ends[0]));
        Equal(Errno.Access, Mmap(0, Page, Protection.Read, Map.Private, ends[1]));
        Close(ends[0]);
        Close(ends[1]);
        int directory = Open("/"u8, 0);
        Equal(Errno.NoDevice, Mmap(0, Page, Protection.Read, Map.Private, directory));
        Equal(Errno.NoDevice, Mmap(0, Page, Protection.Read, Map.Shared, directory));
        Close(directory);
    }

    private static void WriteOnly()
    {
        int file = Open("/tmp/suite-placement"u8, 1 | 0x40, 0x1a4);
        Equal(Errno.Access, Mmap(0, Page, Protection.Write, Map.Shared, file));
        Equal(Errno.Access, Mmap(0, Page, Protection.Write, Map.Private, file));
        Equal(Errno.Access, Mmap(0, Page, Protection.None, Map.Private, file));
        Close(file);
        Unlink("/tmp/suite-placement"u8);
    }

    private static int OpenReadOnly()
    {
        Close(NewFile(2, keepName: true));
        int file = Open("/tmp/suite-pages"u8, 0);
        Unlink("/tmp/suite-pages"u8);
        return file;
    }

    private static void ReadOnlyPrivate()
    {
        int file = OpenReadOnly();
        nint a = Mmap(0, Page, Protection.ReadWrite, Map.Private, file);
        *(byte*)a = 9;
        Equal(9, At(a));
        Drop(a, 1);
        Close(file);
    }

    private static void ReadOnlyShared()
    {
        int file = OpenReadOnly();
        Equal(Errno.Access, Mmap(0, Page, Protection.ReadWrite, Map.Shared, file));
        Equal(Errno.Access, Mmap(0, Page, Protection.Write, Map.SharedValidate, file));
        nint a = Mmap(0, Page, Protection.Read, Map.Shared, file);
        Equal(Errno.Access, Mprotect(a, Page, Protection.ReadWrite));
        Equal(0, Mprotect(a, Page, Protection.Read | Protection.Execute));
        Drop(a, 1);
        Close(file);
    }

    private static void PathOnly()
    {
        int file = Open("/"u8, 0x200000);
        Equal(Errno.BadDescriptor, Mmap(0, Page, Protection.Read, Map.Private, file));
        Close(file);
    }

    private static void ExecutableFile()
    {
        int file = NewFile(1);
        nint a = Mmap(0, Page, Protection.Read | Protection.Execute, Map.Private, file);
        Look(a, "x"u8);
        Drop(a, 1);
        Close(file);
    }

    private static void TopDown()
    {
        nint above = New(4096, Protection.Read), below = New(4096, Protection.None);
        Equal(above - 4096 * Page, below);
        Drop(above, 4096);
        Drop(below, 4096);
    }

    /// <summary>A range so large that no other hole of its size lies above it, filled with one mapping without rights.</summary>
    private static nint Large() => New(4096, Protection.None, Map.PrivateAnonymous | Map.NoReserve);

    private static void GapUsed()
    {
        nint a = Large();
        Drop(a + 100 * Page, 2000);
        Equal(a + 100 * Page, New(2000, Protection.Read));
        Drop(a, 4096);
    }

    private static void HighestGap()
    {
        nint a = Large();
        Drop(a + 100 * Page, 1000);
        Drop(a + 1200 * Page, 900);
        Drop(a + 2200 * Page, 600);
        Equal(a + 1200 * Page, New(900, Protection.Read));
        Equal(a + 2100 * Page + 700 * Page - 600 * Page, New(600, Protection.Read));
        Equal(a + 600 * Page, New(500, Protection.Read));       // at the upper end of the gap
        Drop(a, 4096);
    }

    private static void GapTooSmall()
    {
        nint a = Large();
        Drop(a + Page, 2);
        nint b = Mmap(a + Page, 3 * Page, Protection.Read, Map.PrivateAnonymous);
        Check(!IsError(b) && b != a + Page);
        Drop(b, 3);
        Drop(a, 4096);
    }

    private static void HintRounded()
    {
        nint a = Room(3);
        Equal(a + Page, Mmap(a + Page + 0xfff, 5, Protection.Read, Map.PrivateAnonymous));
        Look(a, ".r."u8);
        Drop(a, 3);
    }

    private static void HintFills()
    {
        nint a = Alone(3);
        Drop(a + Page, 1);
        Equal(a + Page, Mmap(a + Page, Page, Protection.ReadWrite, Map.PrivateAnonymous));
        Look(a - Page, ".www."u8);
        Drop(a, 3);
    }

    private static void LowMany()
    {
        Span<nint> all = stackalloc nint[20];
        for (int i = 0; i < all.Length; i++)
        {
            all[i] = Mmap(0, 16 * Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Low32);
            Check(all[i] > 0 && all[i] + 16 * Page <= 0x8000_0000);
            *(byte*)all[i] = 1;
        }
        foreach (nint a in all)
            Drop(a, 16);
    }

    private static void LowHint()
    {
        nint hint = Room(1);
        nint a = Mmap(hint, Page, Protection.Read, Map.PrivateAnonymous | Map.Low32);
        Check(a == hint || a < 0x8000_0000);        // a free hint wins even here
        Drop(a, 1);
    }

    private static void LowHintTaken()
    {
        nint free = Mmap(0, 3 * Page, Protection.Read, Map.PrivateAnonymous | Map.Low32);
        Drop(free, 3);
        nint a = Mmap(free + Page, Page, Protection.Read, Map.PrivateAnonymous | Map.Low32);
        Equal(free + Page, a);
        Drop(a, 1);
    }

    private static void FixedCuts()
    {
        nint a = Alone(2);
        Put(a + 2 * Page, 2, Protection.Read);
        Put(a + 4 * Page, 2, Protection.None);
        Look(a, "ww|rr|nn"u8);
        Put(a + Page, 4, Protection.Read | Protection.Execute);
        Look(a, "w|xxxx|n"u8);
        Drop(a, 6);
    }

    private static void FixedRefused()
    {
        nint a = Alone(3);
        Touch(a, 3, 5);
        int directory = Open("/"u8, 0), readOnly = OpenReadOnly();
        Equal(Errno.NoDevice, Mmap(a, 3 * Page, Protection.Read, Map.Private | Map.Fixed, directory));
        Equal(Errno.Access, Mmap(a, 3 * Page, Protection.ReadWrite, Map.Shared | Map.Fixed, readOnly));
        Equal(Errno.Invalid, Mmap(a, 3 * Page, Protection.ReadWrite, Map.SharedAnonymous | Map.GrowsDown | Map.Fixed));
        Look(a, "www"u8);
        Equal(5, At(a + 2 * Page));
        Close(directory);
        Close(readOnly);
        Drop(a, 3);
    }

    private static void AddressSpace()
    {
        Proc.Prepare();
        ulong size = (ulong)Proc.Status("VmSize"u8) * 1024;
        ulong before = SetSoftLimit(Limit.AddressSpace, size + 10 * Page + 100);
        nint a = New(11, Protection.None), b = New(10, Protection.None), c = New(1, Protection.None);
        SetSoftLimit(Limit.AddressSpace, before);
        Equal(Errno.NoMemory, a);
        Check(!IsError(b));
        Equal(Errno.NoMemory, c);
        Drop(b, 10);
    }

    private static void AddressSpaceReplace()
    {
        nint a = Alone(4);
        ulong before = SetSoftLimit(Limit.AddressSpace, (ulong)Proc.Status("VmSize"u8) * 1024);
        nint same = Put(a, 4, Protection.Read), more = Put(a, 5, Protection.Read);
        SetSoftLimit(Limit.AddressSpace, before);
        Equal(a, same);
        Equal(Errno.NoMemory, more);
        Look(a, "rrrr."u8);
        Drop(a, 4);
    }

    private static void DataLimit()
    {
        Proc.Prepare();
        ulong data = (ulong)Proc.Status("VmData"u8) * 1024;
        ulong before = SetSoftLimit(Limit.Data, data + 4 * Page);
        nint read = New(100, Protection.Read), shared = New(100, Protection.ReadWrite, Map.SharedAnonymous);
        nint four = New(4), one = New(1);
        SetSoftLimit(Limit.Data, before);
        Check(!IsError(read) && !IsError(shared) && !IsError(four));
        Equal(Errno.NoMemory, one);
        Drop(read, 100);
        Drop(shared, 100);
        Drop(four, 4);
    }

    private static void DataLimitMprotect()
    {
        nint a = Alone(8, Protection.Read);
        ulong data = (ulong)Proc.Status("VmData"u8) * 1024;
        ulong before = SetSoftLimit(Limit.Data, data + 4 * Page);
        nint eight = Mprotect(a, 8 * Page, Protection.ReadWrite), four = Mprotect(a, 4 * Page, Protection.ReadWrite);
        SetSoftLimit(Limit.Data, before);
        Equal(Errno.NoMemory, eight);
        Equal(0, four);
        Look(a, "wwww|rrrr"u8);
        Drop(a, 8);
    }

    private static void PopulateNone()
    {
        nint a = New(4, Protection.None, Map.PrivateAnonymous | Map.Populate);
        Check(!IsError(a));
        Equal(0, Resident(a, 4));
        Drop(a, 4);
    }

    private static void PopulateReadOnly()
    {
        nint a = New(4, Protection.Read, Map.PrivateAnonymous | Map.Populate);
        Equal(4, Resident(a, 4));
        Equal(0, Proc.Smaps(a, "Anonymous"u8));     // the page of zeros, four times
        Drop(a, 4);
    }

    private static void PopulateNonBlock()
    {
        nint a = New(4, Protection.ReadWrite, Map.PrivateAnonymous | Map.Populate | Map.NonBlock);
        Equal(0, Resident(a, 4));
        Drop(a, 4);
    }

    private static void StackFlag()
    {
        nint a = New(2, Protection.ReadWrite, Map.PrivateAnonymous | Map.Stack | Map.NoReserve);
        Look(a, "ww"u8);
        Check(!Proc.HasFlag(a, "gd"u8));
        Drop(a, 2);
    }

    private static void UnmapOrder()
    {
        nint a = Alone(1);
        Equal(Errno.Invalid, Munmap(a + 8, 0));
        Equal(Errno.Invalid, Munmap(a, 0));
        Equal(Errno.Invalid, Munmap(a, -1));
        Equal(Errno.Invalid, Munmap(UserEnd + Page, Page));
        Equal(Errno.Invalid, Munmap(0, UserEnd + Page));
        Equal(0, Munmap(a, 1));         // rounded up
        Look(a, "."u8);
    }

    private static void UnmapEnd()
    {
        Equal(Errno.Invalid, Munmap(UserEnd, Page));
        Equal(0, Munmap(UserEnd - Page, Page));
        Equal(Errno.Invalid, Munmap(UserEnd - Page, Page + 1));
    }

    private static void DevZero()
    {
        int zero = Open("/dev/zero"u8, 2);
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Private, zero), b = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Shared, zero);
        Close(zero);
        Equal(0, At(a));
        *(byte*)a = 3;
        *(byte*)b = 4;
        int pid = Linux.Fork();
        if (pid == 0)
        {
            bool good = At(a) == 3 && At(b) == 4;
            *(byte*)a = 5;
            *(byte*)b = 6;
            Exit(good ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
        Equal(3, At(a));
        Equal(6, At(b));
        Drop(a, 2);
        Drop(b, 2);
    }

    private static void DevNull()
    {
        int file = Open("/dev/null"u8, 2);
        Equal(Errno.NoDevice, Mmap(0, Page, Protection.Read, Map.Private, file));
        Close(file);
    }
}
