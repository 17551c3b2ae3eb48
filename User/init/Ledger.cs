using System;

namespace NanoVm.User.Init;

/// <summary>What the kernel has given out before a suite and after it: nothing may be lost, and memory must be in order.</summary>
/// <remarks>
/// Afterwards all processes but init are ended, so that whatever is still held is held by nobody; caches are dropped on both sides. The kernel's
/// <c>/proc/ledger</c> has the numbers, a line each, <c>/proc/memfsck</c> the verdict. A kernel without them (Linux) is always even.
/// </remarks>
internal static class Ledger
{
    private const int Bytes = 16384;

    // Init has no heap, and on the stack of one method the two would not live long enough.
    private static nint s_before, s_after;
    private static int s_length;

    /// <summary>Notes what is given out now.</summary>
    public static void Begin()
    {
        if (s_before == 0)
        {
            s_before = Sys.MapMemory(2 * Bytes);
            s_after = s_before + Bytes;
            TouchStack();
            _ = Read(Room(s_after));                        // once before, into both: reading it, too, takes something
            _ = Read(Room(s_before));
            _ = IsMemoryInOrder();
        }

        s_length = Read(Room(s_before));
    }

    /// <summary>Compares; prints what differs as lines of diagnosis.</summary>
    public static bool IsEven()
    {
        Children.KillAll();
        Sys.TakeSignal(Sys.SignalBit(Sys.SIGCHLD));         // that a child has ended waits in a queue, too
        ReadOnlySpan<byte> before = Room(s_before).Slice(0, s_length);
        ReadOnlySpan<byte> after = Room(s_after).Slice(0, Read(Room(s_after)));
        bool even = before.SequenceEqual(after);
        if (!even)
        {
            Print("# now:    "u8, after, before);
            Print("# before: "u8, before, after);
        }

        return IsMemoryInOrder() && even;
    }

    /// <summary>The pages of init's own stack that a suite's run will use are there from the start.</summary>
    private static void TouchStack()
    {
        Span<byte> space = stackalloc byte[64 * 1024];
        for (int i = 0; i < space.Length; i += 1024)
            space[i] = 1;
    }

    private static bool IsMemoryInOrder()
    {
        Span<byte> report = stackalloc byte[1024];
        int length = Sys.ReadFile("/proc/memfsck"u8, report);
        if (length <= 0)
            return true;
        report = report.Slice(0, length);
        int at = report.IndexOf("errors "u8);
        if (at >= 0 && report.Slice(at).StartsWith("errors 0"u8))
            return true;
        Sys.Write(1, "# "u8);
        Sys.Write(1, at < 0 ? report : report.Slice(at));
        return false;
    }

    private static unsafe Span<byte> Room(nint address) => new((void*)address, Bytes);

    private static int Read(Span<byte> to)
    {
        Sys.Synchronize();                                  // what is dirty cannot be dropped
        int drop = Sys.Open("/proc/sys/vm/drop_caches"u8, Sys.WriteOnly);
        if (drop >= 0)
        {
            Sys.Write(drop, "3"u8);
            Sys.Close(drop);
        }

        return Math.Max(Sys.ReadFile("/proc/ledger"u8, to), 0);
    }

    /// <summary>Prints the lines of a text that the other has not.</summary>
    private static void Print(ReadOnlySpan<byte> title, ReadOnlySpan<byte> text, ReadOnlySpan<byte> other)
    {
        while (!text.IsEmpty)
        {
            int end = text.IndexOf((byte)'\n') + 1;
            ReadOnlySpan<byte> line = text.Slice(0, end == 0 ? text.Length : end);
            text = text.Slice(line.Length);
            if (other.IndexOf(line) >= 0)
                continue;
            Sys.Write(1, title);
            Sys.Write(1, line);
        }
    }
}
