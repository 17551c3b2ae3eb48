using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Files;

namespace NanoVm.Tasks;

/// <summary>One thread of execution: a user thread or a kernel thread.</summary>
/// <remarks>
/// Linux: <c>task_struct</c>. The halves below this class are the processor's (<see cref="KernelThread"/>), memory's
/// (<see cref="NanoVm.Memory.Virtual.TaskMemory"/>) and the files' (<see cref="TaskFiles"/>). What all threads of a process share beyond
/// those is <see cref="ThreadGroup"/>.
/// <para>Lives while <see cref="ReferenceCount"/> is not zero: one reference is held until <see cref="ReleaseTask"/>, one by the processor
/// that runs it until it has switched away for the last time, others by whoever keeps a <c>Task</c> across a sleep.</para>
/// </remarks>
internal sealed unsafe class Task : TaskFiles
{
    /// <summary>Bytes of a command name with its NUL. Linux: <c>TASK_COMM_LEN</c>.</summary>
    public const int NameBytes = 16;

    /// <summary>The machine's task system; every task reaches what is shared by all of them through it.</summary>
    public TaskSystem System = null!;

    public override int ThreadId => Pid;

    /// <summary>Thread number (what <c>gettid</c> answers); 0 for idle.</summary>
    public int Pid;

    /// <summary>The entry of <see cref="Pid"/> in the table; null before it is attached and after release. Guarded by the task-list lock.</summary>
    public PidEntry? PidEntry;

    /// <summary>The process. Linux: <c>signal_struct</c> with <c>group_leader</c>.</summary>
    public ThreadGroup Group = null!;

    /// <summary>Links among the threads of <see cref="Group"/>. Guarded by the task-list lock.</summary>
    public SetLinks<Task> ThreadLinks;

    /// <summary>What this task is and is doing. Linux: <c>PF_*</c>.</summary>
    public TaskFlags Flags;

    /// <summary>References; the object goes at 0.</summary>
    public int ReferenceCount;

    // --- signals (Tasks/Signals) ---

    /// <summary>The signal actions, shared with CLONE_SIGHAND; null once the task has exited.</summary>
    public SignalHandlers? Handlers;

    /// <summary>Signals that are not delivered now. Only the task itself changes it.</summary>
    public SignalSet Blocked;

    /// <summary>The mask to put back when a temporary one (<c>rt_sigsuspend</c>, <c>ppoll</c>) ends; valid when <see cref="RestoreBlocked"/>.</summary>
    public SignalSet SavedBlocked;
    public bool RestoreBlocked;

    /// <summary>Signals waited for by <c>rt_sigtimedwait</c>: they wake the task though they are blocked.</summary>
    public SignalSet RealBlocked;

    /// <summary>Signals sent to this very thread.</summary>
    public PendingSignals Pending;

    /// <summary>The alternate signal stack. Linux: <c>sas_ss_sp</c>, <c>sas_ss_size</c>, <c>sas_ss_flags</c>.</summary>
    public VirtAddr AlternateStack;
    public ulong AlternateStackBytes;
    public int AlternateStackFlags;

    /// <summary>How a call interrupted with <see cref="Errno.ERESTART_RESTARTBLOCK"/> goes on.</summary>
    public RestartBlock Restart;

    /// <summary>This thread must take part in a group stop. Linux: <c>JOBCTL_STOP_PENDING</c>.</summary>
    public bool StopPending;

    /// <summary>This thread has taken a stop signal that no SIGCONT has cancelled since. Linux: <c>JOBCTL_STOP_DEQUEUED</c>.</summary>
    public bool StopDequeued;

    // --- threads library ---

    /// <summary>Where to write 0 and wake a futex when the thread ends; zero when not asked for.</summary>
    public VirtAddr ClearChildTid;

    /// <summary>Where the child writes its number after fork; zero when not asked for.</summary>
    public VirtAddr SetChildTid;

    /// <summary>The task's place in the lists of the futex table; made by its first wait.</summary>
    public FutexWaiter? FutexWaiter;

    /// <summary>Locks with priority inheritance that others wait for while this task holds them. Linux: <c>pi_state_list</c>.</summary>
    public PiState? HeldPiLocks;

    /// <summary>The task is exiting and has let go of all its futexes: a word that still names it names nobody.</summary>
    public bool FutexesReleased;

    /// <summary>What <c>SEM_UNDO</c> has noted; null when nothing. Shared by <c>CLONE_SYSVSEM</c>.</summary>
    public SemaphoreUndoList? SemaphoreUndos;

    /// <summary>The list of robust futexes in user memory, walked at exit.</summary>
    public VirtAddr RobustList;

    /// <summary>Restartable sequences. Linux: <c>rseq</c>, <c>rseq_len</c>, <c>rseq_sig</c>.</summary>
    public VirtAddr RseqArea;
    public uint RseqBytes;
    public uint RseqSignature;
    public bool RseqEvent;

    // --- life and death ---

    /// <summary>The status in <c>wait</c>'s encoding, once the task is exiting.</summary>
    public int ExitCode;

    /// <summary>Waits at the beginning of its exit while another thread writes the core file.</summary>
    public bool IsParkedForCore;

    /// <summary>What the parent is told when the process ends; 0 for nothing, -1 for a thread.</summary>
    public int ExitSignal;

    /// <summary>Sent to this task when its parent thread ends. Linux: <c>pdeath_signal</c>.</summary>
    public int ParentDeathSignal;

    /// <summary>Zombie or gone, beside the scheduler's state. Linux: <c>exit_state</c>.</summary>
    public ExitState ExitState;

    /// <summary>The task that waits on its own <see cref="VforkDone"/> until this one execs or exits; null when none does.</summary>
    /// <remarks>Linux: <c>vfork_done</c>. Holds a reference.</remarks>
    public Task? VforkParent;

    /// <summary>Where this task waits for its own <c>vfork</c> children.</summary>
    public WaitQueue VforkDone;

    // --- scheduling (Tasks/Scheduling) ---

    /// <summary>−20…19.</summary>
    public int Nice;
    public SchedulingPolicy Policy;

    /// <summary>1…99 with a real-time policy, else 0.</summary>
    public int RealTimePriority;

    /// <summary>That of the most urgent task which waits for a lock that this one holds; 0 for none.</summary>
    public int InheritedPriority;

    /// <summary>The real-time priority that the scheduler goes by.</summary>
    public int EffectivePriority => Math.Max(RealTimePriority, InheritedPriority);

    public bool ResetOnFork;

    /// <summary>Nanoseconds left of the time slice.</summary>
    public long SliceLeft;
    /// <summary>The queue that the task is in; −1 when in none.</summary>
    public int RunQueueIndex;

    /// <summary>The slice has been used up since the task last slept: it takes turns behind those that have slept.</summary>
    public bool UsedSlice;

    /// <summary>Sleeps in a way that counts into the load average.</summary>
    public bool CountsAsLoad;

    /// <summary>Time on the processor, exact, and the nanoseconds that ticks stood for, by which it is split. See <see cref="TaskTimes"/>.</summary>
    public ulong RunNanoseconds;
    public ulong UserTicks;
    public ulong SystemTicks;

    /// <summary>When the task last got the processor. Monotonic nanoseconds.</summary>
    public ulong RunningSince;

    public ulong VoluntarySwitches;
    public ulong InvoluntarySwitches;

    /// <summary>When the task was made. Monotonic nanoseconds.</summary>
    public ulong StartTime;

    /// <summary>What a kernel thread runs; null for user tasks.</summary>
    public KernelThreadWork? Work;

    // --- identity ---

    private TaskName _name;

    public uint Personality;
    public ulong TimerSlackNanoseconds;

    /// <summary>As whom somebody has logged in. Changed by the task itself only.</summary>
    public LoginIdentity Login;

    // --- the last fault, for the signal frame (Linux: thread.trap_nr, error_code, cr2) ---
    public int FaultVector;
    public PageFaultCode FaultCode;
    public VirtAddr FaultAddress;

    /// <summary>The running task; never null once the scheduler runs.</summary>
    public static new Task Current => (Task)PerCpu.Current;

    /// <summary>True for the thread that began the process (or took its place by exec).</summary>
    public bool IsLeader => ReferenceEquals(Group.Leader, this);

    public bool IsKernelThread => (Flags & TaskFlags.KernelThread) != 0;

    public bool IsExiting => (Flags & TaskFlags.Exiting) != 0;

    /// <inheritdoc/>
    public override bool IsLeaving => IsExiting;

    /// <summary>The process number (what <c>getpid</c> answers).</summary>
    public int Tgid => Group.Tgid;

    /// <summary>The command name without NUL, at most 15 bytes. Linux: <c>comm</c>.</summary>
    public ReadOnlySpan<byte> Name
    {
        get
        {
            ReadOnlySpan<byte> name = _name;
            int length = name.IndexOf((byte)0);
            return name[..length];
        }
    }

    /// <summary>Sets the command name, cut to 15 bytes and filled with NULs.</summary>
    public void SetName(ReadOnlySpan<byte> name)
    {
        Span<byte> to = _name;
        to.Clear();
        name[..Math.Min(name.Length, NameBytes - 1)].CopyTo(to);
    }

    /// <inheritdoc/>
    public override void Describe(ref TextWriter text)
    {
        text.Text("task "u8);
        text.Signed(Pid);
        text.Text(" ("u8);
        text.Text(Name);
        text.Text(IsKernelThread ? "), a kernel thread"u8 : ")"u8);
    }

    /// <inheritdoc/>
    public override int ProcessNumber => Group.Tgid;

    /// <inheritdoc/>
    public override void FileSizeExceeded() => Signals.SendKernel(this, SignalNumber.FileSizeLimit);

    /// <inheritdoc/>
    public override void BrokenPipe() => Signals.SendKernel(this, SignalNumber.Pipe);

    /// <inheritdoc/>
    public override bool HasCapability(int capability) => Credentials.Has((Capability)capability);

    /// <summary>A kernel thread's body; its end is the thread's end.</summary>
    public override void Start()
    {
        Work!.Run(this);
        DoExit.Exit(this, 0);
    }

    /// <summary>The first thing a new task does, interrupts off. Linux: <c>schedule_tail</c>.</summary>
    public override void AfterFirstSwitch()
    {
        System.Scheduler.FinishSwitch();
        if (SetChildTid.IsZero)
            return;
        Interrupts.Enable();                    // the page may have to be copied first
        _ = UserCopy.Put(SetChildTid, Pid);
        SetChildTid = default;
        Interrupts.Disable();
    }

    /// <summary>Takes a reference.</summary>
    public Task Get()
    {
        ReferenceCount++;
        return this;
    }

    /// <summary>Gives a reference back; the last one frees the task. Linux: <c>put_task_struct</c>.</summary>
    public void Put()
    {
        if (--ReferenceCount == 0)
            System.FreeTask(this);
    }
}

/// <summary>A command name with its NUL.</summary>
[InlineArray(Task.NameBytes)]
internal struct TaskName
{
    private byte _first;
}

/// <summary>The links of <see cref="ThreadGroup.Threads"/>.</summary>
internal readonly struct ThreadLinksOf : ISetLinks<Task>
{
    public static ref SetLinks<Task> Of(Task item) => ref item.ThreadLinks;
}
