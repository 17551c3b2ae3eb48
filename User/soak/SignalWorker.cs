using System.Threading;
using NanoVm.User.Suites;

namespace NanoVm.User.Soak;

/// <summary>Signals: faults that a handler repairs, and signals from another process, none of which is lost.</summary>
internal static unsafe class SignalWorker
{
    private const ulong SignalInfo = 4, Restorer = 0x04000000;
    private const int Pages = 64, Signals = 100;

    private static int s_faults, s_received;

    private struct Action
    {
        public nint Handler;
        public ulong Flags;
        public nint RestorerAddress;
        public ulong Mask;
    }

    public static void Round()
    {
        SetHandler(Signal.Segmentation, (nint)(delegate*<int, byte*, byte*, void>)&Repair);
        SetHandler(Signal.User1, (nint)(delegate*<int, byte*, byte*, void>)&Count);
        nint memory = Program.Must(Linux.Mmap(0, Pages * Linux.Page, Protection.None, Map.PrivateAnonymous), "mmap");
        s_faults = 0;
        for (int i = 0; i < Pages; i++)
            Volatile.Write(ref *(byte*)(memory + i * Linux.Page), (byte)i);
        if (s_faults != Pages)
            Program.Wrong("faults repaired", s_faults);
        Linux.Munmap(memory, Pages * Linux.Page);

        int self = Linux.GetPid();
        s_received = 0;
        int child = Program.Fork();
        if (child == 0)
        {
            // One after another: a pending signal of this kind swallows a second one.
            for (int i = 0; i < Signals; i++)
            {
                Linux.Kill(self, Signal.User1);
                Linux.Yield();
            }
            Linux.Exit(0);
        }
        int status;
        while (Linux.Wait(child, out status) == Errno.Interrupted)
        {
        }
        if (status != 0 || s_received is 0 or > Signals)
            Program.Wrong("signals received", s_received, status);
    }

    private static void Repair(int signal, byte* info, byte* context)
    {
        s_faults++;
        Program.Must(Linux.Mprotect(*(nint*)(info + 16) & -Linux.Page, Linux.Page, Protection.ReadWrite), "mprotect");
    }

    private static void Count(int signal, byte* info, byte* context) => s_received++;

    private static void SetHandler(int signal, nint handler)
    {
        Action action = default;
        action.Handler = handler;
        action.Flags = SignalInfo | Restorer;
        action.RestorerAddress = Syscall.SignalRestorer();
        Syscall.Call(13, signal, (nint)(&action), 0, 8);
    }
}
