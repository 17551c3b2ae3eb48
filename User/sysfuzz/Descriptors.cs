using System;
using NanoVm.User.Suites;

namespace NanoVm.User.SysFuzz;

/// <summary>A task's descriptors: one of each kind, from <see cref="First"/> on, in the same order in each task.</summary>
internal static unsafe class Descriptors
{
    public const int First = 10, Count = 34;

    /// <summary>The place of the current folder's, of the file that is mapped, of the task's own pid descriptor.</summary>
    public const int File = First, Folder = First + 2, Process = First + 22;

    private const int Cloexec = 0x80000, NonBlocking = 0x800, Create = 0x40;
    private static int s_next;

    public static void Open()
    {
        s_next = First;
        int* pair = stackalloc int[2];
        Take(Path("a"u8, 2 | Create, 0x1b6));
        Take(Path("b"u8, 0 | Create, 0x1b6));
        Take(Path("."u8, 0x10000, 0));
        Linux.Pipe(pair);
        Take(pair[0], pair[1]);
        Syscall.Call(293, (nint)pair, NonBlocking);
        Take(pair[0], pair[1]);
        for (int kind = 1; kind <= 3; kind++)
        {
            Syscall.Call(53, 1, kind == 3 ? 5 : kind, 0, (nint)pair);
            Take(pair[0], pair[1]);
        }
        Take(Listening());
        Take((int)Syscall.Call(41, 1, 2, 0));
        Take((int)Syscall.Call(290, 3, NonBlocking));
        Take((int)Syscall.Call(283, 1, Cloexec));
        ulong mask = 1UL << 9;
        Take((int)Syscall.Call(289, -1, (nint)(&mask), 8, NonBlocking));
        int epoll = (int)Syscall.Call(291, 0);
        Take(epoll);
        Take(Linux.MemFd("fuzz"u8, 2));
        Take(Path("/dev/null"u8, 2, 0), Path("/dev/zero"u8, 2, 0));
        Take((int)Syscall.Call(434, Linux.GetPid(), 0));
        Take(Path("/dev/ptmx"u8, 2 | 0x100, 0));
        Take(Linux.UserFaultFd(1 | NonBlocking));
        Take(Path("/proc/self/maps"u8, 0, 0), Path("/proc/self/mem"u8, 2, 0));
        Take(Path("/proc/self/pagemap"u8, 0, 0), Path("/proc/self/explain"u8, 2, 0));
        Take(Path("/proc/self/clear_refs"u8, 1, 0), Path("/proc/self/comm"u8, 2, 0));
        Take(Path("/proc/self"u8, 0x10000, 0), Path("c"u8, 0x200000, 0));
        Take(Path("/dev/urandom"u8, 0, 0));
    }

    private static int Listening()
    {
        int socket = (int)Syscall.Call(41, 1, 1, 0);
        byte* name = stackalloc byte[4] { 1, 0, (byte)'f', 0 };
        Syscall.Call(87, (nint)(name + 2));
        Syscall.Call(49, socket, (nint)name, 4);
        Syscall.Call(50, socket, 3);
        return socket;
    }

    /// <summary>Opens a path without waiting: by now it may be a pipe of another task.</summary>
    private static int Path(ReadOnlySpan<byte> path, int flags, int mode) => Linux.Open(path, flags | NonBlocking, mode);

    private static void Take(int a, int b)
    {
        Take(a);
        Take(b);
    }

    /// <summary>Moves a descriptor to its place, which stays empty when there is none.</summary>
    private static void Take(int descriptor)
    {
        if (descriptor >= 0 && descriptor != s_next)
        {
            Linux.Dup2(descriptor, s_next);
            if (descriptor < First || descriptor > s_next)
                Linux.Close(descriptor);
        }
        s_next++;
    }
}
