using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Fork;

/// <summary><c>fork</c>: pages shared until someone writes, over generations, and through every path that writes.</summary>
internal static unsafe class Program
{
    public static int Main() => Run(
        new("The child sees what the parent wrote before", &ChildSees),
        new("What the child writes the parent does not see", &ChildWrites),
        new("What the parent writes the child does not see", &ParentWrites),
        new("A shared mapping is seen by both", &SharedSeen),
        new("Five generations keep five values", &Generations),
        new("Fifty children write one page each his own way", &ManyChildren),
        new("The kernel writing for a child breaks the sharing too", &KernelWrites),
        new("A read-only page stays read-only in the child", &ReadOnlyStays),
        new("A page never touched is zero in both", &Untouched),
        new("The child's unmapping leaves the parent's pages", &ChildUnmaps),
        new("The zero page read before the fork can be written after it", &ZeroPage),
        new("A private file page is copied by the writer only", &PrivateFile),
        new("The heap is copied", &HeapCopied),
        new("The child's parent is the parent", &ParentPid),
        new("Exit status and signal reach the parent", &Statuses),
        new("Waiting without children says ECHILD", &NoChildren),
        new("WNOHANG does not wait", &NoHang));

    private static nint New(int pages) => Mmap(0, pages * Page, Protection.ReadWrite, Map.PrivateAnonymous);

    private static void ChildSees()
    {
        nint a = New(1);
        *(int*)a = 42;
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(*(int*)a);
        Equal(42, Child.Status(pid));
        Munmap(a, Page);
    }

    private static void ChildWrites()
    {
        nint a = New(1);
        *(int*)a = 1;
        int pid = Linux.Fork();
        if (pid == 0)
        {
            *(int*)a = 2;
            Exit(*(int*)a);
        }
        Equal(2, Child.Status(pid));
        Equal(1, *(int*)a);
        Munmap(a, Page);
    }

    private static void ParentWrites()
    {
        nint a = New(1);
        int* ends = stackalloc int[2];
        Pipe(ends);
        *(int*)a = 1;
        int pid = Linux.Fork();
        if (pid == 0)
        {
            byte b;
            Linux.Read(ends[0], &b, 1);
            Exit(*(int*)a);
        }
        *(int*)a = 2;
        byte go = 1;
        Linux.Write(ends[1], &go, 1);
        Equal(1, Child.Status(pid));
        Close(ends[0]);
        Close(ends[1]);
        Munmap(a, Page);
    }

    private static void SharedSeen()
    {
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.SharedAnonymous);
        *(int*)a = 1;
        int pid = Linux.Fork();
        if (pid == 0)
        {
            *(int*)(a + Page) = *(int*)a + 1;
            Exit(0);
        }
        Equal(0, Child.Status(pid));
        Equal(2, *(int*)(a + Page));
        Munmap(a, 2 * Page);
    }

    private static void Generations()
    {
        nint a = New(1);
        *(int*)a = 0;
        Equal(5, Descend(a, 0));
        Equal(0, *(int*)a);
        Munmap(a, Page);
    }

    /// <summary>Each generation adds one in its own copy and checks it after its descendants have ended.</summary>
    private static int Descend(nint page, int depth)
    {
        if (depth == 5)
            return *(int*)page;
        int pid = Linux.Fork();
        if (pid == 0)
        {
            *(int*)page = depth + 1;
            int result = Descend(page, depth + 1);
            Exit(*(int*)page == depth + 1 ? result : 100);
        }
        return Child.Status(pid);
    }

    private static void ManyChildren()
    {
        nint a = New(1);
        *(int*)a = 1000;
        int* ends = stackalloc int[2];
        Pipe(ends);
        for (int i = 0; i < 50; i++)
        {
            if (Linux.Fork() == 0)
            {
                Close(ends[1]);
                byte b;
                Linux.Read(ends[0], &b, 1);     // until the parent closes: all are alive and share the page by then
                bool before = *(int*)a == 1000;
                *(int*)a = i;
                Yield();
                Exit(before && *(int*)a == i ? 0 : 1);
            }
        }
        Close(ends[1]);
        int good = 0;
        while (Linux.Wait(-1, out int status) > 0)
            good += status == 0 ? 1 : 0;
        Close(ends[0]);
        Equal(50, good);
        Equal(1000, *(int*)a);
        Munmap(a, Page);
    }

    private static void KernelWrites()
    {
        nint a = New(1);
        *(long*)a = 7;
        int* ends = stackalloc int[2];
        Pipe(ends);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            long value = 8;
            Linux.Write(ends[1], &value, 8);
            Linux.Read(ends[0], (void*)a, 8);
            Exit((int)*(long*)a);
        }
        Equal(8, Child.Status(pid));
        Equal(7, *(long*)a);
        Close(ends[0]);
        Close(ends[1]);
        Munmap(a, Page);
    }

    private static void ReadOnlyStays()
    {
        nint a = New(1);
        *(int*)a = 7;
        Mprotect(a, Page, Protection.Read);
        Equal(Signal.Segmentation, Child.SignalOfWrite(a));
        Equal(0, Child.SignalOfRead(a));
        Munmap(a, Page);
    }

    private static void Untouched()
    {
        nint a = New(1);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            int seen = *(int*)a;
            *(int*)a = 5;
            Exit(seen);
        }
        Equal(0, Child.Status(pid));
        Equal(0, *(int*)a);
        Munmap(a, Page);
    }

    private static void ChildUnmaps()
    {
        nint a = New(3);
        *(int*)(a + Page) = 6;
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(Munmap(a, 3 * Page) == 0 ? 0 : 1);
        Equal(0, Child.Status(pid));
        Equal(6, *(int*)(a + Page));
        Munmap(a, 3 * Page);
    }

    private static void ZeroPage()
    {
        nint a = New(1);
        Equal(0, *(int*)a);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            *(int*)a = 1;
            Exit(*(int*)a);
        }
        Equal(1, Child.Status(pid));
        *(int*)a = 2;
        nint b = New(1);
        Equal(0, *(int*)b);
        Munmap(a, Page);
        Munmap(b, Page);
    }

    private static void PrivateFile()
    {
        int file = Open("/tmp/suite-fork"u8, 2 | 0x40 | 0x200, 0x1a4);
        int value = 10;
        Linux.Write(file, &value, 4);
        nint a = Mmap(0, Page, Protection.ReadWrite, Map.Private, file);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            *(int*)a = 11;
            Exit(*(int*)a);
        }
        Equal(11, Child.Status(pid));
        Equal(10, *(int*)a);
        int back = 0;
        PositionedRead(file, &back, 4, 0);
        Equal(10, back);
        Munmap(a, Page);
        Close(file);
        Unlink("/tmp/suite-fork"u8);
    }

    private static void HeapCopied()
    {
        nint end = Brk(0);
        nint page = (end + Page - 1) & -Page;
        Equal(page + Page, Brk(page + Page));
        *(int*)page = 3;
        int pid = Linux.Fork();
        if (pid == 0)
        {
            bool same = Brk(0) == page + Page && *(int*)page == 3;
            *(int*)page = 4;
            Exit(same ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
        Equal(3, *(int*)page);
        Brk(end);
    }

    private static void ParentPid()
    {
        int self = GetPid();
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(GetParentPid() == self && GetPid() != self ? 0 : 1);
        Equal(0, Child.Status(pid));
    }

    private static void Statuses()
    {
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(300);
        Equal(300 & 0xff, Child.Status(pid));
        pid = Linux.Fork();
        if (pid == 0)
            Kill(GetPid(), Signal.Terminate);
        Equal(128 + Signal.Terminate, Child.Status(pid));
    }

    private static void NoChildren() => Equal(Errno.NoChild, Linux.Wait(-1, out _));

    private static void NoHang()
    {
        int* ends = stackalloc int[2];
        Pipe(ends);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            byte b;
            Linux.Read(ends[0], &b, 1);
            Exit(1);
        }
        Equal(0, Linux.Wait(pid, out _, 1));
        byte go = 1;
        Linux.Write(ends[1], &go, 1);
        Equal(1, Child.Status(pid));
        Close(ends[0]);
        Close(ends[1]);
    }
}
