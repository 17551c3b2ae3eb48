using NanoVm.Core.Sync;

namespace NanoVm.Core;

/// <summary>The processor's half of a task: what a context switch saves and what the scheduler links.</summary>
/// <remarks>
/// Linux: <c>thread_struct</c> and the scheduling fields of <c>task_struct</c>.
/// Memory comes zeroed from an object cache; the creator sets the stack and calls <see cref="Initialize"/>.
/// Fields without a lock of their own are written by the thread itself or, while it does not run, by the scheduler with
/// interrupts off.
/// </remarks>
internal abstract unsafe class KernelThread
{
    /// <summary>The stack pointer while the thread does not run; the registers that a C# call keeps lie there.</summary>
    public ulong SavedStackPointer;

    /// <summary>One past the highest byte of the kernel stack: 16-byte aligned; traps from user mode start here.</summary>
    public VirtAddr KernelStackTop;

    /// <summary>The lowest byte of the kernel stack; an unmapped guard page lies below.</summary>
    public VirtAddr KernelStackBottom;

    /// <summary>
    /// The area of <see cref="FpuState.AreaBytes"/> bytes, aligned to 64, that holds the FPU, SSE and AVX registers while the thread
    /// does not run; null for kernel threads, which never leave the registers of the entry stubs.
    /// </summary>
    public byte* FpuArea;

    /// <summary>User's FS base (thread-local storage) while the thread does not run. Linux: <c>thread.fsbase</c>.</summary>
    public ulong FsBase;

    /// <summary>User's GS base; while in the kernel the processor keeps it in IA32_KERNEL_GS_BASE. Linux: <c>thread.gsbase</c>.</summary>
    public ulong GsBase;

    /// <summary>User's DS, ES, FS and GS while the thread does not run; 0 unless the program has loaded others.</summary>
    public ulong SegmentSelectors;

    public ThreadState State;

    /// <summary>Set by <c>Tasks.Signals</c> whenever an unblocked signal waits; sleeping calls look at it. Linux: <c>TIF_SIGPENDING</c>.</summary>
    public bool SignalPending
    {
        get => _signalPending;
        set
        {
            _signalPending = value;
            PerCpu.SignalPendingChanged(this);
        }
    }

    private bool _signalPending;

    /// <summary>A SIGKILL waits: killable sleeps end too. Linux: <c>fatal_signal_pending</c>.</summary>
    public bool FatalSignalPending;

    /// <summary>
    /// The thread is freeing memory: it may take the frames that are kept for this, to the last one, and does not reclaim for itself. Set by
    /// the thread around such work. Linux: <c>PF_MEMALLOC</c>.
    /// </summary>
    public bool MayUseReserve;

    /// <summary>Chosen to die for want of memory: part of the reserve is for it, so that it can. Linux: <c>tsk_is_oom_victim</c>.</summary>
    public bool IsOomVictim;

    /// <summary>What the thread does now takes more memory than it gives: it dies first (<c>swapoff</c>). Linux: <c>oom_flag_origin</c>.</summary>
    public bool IsOomOrigin;

    /// <summary>Whether the scheduler has the thread in its queue now.</summary>
    public bool IsQueued;

    /// <summary>Neighbours in the scheduler's queue; null at the ends. Owned by the scheduler.</summary>
    public KernelThread? QueueNext;
    public KernelThread? QueuePrevious;

    /// <summary>The thread's own place in a wait queue: it sleeps on one queue at a time. Poll uses nodes of its own.</summary>
    public WaitNode WaitNode = null!;

    /// <summary>Wakes the thread from <see cref="Scheduler.ScheduleTimeout"/>.</summary>
    public SleepTimer SleepTimer = null!;

    /// <summary>The next thread that waits for the same sleeping lock; under that lock's spin lock. See <see cref="Sync.Sleepers"/>.</summary>
    internal KernelThread? LockNext;
    /// <summary>Whether the thread waits to share the lock or to own it alone.</summary>
    internal bool LockWantsWrite;
    /// <summary>Set by the one who passed the lock on.</summary>
    internal bool LockGranted;

    /// <summary>While not zero a fault in a user copy is not handled but fails the copy at once. Linux: <c>pagefault_disabled</c>.</summary>
    public int PageFaultsDisabled;

    /// <summary>References to pages that the thread works on just now, and will give back. Counted by <c>FrameAllocator.Hold</c>, compared by <c>memfsck</c>.</summary>
    public int HeldFrames;

    /// <summary>Which of its next requests for memory is to fail.</summary>
    public FailNth FailNth;

    /// <summary>Runs a kernel thread's body; a user task starts at its <see cref="TrapFrame"/> instead. Never returns.</summary>
    /// <remarks>Called on the new stack by the first switch, interrupts enabled.</remarks>
    public virtual void Start() => Panic.Now("a thread without a body was started"u8);

    /// <summary>The first thing on a new stack, before <see cref="Start"/> or the return to user mode. Linux: <c>schedule_tail</c>.</summary>
    public virtual void AfterFirstSwitch()
    {
    }

    /// <summary>Who this is, for a panic's report. Must not sleep nor fault.</summary>
    public virtual void Describe(ref TextWriter text) => text.Text("a thread"u8);

    /// <summary>Takes the two nodes that every thread owns; both come from object caches of the creator.</summary>
    public void Initialize(WaitNode waitNode, SleepTimer sleepTimer)
    {
        waitNode.Thread = this;
        sleepTimer.Thread = this;
        WaitNode = waitNode;
        SleepTimer = sleepTimer;
    }
}
