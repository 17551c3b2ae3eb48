using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Files;
using NanoVm.Files.Anonymous;
using NanoVm.Files.Terminal;
using NanoVm.Hal;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>What all tasks of a machine share: numbers, scheduler, caches, locks. Built once by <c>Kernel.cs</c>.</summary>
internal sealed unsafe partial class TaskSystem
{
    public readonly MemorySystem Memory;
    public readonly PhysicalMemory Physical;
    public readonly TimerQueue Timers;
    public readonly PidTable Pids;
    public readonly RoundRobinScheduler Scheduler;
    public readonly AccountingTicker Ticker;
    public readonly LoadAverage Load;
    public readonly KernelStacks Stacks;
    public readonly KernelArrays Arrays;

    /// <summary>Where programs are found; set when the root file system is there.</summary>
    public Vfs Vfs = null!;

    /// <summary>Guards the process tree, lists of threads, groups and sessions, the number table. Linux: <c>tasklist_lock</c>.</summary>
    /// <remarks>Signal locks are taken inside it. It disables interrupts: the terminal's receiver sends signals to groups.</remarks>
    public SpinLock TaskLock;

    /// <summary>Process 1; null before it is made.</summary>
    public ThreadGroup? Init;

    /// <summary>Process 2, the parent of kernel threads; null before it runs.</summary>
    public ThreadGroup? KernelThreadParent;

    /// <summary>The boot thread, later idle.</summary>
    public Task Idle = null!;

    /// <summary>Zombies whose new parent does not want them; released before the lock is given back.</summary>
    public LinkedSet<ThreadGroup, NewsLinksOf> OrphansToRelease;

    /// <summary>Threads that exist, idle not counted.</summary>
    public int TaskCount;
    public int ProcessCount;

    /// <summary>The most threads there may be. Linux: <c>threads-max</c>: an eighth of memory in kernel stacks and task objects.</summary>
    public int MaximumTasks;

    /// <summary>The time-stamp counter at the kernel's first instruction.</summary>
    public ulong StartTsc;

    /// <summary>Messages about programs that end by a fault.</summary>
    public readonly ReportLimit FaultReports = new();

    /// <summary>What happens when there is no memory.</summary>
    public readonly OomSettings Oom = new();

    /// <summary>Forks since boot, for <c>/proc/stat</c>.</summary>
    public ulong Forks;

    /// <summary>A fork lets the child run first. <c>/proc/sys/kernel/sched_child_runs_first</c>.</summary>
    public int ChildRunsFirst;

    /// <summary>What core files are called.</summary>
    public readonly CorePattern CorePattern = new();

    /// <summary>Host and domain name (<c>uname</c>).</summary>
    public readonly SystemNames Names = new();

    /// <summary>The exit status of the machine when it is powered off. <c>/proc/sys/kernel/nanovm_exit_status</c>.</summary>
    public int ExitStatus;

    /// <summary>Bytes of one FPU area.</summary>
    public readonly nuint FpuBytes;

    /// <summary>Where files without a name stand (pidfds); set when files are there.</summary>
    public AnonymousFileSystem NamelessFiles = null!;

    /// <summary>What is mapped into every program; null with <c>vdso=0</c>.</summary>
    public Vdso? Vdso;

    /// <summary>Ends the machine.</summary>
    public PowerOff Power = null!;

    /// <summary>Where <c>syslog(2)</c> reads on, and what it has been told to forget: numbers of bytes of the log.</summary>
    public ulong LogRead;
    public ulong LogCleared;

    /// <summary>System V semaphores and message queues; shared memory is a matter of files (<c>Vfs.Segments</c>).</summary>
    public readonly SemaphoreSets Semaphores;
    public readonly MessageQueues Messages;

    private readonly UserProcesses _users;
    private readonly ObjectCache<Task> _tasks;
    private readonly ObjectCache<ThreadGroup> _groups;
    private readonly ObjectCache<SignalHandlers> _handlers;
    private readonly ObjectCache<Credentials> _credentials;
    private readonly ObjectCache<ResourceLimits> _limits;
    private readonly ObjectCache<WaitNode> _waitNodes;
    private readonly ObjectCache<SleepTimer> _sleepTimers;
    public readonly ObjectCache<QueuedSignal> QueuedSignals;
    internal readonly ObjectCache<SignalFile> SignalFiles;

    public TaskSystem(MemorySystem memory, TimerQueue timers)
    {
        Memory = memory;
        Physical = memory.Physical;
        Timers = timers;
        Arrays = Physical.Arrays;
        _tasks = new ObjectCache<Task>(Physical, "task_struct"u8);
        _groups = new ObjectCache<ThreadGroup>(Physical, "signal_cache"u8);
        _handlers = new ObjectCache<SignalHandlers>(Physical, "sighand_cache"u8);
        _credentials = new ObjectCache<Credentials>(Physical, "cred_jar"u8);
        _limits = new ObjectCache<ResourceLimits>(Physical, "rlimits"u8);
        _waitNodes = new ObjectCache<WaitNode>(Physical, "wait_node"u8);
        _sleepTimers = new ObjectCache<SleepTimer>(Physical, "sleep_timer"u8);
        QueuedSignals = new ObjectCache<QueuedSignal>(Physical, "sigqueue"u8);
        SignalFiles = new ObjectCache<SignalFile>(Physical, "signalfd_ctx"u8);
        Pids = new PidTable(this, new ObjectCache<PidEntry>(Physical, "pid"u8), new ObjectCache<PidNode>(Physical, "pid_node"u8),
            new ObjectCache<PidFd>(Physical, "filp_pidfd"u8), Arrays);
        _users = new UserProcesses(new ObjectCache<UserEntry>(Physical, "user_struct"u8));
        Futexes = new FutexTable(Physical);
        Semaphores = new SemaphoreSets(Physical);
        Messages = new MessageQueues(Physical);
        Clocks = new ProcessClocks(this);
        Stacks = new KernelStacks(Physical.Vmalloc);
        FpuBytes = (nuint)FpuState.AreaBytes;
        Scheduler = new RoundRobinScheduler(this);
        Ticker = new AccountingTicker(this);
        Load = new LoadAverage(Scheduler, timers);
        ulong perTask = KernelStacks.Bytes * 8;
        MaximumTasks = (int)Math.Min(Physical.Frames.TotalFrames.Bytes / perTask, (ulong)PidTable.Limit);
    }

    /// <summary>Makes the boot thread the idle task of this processor: from here on there is a current task.</summary>
    public void AdoptBootThread()
    {
        Task? idle = AllocateTask();
        ThreadGroup? group = AllocateGroup();
        if (idle is null || group is null)
        {
            Panic.Now("too little memory for the first task"u8);
            return;
        }
        idle.Flags = TaskFlags.KernelThread | TaskFlags.Idle;
        idle.SetName("swapper"u8);
        idle.KernelStackBottom = new VirtAddr(Cpu.BootStack());
        idle.KernelStackTop = new VirtAddr(Cpu.BootStackTop());
        idle.Limits = group.Limits;
        group.Limits.InitializeDefaults((ulong)MaximumTasks);
        idle.Credentials.InitializeAsRoot();
        idle.Group = group.Get();
        idle.ActiveMm = Memory.InitMm.Grab();
        idle.State = ThreadState.Running;
        group.Leader = idle;
        Idle = idle;
        Scheduler.SetIdle(idle);
        PerCpu.SetCurrent(idle);
        PerCpu.Scheduler = Scheduler;
    }

    /// <summary>The boot thread's life from now on: sleep until an interrupt, let others run.</summary>
    public void RunIdle()
    {
        while (true)
        {
            _ = Interrupts.Disable();
            if (PerCpu.NeedReschedule)
            {
                Scheduler.Schedule();
                Interrupts.Enable();
            }
            else
            {
                Interrupts.EnableAndHalt();
            }
        }
    }

    // ---- Objects --------------------------------------------------------------------------------------------------------------------

    /// <summary>A zeroed task with wait node, sleep timer, credentials; two references. Null without memory.</summary>
    public Task? AllocateTask()
    {
        Task? task = _tasks.Allocate();
        WaitNode? node = _waitNodes.Allocate();
        SleepTimer? timer = _sleepTimers.Allocate();
        Credentials? credentials = _credentials.Allocate();
        if (task is null || node is null || timer is null || credentials is null)
        {
            if (credentials is not null)
                _credentials.Free(credentials);
            if (timer is not null)
                _sleepTimers.Free(timer);
            if (node is not null)
                _waitNodes.Free(node);
            if (task is not null)
                _tasks.Free(task);
            return null;
        }
        task.System = this;
        task.ReferenceCount = 2;
        task.Credentials = credentials;
        task.State = ThreadState.Uninterruptible;
        task.Initialize(node, timer);
        return task;
    }

    /// <summary>The last reference has gone: gives all parts back.</summary>
    public void FreeTask(Task task)
    {
        task.Credentials.Clear(Arrays);
        _credentials.Free(task.Credentials);
        _sleepTimers.Free(task.SleepTimer);
        _waitNodes.Free(task.WaitNode);
        FreeFpu(task);
        if (task.FutexWaiter is { } waiter)
            Futexes.Free(waiter);
        if (!task.KernelStackBottom.IsZero)
            Stacks.Free(task.KernelStackBottom);
        task.MemoryPolicy?.Put();
        task.Group?.Put();
        _tasks.Free(task);
    }

    /// <summary>After the last switch away from a dead task: its stack can go, and the processor's reference.</summary>
    public void BurySwitchedAway(Task task)
    {
        VirtAddr stack = task.KernelStackBottom;
        task.KernelStackBottom = default;
        Stacks.Free(stack);
        FreeFpu(task);
        task.Put();
    }

    public ThreadGroup? AllocateGroup()
    {
        ThreadGroup? group = _groups.Allocate();
        if (group is null)
            return null;
        ResourceLimits? limits = _limits.Allocate();
        if (limits is null)
        {
            _groups.Free(group);
            return null;
        }
        group.System = this;
        group.Limits = limits;
        return group;
    }

    public void FreeGroup(ThreadGroup group)
    {
        if (group.Timers is { } groupTimers)
            Clocks.Free(groupTimers);
        _limits.Free(group.Limits);
        _groups.Free(group);
    }

    public SignalHandlers? AllocateHandlers()
    {
        SignalHandlers? handlers = _handlers.Allocate();
        if (handlers is not null)
            handlers.ReferenceCount = 1;
        return handlers;
    }

    public void PutHandlers(SignalHandlers handlers)
    {
        if (--handlers.ReferenceCount != 0)
            return;
        handlers.SignalFdWait.DetachAll();              // an epoll file may watch a signalfd of ours and live on
        _handlers.Free(handlers);
    }

    /// <summary>An area for the FPU registers, in their initial state.</summary>
    public Errno AllocateFpu(Task task)
    {
        void* area = Physical.Kmalloc.Allocate(FpuBytes);
        if (area is null)
            return Errno.ENOMEM;
        task.FpuArea = (byte*)area;
        FpuState.Initialize(task.FpuArea);
        return Errno.None;
    }

    private void FreeFpu(Task task)
    {
        if (task.FpuArea is null)
            return;
        FpuState.Forget(task.FpuArea);
        Physical.Kmalloc.Free(task.FpuArea, FpuBytes);
        task.FpuArea = null;
    }

    /// <summary>Logins so far: the number of the last session.</summary>
    public uint LoginSessions;

    // ---- Users ----------------------------------------------------------------------------------------------------------------------

    /// <summary>Tasks of the user. Under the task-list lock, or as a hint.</summary>
    public ulong UserProcesses(Credentials credentials) => _users.CountOf(credentials.Uid);

    /// <summary>Signals that wait in queues for processes of the user.</summary>
    public ulong SignalsOf(Credentials credentials) => _users.SignalsOf(credentials.Uid);

    /// <summary>Counts a signal that is about to be queued for a process of the user. False when its limit is reached.</summary>
    public bool TryCountSignal(Credentials credentials, ulong limit, out UserEntry? counted) => _users.TryAddSignal(credentials.Uid, limit, out counted);

    /// <summary>Takes that back.</summary>
    public void UncountSignal(UserEntry? counted)
    {
        if (counted is not null)
            _users.TakeSignal(counted);
    }

    /// <summary>Counts a task of the user in (1) or out (−1). Under the task-list lock.</summary>
    public void CountUserProcess(Credentials credentials, int change) => _users.Add(credentials.Uid, change);

    // ---- What other parts do when tasks end -----------------------------------------------------------------------------------------

    /// <summary>A thread exits and has given up its memory.</summary>
    public void TaskEnding(Task task) => Semaphores.End(task);

    /// <summary>A session leader ends: its terminal is given up and the foreground group hangs up. Linux: <c>disassociate_ctty</c>.</summary>
    public void SessionLeaderEnding(Task task) => Tty.Disassociate(Vfs.Io.Jobs, exiting: true);

    /// <summary>Init has ended: there is nobody to hand orphans to. Linux panics too.</summary>
    public void InitEnded(int code)
    {
        Log.Warn($"init ended with code {code}");
        Panic.Now("attempted to kill init"u8);
    }
}
