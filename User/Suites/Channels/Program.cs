using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Channels;

/// <summary>What carries bytes between processes, and waiting for it: pipes, FIFOs, events, epoll, poll, sockets, pseudo terminals.</summary>
internal static unsafe class Program
{
    private const int ReadWrite = 2, NonBlocking = 0x800, Direct = 0x4000, NoTerminal = 0x100;
    private const short In = 1, Out = 4, Err = 8, Hup = 0x10, Nval = 0x20;

    public static int Main()
    {
        int* ignore = stackalloc int[38];
        new Span<int>(ignore, 38).Clear();
        ignore[0] = 1;                                       // SIG_IGN for SIGPIPE
        Syscall.Call(13, Signal.Pipe, (nint)ignore, 0, 8);
        return Run(
            new("A pipe takes 64 KiB and no byte more", &PipeCapacity),
            new("A write of PIPE_BUF bytes is whole or not at all", &PipeAtomic),
            new("A pipe's size can be changed while its contents fit", &PipeResize),
            new("A packet pipe keeps packets apart", &PipePackets),
            new("A pipe without readers refuses writes", &PipeBroken),
            new("Opening a FIFO for writing finds no reader", &FifoOpen),
            new("poll tells of both ends of a pipe", &PollPipe),
            new("poll tells of descriptors that are not open", &PollBad),
            new("select writes back the time that is left", &SelectTime),
            new("An event counter sums up and is taken at once", &EventCounter),
            new("An event semaphore gives one at a time", &EventSemaphore),
            new("fdinfo tells what a kind of descriptor knows of itself", &DescriptorInfo),
            new("Level, edge and one-shot epoll differ as they should", &EpollModes),
            new("epoll refuses what cannot be watched", &EpollRefuses),
            new("A closed file leaves its epoll", &EpollForgets),
            new("A stream socket pair carries bytes and ends", &StreamPair),
            new("A datagram keeps its borders", &Datagrams),
            new("A descriptor travels through a socket", &DescriptorPassing),
            new("Sockets that hold each other go when nobody can receive them", &HoldingEachOther),
            new("A chain of a thousand sockets, each in the next one, can be closed", &Chain),
            new("A listener hands out connections", &Listening),
            new("An abstract name is all its bytes, and free again when its socket has gone", &AbstractNames),
            new("A socket bound to nothing gets a name of five digits", &AutomaticName),
            new("Other families are refused", &OtherFamilies),
            new("A terminal edits lines", &LineEditing),
            new("A terminal in raw mode waits for VMIN bytes", &RawMode),
            new("The end-of-file character ends a read and no more", &EndOfFile),
            new("A terminal translates what it prints", &OutputProcessing),
            new("A window has the size that it was given", &WindowSize));
    }

    private static int Pipe2(int* ends, int flags) => (int)Syscall.Call(293, (nint)ends, flags);

    private static int Poll(int file, short events, out short found)
    {
        ulong entry = (uint)file | (ulong)(ushort)events << 32;
        int ready = (int)Syscall.Call(7, (nint)(&entry), 1, 0);
        found = (short)(entry >> 48);
        return ready;
    }

    private static void PipeCapacity()
    {
        int* p = stackalloc int[2];
        Equal(0, Pipe2(p, NonBlocking));
        nint block = Mmap(0, 70_000, Protection.ReadWrite, Map.PrivateAnonymous);
        Equal(65_536, Linux.Write(p[1], (void*)block, 70_000));
        Equal(Errno.TryAgain, Linux.Write(p[1], (void*)block, 1));
        int count;
        Equal(0, Syscall.Call(16, p[0], 0x541B, (nint)(&count)));
        Equal(65_536, count);
        Munmap(block, 70_000);
        Close(p[0]);
        Close(p[1]);
    }

    private static void PipeAtomic()
    {
        int* p = stackalloc int[2];
        Pipe2(p, NonBlocking);
        nint block = Mmap(0, 70_000, Protection.ReadWrite, Map.PrivateAnonymous);
        Equal(65_536, Linux.Write(p[1], (void*)block, 65_536));
        Equal(100, Linux.Read(p[0], (void*)block, 100));
        Equal(Errno.TryAgain, Linux.Write(p[1], (void*)block, 4096));
        Munmap(block, 70_000);
        Close(p[0]);
        Close(p[1]);
    }

    private static void PipeResize()
    {
        int* p = stackalloc int[2];
        Pipe2(p, NonBlocking);
        Equal(65_536, Syscall.Call(72, p[0], 1032));
        Equal(8192, Syscall.Call(72, p[0], 1031, 5000));
        nint block = Mmap(0, 8192, Protection.ReadWrite, Map.PrivateAnonymous);
        Equal(8192, Linux.Write(p[1], (void*)block, 8192));
        Equal(-16, Syscall.Call(72, p[0], 1031, 4096));      // EBUSY
        Munmap(block, 8192);
        Close(p[0]);
        Close(p[1]);
    }

    private static void PipePackets()
    {
        int* p = stackalloc int[2];
        Pipe2(p, Direct);
        byte* b = stackalloc byte[8];
        Equal(3, Linux.Write(p[1], b, 3));
        Equal(4, Linux.Write(p[1], b, 4));
        Equal(2, Linux.Read(p[0], b, 2));
        Equal(4, Linux.Read(p[0], b, 8));
        Close(p[0]);
        Close(p[1]);
    }

    private static void PipeBroken()
    {
        int* p = stackalloc int[2];
        Pipe2(p, 0);
        Close(p[0]);
        byte b;
        Equal(-32, Linux.Write(p[1], &b, 1));                // EPIPE
        Check(Poll(p[1], Out, out short found) == 1 && (found & Err) != 0);
        Close(p[1]);
    }

    private static void FifoOpen()
    {
        fixed (byte* path = "/tmp/suite-fifo"u8)
        {
            Unlink("/tmp/suite-fifo"u8);
            Equal(0, Syscall.Call(133, (nint)path, 0x1180));
            Equal(-6, Open("/tmp/suite-fifo"u8, 1 | NonBlocking));    // ENXIO
            int reader = Open("/tmp/suite-fifo"u8, NonBlocking);
            Check(reader >= 0);
            byte b = 9;
            Equal(0, Linux.Read(reader, &b, 1));
            int writer = Open("/tmp/suite-fifo"u8, 1);
            Equal(Errno.TryAgain, Linux.Read(reader, &b, 1));
            Equal(1, Linux.Write(writer, &b, 1));
            Close(writer);
            Check(Poll(reader, In, out short found) == 1 && found == (In | Hup));
            Close(reader);
            Unlink("/tmp/suite-fifo"u8);
        }
    }

    private static void PollPipe()
    {
        int* p = stackalloc int[2];
        Pipe2(p, 0);
        Equal(0, Poll(p[0], In, out _));
        Check(Poll(p[1], Out, out short found) == 1 && found == Out);
        byte b;
        Linux.Write(p[1], &b, 1);
        Check(Poll(p[0], In, out found) == 1 && found == In);
        Close(p[1]);
        Check(Poll(p[0], In, out found) == 1 && found == (In | Hup));
        Close(p[0]);
    }

    private static void PollBad()
    {
        Check(Poll(999, In, out short found) == 1 && found == Nval);
        Equal(0, Poll(-1, In, out _));
    }

    private static void SelectTime()
    {
        long* time = stackalloc long[2];
        time[0] = 0;
        time[1] = 20_000;
        Equal(0, Syscall.Call(23, 0, 0, 0, 0, (nint)time));
        Check(time[0] == 0 && time[1] == 0);
        int* p = stackalloc int[2];
        Pipe2(p, 0);
        ulong* set = stackalloc ulong[16];
        new Span<ulong>(set, 16).Clear();
        set[p[1] >> 6] |= 1UL << (p[1] & 63);
        time[0] = 5;
        Equal(1, Syscall.Call(23, p[1] + 1, 0, (nint)set, 0, (nint)time));
        Check(time[0] is 4 or 5 && set[p[1] >> 6] == 1UL << (p[1] & 63));
        Close(p[0]);
        Close(p[1]);
    }

    private static void EventCounter()
    {
        int file = (int)Syscall.Call(290, 3, NonBlocking);
        ulong value;
        Equal(8, Linux.Read(file, &value, 8));
        Equal(3, (long)value);
        Equal(Errno.TryAgain, Linux.Read(file, &value, 8));
        value = ulong.MaxValue;
        Equal(Errno.Invalid, Linux.Write(file, &value, 8));
        value = ulong.MaxValue - 1;
        Equal(8, Linux.Write(file, &value, 8));
        value = 1;
        Equal(Errno.TryAgain, Linux.Write(file, &value, 8));
        Close(file);
    }

    private static void EventSemaphore()
    {
        int file = (int)Syscall.Call(290, 2, NonBlocking | 1);
        ulong value;
        Equal(8, Linux.Read(file, &value, 8));
        Equal(1, (long)value);
        Equal(8, Linux.Read(file, &value, 8));
        Equal(Errno.TryAgain, Linux.Read(file, &value, 8));
        Close(file);
    }

    private static void DescriptorInfo()
    {
        // Behind the four lines that every descriptor has.
        ulong wanted = (1UL << 9) | (1UL << 16) | (1UL << 8);                // SIGKILL cannot be wanted
        int signals = (int)Syscall.Call(289, -1, (nint)(&wanted), 8, 0);
        Check(Info(signals).SequenceEqual("sigmask:\t0000000000010200\n"u8));
        Close(signals);

        int timer = (int)Syscall.Call(283, 1, 0);
        Check(Info(timer).SequenceEqual("clockid: 1\nticks: 0\nsettime flags: 00\nit_value: (0, 0)\nit_interval: (0, 0)\n"u8));
        long* times = stackalloc long[4] { 2, 5, 4_000_000_000, 0 };
        Equal(0, Syscall.Call(286, timer, 1, (nint)times, 0));
        Check(Info(timer).StartsWith("clockid: 1\nticks: 0\nsettime flags: 01\nit_value: (3999"u8) && Info(timer).EndsWith("\nit_interval: (2, 5)\n"u8));
        Close(timer);

        int child = Fork();
        if (child == 0)
        {
            while (true)
                Syscall.Call(34);
        }

        int handle = (int)Syscall.Call(434, child);
        Check(Info(handle).StartsWith("Pid:\t"u8) && Proc.Number(Info(handle)[4..]) == child);
        Syscall.Call(62, child, 9);
        Linux.Wait(child, out _);
        Check(Info(handle).SequenceEqual("Pid:\t-1\nNSpid:\t-1\n"u8));
        Close(handle);
    }

    private static ReadOnlySpan<byte> Info(int descriptor)
    {
        byte* path = stackalloc byte[20];
        "/proc/self/fdinfo/"u8.CopyTo(new Span<byte>(path, 18));
        Check(descriptor < 10);
        path[18] = (byte)('0' + descriptor);
        path[19] = 0;
        ReadOnlySpan<byte> text = Proc.ReadAll(new ReadOnlySpan<byte>(path, 19));
        for (int line = 0; line < 4; line++)
            text = text[(text.IndexOf((byte)'\n') + 1)..];
        return text;
    }

    private static int Control(int epoll, int operation, int file, uint events)
    {
        byte* record = stackalloc byte[12];
        *(uint*)record = events;
        *(ulong*)(record + 4) = 77;
        return (int)Syscall.Call(233, epoll, operation, file, (nint)record);
    }

    private static int Wait(int epoll)
    {
        byte* records = stackalloc byte[48];
        return (int)Syscall.Call(232, epoll, (nint)records, 4, 0);
    }

    private static void EpollModes()
    {
        int epoll = (int)Syscall.Call(291, 0);
        int file = (int)Syscall.Call(290, 1, NonBlocking);
        Equal(0, Control(epoll, 1, file, 1));
        Check(Wait(epoll) == 1 && Wait(epoll) == 1);         // level: as long as it is so
        Equal(0, Control(epoll, 3, file, 1 | 1u << 31));
        Check(Wait(epoll) == 1 && Wait(epoll) == 0);         // edge: when it becomes so
        ulong value = 1;
        Linux.Write(file, &value, 8);
        Equal(1, Wait(epoll));
        Equal(0, Control(epoll, 3, file, 1 | 1u << 30));
        Check(Wait(epoll) == 1 && Wait(epoll) == 0);         // one shot: once
        Linux.Write(file, &value, 8);
        Equal(0, Wait(epoll));
        Close(file);
        Close(epoll);
    }

    private static void EpollRefuses()
    {
        int epoll = (int)Syscall.Call(291, 0);
        int inner = (int)Syscall.Call(291, 0);
        Equal(Errno.Invalid, Control(epoll, 1, epoll, 1));
        Equal(0, Control(epoll, 1, inner, 1));
        Equal(Errno.Loop, Control(inner, 1, epoll, 1));
        Equal(Errno.Exists, Control(epoll, 1, inner, 1));
        Equal(Errno.BadDescriptor, Control(epoll, 1, 999, 1));
        int folder = Open("/"u8, 0);
        Equal(Errno.NotPermitted, Control(epoll, 1, folder, 1));
        Equal(Errno.NoEntry, Control(inner, 2, epoll, 1));
        Close(folder);
        Close(inner);
        Close(epoll);
    }

    private static void EpollForgets()
    {
        int epoll = (int)Syscall.Call(291, 0);
        int file = (int)Syscall.Call(290, 1, 0);
        Equal(0, Control(epoll, 1, file, 1));
        Equal(1, Wait(epoll));
        Close(file);
        Equal(0, Wait(epoll));
        Close(epoll);
    }

    private static int SocketPair(int kind, int* ends) => (int)Syscall.Call(53, 1, kind, 0, (nint)ends);

    private static void StreamPair()
    {
        int* s = stackalloc int[2];
        Equal(0, SocketPair(1, s));
        byte* b = stackalloc byte[16];
        Equal(5, Linux.Write(s[0], b, 5));
        Equal(3, Syscall.Call(45, s[1], (nint)b, 3, 2));     // MSG_PEEK
        Equal(5, Linux.Read(s[1], b, 16));
        Equal(Errno.TryAgain, Syscall.Call(45, s[1], (nint)b, 16, 0x40));
        Equal(0, Syscall.Call(48, s[0], 1));
        Equal(0, Linux.Read(s[1], b, 16));
        Equal(-32, Linux.Write(s[0], b, 1));
        Close(s[1]);
        Close(s[0]);
    }

    private static void Datagrams()
    {
        int* s = stackalloc int[2];
        Equal(0, SocketPair(2 | NonBlocking, s));
        byte* b = stackalloc byte[16];
        Linux.Write(s[0], b, 3);
        Linux.Write(s[0], b, 0);
        Linux.Write(s[0], b, 7);
        Equal(3, Syscall.Call(45, s[1], (nint)b, 2, 0x20));  // MSG_TRUNC: the whole length
        Equal(0, Linux.Read(s[1], b, 16));
        Equal(7, Linux.Read(s[1], b, 16));
        Equal(Errno.TryAgain, Linux.Read(s[1], b, 16));
        Close(s[1]);
        Equal(-111, Linux.Write(s[0], b, 1));                // ECONNREFUSED
        Close(s[0]);
    }

    private static void DescriptorPassing()
    {
        int* s = stackalloc int[2];
        int* p = stackalloc int[2];
        SocketPair(1, s);
        Pipe2(p, 0);
        byte b = 1;
        nint* vector = stackalloc nint[2];
        vector[0] = (nint)(&b);
        vector[1] = 1;
        byte* control = stackalloc byte[24];
        *(ulong*)control = 20;
        *(int*)(control + 8) = 1;
        *(int*)(control + 12) = 1;
        *(int*)(control + 16) = p[1];
        nint* header = stackalloc nint[7];
        new Span<nint>(header, 7).Clear();
        header[2] = (nint)vector;
        header[3] = 1;
        header[4] = (nint)control;
        header[5] = 24;
        Equal(1, Syscall.Call(46, s[0], (nint)header, 0));
        new Span<byte>(control, 24).Clear();
        Equal(1, Syscall.Call(47, s[1], (nint)header, 0));
        int got = *(int*)(control + 16);
        Check(*(ulong*)control == 20 && got > p[1]);
        Equal(1, Linux.Write(got, &b, 1));
        Equal(1, Linux.Read(p[0], &b, 1));
        Close(got);
        Close(p[0]);
        Close(p[1]);
        Close(s[0]);
        Close(s[1]);
    }

    /// <summary>Sends a descriptor over a socket.</summary>
    private static nint SendDescriptor(int socket, int descriptor)
    {
        byte letter = (byte)'x';
        nint* vector = stackalloc nint[2] { (nint)(&letter), 1 };
        ulong* control = stackalloc ulong[3] { 20, 1 | 1UL << 32, (uint)descriptor };
        nint* header = stackalloc nint[7] { 0, 0, (nint)vector, 1, (nint)control, 24, 0 };
        return Syscall.Call(46, socket, (nint)header, 0);
    }

    /// <summary>What is lost the ledger tells, which is compared after each suite. One socket of a third pair is open: what it holds must stay.</summary>
    private static void HoldingEachOther()
    {
        int* p = stackalloc int[2];
        int* kept = stackalloc int[2];
        Syscall.Call(53, 1, 1, 0, (nint)kept);
        for (int i = 0; i < 20; i++)
        {
            Syscall.Call(53, 1, 1 + i % 2, 0, (nint)p);
            Equal(1, SendDescriptor(p[0], p[1]));
            Equal(1, SendDescriptor(p[1], p[0]));
            if (i == 10)
                Equal(1, SendDescriptor(kept[0], p[0]));
            Close(p[0]);
            Close(p[1]);
        }

        // Out of the kept one comes the socket; out of that its peer; between them bytes still go.
        int first = ReceiveDescriptor(kept[1]);
        int second = ReceiveDescriptor(first);
        byte letter = (byte)'y';
        Equal(1, Linux.Write(first, &letter, 1));
        Check(second > 0);
        Close(first);
        Close(second);
        Close(kept[0]);
        Close(kept[1]);
    }

    private static int ReceiveDescriptor(int socket)
    {
        byte letter;
        nint* vector = stackalloc nint[2] { (nint)(&letter), 1 };
        ulong* control = stackalloc ulong[3] { 0, 0, 0 };
        nint* header = stackalloc nint[7] { 0, 0, (nint)vector, 1, (nint)control, 24, 0 };
        Equal(1, Syscall.Call(47, socket, (nint)header, 0));
        return (int)control[2];
    }

    /// <summary>The last close ends the first socket, whose message holds the second, whose message holds the third.</summary>
    private static void Chain()
    {
        int* p = stackalloc int[2];
        int last = -1;
        for (int i = 0; i < 1000; i++)
        {
            Equal(0, Syscall.Call(53, 1, 1, 0, (nint)p));
            if (last >= 0)
            {
                Equal(1, SendDescriptor(p[1], last));
                Close(last);
            }
            Close(p[1]);
            last = p[0];
        }
        Equal(0, Close(last));
    }

    private static void Listening()
    {
        byte* name = stackalloc byte[8];
        new Span<byte>(name, 8).Clear();
        name[0] = 1;                                         // AF_UNIX, an abstract name
        name[3] = (byte)'c';
        *(int*)(name + 4) = GetPid();
        int listener = (int)Syscall.Call(41, 1, 1, 0);
        int client = (int)Syscall.Call(41, 1, 1, 0);
        Equal(Errno.Invalid, Syscall.Call(50, listener, 4));
        Equal(0, Syscall.Call(49, listener, (nint)name, 8));
        Equal(-111, Syscall.Call(42, client, (nint)name, 8));
        Equal(0, Syscall.Call(50, listener, 4));
        Equal(0, Syscall.Call(42, client, (nint)name, 8));
        Equal(-106, Syscall.Call(42, client, (nint)name, 8));         // EISCONN
        int accepted = (int)Syscall.Call(288, listener, 0, 0, 0);
        Check(accepted >= 0);
        byte b;
        Equal(1, Linux.Write(client, &b, 1));
        Equal(1, Linux.Read(accepted, &b, 1));
        Close(client);
        Equal(0, Linux.Read(accepted, &b, 1));
        Close(accepted);
        Close(listener);
    }

    /// <summary>A datagram socket bound to an abstract name of so many bytes, the first two of them 0 and the letter; or the error.</summary>
    private static int BindAbstract(byte letter, int bytes)
    {
        byte* name = stackalloc byte[16];
        new Span<byte>(name, 16).Clear();
        name[0] = 1;
        name[3] = letter;
        *(int*)(name + 4) = GetPid();
        int socket = (int)Syscall.Call(41, 1, 2, 0);
        int error = (int)Syscall.Call(49, socket, (nint)name, 2 + bytes);
        if (error == 0)
            return socket;
        Close(socket);
        return error;
    }

    private static void AbstractNames()
    {
        const int inUse = -98;
        int first = BindAbstract((byte)'a', 6);
        Check(first >= 0);
        Equal(inUse, BindAbstract((byte)'a', 6));
        int longer = BindAbstract((byte)'a', 7);            // a zero more: another name
        int other = BindAbstract((byte)'b', 6);
        Check(longer >= 0 && other >= 0);
        byte* name = stackalloc byte[16];
        int length = 16;
        Equal(0, Syscall.Call(51, longer, (nint)name, (nint)(&length)));
        Equal(9, length);
        Equal(0, name[2]);
        byte sent = 7, got = 0;
        Equal(1, Syscall.Call(44, other, (nint)(&sent), 1, 0, (nint)name, 9));
        Equal(1, Syscall.Call(45, longer, (nint)(&got), 1, 0x40, 0, 0));
        Equal(7, got);
        Close(longer);
        Equal(-111, Syscall.Call(44, other, (nint)(&sent), 1, 0, (nint)name, 9));
        Close(first);
        first = BindAbstract((byte)'a', 6);
        Check(first >= 0);
        Close(first);
        Close(other);
    }

    private static void AutomaticName()
    {
        byte* name = stackalloc byte[16];
        *(ushort*)name = 1;
        int socket = (int)Syscall.Call(41, 1, 1, 0);
        Equal(0, Syscall.Call(49, socket, (nint)name, 2));
        int length = 16;
        Equal(0, Syscall.Call(51, socket, (nint)name, (nint)(&length)));
        Equal(8, length);
        Equal(0, name[2]);
        for (int i = 3; i < 8; i++)
            Check(name[i] is (>= (byte)'0' and <= (byte)'9') or (>= (byte)'a' and <= (byte)'f'));
        Equal(0, Syscall.Call(49, socket, (nint)name, 2));          // it has a name: nothing to do
        Close(socket);
    }

    private static void OtherFamilies()
    {
        Equal(-97, Syscall.Call(41, 99, 1, 0));              // EAFNOSUPPORT
        Equal(-93, Syscall.Call(41, 1, 1, 7));               // EPROTONOSUPPORT
        Equal(Errno.Invalid, Syscall.Call(41, 1, 15, 0));
    }

    // ---- Terminals -----------------------------------------------------------------------------------------------------------------

    private static void OpenTerminal(out int master, out int slave)
    {
        master = Open("/dev/ptmx"u8, ReadWrite | NoTerminal | NonBlocking);
        int zero = 0;
        Syscall.Call(16, master, 0x40045431, (nint)(&zero));
        slave = (int)Syscall.Call(16, master, 0x5441, ReadWrite | NoTerminal);
        Check(master >= 0 && slave >= 0);
    }

    private static void Type(int master, ReadOnlySpan<byte> text)
    {
        fixed (byte* p = text)
            Equal(text.Length, Linux.Write(master, p, text.Length));
        long* pause = stackalloc long[2];                    // Linux hands typed bytes on in its own time
        pause[0] = 0;
        pause[1] = 20_000_000;
        Syscall.Call(35, (nint)pause, 0);
    }

    private static bool Reads(int file, ReadOnlySpan<byte> wanted)
    {
        Span<byte> back = stackalloc byte[64];
        fixed (byte* p = back)
        {
            nint got = Linux.Read(file, p, 64);
            return got >= 0 && back.Slice(0, (int)got).SequenceEqual(wanted);
        }
    }

    private static void LineEditing()
    {
        OpenTerminal(out int master, out int slave);
        Type(master, "ab\u007fc\n"u8);
        Check(Reads(slave, "ac\n"u8));
        Check(Reads(master, "ab\b \bc\r\n"u8));
        Type(master, "one two\u0017\u0015x\n"u8);            // a word, then the line is erased
        Check(Reads(slave, "x\n"u8));
        Close(slave);
        Close(master);
    }

    private static void RawMode()
    {
        OpenTerminal(out int master, out int slave);
        byte* settings = stackalloc byte[60];
        Equal(0, Syscall.Call(16, slave, 0x5401, (nint)settings));
        *(uint*)(settings + 12) &= ~(2u | 8u);               // ICANON, ECHO
        settings[17 + 6] = 3;                                // VMIN
        settings[17 + 5] = 1;                                // VTIME: a pause of a tenth of a second ends it
        Equal(0, Syscall.Call(16, slave, 0x5402, (nint)settings));
        Type(master, "12345"u8);
        Check(Reads(slave, "12345"u8));
        Type(master, "67"u8);
        Check(Reads(slave, "67"u8));
        settings[17 + 6] = 0;
        settings[17 + 5] = 0;
        Syscall.Call(16, slave, 0x5402, (nint)settings);
        Check(Reads(slave, ""u8));
        Close(slave);
        Close(master);
    }

    private static void EndOfFile()
    {
        OpenTerminal(out int master, out int slave);
        Type(master, "no newline\u0004"u8);
        Check(Reads(slave, "no newline"u8));
        Type(master, "\u0004next\n"u8);
        Check(Reads(slave, ""u8));
        Check(Reads(slave, "next\n"u8));
        Close(slave);
        Close(master);
    }

    private static void OutputProcessing()
    {
        OpenTerminal(out int master, out int slave);
        fixed (byte* text = "a\nb"u8)
            Equal(3, Linux.Write(slave, text, 3));
        Type(master, ""u8);
        Check(Reads(master, "a\r\nb"u8));
        Close(slave);
        byte b;
        Equal(-5, Linux.Read(master, &b, 1));                // EIO: nobody has the other side open
        Close(master);
    }

    private static void WindowSize()
    {
        OpenTerminal(out int master, out int slave);
        ulong size = 30 | 90UL << 16;
        Equal(0, Syscall.Call(16, master, 0x5414, (nint)(&size)));
        size = 0;
        Equal(0, Syscall.Call(16, slave, 0x5413, (nint)(&size)));
        Equal(30 | 90L << 16, (long)size);
        Close(slave);
        Close(master);
    }
}
