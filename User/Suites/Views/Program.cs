using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Views;

/// <summary>What the files of <c>/proc</c> tell of a process and its pages, and what can be done to another process by a descriptor.</summary>
internal static unsafe class Program
{
    private const int PidFdOpen = 434, PidFdSendSignal = 424, ProcessMadvise = 440;

    public static int Main() => Run(
        new("Pages given up with MADV_FREE are LazyFree until they are written", &LazyFree),
        new("clear_refs 1, 2 and 3 forget which pages were used: all, anonymous, files'", &ClearRefs),
        new("clear_refs 4 makes pages clean, and a write makes them soft-dirty", &SoftDirty),
        new("clear_refs takes decimal numbers from 1 to 5 and nothing else", &ClearRefsErrors),
        new("pagemap tells present, exclusive and file pages apart", &PageMap),
        new("coredump_filter is nine bits, and a child inherits them", &CoreFilter),
        new("syscall and wchan tell where a thread sleeps", &Sleeping),
        new("io counts what is read and written", &Counts),
        new("sched_child_runs_first keeps any int", &ChildRunsFirst),
        new("process_madvise advises by pidfd what cannot change contents", &AdviseByDescriptor),
        new("process_madvise goes on to the first range that refuses", &AdvisePartly),
        new("An open /proc/PID is as good as a pidfd for signals", &SignalByDirectory),
        new("unshare gives a thread its own descriptors and folder, and refuses what cannot be taken apart", &Unshare),
        new("adjtimex tells of a clock that nobody has set right yet", &ClockState),
        new("/sys tells of processor 0 and node 0", &Topology));

    private static nint New(int pages)
    {
        nint all = Mmap(0, (pages + 2) * Page, Protection.None, Map.PrivateAnonymous);
        nint start = Mmap(all + Page, pages * Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.Fixed);
        Madvise(start, pages * Page, Advice.NoHugePage);
        return start;
    }

    /// <summary>Touches pages with no translation left in the TLB: the processor sets the accessed bit only when it walks the tables.</summary>
    private static void TouchAnew(nint start, int pages)
    {
        Mprotect(start, pages * Page, Protection.None);
        Mprotect(start, pages * Page, Protection.ReadWrite);
        Touch(start, pages);
    }

    private static void Touch(nint start, int pages)
    {
        for (int i = 0; i < pages; i++)
            *(byte*)(start + i * Page) = 1;
    }

    private static long Smaps(nint address, ReadOnlySpan<byte> name) => Proc.Smaps(address, name);

    private static void LazyFree()
    {
        nint a = New(4);
        Touch(a, 4);
        Equal(0, Smaps(a, "LazyFree"u8));
        Equal(0, Madvise(a, 3 * Page, Advice.Free));
        // Linux notes it when its list of 15 pages has filled up, or never in so short a test: at most what was given up, and never more.
        Check(Smaps(a, "LazyFree"u8) is 0 or 12);
        Equal(16, Smaps(a, "Anonymous"u8));
        *(byte*)a = 7;
        Check(Smaps(a, "LazyFree"u8) is 0 or 8);
        Equal(7, *(byte*)a);
        Munmap(a, 4 * Page);
    }

    private static void ClearRefs()
    {
        nint a = New(4);
        int file = MemFd("refs"u8, 0);
        Truncate(file, 2 * Page);
        nint s = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Shared, file);
        Touch(a, 4);
        Touch(s, 2);
        Equal(16, Smaps(a, "Referenced"u8));
        Equal(1, Proc.Put("/proc/self/clear_refs"u8, "1"u8));
        Equal(0, Smaps(a, "Referenced"u8));
        Equal(0, Smaps(s, "Referenced"u8));
        TouchAnew(a, 2);
        TouchAnew(s, 1);
        Equal(8, Smaps(a, "Referenced"u8));
        Equal(1, Proc.Put("/proc/self/clear_refs"u8, "2"u8));
        Equal(0, Smaps(a, "Referenced"u8));
        Equal(4, Smaps(s, "Referenced"u8));
        TouchAnew(a, 3);
        Equal(1, Proc.Put("/proc/self/clear_refs"u8, "3"u8));
        Equal(12, Smaps(a, "Referenced"u8));
        Equal(0, Smaps(s, "Referenced"u8));
        Close(file);
        Munmap(s, 2 * Page);
        Munmap(a, 4 * Page);
    }

    private static void SoftDirty()
    {
        nint a = New(2);
        Touch(a, 2);
        if ((Proc.PageMap(a) >> 55 & 1) == 0)
        {
            Skip("no soft-dirty bits here");
            Munmap(a, 2 * Page);
            return;
        }
        Equal(1, Proc.Put("/proc/self/clear_refs"u8, "4"u8));
        Check(!Proc.HasFlag(a, "sd"u8));
        *(byte*)(a + Page) = 2;
        Equal(0, (long)(Proc.PageMap(a) >> 55 & 1));
        Equal(1, (long)(Proc.PageMap(a + Page) >> 55 & 1));
        nint fresh = New(1);
        Check(Proc.HasFlag(fresh, "sd"u8));
        Munmap(fresh, Page);
        Munmap(a, 2 * Page);
    }

    private static void ClearRefsErrors()
    {
        Equal(Errno.Invalid, Proc.Put("/proc/self/clear_refs"u8, "0"u8));
        Equal(Errno.Invalid, Proc.Put("/proc/self/clear_refs"u8, "6"u8));
        Equal(Errno.Invalid, Proc.Put("/proc/self/clear_refs"u8, "x"u8));
        Equal(Errno.Invalid, Proc.Put("/proc/self/clear_refs"u8, "0x1"u8));
        Equal(-34, Proc.Put("/proc/self/clear_refs"u8, "44444444444444"u8));
        Equal(3, Proc.Put("/proc/self/clear_refs"u8, " 1\n"u8));
    }

    private static void PageMap()
    {
        const ulong Present = 1UL << 63, File = 1UL << 61, Exclusive = 1UL << 56;
        nint a = New(3);
        Equal(0, (long)(Proc.PageMap(a) >> 56));
        _ = System.Threading.Volatile.Read(ref *(byte*)a);
        Check((Proc.PageMap(a) & (Present | File | Exclusive)) == Present);              // the zero page is nobody's own
        *(byte*)(a + Page) = 1;
        Check((Proc.PageMap(a + Page) & (Present | File | Exclusive)) == (Present | Exclusive));
        int file = MemFd("map"u8, 0);
        Truncate(file, Page);
        nint s = Mmap(0, Page, Protection.ReadWrite, Map.Shared, file);
        *(byte*)s = 1;
        Check((Proc.PageMap(s) & (Present | File | Exclusive)) == (Present | File | Exclusive));
        nint second = Mmap(0, Page, Protection.ReadWrite, Map.Shared, file);
        *(byte*)second = 2;
        Check((Proc.PageMap(s) & (Present | File | Exclusive)) == (Present | File));
        Munmap(s, Page);
        Munmap(second, Page);
        Close(file);
        Munmap(a, 3 * Page);
    }

    private static void CoreFilter()
    {
        Check(Proc.ReadAll("/proc/self/coredump_filter"u8).SequenceEqual("00000033\n"u8));
        Equal(4, Proc.Put("/proc/self/coredump_filter"u8, "0x7f"u8));
        Check(Proc.ReadAll("/proc/self/coredump_filter"u8).SequenceEqual("0000007f\n"u8));
        Equal(0, Child.Run(&HasFilter));
        Equal(Errno.Invalid, Proc.Put("/proc/self/coredump_filter"u8, "x"u8));
        Equal(5, Proc.Put("/proc/self/coredump_filter"u8, "65535"u8));
        Check(Proc.ReadAll("/proc/self/coredump_filter"u8).SequenceEqual("000001ff\n"u8));
        Equal(4, Proc.Put("/proc/self/coredump_filter"u8, "0x33"u8));
    }

    private static int HasFilter() => Proc.ReadAll("/proc/self/coredump_filter"u8).SequenceEqual("0000007f\n"u8) ? 0 : 1;

    /// <summary>A name below <c>/proc/PID</c>, ended by a zero byte, in a place that the next call uses again.</summary>
    private static ReadOnlySpan<byte> PathOf(int pid, ReadOnlySpan<byte> name, Span<byte> place)
    {
        "/proc/"u8.CopyTo(place);
        int at = 6;
        int divisor = 1;
        while (pid / divisor >= 10)
            divisor *= 10;
        for (; divisor > 0; divisor /= 10)
            place[at++] = (byte)('0' + pid / divisor % 10);
        name.CopyTo(place[at..]);
        at += name.Length;
        place[at] = 0;
        return place[..at];
    }

    /// <summary>A child that waits for a signal.</summary>
    private static int Sleeper()
    {
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Syscall.Call(34);
            Exit(0);
        }
        Span<byte> place = stackalloc byte[64];
        while (Proc.Line(Proc.ReadAll(PathOf(pid, "/status"u8, place)), "State"u8).IndexOf((byte)'S') < 0)
            Yield();
        return pid;
    }

    private static void Sleeping()
    {
        int pid = Sleeper();
        Span<byte> place = stackalloc byte[64];
        Check(Proc.ReadAll(PathOf(pid, "/syscall"u8, place)).StartsWith("34 0x"u8));
        Check(Proc.ReadAll("/proc/self/syscall"u8).StartsWith("0 0x"u8));
        ReadOnlySpan<byte> where = Proc.ReadAll(PathOf(pid, "/wchan"u8, place));
        Check(where.IndexOf("pause"u8) >= 0 || where.IndexOf("Pause"u8) >= 0);
        Check(Proc.ReadAll("/proc/self/wchan"u8).SequenceEqual("0"u8));
        Kill(pid, Signal.Kill);
        Child.Status(pid);
    }

    private static void Counts()
    {
        int file = MemFd("io"u8, 0);
        nint a = New(2);
        Proc.Field("/proc/self/io"u8, "rchar"u8);
        long written = Proc.Field("/proc/self/io"u8, "wchar"u8), calls = Proc.Field("/proc/self/io"u8, "syscw"u8);
        Linux.Write(file, (void*)a, 5000);
        Linux.Write(file, (void*)a, 7);
        Equal(5007, Proc.Field("/proc/self/io"u8, "wchar"u8) - written);
        Equal(2, Proc.Field("/proc/self/io"u8, "syscw"u8) - calls);
        long read = Proc.Field("/proc/self/io"u8, "rchar"u8);
        long once = Proc.Field("/proc/self/io"u8, "rchar"u8) - read;       // what it costs to look
        Seek(file, 0, 0);
        Linux.Read(file, (void*)a, 1000);
        long after = Proc.Field("/proc/self/io"u8, "rchar"u8) - read - once;
        Check(after >= 1000 + once - 16 && after <= 1000 + once + 16);     // the numbers grow by a digit now and then
        Close(file);
        Munmap(a, 2 * Page);
    }

    private static void ChildRunsFirst()
    {
        if (Proc.ReadAll("/proc/sys/kernel/sched_child_runs_first"u8).IsEmpty)
        {
            Skip("this system has forgotten it");
            return;
        }
        Equal(1, Proc.Put("/proc/sys/kernel/sched_child_runs_first"u8, "7"u8));
        Check(Proc.ReadAll("/proc/sys/kernel/sched_child_runs_first"u8).SequenceEqual("7\n"u8));
        Equal(Errno.Invalid, Proc.Put("/proc/sys/kernel/sched_child_runs_first"u8, "x"u8));
        Equal(1, Proc.Put("/proc/sys/kernel/sched_child_runs_first"u8, "0"u8));
    }

    private static nint AdviseOf(int descriptor, nint* ranges, nint count, int advice, nint flags = 0)
        => Syscall.Call(ProcessMadvise, descriptor, (nint)ranges, count, advice, flags);

    private static void AdviseByDescriptor()
    {
        nint a = New(8);
        Touch(a, 8);
        int self = (int)Syscall.Call(PidFdOpen, GetPid(), 0);
        nint* two = stackalloc nint[4] { a, 2 * Page, a + 4 * Page, Page };
        Equal(3 * Page, AdviseOf(self, two, 2, Advice.Cold));
        Equal(3 * Page, AdviseOf(self, two, 2, Advice.WillNeed));
        Equal(3 * Page, AdviseOf(self, two, 2, Advice.PageOut));
        Equal(1, *(byte*)a);
        Equal(Errno.Invalid, AdviseOf(self, two, 2, Advice.Cold, flags: 1));
        Equal(Errno.BadDescriptor, AdviseOf(-1, two, 2, Advice.Cold));
        Equal(0, AdviseOf(self, two, 0, Advice.Cold));
        Equal(Errno.BadAddress, AdviseOf(self, (nint*)8, 1, Advice.Cold));
        Equal(Errno.Invalid, AdviseOf(self, two, 1025, Advice.Cold));
        int pid = Sleeper();
        int other = (int)Syscall.Call(PidFdOpen, pid, 0);
        Equal(3 * Page, AdviseOf(other, two, 2, Advice.Cold));
        Equal(Errno.Invalid, AdviseOf(other, two, 2, Advice.DontNeed));
        Kill(pid, Signal.Kill);
        Child.Status(pid);
        Equal(Errno.NoSuchProcess, AdviseOf(other, two, 2, Advice.Cold));
        Close(other);
        Close(self);
        Munmap(a, 8 * Page);
    }

    private static void AdvisePartly()
    {
        nint a = New(4);
        Touch(a, 4);
        Munmap(a + 2 * Page, Page);
        int self = (int)Syscall.Call(PidFdOpen, GetPid(), 0);
        nint* three = stackalloc nint[6] { a, Page, a + Page, 2 * Page, a, Page };
        Equal(Page, AdviseOf(self, three, 3, Advice.Cold));
        Equal(Errno.NoMemory, AdviseOf(self, three + 2, 1, Advice.Cold));
        three[0] = a + 1;
        Equal(Errno.Invalid, AdviseOf(self, three, 1, Advice.Cold));
        Close(self);
        Munmap(a, 4 * Page);
    }

    private static void Unshare()
    {
        const int Vm = 0x100, Fs = 0x200, Files = 0x400, Handlers = 0x800, Vfork = 0x4000, Parent = 0x8000, Thread = 0x10000, Semaphores = 0x40000;
        Equal(0, Syscall.Call(272, 0));
        Equal(0, Syscall.Call(272, Files | Fs | Semaphores));
        Equal(0, Syscall.Call(272, Thread | Vm | Handlers));
        Equal(Errno.Invalid, Syscall.Call(272, 1));
        Equal(Errno.Invalid, Syscall.Call(272, Parent));
        Equal(Errno.Invalid, Syscall.Call(272, Vfork));
        // A child that shares descriptors closes one of its own copies: ours stays open.
        int file = MemFd("shared"u8, 0);
        int pid = (int)Syscall.Call(56, Files | Signal.Child, 0, 0, 0, 0);
        if (pid == 0)
        {
            bool alone = Syscall.Call(272, Files) == 0;
            Exit(alone && Close(file) == 0 ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
        Equal(0, Close(file));
    }

    private static void ClockState()
    {
        long* timex = stackalloc long[26];
        new Span<long>(timex, 26).Clear();
        nint state = Syscall.Call(159, (nint)timex);
        Check(state is >= 0 and <= 5);
        Equal(state, Syscall.Call(305, 0, (nint)timex));
        Check(timex[11] is >= 9_000 and <= 11_000);                 // microseconds a tick
        Equal(Errno.BadAddress, Syscall.Call(159, 8));
        Equal(-95, Syscall.Call(305, 1, (nint)timex));
        timex[0] = 0x8000;
        Equal(Errno.Invalid, Syscall.Call(159, (nint)timex));
    }

    private static void Topology()
    {
        Check(Proc.ReadAll("/sys/devices/system/cpu/online"u8).StartsWith("0"u8));
        Check(Proc.ReadAll("/sys/devices/system/cpu/possible"u8).StartsWith("0"u8));
        Check(Proc.ReadAll("/sys/devices/system/cpu/cpu0/topology/core_id"u8).SequenceEqual("0\n"u8));
        if (Proc.ReadAll("/sys/devices/system/node/online"u8).IsEmpty)
            Skip("this system knows no nodes");
        else
            Check(Proc.ReadAll("/sys/devices/system/node/node0/cpulist"u8).StartsWith("0"u8));
    }

    private static void SignalByDirectory()
    {
        int pid = Sleeper();
        Span<byte> place = stackalloc byte[64];
        int directory = Open(PathOf(pid, default, place), 0x10000);
        Equal(0, Syscall.Call(PidFdSendSignal, directory, 0, 0, 0));
        int root = Open("/proc"u8, 0x10000);
        Equal(Errno.BadDescriptor, Syscall.Call(PidFdSendSignal, root, 0, 0, 0));
        Close(root);
        int maps = Open("/proc/self/maps"u8, 0);
        Equal(Errno.BadDescriptor, Syscall.Call(PidFdSendSignal, maps, 0, 0, 0));
        Close(maps);
        Equal(0, Syscall.Call(PidFdSendSignal, directory, Signal.Kill, 0, 0));
        Equal(128 + Signal.Kill, Child.Status(pid));
        Equal(Errno.NoSuchProcess, Syscall.Call(PidFdSendSignal, directory, 0, 0, 0));
        Close(directory);
    }
}
