using System;
using static NanoVm.User.Suites.Injection.Walker;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Injection;

/// <summary>Pipes, sockets, events, and waiting for them.</summary>
internal static unsafe class ChannelCases
{
    private const int SocketPair = 53, SendMessage = 46, ReceiveMessage = 47, Ioctl = 16;
    private const int Stream = 1, Datagram = 2, Local = 1;

    private static int s_left, s_right;

    private static void Pair(int type)
    {
        int* pair = stackalloc int[2];
        Syscall.Call(SocketPair, Local, type, 0, (nint)pair);
        s_left = pair[0];
        s_right = pair[1];
    }

    private static void ClosePair()
    {
        Close(s_left);
        Close(s_right);
    }

    public static void Pipes()
    {
        static nint Act() => Syscall.Call(293, (nint)Data, 0x800);
        Walk(&Act, &Undo.ClosePair, May.TooManyFiles);
    }

    public static void PipeBytes()
    {
        static nint Act()
        {
            nint sent = Write(s_right, Data, 3 * Page);
            if (sent < 0)
                return sent;
            nint got = Read(s_left, Data, 3 * Page);
            return got;
        }

        static void After(nint result)
        {
            while (Read(s_left, Data + 8 * Page, 8 * Page) > 0)
            {
            }
        }

        int* pair = stackalloc int[2];
        Syscall.Call(293, (nint)pair, 0x800);
        s_left = pair[0];
        s_right = pair[1];
        Walk(&Act, &After, May.Again);
        ClosePair();
    }

    public static void PipeSize()
    {
        static nint Act() => Syscall.Call(72, s_left, 1031, 256 * 1024);
        static void After(nint result) => Syscall.Call(72, s_left, 1031, 64 * 1024);
        int* pair = stackalloc int[2];
        Pipe(pair);
        s_left = pair[0];
        s_right = pair[1];
        Walk(&Act, &After);
        ClosePair();
    }

    public static void Splices()
    {
        static nint Act()
        {
            nint* vector = (nint*)(Data + 32 * Page);
            vector[0] = (nint)Data;
            vector[1] = Page + 100;
            nint result = Syscall.Call(278, s_right, (nint)vector, 1, 2);     // vmsplice
            if (result > 0)
                result = Syscall.Call(276, s_left, s_other[1], Page, 2);      // tee
            if (result > 0)
                result = Syscall.Call(275, s_left, 0, s_other[1], 0, Page, 2); // splice
            if (result > 0)
            {
                *(long*)(Data + 33 * Page) = 0;
                result = Syscall.Call(275, s_file, (nint)(Data + 33 * Page), s_right, 0, Page, 2);
            }

            if (result > 0)
            {
                *(long*)(Data + 33 * Page) = 0;
                result = Syscall.Call(40, s_right, s_file, (nint)(Data + 33 * Page), 100); // sendfile
            }

            return result;
        }

        static void After(nint result)
        {
            while (Read(s_left, Data + 8 * Page, 8 * Page) > 0 || Read(s_other[0], Data + 8 * Page, 8 * Page) > 0)
            {
            }
        }

        int* pair = stackalloc int[2];
        Syscall.Call(293, (nint)pair, 0x800);
        s_left = pair[0];
        s_right = pair[1];
        int* other = stackalloc int[2];
        Syscall.Call(293, (nint)other, 0x800);
        s_other = other;
        s_file = Open("/tmp/inject-spliced"u8, 0x42, 0x180);
        Write(s_file, Data, 2 * Page);
        Unlink("/tmp/inject-spliced"u8);
        Walk(&Act, &After, May.Again);
        Close(s_file);
        Close(other[0]);
        Close(other[1]);
        ClosePair();
    }

    private static int* s_other;
    private static int s_file;

    public static void SocketPairs()
    {
        static nint Act() => Syscall.Call(SocketPair, Local, Stream, 0, (nint)Data);
        Walk(&Act, &Undo.ClosePair, May.TooManyFiles | May.NoBuffers);
    }

    public static void StreamBytes() => Bytes(Stream);

    public static void Datagrams() => Bytes(Datagram);

    private static void Bytes(int type)
    {
        static nint Act()
        {
            nint sent = Syscall.Call(44, s_left, (nint)Data, 3 * Page, 0x40);
            return sent < 0 ? sent : Syscall.Call(45, s_right, (nint)Data, 3 * Page, 0x40);
        }

        static void After(nint result)
        {
            while (Syscall.Call(45, s_right, (nint)Data, 8 * Page, 0x40) > 0)
            {
            }
        }

        Pair(type);
        Walk(&Act, &After, May.NoBuffers);
        ClosePair();
    }

    /// <summary>A descriptor on its way, received or not, is closed in the end.</summary>
    public static void PassingDescriptors()
    {
        static nint Act()
        {
            nint* message = Message(out int* control);
            control[0] = 20;
            control[2] = 1;
            control[3] = 1;                                  // SOL_SOCKET, SCM_RIGHTS
            control[4] = s_left;
            nint sent = Syscall.Call(SendMessage, s_left, (nint)message, 0x40);
            if (sent < 0)
                return sent;
            message = Message(out control);
            control[4] = -1;
            nint got = Syscall.Call(ReceiveMessage, s_right, (nint)message, 0x40);
            if (control[4] >= 0)
                Close(control[4]);
            return got;
        }

        static void After(nint result)
        {
            while (Syscall.Call(45, s_right, (nint)Data, Page, 0x40) > 0)
            {
            }

            // Where the copy of its number failed the descriptor is installed all the same, in Linux as here.
            for (int i = s_right + 1; i < s_right + 8; i++)
                Close(i);
        }

        Pair(Stream);
        Walk(&Act, &After, May.NoBuffers | May.TooManyFiles);
        ClosePair();
    }

    private static nint* Message(out int* control)
    {
        control = (int*)(Data + 2 * Page);
        new Span<int>(control, 8).Clear();
        control[0] = 20;
        nint* vector = (nint*)(Data + Page);
        vector[0] = (nint)Data;
        vector[1] = 10;
        nint* message = (nint*)(Data + 3 * Page);
        new Span<nint>(message, 7).Clear();
        message[2] = (nint)vector;
        message[3] = 1;
        message[4] = (nint)control;
        message[5] = 24;
        return message;
    }

    public static void Connections()
    {
        static nint Act()
        {
            byte* address = Data + 4096;
            new Span<byte>(address, 32).Clear();
            address[0] = Local;
            "\0inject"u8.CopyTo(new Span<byte>(address + 2, 8));
            int* files = (int*)(Data + 8192);
            files[0] = files[1] = files[2] = -1;
            nint listener = Syscall.Call(41, Local, Stream | 0x800, 0);
            if (listener < 0)
                return listener;
            files[0] = (int)listener;
            nint error = Syscall.Call(49, listener, (nint)address, 9);
            if (error == 0)
                error = Syscall.Call(50, listener, 4);
            if (error != 0)
                return error;
            nint client = Syscall.Call(41, Local, Stream | 0x800, 0);
            if (client < 0)
                return client;
            files[1] = (int)client;
            error = Syscall.Call(42, client, (nint)address, 9);
            if (error != 0)
                return error;
            *(int*)(Data + 512) = 100;
            nint accepted = Syscall.Call(288, listener, (nint)(Data + 256), (nint)(Data + 512), 0x800);
            files[2] = (int)accepted;
            if (accepted < 0)
                return accepted;
            *(int*)(Data + 512) = 100;
            return Syscall.Call(52, accepted, (nint)(Data + 256), (nint)(Data + 512));
        }

        static void After(nint result)
        {
            int* files = (int*)(Data + 8192);
            for (int i = 0; i < 3; i++)
            {
                if (files[i] >= 0)
                    Close(files[i]);
            }
        }

        Walk(&Act, &After, May.TooManyFiles | May.NoBuffers);
    }

    public static void Epoll()
    {
        static nint Act()
        {
            int* files = (int*)(Data + 8192);
            nint epoll = Syscall.Call(291, 0);
            files[0] = (int)epoll;
            if (epoll < 0)
                return epoll;
            int* watched = (int*)(Data + 256);
            watched[0] = 4;
            watched[1] = watched[2] = 0;
            nint error = Syscall.Call(233, epoll, 1, s_left, (nint)watched);
            return error != 0 ? error : Syscall.Call(232, epoll, (nint)Data, 4, 0);
        }

        static void After(nint result)
        {
            int* files = (int*)(Data + 8192);
            if (files[0] >= 0)
                Close(files[0]);
        }

        Pair(Stream);
        Walk(&Act, &After, May.TooManyFiles);
        ClosePair();
    }

    public static void Polls()
    {
        static nint Act()
        {
            // More than fit into what the stack has, and a wait, for which there must be places in queues.
            int* entries = (int*)(Data + 8192);
            for (int i = 0; i < 200; i++)
            {
                entries[2 * i] = s_left;
                entries[2 * i + 1] = 1;
            }

            return Syscall.Call(7, (nint)entries, 200, 1);
        }

        static nint Select()
        {
            ulong* set = (ulong*)(Data + 8192);
            set[0] = 1UL << s_left;
            long* time = (long*)(Data + 9000);
            time[0] = 0;
            time[1] = 100;
            return Syscall.Call(23, 64, (nint)set, 0, 0, (nint)time);
        }

        Pair(Stream);
        Walk(&Act, &Undo.Nothing);
        Walk(&Select, &Undo.Nothing);
        ClosePair();
    }

    public static void EventFiles()
    {
        static nint Act() => Syscall.Call(290, 0, 0);
        static nint Timer() => Syscall.Call(283, 1, 0);

        static nint Signals()
        {
            *(ulong*)Data = 1UL << 20;
            return Syscall.Call(289, -1, (nint)Data, 8, 0);
        }

        static nint Process() => Syscall.Call(434, GetPid(), 0);
        Walk(&Act, &Undo.CloseResult, May.TooManyFiles);
        Walk(&Timer, &Undo.CloseResult, May.TooManyFiles);
        Walk(&Signals, &Undo.CloseResult, May.TooManyFiles);
        Walk(&Process, &Undo.CloseResult, May.TooManyFiles);
    }

    public static void Terminals()
    {
        static nint Act()
        {
            int* files = (int*)(Data + 8192);
            files[0] = files[1] = -1;
            nint master = Open("/dev/ptmx"u8, 0x102);
            files[0] = (int)master;
            if (master < 0)
                return master;
            int* zero = (int*)(Data + 256);
            zero[0] = 0;
            nint error = Syscall.Call(Ioctl, master, 0x40045431, (nint)zero);
            if (error != 0)
                return error;
            nint slave = Syscall.Call(Ioctl, master, 0x5441, 0x102);
            files[1] = (int)slave;
            if (slave < 0)
                return slave;
            error = Write((int)master, Data, 100);
            return error < 0 ? error : Write((int)slave, Data, 100);
        }

        static void After(nint result)
        {
            int* files = (int*)(Data + 8192);
            for (int i = 1; i >= 0; i--)
            {
                if (files[i] >= 0)
                    Close(files[i]);
            }
        }

        Walk(&Act, &After, May.TooManyFiles);
    }
}
