using System;
using System.Threading;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Reclaim;

/// <summary>The lectures' table of page-fault reasons, a case for each row: what provokes it, and the counter that says so.</summary>
internal static unsafe class Reasons
{
    // Lies in vmalloc's space on every x86-64 kernel with four levels and no randomization; everywhere it is the kernel's.
    private static readonly nint s_vmalloc = unchecked((nint)0xffffc90000000000);
    private static readonly nint s_kernelText = unchecked((nint)0xffffffff81000000);

    /// <summary>What an access did to this process's faults and to one counter of the machine.</summary>
    private ref struct Watch
    {
        private readonly ReadOnlySpan<byte> _counter;
        private readonly long _count, _minor, _major;

        public Watch(ReadOnlySpan<byte> counter)
        {
            _counter = counter;
            _ = Machine.Counter(counter);           // once before: the stack that reading needs is there now
            _ = Faults(out _);
            _count = Machine.Counter(counter);
            _minor = Faults(out _major);
        }

        /// <summary>The case fails unless just so many faults have come, and the counter has risen by one.</summary>
        public bool Expect(long minor, long major, long counted = 1)
        {
            long minorNow = Faults(out long majorNow);
            return Equal(minor, minorNow - _minor) & Equal(major, majorNow - _major) & ExpectCounted(counted);
        }

        public bool ExpectCounted(long counted = 1)
        {
            long now = Machine.Counter(_counter);
            return _count < 0 || Equal(counted, now - _count);
        }

        private static long Faults(out long major)
        {
            long* usage = stackalloc long[18];
            ResourceUsage(0, usage);
            major = usage[9];
            return usage[8];
        }
    }

    private static void Write(nint at, byte value = 1) => Volatile.Write(ref *(byte*)at, value);

    public static void Allocation()
    {
        nint a = Pages.New(1);
        var watch = new Watch("fault_anonymous"u8);
        Write(a);
        watch.Expect(1, 0);
        Munmap(a, Page);
    }

    public static void ZeroPage()
    {
        nint a = Pages.New(1);
        var watch = new Watch("fault_zero_page"u8);
        Equal(0, Pages.At(a));
        watch.Expect(1, 0);
        Munmap(a, Page);
    }

    public static void StackGrowth()
    {
        byte here;
        nint below = (nint)(&here) - (1 << 20);
        var watch = new Watch("stack_expansions"u8);
        Write(below);
        watch.Expect(1, 0);
    }

    /// <summary>Pages that lie in swap, and are read together: the first is a major fault, the next is found.</summary>
    public static void FromSwap()
    {
        if (!Swapped(out nint a))
            return;
        var watch = new Watch("fault_swap_in"u8);
        Equal(1, Pages.At(a));
        watch.Expect(0, 1);
        Munmap(a, 64 * Page);
    }

    public static void FromSwapCache()
    {
        if (!Swapped(out nint a))
            return;
        Equal(4, Pages.At(a + 3 * Page));           // and its neighbours, before or behind
        var watch = new Watch("fault_swap_cache"u8);
        long majors = Machine.Counter("pgmajfault"u8);
        byte one = Pages.At(a + 2 * Page), other = Pages.At(a + 4 * Page);
        Equal(3, one);
        Equal(5, other);
        watch.ExpectCounted(2 - (Machine.Counter("pgmajfault"u8) - majors));
        Check(Machine.Counter("pgmajfault"u8) - majors < 2);
        Munmap(a, 64 * Page);
    }

    private static bool Swapped(out nint a)
    {
        a = 0;
        if (!Machine.HasSwap)
        {
            Skip("there is no swap");
            return false;
        }
        a = Pages.New(64);
        for (int i = 0; i < 64; i++)
            Write(a + i * Page, (byte)(i + 1));
        Equal(0, Madvise(a, 64 * Page, 21));        // MADV_PAGEOUT
        return Equal(0, Pages.Resident(a, 64));
    }

    public static void CopyOnWrite()
    {
        s_page = Pages.New(1);
        Write(s_page);
        Equal(0, Child.Run(&WriteInChild));
        Equal(1, Pages.At(s_page));
        Munmap(s_page, Page);
    }

    private static nint s_page;

    private static int WriteInChild()
    {
        var watch = new Watch("wp_copy"u8);
        Write(s_page, 2);
        return watch.Expect(1, 0) & Equal(2, Pages.At(s_page)) ? 0 : 1;
    }

    public static void Reuse()
    {
        nint a = Pages.New(1);
        Write(a);
        int pid = Fork();
        if (pid == 0)
            Exit(0);
        Equal(0, Child.Status(pid));
        var watch = new Watch("wp_reuse"u8);
        Write(a, 2);
        watch.Expect(1, 0);
        Munmap(a, Page);
    }

    public static void BadWrite()
    {
        nint a = Pages.New(1, Protection.Read);
        var watch = new Watch("fault_bad_access"u8);
        Equal(Signal.Segmentation, Child.SignalOfWrite(a));
        watch.ExpectCounted();
        Munmap(a, Page);
    }

    public static void InvalidRegion()
    {
        nint a = Pages.New(1);
        Munmap(a, Page);
        var watch = new Watch("fault_bad_area"u8);
        Equal(Signal.Segmentation, Child.SignalOfRead(a));
        watch.ExpectCounted();
    }

    public static void VmallocArea()
    {
        var watch = new Watch("fault_vmalloc"u8);
        Equal(Signal.Segmentation, Child.SignalOfRead(s_vmalloc));
        Equal(Signal.Segmentation, Child.SignalOfWrite(s_vmalloc));
        watch.ExpectCounted(2);
    }

    public static void KernelArea()
    {
        var watch = new Watch("fault_kernel_area"u8);
        Equal(Signal.Segmentation, Child.SignalOfRead(s_kernelText));
        watch.ExpectCounted();
    }

    /// <summary>A system call writes into a page that nobody has touched: the kernel faults, and the page comes.</summary>
    public static void FromKernel()
    {
        nint a = Pages.New(1);
        int file = Open("/dev/zero"u8, 0);
        var watch = new Watch("fault_from_kernel"u8);
        Equal(100, Linux.Read(file, (void*)a, 100));
        watch.Expect(1, 0);
        Close(file);
        Munmap(a, Page);
    }

    public static void FromKernelBad()
    {
        nint a = Pages.New(1);
        Munmap(a, Page);
        int file = Open("/dev/zero"u8, 0);
        var watch = new Watch("fault_bad_area"u8);
        var fromKernel = new Watch("fault_from_kernel"u8);
        Equal(Errno.BadAddress, Linux.Read(file, (void*)a, 8));
        fromKernel.ExpectCounted(2);                // the second finds out how much could be copied
        watch.ExpectCounted(2);
        Close(file);
    }
}
