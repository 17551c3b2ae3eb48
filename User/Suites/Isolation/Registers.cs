using System;
using System.Runtime;
using System.Runtime.CompilerServices;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Isolation;

/// <summary>A program's registers are its own: they survive each entry into the kernel, and nobody else's are in them.</summary>
internal static unsafe class Registers
{
    private const int Call = 0, Touch = 1, Spin = 2, Undefined = 3, Breakpoint = 4;
    private const int Words = 24;
    private const ulong RestorerFlag = 0x0400_0000, SiginfoFlag = 4;
    private const int ContextRip = 40 + 16 * 8;

    public static void KeptBySystemCall() => Equal(0, Keep(1, Call, 0));

    public static void KeptByPageFault()
    {
        nint memory = Pages.New(64);
        int changed = 0;
        for (int i = 0; i < 64; i++)
            changed += Keep((ulong)i, Touch, memory + (nint)i * Page);
        Equal(0, changed);
        Munmap(memory, 64 * Page);
    }

    /// <summary>Two processes with other numbers in their registers, each long enough to be interrupted and switched away from.</summary>
    public static void KeptByInterruptAndSwitch()
    {
        int other = Linux.Fork();
        if (other == 0)
            Exit(Math.Min(Keep(0x77, Spin, 60_000_000), 100));
        Equal(0, Keep(0x1234, Spin, 60_000_000));
        Equal(0, Child.Status(other));
    }

    public static void KeptByYielding()
    {
        int other = Linux.Fork();
        int changed = 0;
        for (int i = 0; i < 500; i++)
        {
            changed += Keep((ulong)(i + (other == 0 ? 1000 : 0)), Call, 0);
            Linux.Yield();
        }
        if (other == 0)
            Exit(Math.Min(changed, 100));
        Equal(0, changed);
        Equal(0, Child.Status(other));
    }

    /// <summary>Handlers run C#, which uses what registers it likes.</summary>
    public static void KeptBySignals()
    {
        SetHandler(Signal.Illegal, (nint)(delegate*<int, byte*, byte*, void>)&Skip);
        SetHandler(Signal.Trap, (nint)(delegate*<int, byte*, byte*, void>)&Ignore);
        Equal(0, Keep(0x55, Undefined, 0));
        Equal(0, Keep(0x66, Breakpoint, 0));
        SetHandler(Signal.Illegal, 0);
        SetHandler(Signal.Trap, 0);
    }

    /// <summary>Signals of a timer in the middle of a loop.</summary>
    public static void KeptByTimerSignals()
    {
        SetHandler(Signal.Alarm, (nint)(delegate*<int, byte*, byte*, void>)&Ignore);
        long* time = stackalloc long[4] { 0, 1000, 0, 1000 };
        Syscall.Call(38, 0, (nint)time, 0);
        Equal(0, Keep(0x99, Spin, 60_000_000));
        time[1] = time[3] = 0;
        Syscall.Call(38, 0, (nint)time, 0);
        SetHandler(Signal.Alarm, 0);
        Check(s_signals > 0);
    }

    /// <summary>
    /// What a program built for fast arithmetic sets (no denormals: FTZ and DAZ), and half the x87 precision, is there again behind a handler,
    /// which itself starts with the standard.
    /// </summary>
    public static void ControlWordsKeptBySignals()
    {
        const uint fast = 0x9fc0, halfPrecision = 0x27f, standard = 0x1f80, standardPrecision = 0x37f;
        SetHandler(Signal.User1, (nint)(delegate*<int, byte*, byte*, void>)&LookAtControl);
        for (int i = 0; i < 3; i++)
        {
            s_control = 0;
            SetControl(fast, halfPrecision);
            Kill(GetPid(), Signal.User1);
            ulong after = GetControl();
            SetControl(standard, standardPrecision);
            Equal((long)((ulong)halfPrecision << 32 | fast), (long)after, "behind the handler");
            Equal((long)((ulong)standardPrecision << 32 | standard), (long)s_control, "in the handler");
        }

        SetHandler(Signal.User1, 0);
    }

    private static ulong s_control;

    private static void LookAtControl(int signal, byte* information, byte* context) => s_control = GetControl();

    /// <summary>A new program starts with nothing of the old one, which had all registers full.</summary>
    public static void EmptyAfterExec()
    {
        byte* file = stackalloc byte[Page];
        int length = MakeProgram(file);
        ReadOnlySpan<byte> path = "/tmp/suite-registers"u8;
        Unlink(path);
        int descriptor = Open(path, 1 | 0x40, 0x1ed);
        Linux.Write(descriptor, file, length);
        Close(descriptor);
        int child = Linux.Fork();
        if (child == 0)
        {
            _ = Keep(0x42, Call, 0);
            nint* arguments = stackalloc nint[2];
            fixed (byte* p = path)
            {
                arguments[0] = (nint)p;
                Syscall.Call(59, (nint)p, (nint)arguments, (nint)(arguments + 1));
            }
            Exit(99);
        }
        Equal(0, Child.Status(child), "what was not empty");
        Unlink(path);
    }

    private static int s_signals;

    private static void Ignore(int signal, byte* information, byte* context)
    {
        s_signals++;
        _ = Keep((ulong)signal, Call, 0);
    }

    private static void Skip(int signal, byte* information, byte* context)
    {
        _ = Keep((ulong)signal, Call, 0);
        *(nint*)(context + ContextRip) += 2;
    }

    private static void SetHandler(int signal, nint handler)
    {
        nint* action = stackalloc nint[4];
        action[0] = handler;
        action[1] = (nint)(RestorerFlag | SiginfoFlag);
        action[2] = Syscall.SignalRestorer();
        action[3] = 0;
        Syscall.Call(13, signal, (nint)action, 0, 8);
    }

    /// <summary>How many registers an entry into the kernel has changed.</summary>
    private static int Keep(ulong seed, int kind, nint argument)
    {
        ulong* words = stackalloc ulong[Words];
        for (int i = 0; i < Words; i++)
            words[i] = (seed + 1) * 0x9e37_79b9_7f4a_7c15 + (ulong)i * 0x0123_4567_89ab_cdef;
        return (int)KeepRegisters(words, kind, argument, HasAvx() ? 1 : 0);
    }

    private static bool HasAvx()
    {
        const uint avx = 1 << 28, enabled = 1 << 27;
        uint* r = stackalloc uint[4];
        CpuId(1, r);
        return (r[2] & (avx | enabled)) == (avx | enabled);
    }

    /// <summary>An ELF file of one segment with the code of registers.asm.</summary>
    private static int MakeProgram(byte* file)
    {
        const int code = 120;
        nint begin = Begin();
        int bytes = (int)(End() - begin);
        new Span<byte>(file, Page).Clear();
        ReadOnlySpan<byte> head = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1];
        head.CopyTo(new Span<byte>(file, 16));
        *(ushort*)(file + 16) = 2;
        *(ushort*)(file + 18) = 62;
        *(uint*)(file + 20) = 1;
        *(ulong*)(file + 24) = 0x400000 + code;
        *(ulong*)(file + 32) = 64;
        *(ushort*)(file + 52) = 64;
        *(ushort*)(file + 54) = 56;
        *(ushort*)(file + 56) = 1;
        *(uint*)(file + 64) = 1;
        *(uint*)(file + 68) = 5;
        *(ulong*)(file + 80) = 0x400000;
        *(ulong*)(file + 96) = *(ulong*)(file + 104) = (ulong)(code + bytes);
        *(ulong*)(file + 112) = 0x1000;
        new ReadOnlySpan<byte>((void*)begin, bytes).CopyTo(new Span<byte>(file + code, bytes));
        return code + bytes;
    }

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "isolation_keep")]
    private static extern nint KeepRegisters(ulong* words, nint kind, nint argument, nint avx);

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "isolation_set_control")]
    private static extern void SetControl(uint mxcsr, uint controlWord);

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "isolation_get_control")]
    private static extern ulong GetControl();

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "isolation_get_begin")]
    private static extern nint Begin();

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "isolation_get_end")]
    private static extern nint End();

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "isolation_cpuid")]
    private static extern void CpuId(nint leaf, uint* registers);
}
