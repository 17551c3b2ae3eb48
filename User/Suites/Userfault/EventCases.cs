using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Userfault;

/// <summary>What a watcher is told of besides faults, and how a watch ends.</summary>
internal static unsafe partial class Program
{
    private static void Sigbus()
    {
        int u = New(FeatureSigbus);
        if (u < 0)
            return;
        // The child's memory is not watched: it has to be its own descriptor.
        Close(u);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            int own = UserFaultFd(NonBlocking);
            Handshake(own, FeatureSigbus);
            nint a = Fresh(1);
            Register(own, a, Page, Missing);
            int file = MemFd("bus"u8, 0);
            if (Linux.Write(file, (void*)a, 1) != Errno.BadAddress)
                Exit(1);
            Exit(At(a));
        }
        Equal(128 + Signal.Bus, Child.Status(pid));
    }

    /// <summary>Starts a child that reads messages and ends with the kind of the last one.</summary>
    private static int Listener(int u, int messages = 1)
    {
        int pid = Linux.Fork();
        if (pid != 0)
            return pid;
        byte* message = stackalloc byte[32];
        for (int i = 0; i < messages; i++)
        {
            if (!Next(u, message))
                Exit(1);
        }
        return (int)Exit(message[0]);
    }

    private static void Events()
    {
        int u = New(FeatureRemap | FeatureRemove | FeatureUnmap);
        if (u < 0)
            return;
        nint a = Fresh(6);
        Equal(0, Register(u, a, 6 * Page, Missing));
        int child = Listener(u);
        Equal(0, Madvise(a, Page, Advice.DontNeed));
        Equal(EventRemove, Child.Status(child));
        child = Listener(u);
        Equal(0, Munmap(a + 5 * Page, Page));
        Equal(EventUnmap, Child.Status(child));
        nint to = Fresh(1);
        child = Listener(u, messages: 2);       // what was moved away is told, then what is no longer there
        Equal(to, Mremap(a + 2 * Page, Page, Page, Remap.MayMove | Remap.Fixed, to));
        Equal(EventUnmap, Child.Status(child));
        child = Answerer(u, 1);
        Equal('A', At(to));
        Equal(1, Child.Status(child));
        child = Listener(u);
        Munmap(to, Page);
        Equal(EventUnmap, Child.Status(child));
        Close(u);
        Munmap(a, 6 * Page);
    }

    private static void Forked()
    {
        int u = New(FeatureFork);
        if (u < 0)
            return;
        nint a = Fresh(1);
        // Before there is anything to tell: who reads the message gets the new descriptor, and answers the new process's fault with it.
        int reader = Linux.Fork();
        if (reader == 0)
        {
            byte* message = stackalloc byte[32];
            if (!Next(u, message) || message[0] != EventFork)
                Exit(1);
            Exit(Child.Status(Answerer(*(int*)(message + 8), 1)));
        }
        Equal(0, Register(u, a, Page, Missing));
        int child = Linux.Fork();
        if (child == 0)
            Exit(At(a));
        Equal('A', Child.Status(child));
        Equal(1, Child.Status(reader));
        Close(u);
        Equal(0, At(a));
        Munmap(a, Page);
    }

    private static void Killed()
    {
        int u = New();
        if (u < 0)
            return;
        Close(u);
        int ends = MemFd("ready"u8, 0);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            int own = UserFaultFd(NonBlocking);
            Handshake(own, 0);
            nint a = Fresh(1);
            Register(own, a, Page, Missing);
            byte one = 1;
            Linux.Write(ends, &one, 1);
            Exit(At(a));
        }
        byte ready = 0;
        while (PositionedRead(ends, &ready, 1, 0) != 1)
            Yield();
        Equal(0, Kill(pid, Signal.Kill));
        Equal(128 + Signal.Kill, Child.Status(pid));
        Close(ends);
    }

    private static void Closing()
    {
        int u = New();
        if (u < 0)
            return;
        nint a = Fresh(2);
        Equal(0, Register(u, a, Page, Missing));
        Equal(2, Areas.Count(a, 2 * Page));
        Close(u);
        Equal(0, At(a));
        At(a + Page) = 1;
        Munmap(a, 2 * Page);
    }

    private static void Shown()
    {
        int u = New(1);
        if (u < 0)
            return;
        nint a = Fresh(3);
        Equal(0, Register(u, a + Page, Page, Missing | WriteProtect));
        Check(Proc.HasFlag(a + Page, "um"u8));
        Check(Proc.HasFlag(a + Page, "uw"u8));
        Check(!Proc.HasFlag(a, "um"u8));
        Equal(0, Range(u, IoUnregister, a + Page, Page));
        Check(!Proc.HasFlag(a + Page, "um"u8));
        Close(u);
        Munmap(a, 3 * Page);
    }
}
