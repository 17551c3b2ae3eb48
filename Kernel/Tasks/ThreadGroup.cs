using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Files.Terminal;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>A process: what its threads share beyond memory and files.</summary>
/// <remarks>
/// Linux: <c>signal_struct</c>, with what Linux keeps in the group leader (parent, children, session). Fields are guarded by the task-list
/// lock (<see cref="TaskSystem.TaskLock"/>) unless said otherwise. The object goes with its last <see cref="Task"/>.
/// </remarks>
internal sealed class ThreadGroup
{
    public TaskSystem System = null!;

    /// <summary>The process number; stays the same when exec makes another thread the leader.</summary>
    public int Tgid;

    /// <summary>The thread whose number is <see cref="Tgid"/>; stays here as a zombie while other threads live.</summary>
    public Task? Leader;

    /// <summary>All threads that have not been released, the leader among them.</summary>
    public LinkedSet<Task, ThreadLinksOf> Threads;

    /// <summary>Threads that have not begun to exit. Linux: <c>signal->live</c>.</summary>
    public int LiveThreads;

    /// <summary>Tasks that point here; the object is freed at 0.</summary>
    public int ReferenceCount;

    // --- family ---

    /// <summary>Who is told of the end of this process and may wait for it; null for init and kernel threads.</summary>
    public ThreadGroup? Parent;

    /// <summary>The very thread of <see cref="Parent"/> that made this process (for PDEATHSIG and __WNOTHREAD).</summary>
    public Task? ParentThread;

    /// <summary>Children that have not been collected, zombies among them.</summary>
    public LinkedSet<ThreadGroup, ChildLinksOf> Children;
    public SetLinks<ThreadGroup> ChildLinks;

    /// <summary>Children with something to report to <c>wait</c>: zombies, and stopped or continued ones not yet reported.</summary>
    public LinkedSet<ThreadGroup, NewsLinksOf> ChildNews;
    public SetLinks<ThreadGroup> NewsLinks;

    /// <summary>Orphans below this process go to it instead of init. Linux: <c>is_child_subreaper</c>.</summary>
    public bool IsChildSubreaper;
    public bool HasChildSubreaper;

    /// <summary>Threads of this process wait here for children.</summary>
    public WaitQueue ChildExit;

    // --- process group and session ---

    /// <summary>The process group; each holds a reference on its entry.</summary>
    public PidEntry? ProcessGroup;
    public SetLinks<ThreadGroup> ProcessGroupLinks;

    public PidEntry? Session;
    public SetLinks<ThreadGroup> SessionLinks;

    /// <summary>This process began its session. Linux: <c>signal->leader</c>.</summary>
    public bool IsSessionLeader;

    /// <summary>The controlling terminal, or null; no reference is held (a terminal that goes takes itself out).</summary>
    public Tty? ControllingTerminal;

    // --- ending and stopping ---

    /// <summary>All threads are to end with <see cref="GroupExitCode"/>. Linux: <c>SIGNAL_GROUP_EXIT</c>.</summary>
    public bool GroupExit;
    public int GroupExitCode;

    /// <summary>The thread that is removing all others for exec; it waits on <see cref="ExecWait"/>.</summary>
    public Task? ExecTask;
    public WaitQueue ExecWait;

    /// <summary>The thread that writes the core file; the others wait on <see cref="CoreWait"/> at the beginning of their exit, and it for them.</summary>
    public Task? CoreDumper;
    public WaitQueue CoreWait;

    /// <summary>A leader that is a zombie while threads live on: its report to the parent waits for the last thread.</summary>
    public bool LeaderReportPending;

    /// <summary>All threads have stopped. Linux: <c>SIGNAL_STOP_STOPPED</c>.</summary>
    public bool IsStopped;

    /// <summary>Threads that have still to stop for the group stop in progress.</summary>
    public int GroupStopCount;

    /// <summary>The signal that stopped the group, for <c>wait</c>; 0 when collected.</summary>
    public int StopCode;

    /// <summary>A continue not yet collected by <c>wait</c>. Linux: <c>SIGNAL_STOP_CONTINUED</c>.</summary>
    public bool IsContinued;

    /// <summary>Never killed or stopped by signals it has no handler for: init. Linux: <c>SIGNAL_UNKILLABLE</c>.</summary>
    public bool IsUnkillable;

    // --- signals ---

    /// <summary>Guards what is pending here and for each thread, the signal actions, and stopping. Inside of the task-list lock.</summary>
    public SpinLock SignalLock;

    /// <summary>The signal of a stop that is not complete yet. Under <see cref="SignalLock"/>.</summary>
    public int PendingStopCode;

    /// <summary>The parent has still to hear that the process goes on. Linux: <c>SIGNAL_CLD_CONTINUED</c>. Under <see cref="SignalLock"/>.</summary>
    public bool ContinueReport;

    /// <summary>Signals sent to the process; any thread may take them.</summary>
    public PendingSignals SharedPending;

    /// <summary>Where the search for a thread to wake begins. Linux: <c>curr_target</c>.</summary>
    public Task? SignalTarget;

    /// <summary>Interval timers and timers made by <c>timer_create</c>; null until the first. See <see cref="ProcessTimers"/>.</summary>
    public ProcessTimers? Timers;

    /// <summary>Ticks of all threads, for RLIMIT_CPU. From the timer interrupt.</summary>
    public ulong CpuTicks;

    // --- resources ---

    /// <summary>The limits, shared by all threads.</summary>
    public ResourceLimits Limits = null!;

    /// <summary>Times of threads that have been released.</summary>
    public CpuTimes DeadThreadTimes;

    /// <summary>What ended threads have read and written, for <c>/proc/PID/io</c>.</summary>
    public Memory.Virtual.IoCounts DeadThreadIo;
    public ulong DeadMinorFaults, DeadMajorFaults, DeadVoluntarySwitches, DeadInvoluntarySwitches;

    /// <summary>What collected children have used, theirs included.</summary>
    public CpuTimes ChildTimes;
    public ulong ChildMinorFaults, ChildMajorFaults, ChildVoluntarySwitches, ChildInvoluntarySwitches;

    /// <summary>Highest resident sizes of this process (kept after its mm has gone) and of its children. Pages.</summary>
    public ulong MaxResident, ChildMaxResident;

    /// <summary>What <c>membarrier</c> has been asked to register.</summary>
    public int BarrierRegistrations;

    /// <summary>What was last asked of <c>/proc/PID/explain</c>.</summary>
    public VirtAddr ExplainedAddress;

    public int OomScoreAdjustment;
    public int OomScoreAdjustmentMinimum;

    /// <summary>Counts programs, so that a parent that has changed gets SIGCHLD and not what was agreed. Linux: <c>self_exec_id</c>.</summary>
    public uint ExecId;
    public uint ParentExecId;

    public bool IsZombie => Leader is { ExitState: ExitState.Zombie } && LiveThreads == 0;

    public ThreadGroup Get()
    {
        ReferenceCount++;
        return this;
    }

    public void Put()
    {
        if (--ReferenceCount == 0)
            System.FreeGroup(this);
    }
}

/// <summary>The links of <see cref="ThreadGroup.Children"/>.</summary>
internal readonly struct ChildLinksOf : ISetLinks<ThreadGroup>
{
    public static ref SetLinks<ThreadGroup> Of(ThreadGroup item) => ref item.ChildLinks;
}

/// <summary>The links of <see cref="ThreadGroup.ChildNews"/>.</summary>
internal readonly struct NewsLinksOf : ISetLinks<ThreadGroup>
{
    public static ref SetLinks<ThreadGroup> Of(ThreadGroup item) => ref item.NewsLinks;
}

/// <summary>The links of <see cref="PidEntry.ProcessGroupMembers"/>.</summary>
internal readonly struct ProcessGroupLinksOf : ISetLinks<ThreadGroup>
{
    public static ref SetLinks<ThreadGroup> Of(ThreadGroup item) => ref item.ProcessGroupLinks;
}

/// <summary>The links of <see cref="PidEntry.SessionMembers"/>.</summary>
internal readonly struct SessionLinksOf : ISetLinks<ThreadGroup>
{
    public static ref SetLinks<ThreadGroup> Of(ThreadGroup item) => ref item.SessionLinks;
}
