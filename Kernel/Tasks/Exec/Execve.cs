using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>Replaces the program of the calling process.</summary>
/// <remarks>
/// Linux: <c>do_execveat_common</c>, <c>bprm_execve</c>, <c>exec_binprm</c>. Strings are read, the file is opened and recognised, and the whole new
/// address space is built beside the old one. Up to <see cref="Commit"/> nothing has changed; after it nothing can fail. What fails before, but where
/// Linux has thrown the old program away already, kills the task as it does there (<see cref="ExecPlan.MustDie"/>); all else returns an errno.
/// </remarks>
internal static class Execve
{
    /// <summary>The longest argument or environment string, NUL included. Linux: <c>MAX_ARG_STRLEN</c>.</summary>
    private const ulong MaximumString = 131072;

    /// <summary>RFLAGS of a new program: interrupts on, nothing else (bit 1 is always set).</summary>
    private const ulong InterruptFlag = 0x202;

    /// <summary>How many interpreters may stand between a script and a program. Linux: the depth of <c>exec_binprm</c>.</summary>
    private const int MaximumDepth = 5;

    /// <summary>Runs what is behind a path and a directory descriptor, with strings from user memory.</summary>
    /// <param name="directory">A descriptor, or <see cref="Vfs.AtWorkingDirectory"/>.</param>
    /// <param name="path">Without NUL; empty with <see cref="WalkFlags.EmptyPath"/>.</param>
    /// <param name="frame">The caller's registers; on success they are the new program's.</param>
    /// <returns><see cref="Errno.None"/> when the new program is to run.</returns>
    public static Errno Run(Task task, int directory, ReadOnlySpan<byte> path, WalkFlags walk, VirtAddr argv, VirtAddr envp, ref TrapFrame frame)
    {
        if ((task.Flags & TaskFlags.NprocExceeded) != 0
            && task.System.UserProcesses(task.Credentials) > task.Limits.Soft(Resource.Processes))
        {
            return Errno.EAGAIN;
        }
        task.Flags &= ~TaskFlags.NprocExceeded;

        var plan = new ExecPlan(task);
        Errno error = plan.SetFileName(directory, path);
        if (error == Errno.None)
            error = ReadStrings(task, argv, envp, ref plan);
        if (error == Errno.None)
            error = Start(task, directory, path, walk, ref plan, ref frame);
        plan.Free();
        return error;
    }

    /// <summary>Runs a program with strings of the kernel's own: how init starts.</summary>
    /// <param name="arguments">Strings, each ending in NUL.</param>
    /// <param name="environment">Strings, each ending in NUL.</param>
    public static Errno RunFromKernel(
        Task task, ReadOnlySpan<byte> path, ReadOnlySpan<byte> arguments, ReadOnlySpan<byte> environment, ref TrapFrame frame)
    {
        var plan = new ExecPlan(task);
        Errno error = plan.SetFileName(Vfs.AtWorkingDirectory, path);
        while (error == Errno.None && !arguments.IsEmpty)
            error = plan.Arguments.Add(NextOf(ref arguments));
        while (error == Errno.None && !environment.IsEmpty)
            error = plan.Environment.Add(NextOf(ref environment));
        if (error == Errno.None)
            error = Start(task, Vfs.AtWorkingDirectory, path, WalkFlags.FollowLast, ref plan, ref frame);
        plan.Free();
        return error;
    }

    private static ReadOnlySpan<byte> NextOf(ref ReadOnlySpan<byte> strings)
    {
        int end = strings.IndexOf((byte)0);
        ReadOnlySpan<byte> first = strings[..end];
        strings = strings[(end + 1)..];
        return first;
    }

    // ---- Strings --------------------------------------------------------------------------------------------------------------------

    private static Errno ReadStrings(Task task, VirtAddr argv, VirtAddr envp, ref ExecPlan plan)
    {
        if (!Count(task, argv).TryGet(out int argumentCount, out Errno error))
            return error;
        if (!Count(task, envp).TryGet(out int environmentCount, out error))
            return error;

        // A quarter of the stack limit, at least 128 KiB, at most 6 MiB, for pointers and strings together.
        ulong limit = Math.Min(6UL << 20, task.Limits.Soft(Resource.Stack) / 4);
        limit = Math.Max(limit, 131072);
        ulong pointers = ((ulong)Math.Max(argumentCount, 1) + (ulong)environmentCount) * sizeof(ulong);
        if (limit <= pointers)
            return Errno.E2BIG;
        plan.StringLimit = limit - pointers;
        error = plan.CheckSize();
        if (error == Errno.None)
            error = Copy(ref plan.Environment, ref plan, envp, environmentCount, isEnvironment: true);
        if (error == Errno.None)
            error = Copy(ref plan.Arguments, ref plan, argv, argumentCount, isEnvironment: false);
        if (error == Errno.None && argumentCount == 0)
            error = plan.Arguments.Add(default);            // a program is promised an argv[0]
        return error;
    }

    /// <summary>The number of pointers before the null; a null array has none. Linux: <c>count</c>.</summary>
    private static Result<int> Count(Task task, VirtAddr array)
    {
        if (array.IsZero)
            return 0;
        for (int i = 0; ; i++)
        {
            Errno error = UserCopy.Get(array + ((ulong)i * sizeof(ulong)), out ulong pointer);
            if (error != Errno.None)
                return error;
            if (pointer == 0)
                return i;
            if (i == int.MaxValue)
                return Errno.E2BIG;
            if (task.FatalSignalPending)
                return Errno.ERESTARTNOHAND;
            if ((i & 0xff) == 0xff)
                task.System.Scheduler.CondResched();
        }
    }

    private static Errno Copy(scoped ref StringStore store, scoped ref ExecPlan plan, VirtAddr array, int count, bool isEnvironment)
    {
        for (int i = 0; i < count; i++)
        {
            Errno error = UserCopy.Get(array + ((ulong)i * sizeof(ulong)), out ulong pointer);
            if (error != Errno.None)
                return error;
            error = store.AddFromUser(new VirtAddr(pointer), Math.Min(MaximumString, plan.Room));
            if (error == Errno.None)
                error = plan.CheckSize();
            if (error != Errno.None)
                return error;
            if (plan.Task.FatalSignalPending)
                return Errno.ERESTARTNOHAND;
        }
        return Errno.None;
    }

    // ---- The file -------------------------------------------------------------------------------------------------------------------

    private static Errno Start(
        Task task, int directory, ReadOnlySpan<byte> path, WalkFlags walk, scoped ref ExecPlan plan, ref TrapFrame frame)
    {
        if (!task.System.Vfs.OpenForExec(task, directory, path, walk).TryGet(out OpenFile file, out Errno error))
            return error;
        plan.File = file;
        plan.PathIsClosedOnExec = directory >= 0 && !path.IsEmpty && path[0] != (byte)'/' || path.IsEmpty
            ? task.Files.IsCloseOnExec(directory) : false;

        for (int depth = 0; ; depth++)
        {
            if (depth > MaximumDepth)
                return Errno.ELOOP;
            error = ReadHead(task, ref plan);
            if (error != Errno.None)
                return error;
            if (!ScriptHeader.IsScript(plan.Head))
                return StartElf(task, ref plan, ref frame);
            error = FollowScript(task, ref plan);
            if (error != Errno.None)
                return error;
        }
    }

    private static Errno ReadHead(Task task, scoped ref ExecPlan plan)
    {
        plan.Head.Clear();
        Result<long> count = Vfs.KernelRead(task, plan.File!, 0, plan.Head);
        return count.Error;
    }

    /// <summary>A script: the interpreter becomes the program, the script its argument.</summary>
    private static Errno FollowScript(Task task, scoped ref ExecPlan plan)
    {
        Errno error = ScriptHeader.Parse(plan.Head, out ReadOnlySpan<byte> interpreter, out ReadOnlySpan<byte> argument);
        if (error != Errno.None)
            return error;
        if (plan.PathIsClosedOnExec)
            return Errno.ENOENT;                            // the interpreter could not open /dev/fd/N
        error = plan.PrependScript(interpreter, argument);
        if (error != Errno.None)
            return error;
        if (!task.System.Vfs.OpenForExec(task, Vfs.AtWorkingDirectory, interpreter, WalkFlags.FollowLast)
            .TryGet(out OpenFile file, out error))
        {
            return error;
        }
        plan.ReplaceFile(file);
        return Errno.None;
    }

    // ---- The program ----------------------------------------------------------------------------------------------------------------

    private static Errno StartElf(Task task, scoped ref ExecPlan plan, ref TrapFrame frame)
    {
        // Reserve: the whole new address space, and a table of handlers of our own.
        Errno error = ElfLoader.Load(task, ref plan);
        if (error == Errno.None)
            error = plan.ReserveOwnTables();
        if (error == Errno.None)
            error = KillOtherThreads(task);
        if (error != Errno.None)
        {
            if (plan.MustDie)
            {
                // Linux finds such a program wrong, or too large, only after the old one is gone.
                SignalInfo info = default;
                info.Signal = SignalNumber.Segmentation;
                info.Code = SignalInfo.CodeKernel;
                Signals.ForceFatal(task, info);
            }
            return error;
        }

        // Commit: nothing below can fail.
        Commit(task, ref plan);
        SetRegisters(task, plan, ref frame);
        return Errno.None;
    }

    /// <summary>All other threads end; this one becomes the leader. Linux: <c>de_thread</c>.</summary>
    /// <returns>EAGAIN when the process is ending already.</returns>
    private static Errno KillOtherThreads(Task task)
    {
        ThreadGroup group = task.Group;
        TaskSystem system = task.System;
        using (system.TaskLock.Acquire())
        {
            if (group.Threads.Count == 1 && task.IsLeader)
                return Errno.None;
            if (group.GroupExit || group.ExecTask is not null)
                return Errno.EAGAIN;
            group.ExecTask = task;
            _ = Signals.KillOtherThreads(task);
        }
        while (true)
        {
            group.ExecWait.PrepareToWait(task.WaitNode, ThreadState.Killable);
            int others = task.IsLeader ? 1 : 2;
            bool leaderDone = task.IsLeader || group.Leader is { ExitState: ExitState.Zombie };
            if (group.Threads.Count <= others && leaderDone)
                break;
            if (task.FatalSignalPending)
            {
                group.ExecWait.FinishWait(task.WaitNode);
                using (system.TaskLock.Acquire())
                    group.ExecTask = null;
                return Errno.EAGAIN;
            }
            system.Scheduler.Schedule();
        }
        group.ExecWait.FinishWait(task.WaitNode);
        using (system.TaskLock.Acquire())
        {
            if (!task.IsLeader)
                TakeLeadership(task);
            group.ExecTask = null;
            group.LeaderReportPending = false;
            task.ExitSignal = SignalNumber.Child;
        }
        return Errno.None;
    }

    /// <summary>The process keeps its number: the thread gives up its own and takes the dead leader's.</summary>
    private static void TakeLeadership(Task task)
    {
        ThreadGroup group = task.Group;
        Task leader = group.Leader!;
        PidEntry own = task.PidEntry!, first = leader.PidEntry!;
        own.Thread = leader;
        leader.PidEntry = own;
        leader.Pid = own.Number;
        first.Thread = task;
        task.PidEntry = first;
        task.Pid = first.Number;
        task.StartTime = leader.StartTime;
        group.Leader = task;
        leader.ExitSignal = -1;
        leader.ExitState = ExitState.Dead;
        ReleaseTask.ReleaseLocked(leader);
    }

    /// <summary>The point of no return. Linux: <c>begin_new_exec</c>, <c>setup_new_exec</c>, <c>install_exec_creds</c>.</summary>
    private static void Commit(Task task, scoped ref ExecPlan plan)
    {
        ThreadGroup group = task.Group;
        TaskSystem system = task.System;

        system.ExecEnding(task);                            // timers that do not survive
        DoExit.ReleaseFromMm(task);
        MmStruct mm = plan.TakeMm();
        if (task.Mm is { } before)
            mm.CoreFilter = before.CoreFilter;
        MmStruct? old = SwitchMm.Adopt(task, mm);
        old?.Put();

        plan.InstallOwnTables();
        Signals.ResetHandlers(task.Handlers!, all: false);
        task.AlternateStack = default;
        task.AlternateStackBytes = 0;
        task.AlternateStackFlags = SignalStack.Disabled;
        task.RobustList = default;
        task.SetChildTid = default;
        task.RseqArea = default;
        task.RseqBytes = 0;
        task.RseqSignature = 0;
        task.ParentDeathSignal = plan.PrivilegesGained ? 0 : task.ParentDeathSignal;
        task.Personality &= ~Personalities.ClearedByExec;
        task.Flags &= ~(TaskFlags.ForkedNoExec | TaskFlags.KernelThread);
        task.SetName(plan.Name);
        group.ExecId++;
        task.Mm!.Dumpable = 1;
        task.Files.CloseForExec(task);
        CredentialRules.ForExec(task.Credentials);
    }

    /// <summary>Nothing of the old program is left in any register.</summary>
    private static void SetRegisters(Task task, in ExecPlan plan, ref TrapFrame frame)
    {
        frame = default;
        frame.OriginalRax = ulong.MaxValue;
        frame.Rip = plan.Entry.Value;
        frame.Rsp = plan.StackPointer.Value;
        frame.Cs = Selectors.UserCode;
        frame.Ss = Selectors.UserData;
        frame.Rflags = InterruptFlag;
        FpuState.ResetCurrent();
        ContextSwitch.ResetSegments();
    }
}
