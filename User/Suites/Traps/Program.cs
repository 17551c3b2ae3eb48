using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Pages;

namespace NanoVm.User.Suites.Traps;

/// <summary>What a signal handler is told about a fault: signal, code, address, and the processor's own words in <c>ucontext</c>.</summary>
internal static unsafe class Program
{
    private const int PageFault = 14, GeneralProtection = 13;
    // The page fault's error code: the page was there, the access was a write, it came from user mode, it was a fetch.
    private const int Present = 1, Write = 2, User = 4, Fetch = 16;
    private const int Kernel = 0x80;        // SI_KERNEL

    public static int Main() => Run(
        new("Reading where nothing is: MAPERR, error 4", &ReadNothing),
        new("Writing where nothing is: MAPERR, error 6", &WriteNothing),
        new("Jumping where nothing is: MAPERR, error 0x14", &CallNothing),
        new("The null page", &NullPage),
        new("The last byte of a page, and an access across its end", &AcrossEnd),
        new("Reading memory without rights, touched or not: ACCERR", &ReadForbidden),
        new("Writing read-only memory: ACCERR, present when it is there", &WriteReadOnly),
        new("Writing the page of zeros mapped read-only", &WriteZeroPage),
        new("Executing data: ACCERR, a fetch", &CallData),
        new("Write-only memory can be read, as the processor has it", &WriteOnlyReads),
        new("Execute implies read for the processor's own fetches", &ExecuteRead),
        new("Beyond the end of a file: SIGBUS, ADRERR", &BeyondFile),
        new("The last page of a file, behind its end, is zero", &LastPartOfFile),
        new("A truncated file: SIGBUS where pages were", &Truncated),
        new("A private copy behind the new end is gone too", &TruncatedCopy),
        new("SIGBUS for a write, read-only for a read", &BusBeforeRights),
        new("Kernel addresses look like nothing: MAPERR, error 5 or 7", &KernelAddress),
        new("Non-canonical addresses: SIGSEGV from the kernel, no address", &NonCanonical),
        new("A jump to a non-canonical address", &CallNonCanonical),
        new("hlt, cli, in, mov to a control register", &Privileged),
        new("ud2 is SIGILL with ILL_ILLOPN and the instruction's address", &Undefined),
        new("int3 is SIGTRAP behind the instruction", &Breakpoint),
        new("Division by zero: SIGFPE, FPE_INTDIV", &DivideByZero),
        new("int 0x20 is SIGSEGV", &WrongInterrupt),
        new("Loading a bad selector", &BadSelector),
        new("An unaligned movaps is SIGSEGV without an address", &UnalignedVector),
        new("An x87 error is SIGFPE", &FloatError),
        new("A stack in forbidden memory kills without a handler's help", &BadStack),
        new("A handler sees the registers, and may change them", &RegistersChange),
        new("A fault in a handler for the same signal kills", &FaultInHandler),
        new("A blocked SIGSEGV kills", &BlockedFault),
        new("Five faults, one handler each: it may map what is missing", &MapsOnDemand),
        new("mprotect in a handler, and the access goes on", &UnprotectsOnDemand),
        new("A signal sent by kill tells its sender", &SentByKill),
        new("The vsyscall page can be called and not read", &Vsyscall),
        new("vsyscalls tell the time and the processor as the calls do", &VsyscallAnswers),
        new("A vsyscall with a pointer to nowhere is a fault", &VsyscallFault));

    private static void Expect(in Trap.Report report, int signal, int code, nint address, long error, [System.Runtime.CompilerServices.CallerLineNumber] int line = 0)
    {
        Equal(signal, report.Signal, "the signal", line);
        Equal(code, report.Code, "its code", line);
        Equal(address, report.Address, "the address", line);
        Equal(PageFault, report.Number, "the trap's number", line);
        Equal(error, report.Error, "the error code", line);
        Equal(address, report.Cr2, "CR2", line);
    }

    // A wide room: what the child maps for itself comes to lie at its upper end.
    private static void ReadNothing()
    {
        nint a = Room(256);
        Expect(Trap.Read(a + 123), Signal.Segmentation, Trap.MapError, a + 123, User);
    }

    private static void WriteNothing()
    {
        nint a = Room(256);
        Expect(Trap.Write(a + 5), Signal.Segmentation, Trap.MapError, a + 5, User | Write);
    }

    private static void CallNothing()
    {
        nint a = Room(256);
        Expect(Trap.Call(a + 16), Signal.Segmentation, Trap.MapError, a + 16, User | Fetch);
    }

    private static void NullPage()
    {
        Expect(Trap.Read(0), Signal.Segmentation, Trap.MapError, 0, User);
        Expect(Trap.Write(8), Signal.Segmentation, Trap.MapError, 8, User | Write);
        Expect(Trap.Call(0), Signal.Segmentation, Trap.MapError, 0, User | Fetch);
    }

    private static void AcrossEnd()
    {
        nint a = Alone(1);
        Equal(0, Trap.Read(a + Page - 1).Signal);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            // The value is used: reading it for nothing would be compiled to a touch of its first byte.
            long value = System.Threading.Volatile.Read(ref *(long*)(a + Page - 4));
            Exit(value == 0 ? 0 : 1);
        }
        Equal(128 + Signal.Segmentation, Child.Status(pid));
        Drop(a, 1);
    }

    private static void ReadForbidden()
    {
        nint a = Alone(2);
        Touch(a, 1);
        Mprotect(a, 2 * Page, Protection.None);
        Trap.Report touched = Trap.Read(a + 9);
        Trap.Expect(touched, Signal.Segmentation, Trap.AccessError);
        Equal(a + 9, touched.Address);
        Equal(User, touched.Error & ~Present);
        Expect(Trap.Read(a + Page), Signal.Segmentation, Trap.AccessError, a + Page, User);
        Drop(a, 2);
    }

    private static void WriteReadOnly()
    {
        nint a = Alone(2);
        Touch(a, 1);
        Mprotect(a, 2 * Page, Protection.Read);
        Expect(Trap.Write(a), Signal.Segmentation, Trap.AccessError, a, User | Write | Present);
        Expect(Trap.Write(a + Page + 1), Signal.Segmentation, Trap.AccessError, a + Page + 1, User | Write);
        Drop(a, 2);
    }

    private static void WriteZeroPage()
    {
        nint a = Alone(1, Protection.Read);
        _ = At(a);
        // The child that tries has no entry for it: fork copies none of memory that was never written.
        Expect(Trap.Write(a), Signal.Segmentation, Trap.AccessError, a, User | Write);
        Drop(a, 1);
    }

    private static void CallData()
    {
        nint a = Alone(2);
        *(byte*)a = 0xc3;
        Expect(Trap.Call(a), Signal.Segmentation, Trap.AccessError, a, User | Fetch | Present);
        Trap.Expect(Trap.Call(a + Page), Signal.Segmentation, Trap.AccessError);
        Drop(a, 2);
    }

    private static void WriteOnlyReads()
    {
        nint a = Alone(2, Protection.Write);
        Touch(a, 1, 6);
        Equal(0, Trap.Read(a).Signal);          // there already: x86 has no write-only entries
        Equal(0, Trap.Read(a + Page).Signal);   // and the kernel asks for any right when it was a read
        Drop(a, 2);
    }

    private static void ExecuteRead()
    {
        nint a = Alone(1);
        *(byte*)a = 0xc3;
        Mprotect(a, Page, Protection.Read | Protection.Execute);
        Equal(0, Trap.Call(a).Signal);
        Equal(0, Trap.Read(a).Signal);
        Expect(Trap.Write(a), Signal.Segmentation, Trap.AccessError, a, User | Write | Present);
        Drop(a, 1);
    }

    private static void BeyondFile()
    {
        int file = NewFile(1);
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Shared, file), b = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Private, file);
        Expect(Trap.Read(a + Page + 7), Signal.Bus, Trap.AddressError, a + Page + 7, User);
        Expect(Trap.Write(a + Page), Signal.Bus, Trap.AddressError, a + Page, User | Write);
        Expect(Trap.Write(b + Page + 1), Signal.Bus, Trap.AddressError, b + Page + 1, User | Write);
        Drop(a, 2);
        Drop(b, 2);
        Close(file);
    }

    private static void LastPartOfFile()
    {
        int file = NewFile(1);
        Truncate(file, 100);
        nint a = Mmap(0, Page, Protection.ReadWrite, Map.Shared, file);
        Equal(1, At(a + 99));
        Equal(0, At(a + 100));
        Equal(0, At(a + Page - 1));
        Drop(a, 1);
        Close(file);
    }

    private static void Truncated()
    {
        int file = NewFile(3);
        nint a = Mmap(0, 3 * Page, Protection.ReadWrite, Map.Shared, file);
        Equal(3, At(a + 2 * Page));
        Truncate(file, Page + 1);
        Equal(2, At(a + Page));
        Equal(0, At(a + Page + 1));
        Expect(Trap.Read(a + 2 * Page), Signal.Bus, Trap.AddressError, a + 2 * Page, User);
        Drop(a, 3);
        Close(file);
    }

    private static void TruncatedCopy()
    {
        int file = NewFile(2);
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Private, file);
        Touch(a, 2, 77);
        Truncate(file, Page);
        Equal(77, At(a));
        Expect(Trap.Read(a + Page), Signal.Bus, Trap.AddressError, a + Page, User);
        Truncate(file, 2 * Page);
        Equal(0, At(a + Page));
        Drop(a, 2);
        Close(file);
    }

    private static void BusBeforeRights()
    {
        int file = NewFile(1);
        nint a = Mmap(0, 2 * Page, Protection.Read, Map.Shared, file);
        Expect(Trap.Read(a + Page), Signal.Bus, Trap.AddressError, a + Page, User);
        Expect(Trap.Write(a + Page), Signal.Segmentation, Trap.AccessError, a + Page, User | Write);
        Drop(a, 2);
        Close(file);
    }

    private static void KernelAddress()
    {
        // Whether something is there is not told: it always looks present.
        nint a = unchecked((nint)0xffff_8880_0000_0000), b = unchecked((nint)0xffff_ffff_8000_0000), c = unchecked((nint)0xffff_c000_0000_0000);
        Expect(Trap.Read(a), Signal.Segmentation, Trap.MapError, a, User | Present);
        Expect(Trap.Write(b), Signal.Segmentation, Trap.MapError, b, User | Write | Present);
        Expect(Trap.Read(c), Signal.Segmentation, Trap.MapError, c, User | Present);
    }

    private static void ExpectProtection(in Trap.Report report, [System.Runtime.CompilerServices.CallerLineNumber] int line = 0)
    {
        Equal(Signal.Segmentation, report.Signal, "the signal", line);
        Equal(Kernel, report.Code, "its code", line);
        Equal(0, report.Address, "the address", line);
        Equal(GeneralProtection, report.Number, "the trap's number", line);
    }

    private static void NonCanonical()
    {
        ExpectProtection(Trap.Read(unchecked((nint)0x8000_0000_0000_0000)));
        ExpectProtection(Trap.Write(unchecked((nint)0x1234_5678_9abc_def0)));
    }

    private static void CallNonCanonical()
    {
        Trap.Report report = Trap.Call(unchecked((nint)0x8000_0000_0000_0000));
        ExpectProtection(report);
    }

    private static void Privileged()
    {
        ExpectProtection(Trap.Code(0xf4));                      // hlt
        ExpectProtection(Trap.Code(0xfa));                      // cli
        ExpectProtection(Trap.Code(0xec));                      // in al, dx
        ExpectProtection(Trap.Code(0x0f, 0x22, 0xd8));          // mov cr3, rax
        ExpectProtection(Trap.Code(0x0f, 0x32));                // rdmsr
        ExpectProtection(Trap.Code(0x0f, 0x01, 0x18));          // lidt [rax]
    }

    private static void Undefined()
    {
        Trap.Report report = Trap.Code(0x90, 0x0f, 0x0b);
        Equal(Signal.Illegal, report.Signal);
        Equal(2, report.Code);      // ILL_ILLOPN
        Equal(1, report.Address);
        Equal(6, report.Number);
    }

    private static void Breakpoint()
    {
        Trap.Report report = Trap.Code(0x90, 0xcc);
        Equal(Signal.Trap, report.Signal);
        Equal(Kernel, report.Code);
        Equal(3, report.Number);
    }

    private static void DivideByZero()
    {
        Trap.Report report = Trap.Code(0x31, 0xc9, 0xf7, 0xf1);
        Equal(Signal.Arithmetic, report.Signal);
        Equal(1, report.Code);      // FPE_INTDIV
        Equal(2, report.Address);
        Equal(0, report.Number);
    }

    private static void WrongInterrupt()
    {
        Trap.Report report = Trap.Code(0xcd, 0x20);
        ExpectProtection(report);
    }

    private static void BadSelector()
    {
        // mov eax, 0x1234; mov ds, ax
        Trap.Report report = Trap.Code(0xb8, 0x34, 0x12, 0, 0, 0x8e, 0xd8);
        ExpectProtection(report);
        Equal(0x1234, report.Error);
    }

    private static void UnalignedVector()
    {
        // lea rax, [rsp - 24 | 1]; movaps xmm0, [rax]
        ExpectProtection(Trap.Code(0x48, 0x8d, 0x44, 0x24, 0xe8, 0x48, 0x83, 0xc8, 0x01, 0x0f, 0x28, 0x00));
    }

    private static void FloatError()
    {
        // Unmask division by zero in the x87's control word, divide 1 by 0, wait.
        // push 0x37b; fldcw [rsp]; fld1; fldz; fdivp; fwait
        Trap.Report report = Trap.Code(0x68, 0x7b, 0x03, 0, 0, 0xd9, 0x2c, 0x24, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0x9b);
        Equal(Signal.Arithmetic, report.Signal);
        Equal(3, report.Code);      // FPE_FLTDIV
        Equal(16, report.Number);
    }

    private static void BadStack()
    {
        // xor esp, esp; push rax
        Equal(128 + Signal.Segmentation, StatusOfCode(0x31, 0xe4, 0x50));
    }

    /// <summary>The status of a child without handlers that runs the bytes.</summary>
    private static int StatusOfCode(params scoped ReadOnlySpan<byte> code)
    {
        nint page = New(1);
        code.CopyTo(new Span<byte>((void*)page, Page));
        Mprotect(page, Page, Protection.Read | Protection.Execute);
        int signal = Child.SignalOfCall(page);
        Drop(page, 1);
        return signal == 0 ? 0 : 128 + signal;
    }

    // ---- handlers that go on -----------------------------------------------------------------------------------------------------------------

    private static int s_count;
    private static nint s_page;

    private static void Handle(int signal, delegate*<int, byte*, byte*, void> handler)
    {
        nint* action = stackalloc nint[4];
        action[0] = (nint)handler;
        action[1] = 4 | 0x0400_0000;
        action[2] = Syscall.SignalRestorer();
        action[3] = 0;
        Syscall.Call(13, signal, (nint)action, 0, 8);
    }

    private static void Default(int signal)
    {
        nint* action = stackalloc nint[4];
        new Span<nint>(action, 4).Clear();
        Syscall.Call(13, signal, (nint)action, 0, 8);
    }

    private static void SkipInstruction(int signal, byte* info, byte* context)
    {
        s_count++;
        long* registers = (long*)(context + 40);
        registers[16] += 2;                 // RIP, behind ud2
        registers[13] = 0x1234;             // RAX
    }

    private static void RegistersChange()
    {
        nint page = New(1);
        ReadOnlySpan<byte> code = [0x31, 0xc0, 0x0f, 0x0b, 0xc3];       // xor eax, eax; ud2; ret
        code.CopyTo(new Span<byte>((void*)page, Page));
        Mprotect(page, Page, Protection.Read | Protection.Execute);
        s_count = 0;
        Handle(Signal.Illegal, &SkipInstruction);
        Equal(0x1234, ((delegate*<nint>)page)());
        Equal(1, s_count);
        Default(Signal.Illegal);
        Drop(page, 1);
    }

    private static void FaultAgain(int signal, byte* info, byte* context) => System.Threading.Volatile.Write(ref *(byte*)8, 1);

    private static void FaultInHandler()
    {
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Handle(Signal.Segmentation, &FaultAgain);
            System.Threading.Volatile.Write(ref *(byte*)16, 1);
            Exit(0);
        }
        Equal(128 + Signal.Segmentation, Child.Status(pid));
    }

    private static void BlockedFault()
    {
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Handle(Signal.Segmentation, &MapPage);
            ulong mask = 1UL << (Signal.Segmentation - 1);
            Syscall.Call(14, 0, (nint)(&mask), 0, 8);
            System.Threading.Volatile.Write(ref *(byte*)Room(1), 1);
            Exit(0);
        }
        Equal(128 + Signal.Segmentation, Child.Status(pid));
    }

    private static void MapPage(int signal, byte* info, byte* context)
    {
        s_count++;
        Put(*(nint*)(info + 16) & -Page, 1);
    }

    private static void MapsOnDemand()
    {
        s_page = Room(5);
        s_count = 0;
        Handle(Signal.Segmentation, &MapPage);
        for (int i = 0; i < 5; i++)
            System.Threading.Volatile.Write(ref *(byte*)(s_page + i * Page + i), (byte)(i + 1));
        Default(Signal.Segmentation);
        Equal(5, s_count);
        Look(s_page, "wwwww"u8);
        Equal(5, At(s_page + 4 * Page + 4));
        Drop(s_page, 5);
    }

    private static void Unprotect(int signal, byte* info, byte* context)
    {
        s_count++;
        Mprotect(*(nint*)(info + 16) & -Page, Page, Protection.ReadWrite);
    }

    private static void UnprotectsOnDemand()
    {
        nint a = Alone(4);
        Touch(a, 4, 3);
        Mprotect(a, 4 * Page, Protection.None);
        s_count = 0;
        Handle(Signal.Segmentation, &Unprotect);
        Equal(3, At(a + Page));
        System.Threading.Volatile.Write(ref *(byte*)(a + 3 * Page), 9);
        Default(Signal.Segmentation);
        Equal(2, s_count);
        Look(a, "n|w|n|w"u8);
        Drop(a, 4);
    }

    private static int s_code, s_sender;

    private static void NoteSender(int signal, byte* info, byte* context)
    {
        s_code = *(int*)(info + 8);
        s_sender = *(int*)(info + 16);
    }

    private static void SentByKill()
    {
        Handle(Signal.User1, &NoteSender);
        Kill(GetPid(), Signal.User1);
        Equal(0, s_code);               // SI_USER
        Equal(GetPid(), s_sender);
        Syscall.Call(200, Syscall.Call(186), Signal.User1);
        Equal(-6, s_code);              // SI_TKILL
        Equal(GetPid(), s_sender);
        Default(Signal.User1);
    }

    private static void Vsyscall()
    {
        if (Areas.Named("[vsyscall]"u8).Start == 0)
        {
            Skip("there is no vsyscall page here");
            return;
        }
        nint page = unchecked((nint)0xffff_ffff_ff60_0000);
        Expect(Trap.Read(page), Signal.Segmentation, Trap.MapError, page, User | Present);
        nint time = ((delegate*<nint, nint>)(page + 0x400))(0);
        nint now = Syscall.Call(201, 0);
        Check(time <= now && time >= now - 2);
        Equal(Signal.Segmentation, Trap.Call(page + 0x123).Signal);
    }

    private static void VsyscallAnswers()
    {
        if (Areas.Named("[vsyscall]"u8).Start == 0)
        {
            Skip("there is no vsyscall page here");
            return;
        }
        nint page = unchecked((nint)0xffff_ffff_ff60_0000);
        long* time = stackalloc long[2];
        nint seconds = 0;
        Equal(0, ((delegate*<nint, nint, nint>)page)((nint)time, 0));
        Check(time[1] is >= 0 and < 1_000_000);
        nint told = ((delegate*<nint, nint>)(page + 0x400))((nint)(&seconds));
        Equal(told, seconds);
        Check(told >= time[0] && told <= time[0] + 2);
        uint cpu = 99, node = 99;
        Equal(0, ((delegate*<nint, nint, nint, nint>)(page + 0x800))((nint)(&cpu), (nint)(&node), 0));
        Equal(0, node);
        Check(cpu < 99);
    }

    private static void VsyscallFault()
    {
        if (Areas.Named("[vsyscall]"u8).Start == 0)
        {
            Skip("there is no vsyscall page here");
            return;
        }
        nint page = unchecked((nint)0xffff_ffff_ff60_0000);
        int pid = Fork();
        if (pid == 0)
        {
            ((delegate*<nint, nint>)(page + 0x400))(8);
            Exit(0);
        }
        Equal(128 + Signal.Segmentation, Child.Status(pid));
        pid = Fork();
        if (pid == 0)
        {
            ((delegate*<nint, nint>)(page + 0x401))(0);
            Exit(0);
        }
        Equal(128 + Signal.Segmentation, Child.Status(pid));
    }
}
