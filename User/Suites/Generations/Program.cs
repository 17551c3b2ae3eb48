using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Pages;

namespace NanoVm.User.Suites.Generations;

/// <summary>Address spaces that come from address spaces: fork over generations, <c>CLONE_VM</c>, <c>vfork</c>, and what an ending process leaves.</summary>
internal static unsafe class Program
{
    private const int CloneVm = 0x100, CloneVfork = 0x4000, CloneParentSetTid = 0x100000, CloneChildClearTid = 0x200000, CloneChildSetTid = 0x1000000;

    public static int Main() => Run(
        new("A page shared by three generations is copied by each writer", &ThreeGenerations),
        new("The last owner writes in place: one fault, the same frame", &LastOwner),
        new("A grandchild outlives its parent's memory", &Orphan),
        new("Twenty children change one page each, the parent sees none", &ManyWriters),
        new("A shared page is shared over three generations", &SharedDown),
        new("A private page of a file is the writer's in each generation", &FileDown),
        new("smaps counts shared and private pages of a fork", &SharedCounts),
        new("Pss is divided among those who map", &Proportional),
        new("The first write after fork costs one minor fault a page", &FaultsCounted),
        new("Reading after fork costs no fault", &ReadsFree),
        new("Bringing pages in by mlock costs one fault a page too", &PopulatingCounted),
        new("A child's faults are its own, a parent gets them when it waits", &ChildrensFaults),
        new("The areas of a child look like its parent's", &AreasCopied),
        new("Advice is inherited, locks are not", &AdviceInherited),
        new("Three pages: inherited, hidden, wiped", &ThreeWays),
        new("A hidden page stays hidden from a grandchild, an own one is seen", &HiddenTwice),
        new("fork in the middle of a changed area keeps the rights of each page", &RightsCopied),
        new("A child's munmap, mmap and mprotect leave the parent alone", &ChildChanges),
        new("The parent's changes leave a waiting child alone", &ParentChanges),
        new("A pipe's write from a shared page, after the writer changed it", &PipeKeepsBytes),
        new("CLONE_VM: a child's write is the parent's", &SharedSpace),
        new("CLONE_VM: mappings made by one are seen by the other", &SharedMappings),
        new("CLONE_VM: brk moves for both", &SharedHeap),
        new("CLONE_VFORK: the parent goes on when the child has ended", &Vfork),
        new("CHILD_SETTID writes into the child's memory only", &SetTid),
        new("CHILD_CLEARTID clears in shared memory when the child ends", &ClearTid),
        new("A child that is killed clears its number too", &ClearTidKilled),
        new("CHILD_CLEARTID of an address that is gone harms nobody", &ClearTidGone),
        new("A robust lock is marked when its owner dies", &Robust),
        new("A robust lock of another owner is left alone", &RobustOther),
        new("A list that leads nowhere harms nobody", &RobustBad),
        new("get_robust_list gives back what was set", &RobustAsked),
        new("A child with too much memory for its limit leaves the parent whole", &ForkRefused));

    private static int Clone(int flags, int* parentTid = null, int* childTid = null) => (int)Syscall.Call(56, flags | Signal.Child, 0, (nint)parentTid, (nint)childTid, 0);

    /// <summary>A word that all children share.</summary>
    private static int* Shared() => (int*)New(1, Protection.ReadWrite, Map.SharedAnonymous);

    private static nint Small(int pages)
    {
        nint a = Alone(pages);
        Madvise(a, pages * Page, Advice.NoHugePage);
        return a;
    }

    private static void ThreeGenerations()
    {
        nint a = Small(1);
        Touch(a, 1, 1);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            int grandchild = Linux.Fork();
            if (grandchild == 0)
            {
                byte seen = At(a);
                *(byte*)a = 3;
                Exit(seen * 10 + At(a));
            }
            int status = Child.Status(grandchild);
            byte own = At(a);
            *(byte*)a = 2;
            Exit(status == 13 && own == 1 && At(a) == 2 ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
        Equal(1, At(a));
        Drop(a, 1);
    }

    private static void LastOwner()
    {
        nint a = Small(1);
        Touch(a, 1, 5);
        ulong frame = Proc.PageMap(a);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(At(a));
        Equal(5, Child.Status(pid));
        *(byte*)a = 6;
        Equal((long)(frame & 0x7f_ffff_ffff_ffff), (long)(Proc.PageMap(a) & 0x7f_ffff_ffff_ffff));
        Drop(a, 1);
    }

    private static void Orphan()
    {
        int* result = Shared();
        nint a = Small(2);
        Touch(a, 2, 9);
        int* ends = stackalloc int[2];
        Pipe(ends);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            if (Linux.Fork() == 0)
            {
                byte go;
                Close(ends[1]);
                Linux.Read(ends[0], &go, 1);        // until parent and grandparent have let go of it
                *result = At(a) + At(a + Page);
                *(byte*)a = 1;
                result[1] = At(a);
                Exit(0);
            }
            Exit(0);
        }
        Child.Status(pid);
        Drop(a, 2);
        Close(ends[0]);
        Close(ends[1]);
        while (System.Threading.Volatile.Read(ref result[1]) == 0)
            Yield();
        Equal(18, *result);
        Equal(1, result[1]);
        Drop((nint)result, 1);
    }

    private static void ManyWriters()
    {
        const int children = 20;
        nint a = Small(children);
        Touch(a, children, 100);
        Span<int> pids = stackalloc int[children];
        for (int i = 0; i < children; i++)
        {
            pids[i] = Linux.Fork();
            if (pids[i] == 0)
            {
                *(byte*)(a + i * Page) = (byte)i;
                int sum = 0;
                for (int k = 0; k < children; k++)
                    sum += At(a + k * Page);
                Exit(sum == (children - 1) * 100 + i ? 0 : 1);
            }
        }
        foreach (int pid in pids)
            Equal(0, Child.Status(pid));
        for (int i = 0; i < children; i++)
            Equal(100, At(a + i * Page));
        Drop(a, children);
    }

    private static void SharedDown()
    {
        int* shared = Shared();
        *shared = 1;
        int pid = Linux.Fork();
        if (pid == 0)
        {
            *shared += 1;
            int grandchild = Linux.Fork();
            if (grandchild == 0)
            {
                *shared += 10;
                Exit(0);
            }
            Child.Status(grandchild);
            Exit(*shared);
        }
        Equal(12, Child.Status(pid));
        Equal(12, *shared);
        Drop((nint)shared, 1);
    }

    private static void FileDown()
    {
        int file = NewFile(1);
        nint a = Mmap(0, Page, Protection.ReadWrite, Map.Private, file);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            *(byte*)a = 50;
            int grandchild = Linux.Fork();
            if (grandchild == 0)
            {
                *(byte*)a += 1;
                Exit(At(a));
            }
            Exit(Child.Status(grandchild) == 51 ? At(a) : 0);
        }
        Equal(50, Child.Status(pid));
        Equal(1, At(a));
        Drop(a, 1);
        Close(file);
    }

    private static void SharedCounts()
    {
        Proc.Prepare();
        nint a = Small(4);
        Touch(a, 4);
        Equal(16, Proc.Smaps(a, "Private_Dirty"u8));
        int pid = Linux.Fork();
        if (pid == 0)
        {
            bool shared = Proc.Smaps(a, "Shared_Dirty"u8) == 16 && Proc.Smaps(a, "Private_Dirty"u8) == 0;
            *(byte*)(a + Page) = 2;
            Exit(shared && Proc.Smaps(a, "Shared_Dirty"u8) == 12 && Proc.Smaps(a, "Private_Dirty"u8) == 4 ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
        Equal(16, Proc.Smaps(a, "Private_Dirty"u8));
        Equal(0, Proc.Smaps(a, "Shared_Dirty"u8));
        Drop(a, 4);
    }

    private static void Proportional()
    {
        Proc.Prepare();
        nint a = Small(8);
        Touch(a, 8);
        Equal(32, Proc.Smaps(a, "Pss"u8));
        int pid = Linux.Fork();
        if (pid == 0)
        {
            int half = (int)Proc.Smaps(a, "Pss"u8);
            int grandchild = Linux.Fork();
            if (grandchild == 0)
                Exit((int)Proc.Smaps(a, "Pss"u8));
            Exit(half == 16 ? Child.Status(grandchild) : 99);
        }
        Equal(10, Child.Status(pid));       // 32 / 3
        Drop(a, 8);
    }

    private static void FaultsCounted()
    {
        nint a = Small(32);
        Touch(a, 32);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Touch(a, 1, 2);
            long before = Proc.MinorFaults();
            Touch(a + Page, 31, 2);
            Exit((int)(Proc.MinorFaults() - before));
        }
        Equal(31, Child.Status(pid));
        Drop(a, 32);
    }

    private static void ReadsFree()
    {
        nint a = Small(32);
        Touch(a, 32);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Proc.MinorFaults();
            long before = Proc.MinorFaults();
            int sum = 0;
            for (int i = 0; i < 32; i++)
                sum += At(a + i * Page);
            Exit(sum == 32 ? (int)(Proc.MinorFaults() - before) : 99);
        }
        Equal(0, Child.Status(pid));
        Drop(a, 32);
    }

    private static void PopulatingCounted()
    {
        nint a = Small(50);
        Proc.MinorFaults();
        long before = Proc.MinorFaults();
        Equal(0, Mlock(a, 50 * Page));
        Equal(50, Proc.MinorFaults() - before);
        Munlock(a, 50 * Page);
        Drop(a, 50);
    }

    private static void ChildrensFaults()
    {
        long* usage = stackalloc long[18];
        ResourceUsage(-1, usage);
        long before = usage[8];
        nint a = Small(64);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Touch(a, 64);
            Exit(0);
        }
        ResourceUsage(-1, usage);
        Equal(before, usage[8]);
        Child.Status(pid);
        ResourceUsage(-1, usage);
        Check(usage[8] - before is >= 64 and < 200);
        Drop(a, 64);
    }

    private static void AreasCopied()
    {
        nint a = Alone(2);
        Put(a + 2 * Page, 1, Protection.Read);
        Put(a + 4 * Page, 2, Protection.None);
        Look(a, "ww|r.nn"u8);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(Look(a, "ww|r.nn"u8) ? 0 : 1);
        Equal(0, Child.Status(pid));
        Drop(a, 6);
    }

    private static void AdviceInherited()
    {
        nint a = Alone(3);
        Madvise(a, Page, Advice.Sequential);
        Madvise(a + Page, Page, Advice.DontDump);
        Mlock(a + 2 * Page, Page);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(Proc.HasFlag(a, "sr"u8) && Proc.HasFlag(a + Page, "dd"u8) && !Proc.HasFlag(a + 2 * Page, "lo"u8) ? 0 : 1);
        Equal(0, Child.Status(pid));
        Drop(a, 3);
    }

    private static void ThreeWays()
    {
        nint a = Alone(3);
        Touch(a, 3, 4);
        Madvise(a + Page, Page, Advice.DontFork);
        Madvise(a + 2 * Page, Page, Advice.WipeOnFork);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(Look(a, "w.w"u8) && At(a) == 4 && At(a + 2 * Page) == 0 ? 0 : 1);
        Equal(0, Child.Status(pid));
        Equal(12, At(a) + At(a + Page) + At(a + 2 * Page));
        Drop(a, 3);
    }

    private static void HiddenTwice()
    {
        nint a = Alone(1);
        Madvise(a, Page, Advice.DontFork);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Put(a, 1);
            Touch(a, 1, 7);
            int grandchild = Linux.Fork();
            if (grandchild == 0)
                Exit(At(a));
            Exit(Child.Status(grandchild));
        }
        Equal(7, Child.Status(pid));
        Drop(a, 1);
    }

    private static void RightsCopied()
    {
        nint a = Alone(3);
        Touch(a, 3, 3);
        Mprotect(a + Page, Page, Protection.Read);
        Mprotect(a + 2 * Page, Page, Protection.None);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            bool good = Child.SignalOfWrite(a) == 0 && Child.SignalOfWrite(a + Page) == Signal.Segmentation && Child.SignalOfRead(a + Page) == 0
                && Child.SignalOfRead(a + 2 * Page) == Signal.Segmentation;
            Mprotect(a, 3 * Page, Protection.ReadWrite);
            Touch(a, 3, 4);
            Exit(good && At(a + 2 * Page) == 4 ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
        Mprotect(a + 2 * Page, Page, Protection.Read);
        Equal(3, At(a + 2 * Page));
        Drop(a, 3);
    }

    private static void ChildChanges()
    {
        nint a = Alone(4);
        Touch(a, 4, 8);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Drop(a, 1);
            Put(a + Page, 1);
            Mprotect(a + 2 * Page, Page, Protection.None);
            Madvise(a + 3 * Page, Page, Advice.DontNeed);
            Exit(Look(a, ".w|n|w"u8) && At(a + Page) == 0 && At(a + 3 * Page) == 0 ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
        Look(a, "wwww"u8);
        Equal(32, At(a) + At(a + Page) + At(a + 2 * Page) + At(a + 3 * Page));
        Drop(a, 4);
    }

    private static void ParentChanges()
    {
        nint a = Alone(3);
        Touch(a, 3, 8);
        int* ends = stackalloc int[2];
        Pipe(ends);
        int pid = Linux.Fork();
        byte token = 0;
        if (pid == 0)
        {
            Linux.Read(ends[0], &token, 1);
            Exit(Look(a, "www"u8) ? At(a) + At(a + Page) + At(a + 2 * Page) : 99);
        }
        Drop(a, 1);
        Mprotect(a + Page, Page, Protection.Read);
        Touch(a + 2 * Page, 1, 9);
        Linux.Write(ends[1], &token, 1);
        Equal(24, Child.Status(pid));
        Close(ends[0]);
        Close(ends[1]);
        Drop(a, 3);
    }

    private static void PipeKeepsBytes()
    {
        nint a = Small(1);
        Touch(a, 1, 20);
        int* ends = stackalloc int[2];
        Pipe(ends);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Linux.Write(ends[1], (void*)a, 1);
            *(byte*)a = 21;
            Linux.Write(ends[1], (void*)a, 1);
            Exit(0);
        }
        Child.Status(pid);
        byte* got = stackalloc byte[2];
        Equal(2, Linux.Read(ends[0], got, 2));
        Equal(20, got[0]);
        Equal(21, got[1]);
        Equal(20, At(a));
        Close(ends[0]);
        Close(ends[1]);
        Drop(a, 1);
    }

    // ---- one address space, two processes ----------------------------------------------------------------------------------------------------

    /// <summary>Runs the body in a process of its own that shares this one's memory, and waits for it; its status.</summary>
    /// <remarks>With CLONE_VFORK this one goes on only when the other has ended.</remarks>
    private static int RunBeside(delegate*<void> body, int flags = 0, int* childTid = null)
    {
        const int pages = 16;
        nint stack = New(pages);
        // The call's own return takes the child here: to the body, with nowhere to return to.
        nint* top = (nint*)(stack + pages * Page) - 2;
        top[0] = (nint)body;
        top[1] = 0;
        int pid = (int)Syscall.Call(56, CloneVm | CloneVfork | Signal.Child | flags, (nint)top, 0, (nint)childTid, 0);
        int status = Child.Status(pid);
        s_pid = pid;
        Drop(stack, pages);
        return status;
    }

    private static nint s_place;
    private static int s_seen, s_pid;

    private static void SharedSpace()
    {
        s_place = Small(1);
        Equal(0, RunBeside(&WriteByte));
        Equal(44, At(s_place));
        Drop(s_place, 1);
    }

    private static void WriteByte()
    {
        *(byte*)s_place = 44;
        Exit(0);
    }

    private static void SharedMappings()
    {
        s_place = Alone(4);
        Drop(s_place + Page, 2);
        Equal(0, RunBeside(&MapMore));
        Look(s_place, "w.ww"u8);
        Equal(9, At(s_place + 2 * Page));
        Drop(s_place, 4);
    }

    private static void MapMore()
    {
        Put(s_place + 2 * Page, 1);
        *(byte*)(s_place + 2 * Page) = 9;
        Exit(0);
    }

    private static void SharedHeap()
    {
        nint end = Brk(0);
        s_place = end;
        Equal(0, RunBeside(&MoveEnd));
        Equal(end + 3 * Page, Brk(0));
        Brk(end);
    }

    private static void MoveEnd()
    {
        Brk(s_place + 3 * Page);
        Exit(0);
    }

    private static void Vfork()
    {
        s_seen = 0;
        Equal(3, RunBeside(&NoteNumber));
        Equal(s_pid, s_seen);
    }

    private static void NoteNumber()
    {
        s_seen = GetPid();
        Exit(3);
    }

    private static void SetTid()
    {
        nint a = Small(1);
        int* mine = (int*)a;
        int* told = (int*)(a + 8);
        int pid = Clone(CloneChildSetTid | CloneParentSetTid, told, mine);
        if (pid == 0)
            Exit(*mine == GetPid() ? 0 : 1);
        Equal(0, Child.Status(pid));
        Equal(0, *mine);
        Equal(pid, *told);
        Drop(a, 1);
    }

    private static void ClearTid()
    {
        int* shared = Shared();
        *shared = 77;
        int pid = Clone(CloneChildClearTid, null, shared);
        if (pid == 0)
            Exit(*shared);
        Equal(77, Child.Status(pid));
        Equal(77, *shared);         // nobody else has that memory: a process's own number is of use to its threads only
        Drop((nint)shared, 1);

        nint a = Small(1);
        *(int*)a = 78;
        Equal(3, RunBeside(&NoteNumber, CloneChildClearTid, (int*)a));
        Equal(0, *(int*)a);
        Drop(a, 1);
    }

    private static void ClearTidKilled()
    {
        nint a = Small(1);
        *(int*)a = 79;
        Equal(128 + Signal.Kill, RunBeside(&KillSelf, CloneChildClearTid, (int*)a));
        Equal(0, *(int*)a);
        Drop(a, 1);
    }

    private static void KillSelf()
    {
        Kill(GetPid(), Signal.Kill);
        Exit(0);
    }

    private static void ClearTidGone()
    {
        nint a = Room(64);
        Equal(3, RunBeside(&NoteNumber, CloneChildClearTid, (int*)a));
    }

    // ---- robust lists: the kernel marks what a dying thread held ---------------------------------------------------------------------------------

    private const int OwnerDied = 0x40000000;

    /// <summary>A child with a list of one entry whose lock word holds <paramref name="add"/> plus its own number; the word afterwards.</summary>
    private static int WordAfterDeath(int add, int waiters)
    {
        nint* shared = (nint*)Shared();
        int pid = Linux.Fork();
        if (pid == 0)
        {
            // struct robust_list_head: next, futex_offset, list_op_pending; the entry is a struct robust_list, its lock 16 bytes behind it.
            shared[0] = (nint)(shared + 4);
            shared[1] = 16;
            shared[2] = 0;
            shared[4] = (nint)shared;
            *(int*)(shared + 6) = (GetPid() + add) | waiters;
            Syscall.Call(273, (nint)shared, 24);
            Exit(0);
        }
        Child.Status(pid);
        int word = *(int*)(shared + 6);
        Drop((nint)shared, 1);
        return (word & OwnerDied) != 0 ? (word & ~OwnerDied) == waiters ? 1 : 2 : word - add == (pid | waiters) ? 0 : 3;
    }

    private static void Robust()
    {
        Equal(1, WordAfterDeath(0, 0));
        Equal(1, WordAfterDeath(0, unchecked((int)0x80000000)));
    }

    private static void RobustOther() => Equal(0, WordAfterDeath(1, 0));

    private static void RobustBad()
    {
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Syscall.Call(273, 8, 24);
            Exit(4);
        }
        Equal(4, Child.Status(pid));
        pid = Linux.Fork();
        if (pid == 0)
        {
            nint* head = stackalloc nint[3];
            head[0] = unchecked((nint)0xffff_8880_0000_0000);
            head[1] = 0;
            head[2] = 12;
            Syscall.Call(273, (nint)head, 24);
            Exit(5);
        }
        Equal(5, Child.Status(pid));
        pid = Linux.Fork();
        if (pid == 0)
        {
            // A ring that never comes back to its head.
            nint* head = stackalloc nint[8];
            head[0] = (nint)(head + 4);
            head[1] = 8;
            head[2] = 0;
            head[4] = (nint)(head + 4);
            head[5] = 0;
            Syscall.Call(273, (nint)head, 24);
            Exit(6);
        }
        Equal(6, Child.Status(pid));
    }

    private static void RobustAsked()
    {
        int pid = Linux.Fork();
        if (pid == 0)
        {
            nint* head = stackalloc nint[3];
            head[0] = (nint)head;
            nint got = 0, length = 0;
            bool good = Syscall.Call(273, (nint)head, 23) == Errno.Invalid && Syscall.Call(273, (nint)head, 24) == 0
                && Syscall.Call(274, 0, (nint)(&got), (nint)(&length)) == 0 && got == (nint)head && length == 24
                && Syscall.Call(274, 0x3fffff, (nint)(&got), (nint)(&length)) == Errno.NoSuchProcess;
            Exit(good ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
    }

    private static void ForkRefused()
    {
        nint a = Alone(4);
        Touch(a, 4, 6);
        int middle = Linux.Fork();
        if (middle == 0)
        {
            Syscall.Call(105, 1234);
            SetSoftLimit(Limit.Processes, 0);
            bool refused = Linux.Fork() == Errno.TryAgain;
            Touch(a, 4, 7);
            Exit(refused && At(a) == 7 && Look(a, "wwww"u8) ? 0 : 1);
        }
        Equal(0, Child.Status(middle));
        Equal(6, At(a));
        Drop(a, 4);
    }
}
