using System;
using NanoVm.User.Suites;

namespace NanoVm.User.Cost;

/// <summary>cost: what faults and calls of memory cost on this kernel, in ticks of the time-stamp counter, a line each.</summary>
/// <remarks>
/// In a machine that counts instructions (<c>tools/cost.sh</c>) a tick is one guest instruction, the same in every run. Elsewhere the
/// lines are cycles, good for a look. Each line is the middle one of up to 256 measurements.
/// </remarks>
internal static unsafe class Program
{
    private const int Page = 4096, Pages = 256, HugePage = 2 << 20;
    private const int GetParent = 110, DontNeed = 4, UseHugePages = 14, NoHugePages = 15, MayMove = 1;

    public static int Main()
    {
        if (Arguments.Count > 1)
            return 0;                                        // what the measurement of execve runs
        Samples.Calibrate();
        Calls();
        AnonymousFaults();
        HugeFaults();
        CopiedFaults();
        FileFaults();
        Areas("600 areas", 600);
        Areas("60,000 areas", 60_000);
        Processes("a small process", 0);
        Processes("64 MiB", 64 << 20);
        Pipes();
        return 0;
    }

    private static void Calls()
    {
        Samples.Start();
        for (int i = 0; i < Samples.Most; i++)
        {
            Samples.Begin();
            Syscall.Call(GetParent);
            Samples.End();
        }
        Samples.Print("an empty system call");

        Samples.Start();
        for (int i = 0; i < Samples.Most; i++)
        {
            Samples.Begin();
            nint at = Linux.Mmap(0, Page, Protection.ReadWrite, Map.PrivateAnonymous);
            Linux.Munmap(at, Page);
            Samples.End();
        }
        Samples.Print("mmap and munmap of a page");

        Samples.Start();
        for (int i = 0; i < Samples.Most; i++)
        {
            Samples.Begin();
            nint at = Linux.Mmap(0, Page, Protection.ReadWrite, Map.PrivateAnonymous);
            Clock.Store(at);
            Linux.Munmap(at, Page);
            Samples.End();
        }
        Samples.Print("the same with a write to it");

        nint row = NewPages(3);
        Samples.Start();
        for (int i = 0; i < Samples.Most; i++)
        {
            Samples.Begin();
            Linux.Mprotect(row + Page, Page, Protection.Read);
            Linux.Mprotect(row + Page, Page, Protection.ReadWrite);
            Samples.End();
        }
        Samples.Print("mprotect of a page inside an area, there and back");
        Linux.Munmap(row, 3 * Page);

        nint end = Linux.Brk(0);
        Samples.Start();
        for (int i = 0; i < Samples.Most; i++)
        {
            Samples.Begin();
            Linux.Brk(end + Page);
            Linux.Brk(end);
            Samples.End();
        }
        Samples.Print("brk up and down by a page");

        Samples.Start();
        for (int i = 0; i < 64; i++)
        {
            nint at = NewPages(17);
            Linux.Munmap(at + 16 * Page, Page);
            nint wall = Linux.Mmap(at + 16 * Page, Page, Protection.None, Map.PrivateAnonymous | Map.Fixed);
            for (int page = 0; page < 16; page++)
                Clock.Store(at + page * Page);
            Samples.Begin();
            nint moved = Linux.Mremap(at, 16 * Page, 32 * Page, MayMove);
            Samples.End();
            Linux.Munmap(moved, 32 * Page);
            Linux.Munmap(wall, Page);
        }
        Samples.Print("mremap that moves 16 pages");
    }

    private static void AnonymousFaults()
    {
        nint at = NewPages(Pages);
        Samples.Start();
        for (int i = 0; i < Pages; i++)
        {
            Samples.Begin();
            Clock.Load(at + i * Page);
            Samples.End();
        }
        Samples.Print("first read of a page: the zero page");

        Samples.Start();
        for (int i = 0; i < Pages; i++)
        {
            Samples.Begin();
            Clock.Store(at + i * Page);
            Samples.End();
        }
        Samples.Print("first write to it after that");

        Samples.Start();
        for (int i = 0; i < 32; i++)
        {
            for (int page = 0; page < Pages; page++)
                Clock.Store(at + page * Page);
            Samples.Begin();
            Linux.Madvise(at, Pages * Page, DontNeed);
            Samples.End(Pages);
        }
        Samples.Print("madvise(DONTNEED), per page of 256");

        Samples.Start();
        for (int i = 0; i < Pages; i++)
        {
            Samples.Begin();
            Clock.Store(at + i * Page);
            Samples.End();
        }
        Samples.Print("first write to a page");
        Linux.Munmap(at, Pages * Page);

        Samples.Start();
        Samples.Begin();
        Clock.GrowStack(64);
        Samples.End(64);
        Samples.Print("a page of stack, area and frame");
    }

    private static void HugeFaults()
    {
        nint room = Linux.Mmap(0, 9 * HugePage, Protection.ReadWrite, Map.PrivateAnonymous);
        nint at = (room + HugePage - 1) & -HugePage;
        if (Linux.IsError(Linux.Madvise(at, 8 * HugePage, UseHugePages)))
            return;
        Samples.Start();
        for (int i = 0; i < 8; i++)
        {
            Samples.Begin();
            Clock.Store(at + i * HugePage);
            Samples.End(HugePage / Page);
        }
        Samples.Print("first write to a 2 MiB page, per 4 KiB of it");
        Linux.Munmap(room, 9 * HugePage);
    }

    private static void CopiedFaults()
    {
        nint at = NewPages(Pages);
        for (int i = 0; i < Pages; i++)
            Clock.Store(at + i * Page);
        int* ends = stackalloc int[2];
        Linux.Pipe(ends);
        int child = Linux.Fork();
        if (child == 0)
        {
            byte word;
            Linux.Close(ends[1]);
            Linux.Read(ends[0], &word, 1);                   // holds the pages until the parent has copied them
            Linux.Exit(0);
        }
        Linux.Close(ends[0]);
        Samples.Start();
        for (int i = 0; i < Pages; i++)
        {
            Samples.Begin();
            Clock.Store(at + i * Page);
            Samples.End();
        }
        Samples.Print("a write to a page shared by fork: a copy");
        Linux.Close(ends[1]);
        Linux.Wait(child, out _);

        child = Linux.Fork();
        if (child == 0)
            Linux.Exit(0);
        Linux.Wait(child, out _);
        Samples.Start();
        for (int i = 0; i < Pages; i++)
        {
            Samples.Begin();
            Clock.Store(at + i * Page);
            Samples.End();
        }
        Samples.Print("the same when the other has gone: no copy");
        Linux.Munmap(at, Pages * Page);
    }

    private static void FileFaults()
    {
        int file = Linux.Open("/tmp/cost.file"u8, 0x42, 0x180);
        nint buffer = NewPages(1);
        Clock.Store(buffer);
        for (int i = 0; i < Pages; i++)
            Linux.Write(file, (void*)buffer, Page);

        Samples.Start();
        for (int i = 0; i < Pages; i++)
        {
            Samples.Begin();
            Linux.PositionedRead(file, (void*)buffer, Page, (nint)i * Page);
            Samples.End();
        }
        Samples.Print("read of a cached page");

        nint at = Linux.Mmap(0, Pages * Page, Protection.ReadWrite, Map.Private, file);
        Samples.Start();
        for (int i = 0; i < Pages; i += 16)
        {
            Samples.Begin();
            for (int page = i; page < i + 16; page++)
                Clock.Load(at + page * Page);
            Samples.End(16);
        }
        Samples.Print("first read of a mapped file, per page");

        Samples.Start();
        for (int i = 0; i < Pages; i++)
        {
            Samples.Begin();
            Clock.Store(at + i * Page);
            Samples.End();
        }
        Samples.Print("a private write to it: a copy");
        Linux.Munmap(at, Pages * Page);

        at = Linux.Mmap(0, Pages * Page, Protection.ReadWrite, Map.Shared, file);
        Samples.Start();
        for (int i = 0; i < Pages; i++)
        {
            Samples.Begin();
            Clock.Store(at + i * Page);
            Samples.End();
        }
        Samples.Print("a shared write to a mapped file");
        Linux.Munmap(at, Pages * Page);
        Linux.Munmap(buffer, Page);
        Linux.Close(file);
        Linux.Unlink("/tmp/cost.file"u8);
    }

    // Every second page has other rights, so that no two areas merge.
    private static void Areas(string name, int count)
    {
        nint bytes = (nint)count * Page;
        nint at = Linux.Mmap(0, bytes, Protection.ReadWrite, Map.PrivateAnonymous | Map.NoReserve);
        for (nint i = 0; i < count; i += 2)
            Linux.Mprotect(at + i * Page, Page, Protection.Read);

        Samples.Start();
        for (nint i = 1; i < 512; i += 2)
        {
            nint page = i * 7919 % (count / 2) * 2 + 1;      // here and there, so that no cache of areas helps
            Samples.Begin();
            Clock.Store(at + page * Page);
            Samples.End();
        }
        Samples.Print("first write to a page among ", name);

        Samples.Start();
        for (int i = 0; i < Samples.Most; i++)
        {
            Samples.Begin();
            nint fresh = Linux.Mmap(0, Page, Protection.Read | Protection.Execute, Map.PrivateAnonymous);
            Linux.Munmap(fresh, Page);
            Samples.End();
        }
        Samples.Print("mmap and munmap of a page among ", name);
        Linux.Munmap(at, bytes);
    }

    private static void Processes(string name, nint resident)
    {
        nint at = resident == 0 ? 0 : NewPages((int)(resident / Page));
        for (nint i = 0; i < resident; i += Page)
            Clock.Store(at + i);

        Samples.Start();
        for (int i = 0; i < 16; i++)
        {
            Samples.Begin();
            int child = Linux.Fork();
            if (child == 0)
                Linux.Exit(0);
            Samples.End();
            Linux.Wait(child, out _);
        }
        Samples.Print("fork, the call, of ", name);

        Samples.Start();
        for (int i = 0; i < 16; i++)
        {
            Samples.Begin();
            int child = Linux.Fork();
            if (child == 0)
                Linux.Exit(0);
            Linux.Wait(child, out _);
            Samples.End();
        }
        Samples.Print("fork, exit and wait, of ", name);

        if (resident != 0)
        {
            Linux.Munmap(at, resident);
            return;
        }
        Samples.Start();
        for (int i = 0; i < 16; i++)
        {
            Samples.Begin();
            int child = Linux.Fork();
            if (child == 0)
                Execute();
            Linux.Wait(child, out _);
            Samples.End();
        }
        Samples.Print("fork, execve, exit and wait");
    }

    private static void Execute()
    {
        nint* arguments = stackalloc nint[4];
        fixed (byte* self = "/proc/self/exe\0"u8)
        {
            arguments[0] = arguments[1] = (nint)self;
            arguments[2] = arguments[3] = 0;
            Syscall.Call(59, (nint)self, (nint)arguments, (nint)(arguments + 2));
        }
        Linux.Exit(1);
    }

    private static void Pipes()
    {
        int* there = stackalloc int[2], back = stackalloc int[2];
        Linux.Pipe(there);
        Linux.Pipe(back);
        byte word = 0;
        int child = Linux.Fork();
        if (child == 0)
        {
            Linux.Close(there[1]);
            while (Linux.Read(there[0], &word, 1) == 1)
                Linux.Write(back[1], &word, 1);
            Linux.Exit(0);
        }
        Samples.Start();
        for (int i = 0; i < Samples.Most; i++)
        {
            Samples.Begin();
            Linux.Write(there[1], &word, 1);
            Linux.Read(back[0], &word, 1);
            Samples.End();
        }
        Samples.Print("a byte through a pipe to another process and back");
        Linux.Close(there[1]);
        Linux.Wait(child, out _);
    }

    private static nint NewPages(int count)
    {
        nint at = Linux.Mmap(0, (nint)count * Page, Protection.ReadWrite, Map.PrivateAnonymous);
        Linux.Madvise(at, (nint)count * Page, NoHugePages);  // where huge pages are for all: these lines are about small ones
        return at;
    }
}
