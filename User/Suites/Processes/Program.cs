using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Processes;

/// <summary>Processes and threads: what <c>clone</c> refuses, what <c>execve</c> takes over, how <c>wait</c> tells it, groups and sessions.</summary>
internal static unsafe class Program
{
    private const int WNoHang = 1, WUntraced = 2, WExited = 4, WContinued = 8, WNoWait = 0x01000000, WClone = unchecked((int)0x80000000);
    private const int CloneVm = 0x100, CloneFs = 0x200, CloneSigHand = 0x800, ClonePidFd = 0x1000, CloneVfork = 0x4000, CloneThread = 0x10000,
        CloneNewNs = 0x20000, CloneParentSetTid = 0x100000, CloneChildClearTid = 0x200000, CloneChildSetTid = 0x1000000;
    private const int TryExecFormat = -8, NotPermitted = -1, TooBigList = -7, TextBusy = -26;

    public static int Main() => Run(
        new("clone refuses flags that need others", &CloneRefuses),
        new("clone3 checks its structure", &Clone3Checks),
        new("A vfork's parent waits until the child has gone", &VforkWaits),
        new("CLONE_CHILD_SETTID and CLEARTID write the child's number and zero", &TidsWritten),
        new("waitid leaves the child with WNOWAIT", &WaitNoWait),
        new("Stops and continues are told, once", &StopsAndContinues),
        new("A child that sends no SIGCHLD is waited for with __WCLONE only", &CloneChild),
        new("Ignored SIGCHLD: children leave nothing to wait for", &IgnoredChildren),
        new("Orphans go to the nearest subreaper", &Subreaper),
        new("The signal of a dying parent arrives", &ParentDeath),
        new("A process group leader cannot begin a session", &Sessions),
        new("setpgid reaches children before their exec", &GroupsOfChildren),
        new("execve refuses what is no program", &ExecRefuses),
        new("A script runs its interpreter", &Scripts),
        new("Scripts that run each other end in ELOOP", &ScriptLoop),
        new("Arguments that are too long or too many", &TooManyArguments),
        new("Descriptors marked so are closed by exec", &CloseOnExec),
        new("A program that is being written cannot run", &BusyText),
        new("A pidfd becomes readable when its process ends", &PidFds),
        new("prctl keeps a name of fifteen letters", &Names),
        new("Users without rights stay what they are", &Users),
        new("The vDSO is an ELF image and maps shows it", &VdsoIsThere),
        new("A thousand forks", &ThousandForks),
        new("A limit on processes holds", &ProcessLimit),
        new("A real-time task that never sleeps leaves the others some of the processor", &RealTimeBandwidth));

    // ---- Calls that only this suite makes -------------------------------------------------------------------------------------------

    private static int Clone(int flags, nint stack = 0, int* parentTid = null, int* childTid = null)
        => (int)Syscall.Call(56, flags, stack, (nint)parentTid, (nint)childTid, 0);

    private static int WaitId(int kind, int id, int* info, int options) => (int)Syscall.Call(247, kind, id, (nint)info, options, 0);

    private static int Control(int option, nint a = 0, nint b = 0, nint c = 0, nint d = 0) => (int)Syscall.Call(157, option, a, b, c, d);

    private static int SetAction(int signal, nint handler)
    {
        nint* action = stackalloc nint[4];
        action[0] = handler;
        action[1] = 0x04000000;
        action[2] = Syscall.SignalRestorer();
        action[3] = 0;
        return (int)Syscall.Call(13, signal, (nint)action, 0, 8);
    }

    private static void Sleep(int milliseconds)
    {
        nint* time = stackalloc nint[2];
        time[0] = milliseconds / 1000;
        time[1] = milliseconds % 1000 * 1000000;
        Syscall.Call(35, (nint)time, 0);
    }

    private static int Execute(ReadOnlySpan<byte> path, ReadOnlySpan<byte> argument = default)
    {
        fixed (byte* p = path, a = argument)
        {
            byte** arguments = stackalloc byte*[3];
            arguments[0] = p;
            arguments[1] = argument.IsEmpty ? null : a;
            arguments[2] = null;
            byte** none = stackalloc byte*[1];
            none[0] = null;
            return (int)Syscall.Call(59, (nint)p, (nint)arguments, (nint)none);
        }
    }

    private static void MakeFile(ReadOnlySpan<byte> path, ReadOnlySpan<byte> contents, int mode = 0x1ED)
    {
        Unlink(path);
        int file = Open(path, 0x41, mode);
        fixed (byte* c = contents)
            Linux.Write(file, c, contents.Length);
        Close(file);
    }

    // ---- clone ----------------------------------------------------------------------------------------------------------------------

    private static void CloneRefuses()
    {
        Equal(Errno.Invalid, Clone(CloneNewNs | CloneFs | Signal.Child));
        Equal(Errno.Invalid, Clone(CloneThread));
        Equal(Errno.Invalid, Clone(CloneSigHand));
        Equal(Errno.Invalid, Clone(ClonePidFd | CloneParentSetTid | Signal.Child));
        Equal(Errno.BadAddress, Clone(ClonePidFd | Signal.Child, 0, (int*)8));
        Equal(Errno.NoChild, Wait(-1, out _));
    }

    private static void Clone3Checks()
    {
        ulong* a = stackalloc ulong[16];
        Equal(Errno.Invalid, (int)Syscall.Call(435, (nint)a, 63));
        Equal(-7, (int)Syscall.Call(435, (nint)a, 5000));
        new Span<ulong>(a, 16).Clear();
        a[4] = 65;
        Equal(Errno.Invalid, (int)Syscall.Call(435, (nint)a, 64));
        a[4] = Signal.Child;
        a[5] = Page;                                            // a stack without a size
        Equal(Errno.Invalid, (int)Syscall.Call(435, (nint)a, 64));
        a[5] = 0;
        a[0] = 1UL << 40;
        Equal(Errno.Invalid, (int)Syscall.Call(435, (nint)a, 64));
        a[0] = CloneThread | CloneSigHand | CloneVm;
        Equal(Errno.Invalid, (int)Syscall.Call(435, (nint)a, 64));
        a[0] = 0;
        a[13] = 1;                                              // something that this kernel does not know
        Equal(-7, (int)Syscall.Call(435, (nint)a, 128));
        Equal(Errno.BadAddress, (int)Syscall.Call(435, 8, 64));
        int pid = (int)Syscall.Call(435, (nint)a, 64);
        if (pid == 0)
            Exit(5);
        Equal(5, Child.Status(pid));
    }

    /// <summary>The child writes into shared memory after a while; the parent goes on only then.</summary>
    private static void VforkWaits()
    {
        nint shared = Mmap(0, Page, Protection.ReadWrite, Map.SharedAnonymous);
        // With memory of its own, so that the child cannot disturb this frame.
        int pid = Clone(CloneVfork | Signal.Child);
        if (pid == 0)
        {
            Sleep(30);
            *(int*)shared = 7;
            Exit(3);
        }
        Equal(7, *(int*)shared);
        Equal(3, Child.Status(pid));
        Munmap(shared, Page);
    }

    private static void TidsWritten()
    {
        nint shared = Mmap(0, Page, Protection.ReadWrite, Map.SharedAnonymous);
        int* told = (int*)shared;
        int parentTold = 0;
        int pid = Clone(CloneParentSetTid | CloneChildSetTid | CloneChildClearTid | Signal.Child, 0, &parentTold, told);
        if (pid == 0)
            Exit(*told == GetPid() ? 4 : 5);
        Equal(pid, parentTold);
        Equal(4, Child.Status(pid));
        Munmap(shared, Page);
    }

    // ---- wait -----------------------------------------------------------------------------------------------------------------------

    private static void WaitNoWait()
    {
        int* info = stackalloc int[32];
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(300);
        Equal(0, WaitId(1, pid, info, WExited | WNoWait));
        Equal(Signal.Child, info[0]);
        Equal(1, info[2]);
        Equal(pid, info[4]);
        Equal(300 & 0xff, info[6]);
        Equal(pid, Wait(pid, out int status));
        Equal((300 & 0xff) << 8, status);
        Equal(Errno.NoChild, Wait(pid, out _));
        Equal(Errno.Invalid, WaitId(0, 0, info, 0));
        Equal(Errno.Invalid, WaitId(9, 0, info, WExited));
        Equal(Errno.Invalid, Wait(-1, out _, 0x100));
        Equal(Errno.NoSuchProcess, Wait(int.MinValue, out _));
    }

    private static void StopsAndContinues()
    {
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Kill(GetPid(), Signal.Stop);
            while (true)
                Sleep(1000);
        }
        Equal(pid, Wait(pid, out int status, WUntraced));
        Equal(Signal.Stop << 8 | 0x7f, status);
        Equal(0, Wait(pid, out _, WUntraced | WNoHang));
        Kill(pid, Signal.Continue);
        Equal(pid, Wait(pid, out status, WContinued));
        Equal(0xffff, status);
        Equal(0, Wait(pid, out _, WContinued | WNoHang));
        Kill(pid, Signal.Kill);
        Equal(128 + Signal.Kill, Child.Status(pid));
    }

    private static void CloneChild()
    {
        int pid = Clone(0);
        if (pid == 0)
            Exit(2);
        Equal(Errno.NoChild, Wait(pid, out _));
        Equal(pid, Wait(pid, out int status, WClone));
        Equal(2 << 8, status);
    }

    private static void IgnoredChildren()
    {
        SetAction(Signal.Child, 1);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(1);
        Equal(Errno.NoChild, Wait(pid, out _));
        SetAction(Signal.Child, 0);
    }

    private static void Subreaper()
    {
        int* ends = stackalloc int[2];
        Pipe(ends);
        Equal(0, Control(36, 1));
        int pid = Linux.Fork();
        if (pid == 0)
        {
            if (Linux.Fork() != 0)
                Exit(3);
            int parent = GetParentPid(), first = GetParentPid();
            for (int i = 0; i < 500 && parent == first; i++)
            {
                Sleep(2);
                parent = GetParentPid();
            }
            Linux.Write(ends[1], &parent, 4);
            Exit(4);
        }
        Equal(3, Child.Status(pid));
        int told = 0;
        Linux.Read(ends[0], &told, 4);
        Equal(GetPid(), told);
        Check(Wait(-1, out int status) > 0);
        Equal(4 << 8, status);
        Control(36, 0);
        Close(ends[0]);
        Close(ends[1]);
    }

    private static void ParentDeath()
    {
        int* ends = stackalloc int[2];
        Pipe(ends);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            int child = Linux.Fork();
            byte b = 0;
            if (child == 0)
            {
                Close(ends[0]);
                Control(1, Signal.Kill);
                Linux.Write(ends[1], &b, 1);
                while (true)
                    Sleep(1000);
            }
            Linux.Read(ends[0], &b, 1);
            Exit(6);
        }
        Close(ends[1]);
        Equal(6, Child.Status(pid));
        byte nothing;
        Equal(0, (int)Linux.Read(ends[0], &nothing, 1));        // the pipe ends when the grandchild has gone
        Close(ends[0]);
    }

    // ---- Groups and sessions --------------------------------------------------------------------------------------------------------

    private static int SetGroup(int pid, int group) => (int)Syscall.Call(109, pid, group);

    private static int SetSession() => (int)Syscall.Call(112);

    private static void Sessions() => Equal(0, Child.Run(&SessionsInChild));

    private static int SessionsInChild()
    {
        if (SetGroup(0, 0) != 0 || SetSession() != NotPermitted)
            return 1;
        int pid = Linux.Fork();
        if (pid == 0)
        {
            int self = GetPid();
            bool good = SetSession() == self && (int)Syscall.Call(124, 0) == self && (int)Syscall.Call(111) == self
                && SetGroup(0, 0) == NotPermitted && SetSession() == NotPermitted;
            Exit(good ? 0 : 2);
        }
        return Child.Status(pid);
    }

    private static void GroupsOfChildren()
    {
        int pid = Linux.Fork();
        if (pid == 0)
        {
            while (true)
                Sleep(1000);
        }
        Equal(0, SetGroup(pid, pid));
        Equal(pid, (int)Syscall.Call(121, pid));
        Equal(NotPermitted, SetGroup(pid, 999999));
        Kill(-pid, Signal.Kill);
        Equal(128 + Signal.Kill, Child.Status(pid));
        Equal(Errno.NoSuchProcess, SetGroup(999999, 0));
        Equal(Errno.Invalid, SetGroup(0, -1));
        Equal(Errno.NoSuchProcess, (int)Syscall.Call(121, 999999));
    }

    // ---- exec -----------------------------------------------------------------------------------------------------------------------

    private static void ExecRefuses()
    {
        Equal(Errno.NoEntry, Execute("/does/not/exist"u8));
        Equal(Errno.NoEntry, Execute("\0"u8));
        Equal(Errno.Access, Execute("/tmp"u8));
        Equal(Errno.BadAddress, (int)Syscall.Call(59, 8, 0, 0));
        MakeFile("/tmp/p.none"u8, default);
        Equal(TryExecFormat, Execute("/tmp/p.none"u8));
        MakeFile("/tmp/p.none"u8, "hello"u8);
        Equal(TryExecFormat, Execute("/tmp/p.none"u8));
        MakeFile("/tmp/p.none"u8, "#!\n"u8);
        Equal(TryExecFormat, Execute("/tmp/p.none"u8));
        MakeFile("/tmp/p.none"u8, "#!/does/not/exist\n"u8);
        Equal(Errno.NoEntry, Execute("/tmp/p.none"u8));
        MakeFile("/tmp/p.none"u8, "#!/bin/sh\n"u8, 0x1A4);
        Equal(Errno.Access, Execute("/tmp/p.none"u8));
        Unlink("/tmp/p.none"u8);
    }

    private static void Scripts()
    {
        MakeFile("/tmp/p.script"u8, "#!/bin/sh\nexit 23\n"u8);
        Equal(23, Child.Run(&RunScript));
        MakeFile("/tmp/p.script"u8, "#! \t/bin/sh  -e  \nfalse\nexit 23\n"u8);
        Equal(1, Child.Run(&RunScript));
        MakeFile("/tmp/p.outer"u8, "#!/tmp/p.script"u8);
        MakeFile("/tmp/p.script"u8, "#!/bin/sh\n[ \"$1\" = /tmp/p.outer ] && [ \"$2\" = two ] && exit 9\nexit 1\n"u8);
        Equal(9, Child.Run(&RunOuter));
        Unlink("/tmp/p.script"u8);
        Unlink("/tmp/p.outer"u8);
    }

    private static int RunScript() => -Execute("/tmp/p.script"u8);

    private static int RunOuter() => -Execute("/tmp/p.outer"u8, "two"u8);

    private static void ScriptLoop()
    {
        MakeFile("/tmp/p.loop"u8, "#!/tmp/p.loop\n"u8);
        Equal(Errno.Loop, Execute("/tmp/p.loop"u8));
        Unlink("/tmp/p.loop"u8);
    }

    private static void TooManyArguments()
    {
        const int Bytes = 131073;
        nint text = Mmap(0, Bytes + Page, Protection.ReadWrite, Map.PrivateAnonymous);
        new Span<byte>((void*)text, Bytes - 1).Fill((byte)'a');
        byte** arguments = stackalloc byte*[101];
        arguments[0] = (byte*)text;
        arguments[1] = null;
        fixed (byte* program = "/bin/true"u8)
        {
            ((byte*)text)[Bytes - 1] = 0;                       // 131,073 bytes with its end: one too long
            Equal(TooBigList, (int)Syscall.Call(59, (nint)program, (nint)arguments, 0));
            ((byte*)text)[Bytes - 2] = 0;
            for (int i = 0; i < 100; i++)
                arguments[i] = (byte*)text;
            arguments[100] = null;
            Equal(TooBigList, (int)Syscall.Call(59, (nint)program, (nint)arguments, 0));
            arguments[1] = (byte*)8;
            arguments[2] = null;
            Equal(Errno.BadAddress, (int)Syscall.Call(59, (nint)program, (nint)arguments, 0));
        }
        Munmap(text, Bytes + Page);
    }

    private static void CloseOnExec()
    {
        MakeFile("/tmp/p.fds"u8, "#!/bin/sh\n[ -e /proc/self/fd/40 ] || exit 1\n[ -e /proc/self/fd/41 ] && exit 2\nexit 0\n"u8);
        Equal(0, Child.Run(&ExecWithDescriptors));
        Unlink("/tmp/p.fds"u8);
    }

    private static int ExecWithDescriptors()
    {
        Dup2(1, 40);
        Dup2(1, 41);
        Syscall.Call(72, 41, 2, 1);
        return -Execute("/tmp/p.fds"u8);
    }

    private static void BusyText()
    {
        MakeFile("/tmp/p.busy"u8, "#!/bin/sh\n"u8);
        int file = Open("/tmp/p.busy"u8, 1);
        Equal(TextBusy, Execute("/tmp/p.busy"u8));
        Close(file);
        Unlink("/tmp/p.busy"u8);
    }

    // ---- The rest -------------------------------------------------------------------------------------------------------------------

    private static void PidFds()
    {
        int* ends = stackalloc int[2];
        Pipe(ends);
        int pid = Linux.Fork();
        byte b = 0;
        if (pid == 0)
        {
            Linux.Read(ends[0], &b, 1);
            Exit(8);
        }
        int file = (int)Syscall.Call(434, pid, 0);
        Check(file >= 0);
        ulong request = (uint)file | 1UL << 32;                 // struct pollfd: descriptor, POLLIN
        Equal(0, (int)Syscall.Call(7, (nint)(&request), 1, 0));
        uint* ready = stackalloc uint[3];
        ready[0] = 1;                                           // struct epoll_event: EPOLLIN
        int epoll = (int)Syscall.Call(291, 0);
        Equal(0, (int)Syscall.Call(233, epoll, 1, file, (nint)ready));
        Equal(0, (int)Syscall.Call(232, epoll, (nint)ready, 1, 0));
        Equal(0, (int)Syscall.Call(424, file, 0, 0, 0));
        Linux.Write(ends[1], &b, 1);
        Equal(1, (int)Syscall.Call(232, epoll, (nint)ready, 1, 5000));
        Close(epoll);
        Equal(1, (int)Syscall.Call(7, (nint)(&request), 1, 5000));
        int* info = stackalloc int[32];
        Equal(0, WaitId(3, file, info, WExited));
        Equal(8, info[6]);
        Equal(Errno.NoSuchProcess, (int)Syscall.Call(424, file, 0, 0, 0));
        Close(file);
        Close(ends[0]);
        Close(ends[1]);
        Equal(Errno.Invalid, (int)Syscall.Call(434, -1, 0));
        Equal(Errno.NoSuchProcess, (int)Syscall.Call(434, 999999, 0));
    }

    private static void Names()
    {
        byte* name = stackalloc byte[16];
        byte* old = stackalloc byte[16];
        Control(16, (nint)old);
        fixed (byte* text = "abcdefghijklmnopqrst"u8)
            Equal(0, Control(15, (nint)text));
        Equal(0, Control(16, (nint)name));
        Check(new ReadOnlySpan<byte>(name, 16).SequenceEqual("abcdefghijklmno\0"u8));
        Equal(Errno.BadAddress, Control(15, 8));
        Equal(Errno.Invalid, Control(12345));
        Control(15, (nint)old);
    }

    private static void Users() => Equal(0, Child.Run(&UsersInChild));

    private static int UsersInChild()
    {
        if ((int)Syscall.Call(102) != 0)
            return 0;                                           // not root here: nothing to give up
        if ((int)Syscall.Call(117, 1000, 1001, 1002) != 0)
            return 1;
        if ((int)Syscall.Call(105, 0) != NotPermitted || (int)Syscall.Call(117, 5, 5, 5) != NotPermitted)
            return 2;
        if ((int)Syscall.Call(117, -1, 1002, -1) != 0 || (int)Syscall.Call(107) != 1002)
            return 3;
        if ((int)Syscall.Call(116, 0, 0) != NotPermitted || Kill(1, 0) != NotPermitted)
            return 4;
        return (int)Syscall.Call(170, (nint)0, 0) == NotPermitted ? 0 : 5;
    }

    private static void VdsoIsThere()
    {
        ulong* vector = stackalloc ulong[128];
        int file = Open("/proc/self/auxv"u8, 0);
        int words = (int)Linux.Read(file, vector, 1024) / 8;
        Close(file);
        nint image = 0;
        for (int i = 0; i + 1 < words; i += 2)
        {
            if (vector[i] == 33)
                image = (nint)vector[i + 1];
        }
        Check(image != 0);
        Equal(0x464c457f, *(int*)image);

        // Its text is memory like any other for who looks from outside; the page of the clock before it has no frame to be shown.
        int memory = Open("/proc/self/mem"u8, 0);
        int word = 0;
        Equal(4, (int)Syscall.Call(17, memory, (nint)(&word), 4, image));
        Equal(0x464c457f, word);
        Equal(Errno.InputOutput, (int)Syscall.Call(17, memory, (nint)(&word), 4, image - Page));
        Close(memory);
    }

    private static void ThousandForks()
    {
        for (int i = 0; i < 1000; i++)
        {
            int pid = Linux.Fork();
            if (pid == 0)
                Exit(i & 0x7f);
            Equal(i & 0x7f, Child.Status(pid));
        }
    }

    private static void ProcessLimit() => Equal(0, Child.Run(&ForkBeyondLimit));

    private static int ForkBeyondLimit()
    {
        if ((int)Syscall.Call(102) != 0)
            return 0;
        ulong* limit = stackalloc ulong[2];
        limit[0] = limit[1] = 1;
        SetResourceLimit(6, limit);
        Syscall.Call(117, 4000, 4000, 4000);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(9);
        return pid == Errno.TryAgain ? 0 : 1;
    }

    private static void RealTimeBandwidth()
    {
        int status = Child.Run(&SleepBesideSpinner);
        if (status == 77)
            Skip("may not use SCHED_FIFO");
        Equal(0, status);
    }

    // Both on one processor: who sleeps gets it back although the other one is of a better class and never gives it away.
    private static int SleepBesideSpinner()
    {
        ulong first = 1;
        Syscall.Call(203, 0, sizeof(ulong), (nint)(&first));
        int spinner = Linux.Fork();
        if (spinner == 0)
        {
            int priority = 1;
            if (Syscall.Call(144, 0, 1, (nint)(&priority)) != 0)
                Exit(77);
            while (true)
            {
            }
        }
        Sleep(5);
        Sleep(5);
        Kill(spinner, 9);
        Wait(spinner, out int status);
        return status == 9 ? 0 : status >> 8;
    }
}
