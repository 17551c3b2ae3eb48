using System;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Injection;

/// <summary>What may come of a failure, besides success: bits of a set of errnos.</summary>
[Flags]
internal enum May
{
    Nothing = 0,

    /// <summary>EAGAIN: Linux says so where a queue entry cannot be had (real-time signals, timers).</summary>
    Again = 1,

    /// <summary>ENFILE: Linux says so where an inode for a pipe or a socket cannot be had.</summary>
    TooManyFiles = 2,

    /// <summary>ENOBUFS: Linux says so where a message has no room.</summary>
    NoBuffers = 4,

    /// <summary>EFAULT: the kernel touched a page of ours that was not there and could not be made.</summary>
    Fault = 8,

    /// <summary>EIO: a page of a file could not be had.</summary>
    Io = 16,

    /// <summary>ENOSPC: the same, of a file system in memory.</summary>
    NoSpace = 32,

    /// <summary>EIO though nothing fails now: an earlier transfer's error that was not told yet.</summary>
    Late = 64,

    /// <summary>EBUSY: what was to be made huge could not be.</summary>
    Busy = 128,
}

/// <summary>Runs an action again and again, the first, the second, the third request in it made to fail, until nothing is left to fail.</summary>
/// <remarks>
/// Each time the result must be success or a documented errno, <c>/proc/memfsck</c> clean, and <c>/proc/ledger</c> as before. The kernel's
/// <c>/proc/self/fail-nth</c> does the failing (Linux has the file, too, when built with fault injection).
/// </remarks>
internal static unsafe class Walker
{
    private const int MostSteps = 2000, LedgerBytes = 16384;
    private const int OpenForReading = 0, OpenForBoth = 2;

    private static int s_nth = -1, s_kinds = -1, s_drop = -1;
    private static nint s_before, s_after, s_shared;

    /// <summary>Whether this kernel can let a request fail; else all cases are skipped.</summary>
    public static bool IsAble { get; private set; }

    /// <summary>Room for what calls read and write: pages that are there, whoever forks.</summary>
    public static byte* Data { get; private set; }

    /// <summary>Bytes of <see cref="Data"/>.</summary>
    public const int DataBytes = 64 * Page;

    /// <summary>Whether the actions reach a disk: then its transfers fail in turn, too, and what is dirty is written before anything is compared.</summary>
    public static bool OnDisk { get; set; }

    /// <summary>Injected failures, over all cases.</summary>
    public static int Steps { get; private set; }

    /// <summary>Those of them that the call answered with an errno, or the process with its end.</summary>
    public static int Errors { get; private set; }

    /// <summary>Opens the kernel's files. False where the kernel has none.</summary>
    public static bool Open()
    {
        s_nth = Linux.Open("/proc/self/fail-nth"u8, OpenForBoth);
        s_kinds = Linux.Open("/proc/self/fail-kinds"u8, OpenForBoth);
        s_drop = Linux.Open("/proc/sys/vm/drop_caches"u8, 1);
        s_before = Mmap(0, 3 * LedgerBytes, Protection.ReadWrite, Map.SharedAnonymous | Map.Populate);
        s_after = s_before + LedgerBytes;
        s_shared = s_after + LedgerBytes;
        Data = (byte*)Mmap(0, DataBytes, Protection.ReadWrite, Map.SharedAnonymous | Map.Populate);
        TouchStack();
        IsAble = s_nth >= 0 && s_kinds >= 0 && s_drop >= 0;
        return IsAble;
    }

    /// <summary>Walks through the memory that an action asks for, then through its copies from and to user memory.</summary>
    /// <param name="act">The action: its result is a system call's. It must not depend on how often it is run.</param>
    /// <param name="undo">Undoes it, whatever its result.</param>
    /// <param name="may">Errnos besides ENOMEM.</param>
    public static void Walk(delegate*<nint> act, delegate*<nint, void> undo, May may = May.Nothing)
    {
        WalkKinds("alloc"u8, act, undo, Errno.NoMemory, may);
        WalkKinds("copy"u8, act, undo, Errno.BadAddress, may);
        if (OnDisk)
            WalkKinds("io"u8, act, undo, Errno.InputOutput, may);
    }

    /// <summary>Walks through one kind of request only.</summary>
    public static void WalkKinds(ReadOnlySpan<byte> kinds, delegate*<nint> act, delegate*<nint, void> undo, int errno, May may)
    {
        SetKinds(kinds);
        if (!IsAble)
        {
            Ktap.Skip("this kernel lets nothing fail");
            return;
        }

        undo(act());                                         // once before: what stays warm is warm
        undo(act());
        ReadLedger(s_before);
        for (int n = 1; ; n++)
        {
            Arm(n);
            nint result = act();
            int left = Left();
            Arm(0);
            undo(result);
            if (!Ktap.Check(n < MostSteps, "the action ends"))
                return;
            Steps++;
            if (IsError(result))
                Errors++;
            if (!IsAllowed(result, errno, may, left != 0))
            {
                Ktap.Check(false, "the result is documented");
                Say(kinds, n, result);
            }

            if (!IsMemoryClean(kinds, n, result) || left != 0)
                return;
        }
    }

    /// <summary>Like <see cref="Walk"/>, each action in a child of its own, which may die of it: what it returns is how it ended.</summary>
    /// <param name="act">Gives an exit status from 0 to 100; 101 and more mean a failed call, 100 plus its errno.</param>
    /// <param name="signals">Signals that it may die of, one bit each.</param>
    public static void WalkInChild(delegate*<nint> act, May may = May.Nothing, ulong signals = 0)
    {
        WalkChildKinds("alloc"u8, act, Errno.NoMemory, may, signals);
        WalkChildKinds("copy"u8, act, Errno.BadAddress, may, signals);
    }

    /// <inheritdoc cref="WalkInChild"/>
    public static void WalkChildKinds(ReadOnlySpan<byte> kinds, delegate*<nint> act, int errno, May may, ulong signals)
    {
        if (!IsAble)
        {
            Ktap.Skip("this kernel lets nothing fail");
            return;
        }

        _ = RunInChild(kinds, 0, act, out _, out _);
        ReadLedger(s_before);
        for (int n = 1; ; n++)
        {
            int status = RunInChild(kinds, n, act, out nint result, out int left);
            if (!Ktap.Check(n < MostSteps, "the action ends"))
                return;
            Steps++;
            int signal = status & 0x7f;
            if (IsError(result) || signal != 0)
                Errors++;
            bool good = signal != 0 ? (signals >> signal & 1) != 0 : IsAllowed(result, errno, may, left != 0);
            if (!good)
            {
                Ktap.Check(false, "the end is documented");
                Say(kinds, n, signal != 0 ? signal : result);
            }

            if (!IsMemoryClean(kinds, n, result) || left != 0)
                return;
        }
    }

    /// <summary>A child opens its own switch, arms it, acts, and leaves what came of it in shared memory.</summary>
    private static int RunInChild(ReadOnlySpan<byte> kinds, int n, delegate*<nint> act, out nint result, out int left)
    {
        nint* told = (nint*)s_shared;
        told[0] = told[1] = 0;
        int pid = Fork();
        if (pid == 0)
        {
            // The parent's switch is the parent's: the file belongs to the process that opened it.
            Rearm();
            SetKinds(kinds);
            Arm(n);
            told[0] = act();
            told[1] = Left();
            Arm(0);
            Exit(0);
        }

        Wait(pid, out int status);
        result = told[0];
        left = (int)told[1];
        return status;
    }

    /// <summary>Pages of the stack that the action will use shall not be what fails.</summary>
    private static void TouchStack()
    {
        byte* space = stackalloc byte[8 * Page];
        for (int i = 0; i < 8; i++)
            space[i * Page] = 1;
    }

    /// <summary>Does something with nothing failing, in the middle of an action.</summary>
    public static void Suspended(delegate*<void> work)
    {
        int left = Left();
        Arm(0);
        work();
        Arm(left);
    }

    /// <summary>After a fork: the child's own switch.</summary>
    public static void Rearm()
    {
        s_nth = Linux.Open("/proc/self/fail-nth"u8, OpenForBoth);
        s_kinds = Linux.Open("/proc/self/fail-kinds"u8, OpenForBoth);
        TouchStack();
    }

    /// <summary>Memory is in order, now.</summary>
    public static void CheckClean() => IsMemoryInOrder(default, 0, 0);

    /// <summary>Lets the nth request from now on fail; 0: none.</summary>
    public static void Arm(int n)
    {
        byte* text = stackalloc byte[12];
        int length = 12;
        do
        {
            text[--length] = (byte)('0' + n % 10);
            n /= 10;
        }
        while (n != 0);
        PositionedWrite(s_nth, text + length, 12 - length, 0);
    }

    /// <summary>What is left of the number: 0 when a request has failed.</summary>
    public static int Left()
    {
        byte* text = stackalloc byte[16];
        nint length = PositionedRead(s_nth, text, 16, 0);
        int number = 0;
        for (int i = 0; i < length && text[i] is >= (byte)'0' and <= (byte)'9'; i++)
            number = number * 10 + text[i] - '0';
        return number;
    }

    /// <summary>Which requests are counted.</summary>
    public static void SetKinds(ReadOnlySpan<byte> kinds)
    {
        fixed (byte* text = kinds)
            PositionedWrite(s_kinds, text, kinds.Length, 0);
    }

    private static bool IsAllowed(nint result, int errno, May may, bool untouched)
    {
        if (!IsError(result))
            return true;
        if (untouched)
            return result == Errno.InputOutput && (may & May.Late) != 0;     // else: nothing failed, and yet it did
        return result == errno
            || (result == -11 && (may & May.Again) != 0)
            || (result == -23 && (may & May.TooManyFiles) != 0)
            || (result == -105 && (may & May.NoBuffers) != 0)
            || (result == -14 && (may & May.Fault) != 0)
            || (result == -5 && (may & May.Io) != 0)
            || (result == -16 && (may & May.Busy) != 0)
            || (result == -28 && (may & May.NoSpace) != 0);
    }

    /// <summary>What is given out now is what shall be given out later.</summary>
    public static void Remember() => ReadLedger(s_before);

    /// <summary>Nothing was lost since <see cref="Remember"/>, and memory is in order; else the case fails and says where.</summary>
    public static bool IsMemoryClean(ReadOnlySpan<byte> kinds, int n, nint result)
    {
        ReadLedger(s_after);
        if (!new ReadOnlySpan<byte>((void*)s_before, LedgerBytes).SequenceEqual(new ReadOnlySpan<byte>((void*)s_after, LedgerBytes)))
        {
            Ktap.Check(false, "nothing is lost");
            Say(kinds, n, result);
            Difference();
            return false;
        }

        return IsMemoryInOrder(kinds, n, result);
    }

    private static bool IsMemoryInOrder(ReadOnlySpan<byte> kinds, int n, nint result)
    {
        int file = Linux.Open("/proc/memfsck"u8, OpenForReading);
        ReadOnlySpan<byte> report = ReadAll(file, s_after, LedgerBytes);
        Close(file);
        int at = report.IndexOf("errors "u8);
        if (at >= 0 && report[at + 7] == (byte)'0')
            return true;
        Ktap.Check(false, "memory is in order");
        Say(kinds, n, result);
        Output.Standard.Write("# "u8);
        Output.Standard.Write(at < 0 ? report : report[at..]);
        Output.Standard.Flush();
        return false;
    }

    private static void ReadLedger(nint to)
    {
        Syscall.Call(162);                                   // sync: dirty pages cannot be dropped
        byte three = (byte)'3';
        PositionedWrite(s_drop, &three, 1, 0);
        int file = Linux.Open("/proc/ledger"u8, OpenForReading);
        int length = ReadAll(file, to, LedgerBytes).Length;
        Close(file);
        new Span<byte>((void*)(to + length), LedgerBytes - length).Clear();
    }

    private static ReadOnlySpan<byte> ReadAll(int file, nint to, int room)
    {
        int length = 0;
        while (length < room && Read(file, (void*)(to + length), room - length) is > 0 and nint got)
            length += (int)got;
        return new ReadOnlySpan<byte>((void*)to, length);
    }

    /// <summary>Which step it was.</summary>
    public static void Say(ReadOnlySpan<byte> kinds, int n, nint result)
    {
        Output.Standard.Write("# "u8);
        Output.Standard.Write(kinds);
        Output.Standard.Write($" {n}: {(long)result}\n");
        Output.Standard.Flush();
    }

    /// <summary>Shows the lines that differ.</summary>
    private static void Difference()
    {
        var before = new ReadOnlySpan<byte>((void*)s_before, LedgerBytes);
        var after = new ReadOnlySpan<byte>((void*)s_after, LedgerBytes);
        while (TakeLine(ref after, out ReadOnlySpan<byte> line))
        {
            if (before.IndexOf(line) >= 0)
                continue;
            int blank = line.IndexOf((byte)' ');
            int old = before.IndexOf(line[..(blank + 1)]);
            Output.Standard.Write("# now "u8);
            Output.Standard.Write(line);
            Output.Standard.Write(", before "u8);
            if (old >= 0)
            {
                ReadOnlySpan<byte> rest = before[old..];
                Output.Standard.Write(rest[..rest.IndexOf((byte)'\n')]);
            }

            Output.Standard.Write("\n"u8);
        }

        Output.Standard.Flush();
    }

    private static bool TakeLine(ref ReadOnlySpan<byte> text, out ReadOnlySpan<byte> line)
    {
        int end = text.IndexOf((byte)'\n');
        line = end < 0 ? default : text[..end];
        text = end < 0 ? default : text[(end + 1)..];
        return end >= 0;
    }
}
