using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Reclaim;

/// <summary>Who is killed.</summary>
internal static unsafe class Choosing
{
    /// <summary>A process that has taken some memory and waits to be told to end.</summary>
    private struct Sitter
    {
        private int _pid;
        private int _end;
        private int _otherEnd;                              // kept open: to write to one who was killed is no SIGPIPE

        public static Sitter Start(nint bytes, ReadOnlySpan<byte> adjustment)
        {
            int* ready = stackalloc int[2], end = stackalloc int[2];
            Pipe(ready);
            Pipe(end);
            int pid = Fork();
            byte signal = 0;
            if (pid == 0)
            {
                Close(end[1]);
                nint memory = Mmap(0, bytes, Protection.ReadWrite, Map.PrivateAnonymous);
                Pages.Touch(memory, (int)(bytes / Page));
                signal = (byte)(Proc.Put("/proc/self/oom_score_adj"u8, adjustment) == adjustment.Length ? 1 : 0);
                Linux.Write(ready[1], &signal, 1);
                Linux.Read(end[0], &signal, 1);
                Exit(0);
            }
            Linux.Read(ready[0], &signal, 1);
            Equal(1, signal);
            Close(ready[0]);
            Close(ready[1]);
            return new Sitter { _pid = pid, _end = end[1], _otherEnd = end[0] };
        }

        /// <summary>Tells it to end: 0, or 128 plus the signal that has ended it before.</summary>
        public readonly int End()
        {
            byte signal = 1;
            Linux.Write(_end, &signal, 1);                  // to close it is not enough: those started later have it, too
            Close(_end);
            Close(_otherEnd);
            return Child.Status(_pid);
        }
    }

    public static void Adjusted()
    {
        if (!Killing.Begin())
            return;
        Sitter first = Sitter.Start(4 << 20, "1000"u8), never = Sitter.Start(16 << 20, "-1000"u8), small = Sitter.Start(4 << 20, "0"u8);
        long kills = Machine.Counter("oom_kill"u8);
        Equal(128 + Signal.Kill, Child.Run(&Killing.Grow));
        if (kills >= 0)
            Equal(2, Machine.Counter("oom_kill"u8) - kills);
        Equal(128 + Signal.Kill, first.End());
        Equal(0, never.End());
        Equal(0, small.End());
        Killing.End();
    }

    public static void Allocating()
    {
        if (!Killing.Begin())
            return;
        Sitter larger = Sitter.Start((nint)(Machine.Memory("MemFree"u8) / 3 * 2) << 10, "0"u8);
        Equal(1, Proc.Put("/proc/sys/vm/oom_kill_allocating_task"u8, "1"u8));
        Equal(128 + Signal.Kill, Child.Run(&Killing.Grow));
        Equal(1, Proc.Put("/proc/sys/vm/oom_kill_allocating_task"u8, "0"u8));
        Equal(0, larger.End());
        Killing.End();
    }

    /// <summary>A share of memory in thousandths plus the adjustment, from -1000 … 2000 to 0 … 2000.</summary>
    public static void Score()
    {
        Equal(0, Score("/proc/1/oom_score"u8));             // init is never chosen
        Equal(0, Child.Run(&ScoreWithAdjustment));
        Equal(Errno.Invalid, Proc.Put("/proc/self/oom_score_adj"u8, "1001"u8));
        Equal(Errno.Invalid, Proc.Put("/proc/self/oom_score_adj"u8, "-1001"u8));
        Equal(Errno.Invalid, Proc.Put("/proc/self/oom_score_adj"u8, "x"u8));
    }

    private static int ScoreWithAdjustment()
    {
        // This program has next to nothing: 666 is (1000 + 0) * 2 / 3.
        bool good = Near(666, Score("/proc/self/oom_score"u8));
        Proc.Put("/proc/self/oom_score_adj"u8, "300"u8);
        good &= Near(866, Score("/proc/self/oom_score"u8));
        Proc.Put("/proc/self/oom_score_adj"u8, "1000"u8);
        good &= Near(1333, Score("/proc/self/oom_score"u8));
        if (Proc.Put("/proc/self/oom_score_adj"u8, "-500"u8) == Errno.Access)
            return good ? 0 : 1;                            // below where it began it needs CAP_SYS_RESOURCE
        good &= Near(333, Score("/proc/self/oom_score"u8));
        Proc.Put("/proc/self/oom_score_adj"u8, "-1000"u8);
        good &= Equal(0, Score("/proc/self/oom_score"u8));
        return good ? 0 : 1;
    }

    private static long Score(ReadOnlySpan<byte> path) => Proc.Number(Proc.ReadAll(path));

    // The adjustment counts in thousandths of memory, rounded down.
    private static bool Near(long expected, long score) => Check(score >= expected - 4 && score <= expected + 12);
}
