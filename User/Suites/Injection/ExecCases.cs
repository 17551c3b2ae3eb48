using System;
using static NanoVm.User.Suites.Injection.Walker;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Injection;

/// <summary>Starting programs: until the old memory is given up a failure is an errno, after it SIGKILL or SIGSEGV, as in Linux.</summary>
internal static unsafe class ExecCases
{
    private const int MostSteps = 1000, AllDone = 42, NotDone = 43, Failed = 100;

    /// <summary>The started program: was there a failure?</summary>
    public static int Started()
    {
        Walker.Rearm();
        return Left() == 0 ? NotDone : AllDone;
    }

    public static void Static() => Start("/tests/alone/injection"u8);

    public static void Script()
    {
        ReadOnlySpan<byte> text = "#!/tests/alone/injection script\n"u8;
        int file = Open("/tmp/inject-script"u8, 0x41, 0x1C0);
        fixed (byte* t = text)
            Write(file, t, text.Length);
        Close(file);
        Start("/tmp/inject-script"u8);
        Unlink("/tmp/inject-script"u8);
    }

    /// <summary>A program with an interpreter: a header that names this very program as its loader.</summary>
    public static void WithInterpreter()
    {
        byte* elf = Data;
        new Span<byte>(elf, 512).Clear();
        ReadOnlySpan<byte> identification = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1];
        identification.CopyTo(new Span<byte>(elf, 16));
        *(ushort*)(elf + 16) = 3;                            // ET_DYN
        *(ushort*)(elf + 18) = 62;
        *(uint*)(elf + 20) = 1;
        *(ulong*)(elf + 32) = 64;                            // program headers
        *(ushort*)(elf + 52) = 64;
        *(ushort*)(elf + 54) = 56;
        *(ushort*)(elf + 56) = 2;
        ReadOnlySpan<byte> interpreter = "/tests/alone/injection\0"u8;
        interpreter.CopyTo(new Span<byte>(elf + 256, 32));
        ulong* header = (ulong*)(elf + 64);
        header[0] = 3 | 4UL << 32;                           // PT_INTERP, readable
        header[1] = 256;
        header[4] = header[5] = (ulong)interpreter.Length;
        header[6] = 1;
        header += 7;
        header[0] = 1 | 6UL << 32;                           // PT_LOAD, readable and writable, with zeros behind it
        header[4] = 512;
        header[5] = 3 * Page;
        header[6] = Page;
        int file = Open("/tmp/inject-dynamic"u8, 0x41, 0x1C0);
        Write(file, elf, 512);
        Close(file);
        Start("/tmp/inject-dynamic"u8);
        Unlink("/tmp/inject-dynamic"u8);
    }

    /// <summary>Sixteen arguments of 64 KiB each: pages that are taken before the old memory goes, and a stack that grows to hold them.</summary>
    public static void LongArguments()
    {
        const int bytes = 64 * 1024;
        byte* word = Data;
        new Span<byte>(word, bytes).Fill((byte)'a');
        word[bytes] = 0;
        s_many = 16;
        Start("/tests/alone/injection"u8);
        s_many = 0;
    }

    /// <summary>The program is named by a descriptor.</summary>
    public static void ByDescriptor()
    {
        s_file = Open("/tests/alone/injection"u8, 0);
        Start("/tests/alone/injection"u8);
        Close(s_file);
        s_file = -1;
    }

    private static int s_many, s_file = -1;

    private static void Start(ReadOnlySpan<byte> path)
    {
        if (!IsAble)
        {
            Ktap.Skip("this kernel lets nothing fail");
            return;
        }

        Start(path, "alloc"u8, Errno.NoMemory);
        Start(path, "copy"u8, Errno.BadAddress);
    }

    private static void Start(ReadOnlySpan<byte> path, ReadOnlySpan<byte> kinds, int errno)
    {
        _ = RunOnce(path, kinds, 1);
        Remember();
        for (int n = 1; ; n++)
        {
            int status = RunOnce(path, kinds, n);
            int signal = status & 0x7f, code = status >> 8;
            bool good = signal != 0
                ? signal is Signal.Kill or Signal.Segmentation or Signal.Abort     // our own runtime gives up so without a heap
                : code is AllDone or NotDone || code == Failed - errno;
            if (!Ktap.Check(good && n < MostSteps, "the end is documented"))
                Say(kinds, n, signal != 0 ? signal : -(code - Failed));
            if (!IsMemoryClean(kinds, n, code) || code == AllDone || n >= MostSteps)
                return;
        }
    }

    private static int RunOnce(ReadOnlySpan<byte> path, ReadOnlySpan<byte> kinds, int n)
    {
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Rearm();
            SetKinds(kinds);
            fixed (byte* p = path, word = "left"u8)
            {
                nint* arguments = stackalloc nint[20];
                new Span<nint>(arguments, 20).Clear();
                arguments[0] = (nint)p;
                arguments[1] = (nint)word;
                for (int i = 0; i < s_many; i++)
                    arguments[2 + i] = (nint)Data;
                byte nothing = 0;
                Arm(n);
                nint error = s_file >= 0
                    ? Syscall.Call(322, s_file, (nint)(&nothing), (nint)arguments, (nint)(arguments + 19), 0x1000)
                    : Syscall.Call(59, (nint)p, (nint)arguments, (nint)(arguments + 19));
                Arm(0);
                Exit(Failed - (int)error);
            }
        }

        Wait(pid, out int status);
        return status;
    }
}
