using System;
using System.Runtime.InteropServices;

namespace NanoVm.User.Init;

/// <summary>The system calls that init needs, with its types. A path is followed by a zero byte in memory, as every u8 literal is.</summary>
/// <remarks>Numbers and structures: Linux x86-64. A negative result is an errno, negated.</remarks>
internal static unsafe class Sys
{
    public const int WriteOnly = 1, ReadWrite = 2;
    public const int DoNotBlock = 1;            // WNOHANG
    public const int SIGINT = 2, SIGKILL = 9, SIGUSR1 = 10, SIGUSR2 = 12, SIGTERM = 15, SIGCHLD = 17;

    private const int CloseOnExec = 0x80000, NoControllingTerminal = 0x100;
    private const int SignalSetSize = 8, SetSignals = 2;
    private const int TCGETS = 0x5401, TCSETS = 0x5402, TCSBRK = 0x5409, TIOCSCTTY = 0x540e, TIOCSWINSZ = 0x5414;
    private const int RebootMagic1 = unchecked((int)0xfee1dead), RebootMagic2 = 672274793, RebootPowerOff = 0x4321fedc;

    public static int ProcessId() => (int)Syscall.Call(39);

    public static int Open(ReadOnlySpan<byte> path, int access)
    {
        fixed (byte* p = path)
            return (int)Syscall.Call(2, (nint)p, access | CloseOnExec | NoControllingTerminal);
    }

    public static void Close(int file) => Syscall.Call(3, file);

    public static int Read(int file, Span<byte> space)
    {
        fixed (byte* p = space)
            return (int)Syscall.Call(0, file, (nint)p, space.Length);
    }

    /// <summary>Writes all of it, in as many pieces as the file takes; false when it refuses.</summary>
    public static bool Write(int file, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            int written;
            fixed (byte* p = bytes)
                written = (int)Syscall.Call(1, file, (nint)p, bytes.Length);
            if (written <= 0)
                return false;
            bytes = bytes.Slice(written);
        }
        return true;
    }

    /// <summary>Reads a file up to its end or the space's; the number of bytes, negative when it cannot be opened or read.</summary>
    public static int ReadFile(ReadOnlySpan<byte> path, Span<byte> space)
    {
        int file = Open(path, 0);
        if (file < 0)
            return file;
        int length = 0;
        while (length < space.Length)
        {
            int got = Read(file, space.Slice(length));
            if (got < 0)
                length = got;
            if (got <= 0)
                break;
            length += got;
        }
        Close(file);
        return length;
    }

    /// <summary>Fresh memory, zeros.</summary>
    public static nint MapMemory(int bytes) => Syscall.Call(9, 0, bytes, 3, 0x22, -1, 0);

    public static bool Exists(ReadOnlySpan<byte> path)
    {
        fixed (byte* p = path)
            return Syscall.Call(21, (nint)p, 0) == 0;
    }

    public static void ChangeFolder(ReadOnlySpan<byte> path)
    {
        fixed (byte* p = path)
            Syscall.Call(80, (nint)p);
    }

    /// <summary>Makes a folder and those above it that are missing. Changes the memory of <paramref name="path"/> and puts it back.</summary>
    public static void MakeFolders(Span<byte> path)
    {
        const int Mode = 0x1ed;     // rwxr-xr-x
        fixed (byte* p = path)
        {
            for (int i = 1; i < path.Length; i++)
            {
                if (p[i] != (byte)'/')
                    continue;
                p[i] = 0;
                Syscall.Call(83, (nint)p, Mode);
                p[i] = (byte)'/';
            }
            Syscall.Call(83, (nint)p, Mode);
        }
    }

    public static bool Mount(ReadOnlySpan<byte> source, ReadOnlySpan<byte> target, ReadOnlySpan<byte> type)
    {
        fixed (byte* s = source, t = target, y = type)
            return Syscall.Call(165, (nint)s, (nint)t, (nint)y, 0, 0) == 0;
    }

    public static bool SwapOn(ReadOnlySpan<byte> device)
    {
        fixed (byte* p = device)
            return Syscall.Call(167, (nint)p, 0) == 0;
    }

    /// <summary>Directory entries, Linux: <c>getdents64</c>.</summary>
    public static int ReadFolder(int file, Span<byte> space)
    {
        fixed (byte* p = space)
            return (int)Syscall.Call(217, file, (nint)p, space.Length);
    }

    public static bool Pipe(out int reader, out int writer)
    {
        int* ends = stackalloc int[2];
        long result = Syscall.Call(293, (nint)ends, CloseOnExec);
        reader = ends[0];
        writer = ends[1];
        return result == 0;
    }

    public static void UseAsStandardFiles(int input, int output, int errors)
    {
        Syscall.Call(33, input, 0);
        Syscall.Call(33, output, 1);
        Syscall.Call(33, errors, 2);
    }

    public static int Fork() => (int)Syscall.Call(57);

    /// <summary>Linux: <c>execve</c>. Returns only when it fails.</summary>
    public static void Execute(byte* path, byte** arguments, byte** environment) =>
        Syscall.Call(59, (nint)path, (nint)arguments, (nint)environment);

    public static void Exit(int status) => Syscall.Call(231, status);

    /// <summary>Waits for any child; its number, 0 when none has ended yet, negative when there is no child.</summary>
    public static int Wait(int options, out int status)
    {
        int word = 0;
        int child = (int)Syscall.Call(61, -1, (nint)(&word), options, 0);
        status = word;
        return child;
    }

    public static void Kill(int process, int signal) => Syscall.Call(62, process, signal);

    public static ulong SignalBit(int signal) => 1ul << (signal - 1);

    public static void BlockSignals(ulong set) => Syscall.Call(14, SetSignals, (nint)(&set), 0, SignalSetSize);

    /// <summary>Sleeps until one of the blocked signals in <paramref name="set"/> comes, and takes it; negative when interrupted.</summary>
    public static int WaitForSignal(ulong set) => (int)Syscall.Call(128, (nint)(&set), 0, 0, SignalSetSize);

    /// <summary>Takes one of the blocked signals in <paramref name="set"/> if it has come.</summary>
    public static void TakeSignal(ulong set)
    {
        long* now = stackalloc long[2] { 0, 0 };
        Syscall.Call(128, (nint)(&set), 0, (nint)now, SignalSetSize);
    }

    public static void NewSession() => Syscall.Call(112);

    public static void ControlTerminal(int file) => Syscall.Call(16, file, TIOCSCTTY, 1);

    public static void SetWindowSize(int file, int rows, int columns)
    {
        ushort* size = stackalloc ushort[4] { (ushort)rows, (ushort)columns, 0, 0 };
        Syscall.Call(16, file, TIOCSWINSZ, (nint)size);
    }

    public static bool GetTerminal(int file, out TerminalModes modes)
    {
        fixed (TerminalModes* m = &modes)
            return Syscall.Call(16, file, TCGETS, (nint)m) == 0;
    }

    public static void SetTerminal(int file, in TerminalModes modes)
    {
        fixed (TerminalModes* m = &modes)
            Syscall.Call(16, file, TCSETS, (nint)m);
    }

    /// <summary>Waits until all that was written to the console has left the machine. Linux: <c>tcdrain</c>.</summary>
    public static void DrainTerminal()
    {
        int console = Open("/dev/console"u8, ReadWrite);
        if (console < 0)
            return;
        Syscall.Call(16, console, TCSBRK, 1);
        Close(console);
    }

    public static void Synchronize() => Syscall.Call(162);

    public static void PowerOff() => Syscall.Call(169, RebootMagic1, RebootMagic2, RebootPowerOff, 0);
}

/// <summary>Linux: the kernel's <c>struct termios</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TerminalModes
{
    public const uint PostProcess = 1;      // OPOST

    public uint Input, Output, Control, Local;
    private byte _discipline;
    private fixed byte _characters[19];
}
