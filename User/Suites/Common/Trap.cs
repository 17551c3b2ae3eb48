using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites;

/// <summary>Lets a child do something forbidden, and shows what its signal handler was told.</summary>
internal static unsafe class Trap
{
    /// <summary>What <c>siginfo_t</c> and <c>ucontext_t</c> said.</summary>
    public struct Report
    {
        /// <summary>0 when nothing happened.</summary>
        public int Signal, Code;
        public nint Address;
        public long Number, Error, Cr2;
        public uint Key;
    }

    public const int MapError = 1, AccessError = 2, KeyError = 4;
    public const int AddressError = 2;
    private const ulong SiginfoFlag = 4, OnStackFlag = 0x0800_0000, RestorerFlag = 0x0400_0000;

    private static Report* s_report;

    /// <summary>A child reads a byte.</summary>
    public static Report Read(nint address)
    {
        int pid = Begin();
        if (pid == 0)
        {
            _ = System.Threading.Volatile.Read(ref *(byte*)address);
            Exit(0);
        }
        return End(pid);
    }

    /// <summary>A child writes a byte.</summary>
    public static Report Write(nint address)
    {
        int pid = Begin();
        if (pid == 0)
        {
            System.Threading.Volatile.Write(ref *(byte*)address, 1);
            Exit(0);
        }
        return End(pid);
    }

    /// <summary>A child jumps there.</summary>
    public static Report Call(nint address)
    {
        int pid = Begin();
        if (pid == 0)
        {
            ((delegate*<void>)address)();
            Exit(0);
        }
        return End(pid);
    }

    /// <summary>A child runs these bytes, at most 16, in an area of their own.</summary>
    public static Report Code(params scoped System.ReadOnlySpan<byte> code)
    {
        nint page = Pages.New(1);
        code.CopyTo(new System.Span<byte>((void*)page, Page));
        Mprotect(page, Page, Protection.Read | Protection.Execute);
        Report report = Call(page);
        if (report.Address >= page && report.Address < page + Page)
            report.Address -= page;     // what is told is where in the code it happened
        Munmap(page, Page);
        return report;
    }

    /// <summary>The case fails unless the child got this signal with this code.</summary>
    public static void Expect(in Report report, int signal, int code, [System.Runtime.CompilerServices.CallerLineNumber] int line = 0)
    {
        Equal(signal, report.Signal, "the signal", line);
        Equal(code, report.Code, "its code", line);
    }

    private static int Begin()
    {
        if (s_report == null)
            s_report = (Report*)Mmap(0, Page, Protection.ReadWrite, Map.SharedAnonymous);
        *s_report = default;
        int pid = Linux.Fork();
        if (pid != 0)
            return pid;
        // A stack of its own: the fault may be that there is no more stack.
        nint* stack = stackalloc nint[3];
        stack[0] = Mmap(0, 16 * Page, Protection.ReadWrite, Map.PrivateAnonymous);
        stack[1] = 0;
        stack[2] = 16 * Page;
        Syscall.Call(131, (nint)stack, 0);
        nint* action = stackalloc nint[4];
        action[0] = (nint)(delegate*<int, byte*, byte*, void>)&Note;
        action[1] = (nint)(SiginfoFlag | OnStackFlag | RestorerFlag);
        action[2] = Syscall.SignalRestorer();
        action[3] = 0;
        foreach (int signal in (System.ReadOnlySpan<int>)[Signal.Segmentation, Signal.Bus, Signal.Illegal, Signal.Trap, Signal.Arithmetic])
            Syscall.Call(13, signal, (nint)action, 0, 8);
        return 0;
    }

    private static void Note(int signal, byte* info, byte* context)
    {
        s_report->Signal = signal;
        s_report->Code = *(int*)(info + 8);
        s_report->Address = *(nint*)(info + 16);
        s_report->Key = *(uint*)(info + 32);
        long* registers = (long*)(context + 40);       // uc_mcontext.gregs
        s_report->Error = registers[19];
        s_report->Number = registers[20];
        s_report->Cr2 = registers[22];
        Exit(0);
    }

    private static Report End(int pid)
    {
        Child.Status(pid);
        return *s_report;
    }
}
