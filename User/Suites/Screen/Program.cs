using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Screen;

/// <summary><c>/dev/fb0</c>: device memory as a file and as a mapping. A machine without a screen skips all of it.</summary>
internal static unsafe class Program
{
    private const uint GetVariable = 0x4600, PutVariable = 0x4601, GetFixed = 0x4602, GetColours = 0x4604, PutColours = 0x4605, Pan = 0x4606, Blank = 0x4611;
    private const int ReadWriteOpen = 2, ReadOnlyOpen = 0, MayMove = 1, MoveFixed = 2, DontUnmap = 4;
    private const int DontNeed = 4, Free = 8, DoFork = 11, DoDump = 17, PopulateRead = 22;

    /// <summary>The head of <c>fb_var_screeninfo</c>: the sizes.</summary>
    private struct Variable
    {
        public uint Width, Height, VirtualWidth, VirtualHeight, OffsetX, OffsetY, BitsPerPixel, Grayscale;
        public fixed uint Rest[32];
    }

    /// <summary><c>fb_fix_screeninfo</c>.</summary>
    private struct Fixed
    {
        public fixed byte Name[16];
        public ulong Start;
        public uint Length, Kind, KindDetail, Visual;
        public ushort PanStepX, PanStepY, WrapStepY;
        public uint LineLength;
        public ulong Registers;
        public uint RegistersLength, Accelerator, Capabilities, Reserved;
    }

    private static int s_file;
    private static Fixed s_fixed;

    public static int Main() => Run(
        new("The screen says how large it is and how its bytes are pixels", &Sizes),
        new("What is drawn through a shared mapping is what the file reads", &DrawShared),
        new("What is written to the file is seen in the mapping", &WriteFile),
        new("The mapping of a device has the flags of one", &Flags),
        new("A private mapping shows the screen and keeps its own copy of what it writes", &PrivateCopy),
        new("A child draws on the same screen", &Forked),
        new("Rights can be taken from a mapping and given back", &Protect),
        new("A mapping can be cut and moved, and cannot grow", &CutAndMove),
        new("A range beyond the screen's memory is refused", &Beyond),
        new("Advice that a device cannot follow is refused", &Advice),
        new("Locking leaves a device where it is", &Lock),
        new("Another process's call cannot take a device's pages", &Remote),
        new("Reading and writing end where the memory ends", &Ends),
        new("Seeking knows no end", &Seeks),
        new("Another mode is taken, rounded or refused", &Modes),
        new("The part that is shown can be moved inside the picture", &Panning),
        new("The table of colours keeps what is put there", &Colours),
        new("Blanking and unknown commands answer as Linux does", &Commands));

    /// <summary>Opens the screen, or skips the case.</summary>
    private static bool Begin(int flags = ReadWriteOpen)
    {
        s_file = Open("/dev/fb0"u8, flags);
        if (s_file < 0)
        {
            Skip("no screen");
            return false;
        }

        fixed (Fixed* f = &s_fixed)
            return Equal(0, Ioctl(s_file, GetFixed, f));
    }

    private static nint MapScreen(nint bytes, int kind = Map.Shared, int protection = Protection.ReadWrite) => Mmap(0, bytes, protection, kind, s_file);

    private static void Sizes()
    {
        if (!Begin())
            return;
        Variable v;
        Equal(0, Ioctl(s_file, GetVariable, &v));
        Check(v.Width >= 320 && v.Height >= 200 && v.VirtualWidth >= v.Width && v.VirtualHeight >= v.Height);
        Check(v.BitsPerPixel is 16 or 24 or 32);
        Check(s_fixed.LineLength >= v.VirtualWidth * v.BitsPerPixel / 8);
        Check(s_fixed.Length >= s_fixed.LineLength * v.VirtualHeight);
        Equal(2, s_fixed.Visual);
        Check(s_fixed.Start % Page == 0 && s_fixed.Start != 0);
        Equal(Errno.BadAddress, Ioctl(s_file, GetVariable, (void*)8));
        Equal(Errno.BadAddress, Ioctl(s_file, GetFixed, (void*)8));
        Close(s_file);
    }

    private static void DrawShared()
    {
        if (!Begin())
            return;
        nint bytes = 64 * Page;
        nint screen = MapScreen(bytes);
        if (!Check(!IsError(screen)))
            return;
        for (int i = 0; i < bytes / 4; i++)
            ((uint*)screen)[i] = (uint)i * 2654435761;
        uint* line = stackalloc uint[1024];
        for (int at = 0; at < bytes; at += Page)
        {
            Equal(Page, PositionedRead(s_file, line, Page, at));
            bool same = true;
            for (int i = 0; i < 1024; i++)
                same &= line[i] == (uint)(at / 4 + i) * 2654435761;
            if (!Check(same))
                break;
        }
        Munmap(screen, bytes);
        Close(s_file);
    }

    private static void WriteFile()
    {
        if (!Begin())
            return;
        nint screen = MapScreen(2 * Page);
        uint* text = stackalloc uint[4];
        for (uint i = 0; i < 4; i++)
            text[i] = 0xabc0 + i;
        Equal(16, PositionedWrite(s_file, text, 16, Page - 8));
        Equal(0xabc0, ((uint*)screen)[1022]);
        Equal(0xabc3, ((uint*)screen)[1025]);
        Munmap(screen, 2 * Page);
        Close(s_file);
    }

    private static void Flags()
    {
        if (!Begin())
            return;
        nint shared = MapScreen(2 * Page);
        nint copy = MapScreen(2 * Page, Map.Private);
        Check(Smaps.HasFlags(shared, "io"u8) && Smaps.HasFlags(shared, "pf"u8) && Smaps.HasFlags(shared, "de"u8) && Smaps.HasFlags(shared, "dd"u8));
        Check(Smaps.HasFlags(copy, "io"u8) && Smaps.HasFlags(copy, "pf"u8) && !Smaps.HasFlags(copy, "sh"u8));
        _ = *(byte*)shared;
        Equal(0, Smaps.Kilobytes(shared, "Rss:"u8));
        Munmap(shared, 2 * Page);
        Munmap(copy, 2 * Page);
        Close(s_file);
    }

    private static void PrivateCopy()
    {
        if (!Begin())
            return;
        uint* shared = (uint*)MapScreen(2 * Page);
        uint* copy = (uint*)MapScreen(2 * Page, Map.Private);
        shared[3] = 0x33;
        shared[1024] = 0x44;
        Equal(0x33, copy[3]);
        copy[4] = 0x55;
        Check(shared[4] != 0x55 || copy[3] == 0x33);
        shared[3] = 0x66;
        Equal(0x33, copy[3]);                               // our copy of the page no longer follows
        shared[1024] = 0x77;
        Equal(0x77, copy[1024]);                            // the other page still does
        Equal(4, Smaps.Kilobytes((nint)copy, "Anonymous:"u8));
        Equal(4, Smaps.Kilobytes((nint)copy, "Rss:"u8));
        int pid = Fork();
        if (pid == 0)
        {
            copy[4] = 0x99;
            copy[1024] = 0x88;
            Exit(copy[3] == 0x33 ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
        Equal(0x55, copy[4]);
        Equal(0x77, shared[1024]);
        Munmap((nint)shared, 2 * Page);
        Munmap((nint)copy, 2 * Page);
        Close(s_file);
    }

    private static void Forked()
    {
        if (!Begin())
            return;
        uint* screen = (uint*)MapScreen(Page);
        screen[9] = 1;
        int pid = Fork();
        if (pid == 0)
        {
            screen[9]++;
            Exit(0);
        }
        Equal(0, Child.Status(pid));
        Equal(2, screen[9]);
        Munmap((nint)screen, Page);
        Close(s_file);
    }

    private static void Protect()
    {
        if (!Begin())
            return;
        nint screen = MapScreen(4 * Page);
        *(uint*)(screen + Page) = 0x123;
        Equal(0, Mprotect(screen, 2 * Page, Protection.Read));
        Equal(0x123, *(uint*)(screen + Page));
        Equal(Signal.Segmentation, Child.SignalOfWrite(screen + Page));
        Equal(0, Mprotect(screen, 2 * Page, Protection.None));
        Equal(Signal.Segmentation, Child.SignalOfRead(screen + Page));
        Equal(0, Mprotect(screen, 4 * Page, Protection.ReadWrite));
        *(uint*)(screen + Page) = 0x124;
        uint read = 0;
        PositionedRead(s_file, &read, 4, Page);
        Equal(0x124, read);
        Munmap(screen, 4 * Page);
        Close(s_file);

        if (!Begin(ReadOnlyOpen))
            return;
        Equal(Errno.Access, MapScreen(Page));
        nint looked = MapScreen(Page, Map.Shared, Protection.Read);
        Check(!IsError(looked));
        Equal(Errno.Access, Mprotect(looked, Page, Protection.ReadWrite));
        Munmap(looked, Page);
        Close(s_file);
    }

    private static void CutAndMove()
    {
        if (!Begin())
            return;
        nint screen = MapScreen(8 * Page);
        *(uint*)(screen + 5 * Page) = 0x515;
        Equal(Errno.BadAddress, Mremap(screen, 8 * Page, 9 * Page, MayMove));
        Equal(Errno.Invalid, Mremap(screen, 8 * Page, 8 * Page, MayMove | DontUnmap));
        nint place = Mmap(0, 8 * Page, Protection.None, Map.PrivateAnonymous);
        Equal(place, Mremap(screen, 8 * Page, 8 * Page, MayMove | MoveFixed, place));
        Equal(0x515, *(uint*)(place + 5 * Page));
        Equal(Signal.Segmentation, Child.SignalOfRead(screen));
        Equal(0, Munmap(place + 2 * Page, 2 * Page));
        Equal(2, Areas.Count(place, 8 * Page));
        Equal(0x515, *(uint*)(place + 5 * Page));
        Equal(Signal.Segmentation, Child.SignalOfRead(place + 2 * Page));
        Munmap(place, 8 * Page);
        Close(s_file);
    }

    private static void Beyond()
    {
        if (!Begin())
            return;
        nint length = (nint)s_fixed.Length;
        nint all = MapScreen(length);
        Check(!IsError(all));
        *(byte*)(all + length - 1) = 1;
        Munmap(all, length);
        Equal(Errno.Invalid, MapScreen(length + Page));
        Equal(Errno.Invalid, Mmap(0, 2 * Page, Protection.ReadWrite, Map.Shared, s_file, length - Page));
        nint last = Mmap(0, Page, Protection.ReadWrite, Map.Shared, s_file, length - Page);
        Check(!IsError(last));
        Equal(1, *(byte*)(last + Page - 1));
        Munmap(last, Page);
        Close(s_file);
    }

    private static void Advice()
    {
        if (!Begin())
            return;
        nint screen = MapScreen(Page);
        Equal(Errno.Invalid, Madvise(screen, Page, DontNeed));
        Equal(Errno.Invalid, Madvise(screen, Page, Free));
        Equal(Errno.Invalid, Madvise(screen, Page, DoFork));
        Equal(Errno.Invalid, Madvise(screen, Page, DoDump));
        Equal(Errno.Invalid, Madvise(screen, Page, PopulateRead));
        byte there = 2;
        Equal(0, Mincore(screen, Page, &there));
        Equal(1, there);
        Munmap(screen, Page);
        Close(s_file);
    }

    private static void Lock()
    {
        if (!Begin())
            return;
        nint screen = MapScreen(Page);
        Equal(0, Mlock(screen, Page));
        Check(!Smaps.HasFlags(screen, "lo"u8));
        Munmap(screen, Page);
        screen = MapScreen(Page, Map.Shared | Map.Locked | Map.Populate);
        Check(!IsError(screen) && !Smaps.HasFlags(screen, "lo"u8));
        Munmap(screen, Page);
        Close(s_file);
    }

    private static void Remote()
    {
        if (!Begin())
            return;
        nint screen = MapScreen(Page);
        ulong memory = 0;
        nint* pieces = stackalloc nint[4];
        pieces[0] = (nint)(&memory);
        pieces[1] = 8;
        pieces[2] = screen;
        pieces[3] = 8;
        Equal(Errno.BadAddress, Syscall.Call(310, GetPid(), (nint)pieces, 1, (nint)(pieces + 2), 1, 0));
        Equal(Errno.BadAddress, Syscall.Call(311, GetPid(), (nint)pieces, 1, (nint)(pieces + 2), 1, 0));

        // A call that copies to or from it is another thing: that is the processor's own access.
        int* pipe = stackalloc int[2];
        Pipe(pipe);
        *(ulong*)screen = 0x1122334455667788;
        Equal(8, Write(pipe[1], (void*)screen, 8));
        Equal(8, Read(pipe[0], (void*)(screen + 64), 8));
        Equal(0x1122334455667788, *(long*)(screen + 64));
        Close(pipe[0]);
        Close(pipe[1]);
        Munmap(screen, Page);
        Close(s_file);
    }

    private static void Ends()
    {
        if (!Begin())
            return;
        nint length = (nint)s_fixed.Length;
        byte* bytes = stackalloc byte[64];
        Equal(10, PositionedRead(s_file, bytes, 64, length - 10));
        Equal(0, PositionedRead(s_file, bytes, 64, length));
        Equal(0, PositionedRead(s_file, bytes, 64, length + 5));
        Equal(10, PositionedWrite(s_file, bytes, 64, length - 10));
        Equal(Errno.NoSpace, PositionedWrite(s_file, bytes, 64, length));
        Equal(Errno.TooBig, PositionedWrite(s_file, bytes, 64, length + 1));
        Equal(Errno.BadAddress, PositionedRead(s_file, (void*)8, 64, 0));
        Close(s_file);
    }

    private static void Seeks()
    {
        if (!Begin())
            return;
        Equal(4096, Seek(s_file, 4096, 0));
        byte* bytes = stackalloc byte[8];
        Equal(8, Read(s_file, bytes, 8));
        Equal(4104, Seek(s_file, 0, 1));
        Equal(3, Seek(s_file, 3, 2));                       // a device's end is its beginning
        Equal(Errno.Invalid, Seek(s_file, -1, 0));
        Close(s_file);
    }

    private static void Modes()
    {
        if (!Begin())
            return;
        Variable v;
        Equal(0, Ioctl(s_file, GetVariable, &v));
        Variable first = v;
        if (s_fixed.PanStepY == 0)
        {
            Skip("this screen has one mode");
            return;
        }

        Equal(0, Ioctl(s_file, PutVariable, &v));           // the same mode: nothing to do
        v.Width = 637;
        v.VirtualWidth = 0;
        v.Height = 480;
        v.VirtualHeight = 960;
        v.BitsPerPixel = 16;
        Equal(0, Ioctl(s_file, PutVariable, &v));
        Check(v.Width == 640 && v.VirtualWidth == 640 && v.Height == 480 && v.VirtualHeight == 960);
        Equal(0, Ioctl(s_file, GetVariable, &v));
        Check(v.Width == 640 && v.BitsPerPixel == 16);
        fixed (Fixed* f = &s_fixed)
            Ioctl(s_file, GetFixed, f);
        Equal(1280, s_fixed.LineLength);
        v.Width = 4;
        Equal(Errno.Invalid, Ioctl(s_file, PutVariable, &v));
        v.Width = 8000;
        v.VirtualHeight = 8000;
        Equal(Errno.Invalid, Ioctl(s_file, PutVariable, &v));
        v = first;
        v.BitsPerPixel = 7;
        Equal(Errno.Invalid, Ioctl(s_file, PutVariable, &v));
        v = first;
        v.Grayscale = 0x34325241;
        Equal(Errno.Invalid, Ioctl(s_file, PutVariable, &v));
        Equal(Errno.BadAddress, Ioctl(s_file, PutVariable, (void*)8));
        Equal(0, Ioctl(s_file, PutVariable, &first));
        Equal(0, Ioctl(s_file, GetVariable, &v));
        Check(v.Width == first.Width && v.BitsPerPixel == first.BitsPerPixel);
        Close(s_file);
    }

    private static void Panning()
    {
        if (!Begin())
            return;
        Variable v;
        Ioctl(s_file, GetVariable, &v);
        Variable first = v;
        if (s_fixed.PanStepY == 0)
        {
            Skip("this screen has one mode");
            return;
        }

        v.VirtualHeight = 2 * v.Height;
        Equal(0, Ioctl(s_file, PutVariable, &v));
        v.OffsetY = v.Height;
        Equal(0, Ioctl(s_file, Pan, &v));
        Variable now;
        Ioctl(s_file, GetVariable, &now);
        Equal(v.Height, now.OffsetY);
        v.OffsetY = v.Height + 1;
        Equal(Errno.Invalid, Ioctl(s_file, Pan, &v));
        v.OffsetY = 0;
        v.OffsetX = 1;
        Equal(Errno.Invalid, Ioctl(s_file, Pan, &v));
        Equal(0, Ioctl(s_file, PutVariable, &first));
        Close(s_file);
    }

    private struct ColourMap
    {
        public uint Start, Length;
        public ushort* Red, Green, Blue, Transparency;
    }

    private static void Colours()
    {
        if (!Begin())
            return;
        ushort* colours = stackalloc ushort[64];
        for (int i = 0; i < 48; i++)
            colours[i] = (ushort)(i * 1111);
        var map = new ColourMap { Start = 0, Length = 16, Red = colours, Green = colours + 16, Blue = colours + 32 };
        Equal(0, Ioctl(s_file, PutColours, &map));
        ushort* read = stackalloc ushort[64];
        map = new ColourMap { Start = 2, Length = 8, Red = read, Green = read + 8, Blue = read + 16 };
        Equal(0, Ioctl(s_file, GetColours, &map));
        Equal(2 * 1111, read[0]);
        Equal(18 * 1111, read[8]);
        Equal(unchecked((ushort)(41 * 1111)), read[23]);
        map.Start = 1000;
        Equal(Errno.Invalid, Ioctl(s_file, GetColours, &map));
        map.Start = 0;
        map.Red = (ushort*)8;
        Equal(Errno.BadAddress, Ioctl(s_file, GetColours, &map));
        Close(s_file);
    }

    private static void Commands()
    {
        if (!Begin())
            return;
        Equal(Errno.Invalid, Ioctl(s_file, Blank, (void*)5));
        if (s_fixed.PanStepY != 0)
        {
            Equal(0, Ioctl(s_file, Blank, (void*)1));
            Equal(0, Ioctl(s_file, Blank, (void*)0));
        }

        Equal(Errno.NotTty, Ioctl(s_file, 0x46ff, null));
        Equal(Errno.NotTty, Ioctl(s_file, 0x5401, null));
        Close(s_file);
    }
}
