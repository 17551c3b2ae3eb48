using System;
using NanoVm.User.Suites;

namespace NanoVm.User.SysFuzz;

/// <summary>What the kernel has given out: <c>/proc/ledger</c> must be even after each seed, <c>/proc/memfsck</c> clean. Linux has neither.</summary>
internal static unsafe class Books
{
    private const int Bytes = 16384;

    // Objects that stay may come to lie in other blocks of their caches than before: as many frames more are no loss.
    private const int Scatter = 16;

    private static byte* s_before, s_after;
    private static long s_framesBefore, s_framesAfter;

    public static void Prepare()
    {
        s_before = (byte*)Linux.Mmap(0, 2 * Bytes, Protection.ReadWrite, Map.PrivateAnonymous | Map.Populate);
        s_after = s_before + Bytes;
        ReadLedger(s_before);
        IsInOrder();
    }

    /// <summary>Notes what is given out now.</summary>
    public static void Begin() => s_framesBefore = ReadLedger(s_before);

    /// <summary>The same is given out as at the beginning; else the lines that differ are printed.</summary>
    public static bool IsEven()
    {
        s_framesAfter = ReadLedger(s_after);
        var before = new ReadOnlySpan<byte>(s_before, Bytes);
        var after = new ReadOnlySpan<byte>(s_after, Bytes);
        bool frames = s_framesAfter <= s_framesBefore + Scatter;
        if (!frames)
            Output.Standard.Write($"now frames {s_framesAfter} before {s_framesBefore}\n");
        if (before.SequenceEqual(after))
            return frames;
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

    /// <summary>Reads what is given out, without the frames, which are returned.</summary>
    private static long ReadLedger(byte* to)
    {
        Syscall.Call(162);
        Syscall.Call(162);
        int drop = Linux.Open("/proc/sys/vm/drop_caches"u8, 1);
        byte three = (byte)'3';
        Linux.Write(drop, &three, 1);
        Linux.Close(drop);
        int length = Math.Max(ReadFile("/proc/ledger"u8, to, Bytes), 0);
        new Span<byte>(to + length, Bytes - length).Clear();
        // A file's list of locks stays, empty, for as long as the file is known, and some files outlive the tasks.
        TakeOut("file_lock_ctx "u8, new Span<byte>(to, Bytes));
        return TakeOut("\nframes "u8, new Span<byte>(to, Bytes));
    }

    /// <summary>Takes a line out; its number.</summary>
    private static long TakeOut(ReadOnlySpan<byte> name, Span<byte> text)
    {
        int at = text.IndexOf(name);
        if (at < 0)
            return 0;
        int digits = at + name.Length, number = digits;
        long value = Calls.Number(text, ref number);
        int end = digits + text.Slice(digits).IndexOf((byte)'\n');
        text.Slice(name[0] == '\n' ? end : end + 1).CopyTo(text.Slice(at));
        return value;
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
