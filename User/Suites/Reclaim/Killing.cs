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
        if (!Begin())
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
        End();
    }

    public static void Locked()
    {
        if (!Begin())
            return;
        Equal(128 + Signal.Kill, Child.Run(&GrowLocked));
        Equal(0, Machine.Memory("Mlocked"u8));
        End();
    }

    private static int GrowLocked()
    {
        const nint piece = 8 << 20;
        for (int i = 0; i < 100; i++)
        {
            nint memory = Mmap(0, piece, Protection.ReadWrite, Map.PrivateAnonymous);
            if (IsError(memory) || Mlock(memory, piece) != 0)
                return 1;
        }
        return 2;
    }

    public static void NamelessFile()
    {
        if (!Begin())
            return;
        Equal(128 + Signal.Kill, Child.Run(&FillNamelessFile));
        End();
    }

    private static int FillNamelessFile()
    {
        const nint bytes = 400 << 20;
        int file = MemFd("reclaim"u8, 0);
        Truncate(file, bytes);
        nint memory = Mmap(0, bytes, Protection.ReadWrite, Map.Shared, file);
        if (IsError(memory))
            return 1;
        Pages.Touch(memory, (int)(bytes / Page));
        return 2;
    }

    /// <summary>Half of memory is the most that a tmpfs takes: nobody dies.</summary>
    public static void FullTmpfs()
    {
        if (!Begin())
            return;
        long kills = Machine.Counter("oom_kill"u8);
        int file = Open("/dev/shm/suite-reclaim"u8, 2 | 0x40, 0x180);
        nint memory = Pages.New(256);
        nint written, total = 0;
        while ((written = Linux.Write(file, (void*)memory, 256 * Page)) > 0)
            total += written;
        Equal(Errno.NoSpace, written);
        Check(total > 8 << 20);
        Close(file);
        Unlink("/dev/shm/suite-reclaim"u8);
        Munmap(memory, 256 * Page);
        Equal(kills, Machine.Counter("oom_kill"u8));
        End();
    }

    internal static int Grow()
    {
        const nint all = 256 << 20;
        nint memory = Mmap(0, all, Protection.ReadWrite, Map.PrivateAnonymous | Map.NoReserve);
        if (IsError(memory))
            return 1;
        Pages.Touch(memory, (int)(all / Page));
        return 2;
    }

    /// <summary>The device that was swapped to, a zero behind it; swapping is off meanwhile.</summary>
    private static nint s_device;
    private static bool s_hadSwap;
    private static long s_free;

    /// <summary>No more swap. False, and the case is skipped, on a machine that is too large to be filled.</summary>
    internal static bool Begin()
    {
        if (!Machine.IsSmall)
        {
            Skip("this machine is too large to use it up");
            return false;
        }
        s_hadSwap = Machine.HasSwap;
        if (s_device == 0)
            s_device = Pages.New(1);
        if (s_hadSwap && Check(Swapping.FindDevice(new Span<byte>((void*)s_device, 64))))
            Equal(0, Syscall.Call(168, s_device));
        Proc.Put("/proc/sys/vm/oom_dump_tasks"u8, "0"u8);   // a hundred processes, a hundred times: too long a report
        s_free = Machine.Memory("MemFree"u8);
        return true;
    }

    /// <summary>All memory is back and in order; swapping goes on.</summary>
    internal static void End()
    {
        Check(Machine.Memory("MemFree"u8) > s_free - (4 << 10));
        Machine.CheckOrder();
        Proc.Put("/proc/sys/vm/oom_dump_tasks"u8, "1"u8);
        if (s_hadSwap)
            Equal(0, Syscall.Call(167, s_device, 0));
    }
}
