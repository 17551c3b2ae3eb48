using System;
using System.Runtime;
using System.Runtime.CompilerServices;
using System.Threading;
using NanoVm.User.Suites;

namespace NanoVm.User.SysFuzz;

/// <summary>A process that has a secret: its memory, its registers, what it writes and what it passes to the kernel are full of one word.</summary>
/// <remarks>
/// It gives memory back all the time, so the secret lies in free frames, in freed objects of the kernel and on kernel stacks. Nobody else may
/// ever see it. The word is one byte eight times, so that it looks the same from every address.
/// </remarks>
internal static unsafe class Victim
{
    private const int Pages = 48, KeptPages = 16;

    /// <summary>Runs until it is told to stop. 0: nobody has touched what it keeps.</summary>
    public static int Run(Stage* stage, int* stop)
    {
        ulong word = stage->MaskedSecret ^ Stage.Mask;
        byte secret = (byte)word;
        var kept = (byte*)Linux.Mmap(0, KeptPages * Linux.Page, Protection.ReadWrite, Map.PrivateAnonymous);
        new Span<byte>(kept, KeptPages * Linux.Page).Fill(secret);
        var passed = (byte*)Linux.Mmap(0, KeptPages * Linux.Page, Protection.ReadWrite, Map.PrivateAnonymous);
        ulong* registers = stackalloc ulong[2];
        registers[0] = registers[1] = word;
        long* time = stackalloc long[2];
        time[0] = 0;
        time[1] = 1_000_000;
        while (Volatile.Read(ref *stop) == 0)
        {
            Memory(secret);
            Channels(kept);
            new Span<byte>(passed, KeptPages * Linux.Page).Fill(secret);
            Arguments(passed);
            for (int i = 0; i < 4; i++)
                YieldWith(registers);
            Syscall.Call(35, (nint)time, 0);
        }

        foreach (byte b in new ReadOnlySpan<byte>(kept, KeptPages * Linux.Page))
            if (b != secret)
                return 1;
        return 0;
    }

    /// <summary>Frames go back with the secret in them: of anonymous memory and of a file.</summary>
    private static void Memory(byte secret)
    {
        nint memory = Linux.Mmap(0, Pages * Linux.Page, Protection.ReadWrite, Map.PrivateAnonymous);
        new Span<byte>((void*)memory, Pages * Linux.Page).Fill(secret);
        int file = Linux.MemFd("victim"u8, 0);
        Linux.Write(file, (void*)memory, 8 * Linux.Page);
        Linux.Close(file);
        Linux.Munmap(memory, Pages * Linux.Page);
    }

    /// <summary>Pipes and sockets are closed with bytes in them.</summary>
    private static void Channels(byte* secret)
    {
        int* ends = stackalloc int[2];
        Linux.Pipe(ends);
        Linux.Write(ends[1], secret, 3 * Linux.Page + 100);
        Linux.Close(ends[0]);
        Linux.Close(ends[1]);
        Syscall.Call(53, 1, 2, 0, (nint)ends);
        Linux.Write(ends[0], secret, 1000);
        Linux.Close(ends[0]);
        Linux.Close(ends[1]);
    }

    /// <summary>Calls that copy structures into the kernel: to its stack, or into an object that is freed again.</summary>
    private static void Arguments(byte* secret)
    {
        byte* path = secret + KeptPages * Linux.Page - 3000;
        Syscall.Call(2, (nint)path, 0);                                     // no end: what follows is not mapped, or a name too long
        Syscall.Call(4, (nint)path, (nint)secret + Linux.Page);
        Syscall.Call(7, (nint)secret, 100, 0);                              // poll
        Syscall.Call(20, 1, (nint)secret, 200);                             // writev
        Syscall.Call(46, 1, (nint)secret, 0);                               // sendmsg
        Syscall.Call(13, 10, (nint)secret, 0, 8);                           // rt_sigaction
        Syscall.Call(13, 10, 0, 0, 8);
        Syscall.Call(38, 0, (nint)secret, 0);                               // setitimer
        Syscall.Call(202, (nint)secret, 0, 1, (nint)secret);                // futex
        Syscall.Call(59, (nint)path, (nint)secret, (nint)secret);           // execve
        Syscall.Call(435, (nint)secret, 88);                                // clone3
        Syscall.Call(188, (nint)path, (nint)path, (nint)secret, 1000, 0);   // setxattr
        Syscall.Call(129, Linux.GetPid(), 18, (nint)secret);                // rt_sigqueueinfo, of a signal that does nothing
        YieldWith((ulong*)secret);
    }

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "fuzz_yield_with")]
    private static extern void YieldWith(ulong* two);
}
