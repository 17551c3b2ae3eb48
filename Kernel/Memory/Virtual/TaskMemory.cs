using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>The memory half of a task: which address space it has, which one it borrows, and what it has cost.</summary>
/// <remarks>Linux: the fields <c>mm</c>, <c>active_mm</c>, <c>vmacache</c>, <c>min_flt</c>, <c>maj_flt</c> of <c>task_struct</c>.</remarks>
internal abstract class TaskMemory : KernelThread
{
    /// <summary>The address space; null for a kernel thread. Its reference is one of <see cref="MmStruct.Users"/>. Changed by the task itself only.</summary>
    public MmStruct? Mm;

    /// <summary>
    /// The address space that is loaded while the task runs: <see cref="Mm"/>, or for a kernel thread the one borrowed from the task before it
    /// (then a reference of <see cref="MmStruct.Count"/>). Guarded by the run queue: changed by <see cref="SwitchMm"/>.
    /// </summary>
    public MmStruct? ActiveMm;

    /// <summary>Areas found last. This task only.</summary>
    public VmaCache VmaCache;

    /// <summary>
    /// Where its memory is to come from, unless an area says otherwise; null for the nearest node. With a reference. Changed by the task itself
    /// only; others take a reference before they sleep. Linux: <c>mempolicy</c>.
    /// </summary>
    public Numa.MemoryPolicy? MemoryPolicy;

    /// <summary>The limits of its process.</summary>
    public ResourceLimits Limits = null!;

    /// <summary>Faults answered without waiting for a device. Linux: <c>min_flt</c>.</summary>
    public ulong MinorFaults;

    /// <summary>Faults that waited for a device. Linux: <c>maj_flt</c>.</summary>
    public ulong MajorFaults;

    /// <summary>What it has read and written. This task only.</summary>
    public IoCounts Io;

    /// <summary>What the running call has to tell to programs that watch its memory. This task only.</summary>
    internal Faults.UserfaultEvent? UserfaultEvents;

    /// <summary>The task is ending: nobody may be asked about its faults any more.</summary>
    public virtual bool IsLeaving => false;

    /// <summary>The running task. Every thread of this kernel is a <see cref="TaskMemory"/>, so the cast needs no check.</summary>
    public static TaskMemory Current
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Unsafe.As<TaskMemory>(PerCpu.Current);
    }

    /// <summary>The thread's number, for reports to user space; 0 for those that have none.</summary>
    public virtual int ThreadId => 0;

    /// <summary>Whether the task has the capability (a CAP_* number).</summary>
    public virtual bool HasCapability(int capability) => false;

    public const int CapIpcLock = 14;
    public const int CapSysRawio = 17;
    public const int CapSysAdmin = 21;
    public const int CapSysResource = 24;
}
