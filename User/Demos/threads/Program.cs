using System.Threading;
using NanoVm.User.Suites;

namespace NanoVm.User.Demos;

/// <summary>Threads: tasks of their own in one address space. What one maps or writes, all see; only stacks differ.</summary>
internal static unsafe class Program
{
    private const int Threads = 3, StackBytes = 64 * 1024;
    // CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, CHILD_CLEARTID, PARENT_SETTID: what a C library's thread is made with.
    private const int ThreadFlags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x200000 | 0x100000;
    private const int Clone = 56, ExitThread = 60, GetThread = 186, Futex = 202;

    private static nint s_shared;
    private static int s_started, s_finished, s_gate;

    public static int Main()
    {
        KernelFile.Prepare();
        Output output = Output.Standard;
        s_shared = Linux.Mmap(0, Threads * Linux.Page, Protection.ReadWrite, Map.PrivateAnonymous);
        output.Write($"process {(long)Linux.GetPid()} has {Count()} thread; {Threads} pages at {s_shared:x} are for what threads write\n");
        output.Flush();

        for (int i = 0; i < Threads; i++)
            Start();
        WaitWhileBelow(ref s_finished, Threads);

        output.Write($"{Threads} threads run: the kernel counts {Count()} in this process\n");
        for (int i = 0; i < Threads; i++)
        {
            long* page = (long*)(s_shared + i * Linux.Page);
            output.Write($"thread {page[0]} had a variable on its own stack at {page[1]:x}:\n");
            Area.ShowLine((nint)page[1]);
        }
        output.Write($"the page that each wrote is in this very address space: {Area.Field(s_shared, "Rss:"u8)} KiB resident\n");

        Volatile.Write(ref s_gate, 1);
        Syscall.Call(Futex, Address(ref s_gate), 1, int.MaxValue);
        while (Count() > 1)
            Linux.Yield();
        output.Write($"they were let go: {Count()} thread is left, and the memory is as it was: {Area.Field(s_shared, "Rss:"u8)} KiB\n");
        output.Flush();
        return 0;
    }

    /// <summary>A thread begins by returning from the system call on its own stack: there lies the address of its first function.</summary>
    private static void Start()
    {
        nint stack = Linux.Mmap(0, StackBytes, Protection.ReadWrite, Map.PrivateAnonymous);
        nint* top = (nint*)(stack + StackBytes - 64);
        delegate*<void> first = &Body;
        top[0] = (nint)first;
        Syscall.Call(Clone, ThreadFlags, (nint)top, (nint)(top + 2), (nint)(top + 3));
    }

    private static void Body()
    {
        int number = Interlocked.Increment(ref s_started) - 1;
        long* page = (long*)(s_shared + number * Linux.Page);
        long local = Syscall.Call(GetThread);
        page[0] = local;
        page[1] = (long)(&local);
        Interlocked.Increment(ref s_finished);
        Syscall.Call(Futex, Address(ref s_finished), 1, 1);
        WaitWhileBelow(ref s_gate, 1);
        Syscall.Call(ExitThread, 0);
    }

    private static void WaitWhileBelow(ref int word, int enough)
    {
        while (Volatile.Read(ref word) is int seen && seen < enough)
            Syscall.Call(Futex, Address(ref word), 0, seen);
    }

    // Statics do not move here: there is no collector.
    private static nint Address(ref int word)
    {
        fixed (int* p = &word)
            return (nint)p;
    }

    private static long Count() => KernelFile.Field(KernelFile.Read("/proc/self/status"u8), "Threads:"u8);
}
