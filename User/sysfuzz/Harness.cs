using System;
using System.Threading;
using NanoVm.User.Suites;

namespace NanoVm.User.SysFuzz;

/// <summary>Starts the tasks of a seed, replaces those that die, ends those that are stuck, clears up, and judges.</summary>
internal static unsafe class Harness
{
    // In hundredths of a second. A killed process that does not go is a hang; an emulated machine on a busy host is slow.
    private const int StuckAfter = 60, HangAfter = 1500;

    private const int NoHang = 1, Detach = 2, Subreaper = 36;

    private static Stage* s_stage;
    private static int s_tasks;
    /// <summary>How the victim has ended; -1 while it lives.</summary>
    private static int s_victimStatus;
    private static int* s_stop;
    private static int* s_process, s_seen, s_stuck;

    /// <summary>Readies the stage, once.</summary>
    public static Stage* Prepare(int tasks)
    {
        s_stage = Stage.Create();
        s_tasks = tasks;
        s_stop = (int*)Linux.Mmap(0, Linux.Page, Protection.ReadWrite, Map.SharedAnonymous | Map.Populate);
        s_process = s_stop + 16;
        s_seen = s_process + Stage.MostTasks;
        s_stuck = s_seen + Stage.MostTasks;
        s_stage->IsRoot = Syscall.Call(102) == 0 ? 1 : 0;
        Syscall.Call(157, Subreaper, 1);
        int adjust = Linux.Open("/proc/self/oom_score_adj"u8, 1);
        byte* least = stackalloc byte[5] { (byte)'-', (byte)'1', (byte)'0', (byte)'0', (byte)'0' };
        Linux.Write(adjust, least, 5);
        Linux.Close(adjust);
        return s_stage;
    }

    /// <summary>Runs one seed. True when nothing was wrong.</summary>
    public static bool Play(ulong seed, int calls)
    {
        s_stage->Seed = seed;
        s_stage->Calls = calls;
        s_stage->MaskedSecret = 0xd1d1_d1d1_d1d1_d1d1 + (seed % 4) * 0x0101_0101_0101_0101 ^ Stage.Mask;
        for (int i = 0; i < s_tasks * Stage.Lanes; i++)
            *Stage.LaneOf(s_stage, i / Stage.Lanes, i % Stage.Lanes) = default;
        *s_stop = 0;
        if (s_stage->IsRoot != 0 && !MountFolder())
            return Say("the tasks' folder cannot be mounted\n"u8);
        s_victimStatus = -1;
        s_stage->Victim = Linux.Fork();
        if (s_stage->Victim == 0)
            Linux.Exit(Victim.Run(s_stage, s_stop));

        for (int i = 0; i < s_tasks; i++)
            Start(i);
        bool good = Watch();
        *s_stop = 1;
        if (s_victimStatus < 0)
            Linux.Wait(s_stage->Victim, out s_victimStatus);
        if (s_victimStatus != 0)
        {
            Output.Standard.Write($"seed {seed}: the victim was harmed: status {s_victimStatus:x}\n");
            good = false;
        }
        good &= ClearUp();
        for (int i = 0; i < s_tasks * Stage.Lanes; i++)
            good &= Judge(i / Stage.Lanes, i % Stage.Lanes);
        return good;
    }

    /// <summary>The tasks' root folder: a file system of its own, with what the calls' paths name.</summary>
    private static bool MountFolder()
    {
        fixed (byte* folder = Paths.Folder, type = "tmpfs"u8, options = "size=16m,mode=1777"u8, proc = "proc"u8, inside = "/tmp/sysfuzz/proc"u8, devices = "/tmp/sysfuzz/dev"u8)
        {
            Syscall.Call(83, (nint)folder, 0x1ff);
            if (Syscall.Call(165, (nint)type, (nint)folder, (nint)type, 0, (nint)options) != 0)
                return false;
            Syscall.Call(83, (nint)inside, 0x1ff);
            Syscall.Call(83, (nint)devices, 0x1ff);
            Syscall.Call(95, 0);
            MakeDevice("/tmp/sysfuzz/dev/null"u8, 0x103);
            MakeDevice("/tmp/sysfuzz/dev/zero"u8, 0x105);
            MakeDevice("/tmp/sysfuzz/dev/full"u8, 0x107);
            MakeDevice("/tmp/sysfuzz/dev/urandom"u8, 0x109);
            MakeDevice("/tmp/sysfuzz/dev/tty"u8, 0x500);
            MakeDevice("/tmp/sysfuzz/dev/ptmx"u8, 0x502);
            return Syscall.Call(165, (nint)proc, (nint)inside, (nint)proc, 0, 0) == 0;
        }
    }

    private static void MakeDevice(ReadOnlySpan<byte> path, int device)
    {
        fixed (byte* p = path)
            Syscall.Call(133, (nint)p, 0x21b6, device);
    }

    private static void Start(int task)
    {
        int process = Linux.Fork();
        if (process == 0)
            Task.Run(s_stage, task);
        s_process[task] = process;
        s_stuck[task] = 0;
    }

    /// <summary>Until all calls are made. False when something cannot be killed.</summary>
    private static bool Watch()
    {
        while (true)
        {
            Reap();
            bool working = false;
            for (int i = 0; i < s_tasks; i++)
            {
                if (s_process[i] == 0)
                {
                    if (IsDone(i))
                        continue;
                    Start(i);
                }
                working = true;
                int now = Stage.LaneOf(s_stage, i, 0)->Next + Stage.LaneOf(s_stage, i, 1)->Next;
                s_stuck[i] = now == s_seen[i] ? s_stuck[i] + 1 : 0;
                s_seen[i] = now;
                if (s_stuck[i] == StuckAfter)
                    Linux.Kill(s_process[i], Signal.Kill);
                if (s_stuck[i] > HangAfter)
                    return Hang(i);
            }
            if (!working)
                return true;
            Sleep();
        }
    }

    /// <summary>All calls are made, or something was wrong.</summary>
    private static bool IsDone(int task)
    {
        bool done = true;
        for (int i = 0; i < Stage.Lanes; i++)
        {
            Lane* lane = Stage.LaneOf(s_stage, task, i);
            if (lane->Wrong != Wrong.Nothing)
                return true;
            done &= lane->Next >= s_stage->Calls;
        }
        return done;
    }

    private static void Reap()
    {
        while (Linux.Wait(-1, out int status, NoHang) is > 0 and int process)
        {
            for (int i = 0; i < s_tasks; i++)
                if (s_process[i] == process)
                    s_process[i] = 0;
            if (process == s_stage->Victim)
                s_victimStatus = status;
        }
    }

    private static void Sleep()
    {
        long* time = stackalloc long[2];
        time[0] = 0;
        time[1] = 10_000_000;
        Syscall.Call(35, (nint)time, 0);
    }

    private static bool Hang(int task)
    {
        Say("a task cannot be ended\n"u8);
        for (int i = 0; i < Stage.Lanes; i++)
            Show(Stage.LaneOf(s_stage, task, i));
        return false;
    }

    /// <summary>Ends what the tasks have left: processes (they are this one's children by now), mounts, segments.</summary>
    private static bool ClearUp()
    {
        for (int waited = 0; KillChildren(); waited++)
        {
            Reap();
            Sleep();
            if (waited > HangAfter)
                return Say("a process cannot be ended\n"u8);
        }
        if (s_stage->IsRoot == 0)
            return true;
        fixed (byte* folder = Paths.Folder)
        {
            Syscall.Call(166, (nint)folder, Detach);
            Linux.RemoveDirectory(Paths.Folder);
        }
        byte* status = stackalloc byte[128];
        for (int last = (int)Syscall.Call(31, 0, 14, (nint)status); last >= 0; last--)          // SHM_INFO, SHM_STAT, IPC_RMID
            if (Syscall.Call(31, last, 13, (nint)status) is >= 0 and nint id)
                Syscall.Call(31, id, 0, 0);
        for (int last = (int)Syscall.Call(66, 0, 0, 19, (nint)status); last >= 0; last--)       // SEM_INFO, SEM_STAT
            if (Syscall.Call(66, last, 0, 18, (nint)status) is >= 0 and nint id)
                Syscall.Call(66, id, 0, 0, 0);
        for (int last = (int)Syscall.Call(71, 0, 12, (nint)status); last >= 0; last--)          // MSG_INFO, MSG_STAT
            if (Syscall.Call(71, last, 11, (nint)status) is >= 0 and nint id)
                Syscall.Call(71, id, 0, 0);
        return true;
    }

    /// <summary>Kills all children. False when there are none.</summary>
    private static bool KillChildren()
    {
        int self = Linux.GetPid();
        int folder = Linux.Open("/proc"u8, 0x10000);
        byte* entries = stackalloc byte[4096];
        bool any = false;
        while (Syscall.Call(217, folder, (nint)entries, 4096) is > 0 and nint bytes)
        {
            for (nint at = 0; at < bytes; at += *(ushort*)(entries + at + 16))
            {
                int process = 0;
                for (byte* c = entries + at + 19; *c is >= (byte)'0' and <= (byte)'9'; c++)
                    process = process * 10 + *c - '0';
                if (process == 0 || ParentOf(process) != self)
                    continue;
                any = true;
                Linux.Kill(process, Signal.Kill);
            }
        }
        Linux.Close(folder);
        return any;
    }

    private static int ParentOf(int process)
    {
        byte* path = stackalloc byte[32];
        var text = "/proc/"u8;
        text.CopyTo(new Span<byte>(path, 32));
        int length = text.Length, digits = 1;
        for (int rest = process; rest >= 10; rest /= 10)
            digits++;
        for (int i = digits - 1, rest = process; i >= 0; i--, rest /= 10)
            path[length + i] = (byte)('0' + rest % 10);
        "/stat\0"u8.CopyTo(new Span<byte>(path + length + digits, 6));
        int file = (int)Syscall.Call(2, (nint)path, 0);
        if (file < 0)
            return 0;
        byte* line = stackalloc byte[512];
        nint got = Linux.Read(file, line, 512);
        Linux.Close(file);
        if (got <= 0)
            return 0;
        var fields = new ReadOnlySpan<byte>(line, (int)got);
        int at = fields.LastIndexOf((byte)')') + 4;              // ") R 123"
        int parent = 0;
        for (; at < fields.Length && fields[at] is >= (byte)'0' and <= (byte)'9'; at++)
            parent = parent * 10 + fields[at] - '0';
        return parent;
    }

    private static bool Judge(int task, int number)
    {
        Lane* lane = Stage.LaneOf(s_stage, task, number);
        if (lane->Wrong == Wrong.Nothing)
            return true;
        Output.Standard.Write($"seed {s_stage->Seed} task {task} thread {number}: {Wrong.Name(lane->Wrong)} ({lane->WrongPlace:x}:");
        for (int i = 0; i < 8; i++)
            Output.Standard.Write($" {lane->WrongWords[i]:x}");
        Output.Standard.Write(")\n"u8);
        Show(lane);
        return false;
    }

    /// <summary>The last calls of a lane, the latest first.</summary>
    private static void Show(Lane* lane)
    {
        Output output = Output.Standard;
        for (int i = 1; i <= Math.Min(lane->Next, Lane.Remembered); i++)
        {
            long* log = lane->Log + (lane->Next - i) % Lane.Remembered * 8;
            output.Write($"  {log[0]} ");
            output.Write(Calls.NameOf((int)log[0]));
            for (int a = 1; a <= 6; a++)
                output.Write($" {log[a]:x}");
            if (log[7] == long.MinValue)
                output.Write(" ...\n"u8);
            else
                output.Write($" = {log[7]}\n");
        }
        output.Flush();
    }

    public static bool Say(ReadOnlySpan<byte> text)
    {
        Output.Standard.Write(text);
        Output.Standard.Flush();
        return false;
    }
}
