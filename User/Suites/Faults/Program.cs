using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Faults;

/// <summary>Page faults on files and memory: what is read, what is written back, what ends in which signal.</summary>
internal static unsafe class Program
{
    private static int s_file;

    public static int Main()
    {
        s_file = Open("/tmp/suite-faults"u8, 2 | 0x40 | 0x200, 0x1a4);
        byte* data = (byte*)Mmap(0, 3 * Page, Protection.ReadWrite, Map.PrivateAnonymous);
        for (int i = 0; i < 3 * Page; i++)
            data[i] = (byte)(i / Page + 1);
        Linux.Write(s_file, data, 2 * Page + 100);
        int status = Run(
            new("A file mapping gives the bytes of the file, then zeros, then SIGBUS", &BeyondTheEnd),
            new("A private write does not reach the file", &PrivateWrite),
            new("A shared write reaches the file", &SharedWrite),
            new("A write to the file is seen by a mapping", &WriteSeen),
            new("A private page already copied does not see it", &CopiedPage),
            new("Truncating takes pages out of mappings", &Truncated),
            new("A shared mapping of a read-only file is refused with write", &ReadOnlyFile),
            new("A mapping outlives its descriptor", &OutlivesDescriptor),
            new("A mapping outlives its name", &OutlivesName),
            new("Null, kernel and non-canonical addresses end in SIGSEGV", &BadAddresses),
            new("Instructions of the kernel end in SIGSEGV, bad ones in SIGILL", &BadInstructions),
            new("A far return to nowhere ends the program and nothing else", &FarReturns),
            new("A program returns to itself by iretq and lretq", &FarReturnsWithin),
            new("System calls with bad pointers say EFAULT", &BadPointers),
            new("A read into half a mapping fills that half", &HalfRead),
            new("The first touch of a page is one minor fault", &MinorFault));
        Close(s_file);
        Unlink("/tmp/suite-faults"u8);
        return status;
    }

    private static nint MapFile(int pages, int type, int protection = Protection.ReadWrite, nint offset = 0) => Mmap(0, pages * Page, protection, type, s_file, offset);

    private static void BeyondTheEnd()
    {
        nint a = MapFile(4, Map.Private);
        Equal(1, *(byte*)a);
        Equal(3, *(byte*)(a + 2 * Page + 99));
        Equal(0, *(byte*)(a + 2 * Page + 100));
        Equal(Signal.Bus, Child.SignalOfRead(a + 3 * Page));
        Munmap(a, 4 * Page);
    }

    private static void PrivateWrite()
    {
        nint a = MapFile(1, Map.Private);
        *(byte*)(a + 5) = 99;
        byte back;
        PositionedRead(s_file, &back, 1, 5);
        Equal(1, back);
        Munmap(a, Page);
    }

    private static void SharedWrite()
    {
        nint a = MapFile(1, Map.Shared);
        *(byte*)(a + 6) = 50;
        byte back;
        PositionedRead(s_file, &back, 1, 6);
        Equal(50, back);
        *(byte*)(a + 6) = 1;
        Munmap(a, Page);
    }

    private static void WriteSeen()
    {
        nint shared = MapFile(1, Map.Shared), own = MapFile(1, Map.Private);
        Equal(1, *(byte*)(shared + 7));
        Equal(1, *(byte*)(own + 7));
        byte value = 60;
        PositionedWrite(s_file, &value, 1, 7);
        Equal(60, *(byte*)(shared + 7));
        Equal(60, *(byte*)(own + 7));
        value = 1;
        PositionedWrite(s_file, &value, 1, 7);
        Munmap(shared, Page);
        Munmap(own, Page);
    }

    private static void CopiedPage()
    {
        nint a = MapFile(1, Map.Private);
        *(byte*)a = 9;
        byte value = 61;
        PositionedWrite(s_file, &value, 1, 8);
        Equal(1, *(byte*)(a + 8));
        value = 1;
        PositionedWrite(s_file, &value, 1, 8);
        Munmap(a, Page);
    }

    private static void Truncated()
    {
        nint a = MapFile(3, Map.Shared);
        *(byte*)(a + Page + 10) = 2;
        Truncate(s_file, Page);
        Equal(Signal.Bus, Child.SignalOfRead(a + Page));
        Truncate(s_file, 2 * Page + 100);
        Equal(0, *(byte*)(a + Page + 10));
        Munmap(a, 3 * Page);
    }

    private static void ReadOnlyFile()
    {
        int file = Open("/tmp/suite-faults"u8, 0);
        Equal(Errno.Access, Mmap(0, Page, Protection.ReadWrite, Map.Shared, file));
        nint a = Mmap(0, Page, Protection.Read, Map.Shared, file);
        Check(!IsError(a));
        Equal(Errno.Access, Mprotect(a, Page, Protection.ReadWrite));
        nint b = Mmap(0, Page, Protection.ReadWrite, Map.Private, file);
        *(byte*)b = 1;
        Munmap(a, Page);
        Munmap(b, Page);
        Close(file);
    }

    private static void OutlivesDescriptor()
    {
        int file = Open("/tmp/suite-faults"u8, 0);
        nint a = Mmap(0, Page, Protection.Read, Map.Private, file);
        Close(file);
        Equal(1, *(byte*)a);
        Munmap(a, Page);
    }

    private static void OutlivesName()
    {
        int file = Open("/tmp/suite-faults-2"u8, 2 | 0x40 | 0x200, 0x1a4);
        byte value = 33;
        Linux.Write(file, &value, 1);
        nint a = Mmap(0, Page, Protection.ReadWrite, Map.Shared, file);
        Close(file);
        Equal(0, Unlink("/tmp/suite-faults-2"u8));
        Equal(33, *(byte*)a);
        *(byte*)(a + 100) = 1;
        Munmap(a, Page);
    }

    private static void BadAddresses()
    {
        Equal(Signal.Segmentation, Child.SignalOfRead(0));
        Equal(Signal.Segmentation, Child.SignalOfWrite(0));
        Equal(Signal.Segmentation, Child.SignalOfRead(unchecked((nint)0xffff_8880_0000_0000)));
        Equal(Signal.Segmentation, Child.SignalOfWrite(unchecked((nint)0xffff_ffff_8000_0000)));
        Equal(Signal.Segmentation, Child.SignalOfRead(unchecked((nint)0x8000_0000_0000)));
        Equal(Signal.Segmentation, Child.SignalOfCall(unchecked((nint)0xffff_ffff_8010_0000)));
        Equal(Signal.Segmentation, Child.SignalOfCall(unchecked((nint)0x8000_0000_0000)));
    }

    private static void BadInstructions()
    {
        Equal(Signal.Segmentation, SignalOfCode(0xf4));                 // hlt
        Equal(Signal.Segmentation, SignalOfCode(0xfa));                 // cli
        Equal(Signal.Segmentation, SignalOfCode(0xee));                 // out dx, al
        Equal(Signal.Segmentation, SignalOfCode(0xd8200f));             // mov rax, cr3
        Equal(Signal.Illegal, SignalOfCode(0x0b0f));                    // ud2
        Equal(Signal.Trap, SignalOfCode(0xcc));                         // int3
        Equal(Signal.Arithmetic, SignalOfCode(0xf1f7c931));             // xor ecx, ecx; div ecx
    }

    // An emulator reads the stack of these with the rights of the kernel: a fault that comes from user mode and does not say so.
    private static void FarReturns()
    {
        Check(SignalOfCode(0xcb) != 0);                                // lret, the stack's address cut to 32 bits
        Check(SignalOfCode(0xcb66) != 0);                              // the same with 16
        Check(SignalOfCode(0xcb48e431) != 0);                          // xor esp, esp; lretq
        Check(SignalOfCode(0xcf48e431) != 0);                          // xor esp, esp; iretq
        Check(SignalOfCode(0xcf48_e4_01_48_dc_f7) != 0);               // neg esp; add rsp, rsp; iretq
    }

    private static void FarReturnsWithin()
    {
        int status = Child.Run(&ReturnFar);
        if (status == 128 + Signal.Kill)
        {
            // QEMU before 9.1 takes the program's stack for the kernel's here; Linux kills who makes it do that.
            Skip("the emulator cannot, and this kernel does not help");
            return;
        }

        Equal(0, status);
        // With the kernel's code selector, which a program may not have.
        Equal(Signal.Segmentation, SignalOfCode(0xcf48_50_10_6a_9c_54));   // push rsp; pushfq; push 0x10; push rax; iretq
    }

    private static int ReturnFar()
    {
        // mov rax, rsp; push 0x2b; push rax; pushfq; push 0x33; lea rcx, [rip + 3]; push rcx; iretq; mov eax, 42; ret
        int first = Call([0x48, 0x89, 0xe0, 0x6a, 0x2b, 0x50, 0x9c, 0x6a, 0x33, 0x48, 0x8d, 0x0d, 3, 0, 0, 0, 0x51, 0x48, 0xcf, 0xb8, 42, 0, 0, 0, 0xc3]);
        // push 0x33; lea rcx, [rip + 3]; push rcx; lretq; mov eax, 43; ret
        int second = Call([0x6a, 0x33, 0x48, 0x8d, 0x0d, 3, 0, 0, 0, 0x51, 0x48, 0xcb, 0xb8, 43, 0, 0, 0, 0xc3]);
        return first == 42 && second == 43 ? 0 : 1;
    }

    private static int Call(ReadOnlySpan<byte> code)
    {
        nint a = Mmap(0, Page, Protection.ReadWrite, Map.PrivateAnonymous);
        code.CopyTo(new Span<byte>((void*)a, (int)Page));
        Mprotect(a, Page, Protection.Read | Protection.Execute);
        int result = ((delegate*<int>)a)();
        Munmap(a, Page);
        return result;
    }

    private static int SignalOfCode(ulong code)
    {
        nint a = Mmap(0, Page, Protection.ReadWrite, Map.PrivateAnonymous);
        *(ulong*)a = code;
        Mprotect(a, Page, Protection.Read | Protection.Execute);
        int signal = Child.SignalOfCall(a);
        Munmap(a, Page);
        return signal;
    }

    private static void BadPointers()
    {
        int* ends = stackalloc int[2];
        Pipe(ends);
        Equal(Errno.BadAddress, Linux.Write(ends[1], (void*)0, 1));
        Equal(Errno.BadAddress, Linux.Write(ends[1], (void*)unchecked((nint)0xffff_8880_0000_0000), 1));
        Equal(Errno.BadAddress, Linux.Write(ends[1], (void*)unchecked((nint)0x8000_0000_0000), 1));
        Equal(Errno.BadAddress, Syscall.Call(2, 1, 0));
        Equal(Errno.BadAddress, Pipe((int*)16));
        Close(ends[0]);
        Close(ends[1]);
    }

    private static void HalfRead()
    {
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.PrivateAnonymous);
        Munmap(a + Page, Page);
        Equal(100, PositionedRead(s_file, (void*)(a + Page - 100), 200, 0));
        Equal(Errno.BadAddress, PositionedRead(s_file, (void*)(a + Page), 200, 0));
        Munmap(a, Page);
    }

    private static void MinorFault()
    {
        const int pages = 64;
        nint a = Mmap(0, pages * Page, Protection.ReadWrite, Map.PrivateAnonymous);
        Madvise(a, pages * Page, 15);       // no huge pages: each touch must fault
        long before = MinorFaults();
        for (int i = 0; i < pages; i++)
            *(byte*)(a + i * Page) = 1;
        long faults = MinorFaults() - before;
        Check(faults is >= pages and < pages + 4);
        Munmap(a, pages * Page);
    }

    private static long MinorFaults()
    {
        long* usage = stackalloc long[18];
        Syscall.Call(98, 0, (nint)usage);
        return usage[8];
    }
}
