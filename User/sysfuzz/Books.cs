using System;
using NanoVm.User.Suites;

namespace NanoVm.User.SysFuzz;

/// <summary>What the kernel has given out: <c>/proc/ledger</c> must be even after each seed, to the frame, <c>/proc/memfsck</c> clean. Linux has neither.</summary>
internal static unsafe class Books
{
    private const int Bytes = 16384;
    private const int FileLock = 73, Sync = 162, SwapOn = 167, SwapOff = 168;

    private static byte* s_before, s_after;
    private static byte* s_swapArea;

    public static void Prepare()
    {
        s_before = (byte*)Linux.Mmap(0, 3 * Bytes, Protection.ReadWrite, Map.PrivateAnonymous | Map.Populate);
        s_after = s_before + Bytes;
        s_swapArea = FindSwapArea(s_after + Bytes);
        // The tasks' first three descriptors are this file, which outlives them, and with it its list of locks.
        int none = Linux.Open("/dev/null"u8, 0);
        Syscall.Call(FileLock, none, 1);
        Linux.Close(none);
        ReadLedger(s_before);
        IsInOrder();
    }

    /// <summary>Notes what is given out now.</summary>
    public static void Begin() => ReadLedger(s_before);

    /// <summary>The same is given out as at the beginning; else the lines that differ are printed.</summary>
    public static bool IsEven()
    {
        ReadLedger(s_after);
        var before = new ReadOnlySpan<byte>(s_before, Bytes);
        var after = new ReadOnlySpan<byte>(s_after, Bytes);
        if (before.SequenceEqual(after))
            return true;
        Print("now "u8, after, before);
        Print("before "u8, before, after);
        return false;
    }

    /// <summary>All structures of memory agree.</summary>
    public static bool IsInOrder()
    {
        byte* report = stackalloc byte[1024];
        int length = ReadFile("/proc/memfsck"u8, report, 1024);
        if (length <= 0)
            return true;
        var text = new ReadOnlySpan<byte>(report, length);
        int at = text.IndexOf("errors "u8);
        if (at >= 0 && text[at + 7] == '0')
            return true;
        return Harness.Say(text);
    }

    /// <summary>Reads what is given out, when nothing is kept for its own sake and nothing is in swap.</summary>
    private static void ReadLedger(byte* to)
    {
        if (s_swapArea != null)
        {
            Syscall.Call(SwapOff, (nint)s_swapArea);
            Syscall.Call(SwapOn, (nint)s_swapArea, 0);
        }
        Syscall.Call(Sync);
        Syscall.Call(Sync);
        int drop = Linux.Open("/proc/sys/vm/drop_caches"u8, 1);
        byte three = (byte)'3';
        Linux.Write(drop, &three, 1);
        Linux.Close(drop);
        int length = Math.Max(ReadFile("/proc/ledger"u8, to, Bytes), 0);
        new Span<byte>(to + length, Bytes - length).Clear();
    }

    /// <summary>The path of the first swap area, as a C string; null when there is none.</summary>
    private static byte* FindSwapArea(byte* room)
    {
        int length = ReadFile("/proc/swaps"u8, room, Bytes - 1);
        var text = new Span<byte>(room, Math.Max(length, 0));
        int line = text.IndexOf((byte)'\n') + 1;
        int end = line == 0 ? -1 : text.Slice(line).IndexOf((byte)' ');
        if (end <= 0)
            return null;
        room[line + end] = 0;
        return room + line;
    }

    private static int ReadFile(ReadOnlySpan<byte> path, byte* to, int room)
    {
        int file = Linux.Open(path, 0);
        if (file < 0)
            return -1;
        int length = 0;
        while (length < room && Linux.Read(file, to + length, room - length) is > 0 and nint got)
            length += (int)got;
        Linux.Close(file);
        return length;
    }

    private static void Print(ReadOnlySpan<byte> title, ReadOnlySpan<byte> text, ReadOnlySpan<byte> other)
    {
        while (text.Length > 0 && text[0] != 0)
        {
            ReadOnlySpan<byte> line = text.Slice(0, text.IndexOf((byte)'\n') + 1);
            text = text.Slice(line.Length);
            if (other.IndexOf(line) >= 0)
                continue;
            Output.Standard.Write(title);
            Output.Standard.Write(line);
        }
        Output.Standard.Flush();
    }
}
