using System.Threading;
using NanoVm.User.Suites;

namespace NanoVm.User.SysFuzz;

/// <summary>One process of two threads that makes calls until it dies of one, has made its share, or has lived long enough.</summary>
internal static unsafe class Task
{
    // A thread of a C library: VM, FS, FILES, SIGHAND, THREAD, SYSVSEM.
    private const int ThreadFlags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000;
    private const int StackBytes = 64 * 1024;

    /// <summary>Calls of a life: then descriptors and memory have become too poor to be interesting.</summary>
    private const int Life = 300;

    private const int LifeOfChild = 8, DeepestChild = 2;
    private const ulong RestorerFlag = 0x0400_0000;
    private const int Clone = 56, ExitThread = 60, Tgkill = 234, SetTimer = 38, SetMask = 14, SetAction = 13;

    private static Stage* s_stage;
    private static int s_task, s_depth, s_process, s_thread;
    private static bool s_isRoot;

    /// <summary>The address of a signal handler that does nothing.</summary>
    public static nint Handler => (nint)(delegate*<int, byte*, byte*, void>)&OnSignal;

    /// <summary>Begins in a child of the harness; never returns.</summary>
    public static void Run(Stage* stage, int task)
    {
        s_stage = stage;
        s_task = task;
        s_depth = 0;
        s_isRoot = stage->IsRoot != 0 && (task & 1) == 0;
        if (!Settle())
        {
            Stage.LaneOf(stage, task, 0)->Wrong = Wrong.Setup;
            Linux.Exit(1);
        }

        StartThread();
        RunLane(0, Life);
        AwaitThread();
        Linux.Exit(0);
    }

    /// <summary>Away from the harness: session, user, descriptors, limits, memory.</summary>
    private static bool Settle()
    {
        Syscall.Call(112);
        WriteText("/proc/self/oom_score_adj"u8, "1000"u8);
        // Outside of the tasks' root, where other tasks cannot have removed it: the harness's own files are nobody's to lock or to read.
        int none = Linux.Open("/dev/null"u8, 2);
        for (int i = 0; i < 3; i++)
            Linux.Dup2(none, i);
        Linux.Close(none);
        if (s_stage->IsRoot != 0)
        {
            fixed (byte* folder = Paths.Folder, top = "/"u8)
                if (Syscall.Call(161, (nint)folder) != 0 || Syscall.Call(80, (nint)top) != 0)
                    return false;
        }
        SetLimit(Suites.Limit.AddressSpace, 160 << 20);
        SetLimit(Suites.Limit.Core, (ulong)(s_task & 2) * 20_000);
        SetLimit(Suites.Limit.FileSize, 64 << 20);
        if (s_stage->IsRoot != 0 && !s_isRoot)
        {
            int user = 1000 + s_task;
            if (Syscall.Call(116, 0, 0) != 0 || Syscall.Call(119, user, user, user) != 0 || Syscall.Call(117, user, user, user) != 0)
                return false;
        }
        Syscall.Call(157, 1, Signal.Kill);                  // its parent's end is its own
        s_process = Linux.GetPid();
        Descriptors.Open();
        Linux.Truncate(Descriptors.File, 4 * Linux.Page);
        Arena.Prepare(Descriptors.File);
        return !Linux.IsError(Arena.Start);
    }

    private static void SetLimit(int resource, ulong value)
    {
        ulong* pair = stackalloc ulong[2];
        pair[0] = value;
        pair[1] = s_isRoot ? ulong.MaxValue : value;
        Linux.SetResourceLimit(resource, pair);
    }

    private static void WriteText(System.ReadOnlySpan<byte> path, System.ReadOnlySpan<byte> text)
    {
        int file = Linux.Open(path, 1);
        fixed (byte* t = text)
            Linux.Write(file, t, text.Length);
        Linux.Close(file);
    }

    private static void StartThread()
    {
        nint stack = Linux.Mmap(0, StackBytes, Protection.ReadWrite, Map.PrivateAnonymous);
        nint* top = (nint*)(stack + StackBytes - 64);
        delegate*<void> first = &RunThread;
        top[0] = (nint)first;
        s_thread = (int)Syscall.Call(Clone, ThreadFlags, (nint)top, 0, 0);
    }

    private static void RunThread()
    {
        RunLane(1, int.MaxValue);
        while (true)
            Syscall.Call(ExitThread, 0);
    }

    /// <summary>Gives the other thread time to make its calls, while it makes any.</summary>
    private static void AwaitThread()
    {
        Lane* lane = Stage.LaneOf(s_stage, s_task, 1);
        long* time = stackalloc long[2];
        for (int last = -1; last != Volatile.Read(ref lane->Next) && lane->Next < s_stage->Calls;)
        {
            last = lane->Next;
            time[0] = 0;
            time[1] = 50_000_000;
            Rearm();
            Syscall.Call(35, (nint)time, (nint)time);
        }
    }

    /// <summary>A timer interrupts calls that wait. Calls may take it away, so it is set again and again.</summary>
    private static void Rearm()
    {
        long* words = stackalloc long[4];
        words[0] = (long)Handler;
        words[1] = (long)RestorerFlag;
        words[2] = (long)Syscall.SignalRestorer();
        words[3] = 0;
        Syscall.Call(SetAction, Signal.Alarm, (nint)words, 0, 8);
        words[0] = words[2] = 0;
        words[1] = words[3] = 10_000;
        Syscall.Call(SetTimer, 0, (nint)words, 0);
        words[0] = 0;
        Syscall.Call(SetMask, 2, (nint)words, 0, 8);
    }

    private static void OnSignal(int signal, byte* information, byte* context)
    {
        if (signal == Signal.Alarm && s_thread > 0 && (int)Syscall.Call(186) != s_thread)
            Syscall.Call(Tgkill, s_process, s_thread, Signal.Alarm);
    }

    private static void RunLane(int number, int life)
    {
        Lane* lane = Stage.LaneOf(s_stage, s_task, number);
        byte* space = stackalloc byte[sizeof(CallBlock) + 64];
        var block = (CallBlock*)((nint)(space + 63) & -64);
        while (lane->Next < s_stage->Calls && life-- > 0)
        {
            int place = lane->Next;
            if (place % 8 == 0 || life == 0)
                Rearm();
            lane->Next = place + 1;                         // before the call: it may be the last
            One(lane, block, number, (ulong)place);
        }
    }

    /// <summary>Makes one call and looks what it has left.</summary>
    private static void One(Lane* lane, CallBlock* block, int number, ulong place)
    {
        ulong seed = Random.Mix(s_stage->Seed * 1000003 + (ulong)(s_task * Stage.Lanes + number)) + place * 0x1_0000_0001 + ((ulong)s_depth << 56);
        var values = new Values(seed, number, s_stage, s_isRoot);
        values.Make(block);
        long* log = lane->Log + place % Lane.Remembered * 8;
        log[0] = (long)block->Number;
        for (int i = 0; i < 6; i++)
            log[i + 1] = block->Arguments[i];
        log[7] = long.MinValue;                             // it has not come back

        CallBlock.Call(block);
        log[7] = (long)block->Result;
        int call = (int)block->Number;
        if (call is 56 or 57 && block->Result == 0 && s_depth >= 0 && Linux.GetPid() != s_process)
            RunChild(lane, block, number, place);
        if (Linux.IsError(block->Result))
            lane->Failed++;
        else
            lane->Succeeded++;
        if (call is >= 0 and < 512 && !Linux.IsError(block->Result))
            s_stage->Worked[call] = 1;

        if (call != 15 && block->Changed(out ulong before, out ulong after) is >= 0 and int register)
        {
            ulong* words = stackalloc ulong[8] { 0, 0, (ulong)register, before, after, 0, 0, 0 };
            Report(lane, Wrong.Register, words + 2);
        }
        for (int i = 0; i < 6; i++)
            if (Arena.IsBuffer(block->Arguments[i], out byte* buffer) && Leaks.Find(s_stage, buffer, Arena.BufferBytes, out ulong* where) is not Wrong.Nothing and int wrong)
                Report(lane, wrong, where);
        if (values.OneIn(16) && Leaks.FindInFreshMemory(lane, number + 1) is not Wrong.Nothing and int fresh)
            Report(lane, fresh, (ulong*)lane->WrongPlace);
    }

    /// <summary>A child makes a few calls of its own and ends.</summary>
    private static void RunChild(Lane* lane, CallBlock* block, int number, ulong place)
    {
        s_process = Linux.GetPid();
        s_thread = 0;
        if (++s_depth > DeepestChild)
            Linux.Exit(0);
        Syscall.Call(157, 1, Signal.Kill);
        Rearm();
        for (int i = 0; i < LifeOfChild; i++)
            One(lane, block, number, place * LifeOfChild + (ulong)i);
        Linux.Exit(0);
    }

    private static void Report(Lane* lane, int wrong, ulong* place)
    {
        if (wrong != Wrong.NotZero)
            Leaks.Note(lane, place);
        lane->Wrong = wrong;
        Linux.Exit(77);
    }
}
