using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Reclaim;

/// <summary>No memory, and no swap: who must die dies, and the rest lives.</summary>
internal static unsafe class Killing
{
    private const int Many = 100;

    public static void OneByOne()
    {
        if (!Begin(out bool hadSwap, out long free))
            return;
        int started = 0, killed = 0;
        for (int i = 0; i < Many; i++)
        {
            int pid = Fork();
            if (pid == 0)
                Exit(Grow());
            started += pid > 0 ? 1 : 0;
        }
        for (int i = 0; i < started; i++)
        {
            if (Wait(-1, out int status) > 0 && Equal(Signal.Kill, status))
                killed++;
        }
        Equal(Many, started);
        Equal(Many, killed);
        End(hadSwap, free);
    }

    private static int Grow()
    {
        const nint all = 256 << 20;
        nint memory = Mmap(0, all, Protection.ReadWrite, Map.PrivateAnonymous | Map.NoReserve);
        if (IsError(memory))
            return 1;
        Pages.Touch(memory, (int)(all / Page));
        return 2;
    }

    /// <summary>The device that was swapped to, a zero behind it.</summary>
    private static nint s_device;

    private static bool Begin(out bool hadSwap, out long free)
    {
        hadSwap = false;
        free = 0;
        if (!Machine.IsSmall)
        {
            Skip("this machine is too large to use it up");
            return false;
        }
        hadSwap = Machine.HasSwap;
        if (s_device == 0)
            s_device = Pages.New(1);
        if (hadSwap && Check(Swapping.FindDevice(new Span<byte>((void*)s_device, 64))))
            Equal(0, Syscall.Call(168, s_device));
        free = Machine.Memory("MemFree"u8);
        return true;
    }

    private static void End(bool hadSwap, long free)
    {
        Check(Machine.Memory("MemFree"u8) > free - (4 << 10));
        Machine.CheckOrder();
        if (hadSwap)
            Equal(0, Syscall.Call(167, s_device, 0));
    }
}
