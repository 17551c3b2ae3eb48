using System.Runtime;
using System.Runtime.CompilerServices;
using NanoVm.User.Suites;

namespace NanoVm.User.Fuzz;

/// <summary>Loads, stores and jumps that may fault: a handler notes what the kernel says and lets the program go on.</summary>
internal static unsafe class Faults
{
    private const ulong SignalInfo = 4, Restorer = 0x04000000;
    private const int SetAction = 13;

    // Places in the handler's third argument, struct ucontext: the registers begin at 40, these are RAX, RSP and RIP.
    private const int ContextRax = 40 + 13 * 8, ContextRsp = 40 + 15 * 8, ContextRip = 40 + 16 * 8;

    private static nint s_jumpsTo, s_address;
    private static int s_signal, s_code;

    private struct Action
    {
        public nint Handler;
        public ulong Flags;
        public nint RestorerAddress;
        public ulong Mask;
    }

    public static void Prepare()
    {
        SetHandler(Signal.Segmentation, (nint)(delegate*<int, byte*, byte*, void>)&Handle);
        SetHandler(Signal.Bus, (nint)(delegate*<int, byte*, byte*, void>)&Handle);
    }

    /// <summary>Faults end the process again.</summary>
    public static void Reset()
    {
        SetHandler(Signal.Segmentation, 0);
        SetHandler(Signal.Bus, 0);
    }

    /// <summary>The byte at an address; -1 when it faulted.</summary>
    public static int Load(nint address)
    {
        s_signal = 0;
        nint got = LoadByte(address);
        return s_signal != 0 ? -1 : (int)got;
    }

    /// <summary>Stores a byte. False when it faulted.</summary>
    public static bool Store(nint address, int value)
    {
        s_signal = 0;
        StoreByte(address, value);
        return s_signal == 0;
    }

    /// <summary>Calls a return instruction. False when it faulted.</summary>
    public static bool Jump(nint address)
    {
        s_signal = 0;
        s_jumpsTo = address;
        CallAt(address);
        s_jumpsTo = 0;
        return s_signal == 0;
    }

    /// <summary>Says what the last fault was.</summary>
    public static void Describe(ref Writer text)
    {
        text.Put(s_signal == Signal.Bus ? " = SIGBUS "u8 : " = SIGSEGV "u8);
        text.Number(s_code);
        text.Put(" at "u8);
        text.Address(s_address);
    }

    public static uint Keys
    {
        get => (uint)GetKeys();
        set => SetKeys((nint)value);
    }

    private static void SetHandler(int signal, nint handler)
    {
        Action action = default;
        action.Handler = handler;
        action.Flags = SignalInfo | Restorer;
        action.RestorerAddress = Syscall.SignalRestorer();
        Syscall.Call(SetAction, signal, (nint)(&action), 0, 8);
    }

    private static void Handle(int signal, byte* info, byte* context)
    {
        s_signal = signal;
        s_code = *(int*)(info + 8);
        s_address = *(nint*)(info + 16);
        ref nint rip = ref *(nint*)(context + ContextRip);
        ref nint rsp = ref *(nint*)(context + ContextRsp);
        if (rip >= TouchStart() && rip < TouchEnd())
        {
            rip = Recover();
            return;
        }
        if (s_jumpsTo != 0 && rip == s_jumpsTo)
        {
            rip = *(nint*)rsp;
            rsp += 8;
            return;
        }
        // A call has hit the program's own memory. That it did is the same on every kernel; where is not, and nobody is told.
        Linux.Exit(99);
    }

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "fuzz_load")]
    private static extern nint LoadByte(nint address);

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "fuzz_store")]
    private static extern nint StoreByte(nint address, nint value);

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "fuzz_jump")]
    private static extern nint CallAt(nint address);

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "fuzz_set_keys")]
    private static extern void SetKeys(nint rights);

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "fuzz_get_keys")]
    private static extern nint GetKeys();

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "fuzz_get_touch_start")]
    private static extern nint TouchStart();

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "fuzz_get_touch_end")]
    private static extern nint TouchEnd();

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "fuzz_get_recover")]
    private static extern nint Recover();
}
