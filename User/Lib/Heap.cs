using System;
using System.Runtime;

namespace NanoVm.User;

/// <summary>Memory for <c>new</c>: taken from the kernel in large pieces and never given back. Programs here are short-lived.</summary>
internal static unsafe class Heap
{
    private const int Mmap = 9;
    private const int ReadWrite = 3;
    private const int PrivateAnonymous = 0x22;
    private const nuint PieceSize = 1 << 20;

    private static nuint s_next;
    private static nuint s_end;

    [RuntimeExport("RuntimeAllocate")]
    private static void* Allocate(nuint size)
    {
        size = (size + 7) & ~(nuint)7;
        if (size > s_end - s_next)
            Refill(size);
        void* memory = (void*)s_next;
        s_next += size;
        return memory;
    }

    private static void Refill(nuint size)
    {
        nuint bytes = Math.Max(PieceSize, (size + 4095) & ~(nuint)4095);
        nint result = Syscall.Call(Mmap, 0, (nint)bytes, ReadWrite, PrivateAnonymous, -1, 0);
        if (result < 0)
            Environment.FailFast("out of memory");
        s_next = (nuint)result;
        s_end = s_next + bytes;
    }
}
