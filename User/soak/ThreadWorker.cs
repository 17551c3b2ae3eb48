using System.Threading;
using NanoVm.User.Suites;

namespace NanoVm.User.Soak;

/// <summary>Threads: each maps, fills, checks and unmaps memory of its own in the address space of all, and adds to one counter.</summary>
internal static unsafe class ThreadWorker
{
    private const int Threads = 5, StackBytes = 64 * 1024, Times = 20;
    // What a C library's thread is made with: VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, PARENT_SETTID, CHILD_CLEARTID.
    private const int ThreadFlags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x100000 | 0x200000;
    private const int Clone = 56, ExitThread = 60, Futex = 202;

    private static nint s_stacks;
    private static int s_started, s_sum;
    private static int* s_ids;

    public static void Prepare()
    {
        s_stacks = Program.Must(Linux.Mmap(0, Threads * StackBytes, Protection.ReadWrite, Map.PrivateAnonymous), "mmap");
        s_ids = (int*)Program.Must(Linux.Mmap(0, Linux.Page, Protection.ReadWrite, Map.PrivateAnonymous), "mmap");
    }

    public static void Round()
    {
        s_started = s_sum = 0;
        for (int i = 0; i < Threads; i++)
        {
            nint* top = (nint*)(s_stacks + (i + 1) * StackBytes - 64);
            delegate*<void> first = &Body;
            top[0] = (nint)first;
            Program.Must(Syscall.Call(Clone, ThreadFlags, (nint)top, (nint)(s_ids + i), (nint)(s_ids + i)), "clone");
        }
        for (int i = 0; i < Threads; i++)
        {
            int id;
            while ((id = Volatile.Read(ref s_ids[i])) != 0)
                Syscall.Call(Futex, (nint)(s_ids + i), 0, id);
        }
        if (s_sum != Threads * Times)
            Program.Wrong("threads have counted to", s_sum);
    }

    private static void Body()
    {
        int self = Interlocked.Increment(ref s_started);
        for (int time = 1; time <= Times; time++)
        {
            int pages = 1 + (self * 7 + time * 13) % 40;
            nint memory = Program.Must(Linux.Mmap(0, (nint)pages * Linux.Page, Protection.ReadWrite, Map.PrivateAnonymous), "mmap");
            for (int i = 0; i < pages; i++)
                Pattern.Fill(memory + (nint)i * Linux.Page, i, (uint)(self * 1000 + time));
            Linux.Yield();
            for (int i = 0; i < pages; i++)
                Pattern.Check(memory + (nint)i * Linux.Page, i, (uint)(self * 1000 + time));
            Program.Must(Linux.Munmap(memory, (nint)pages * Linux.Page), "munmap");
            Interlocked.Increment(ref s_sum);
        }
        Syscall.Call(ExitThread, 0);
    }
}
