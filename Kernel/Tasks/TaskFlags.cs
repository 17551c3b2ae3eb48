using System;
using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>What a task is and what it is in the middle of. Linux: <c>PF_*</c>, with its numbers where <c>/proc/PID/stat</c> shows them.</summary>
[Flags]
internal enum TaskFlags : uint
{
    None = 0,
    Idle = 0x0000_0002,
    Exiting = 0x0000_0004,
    VirtualCpu = 0x0000_0010,
    ForkedNoExec = 0x0000_0040,
    SuperPrivileges = 0x0000_0100,
    DumpedCore = 0x0000_0200,
    Signaled = 0x0000_0400,
    UsedMemory = 0x0000_0800,
    NprocExceeded = 0x0000_1000,
    KernelThread = 0x0020_0000,
    Randomize = 0x0040_0000,
}

/// <summary>How far a task is on its way out. Linux: <c>exit_state</c>.</summary>
internal enum ExitState : byte
{
    /// <summary>Alive, or not yet past the point in exit where others may collect it.</summary>
    Alive,

    /// <summary>Waits to be collected. Linux: <c>EXIT_ZOMBIE</c>.</summary>
    Zombie,

    /// <summary>Collected, or nobody will ask. Linux: <c>EXIT_DEAD</c>.</summary>
    Dead,
}

/// <summary>Linux: <c>SCHED_*</c>.</summary>
internal enum SchedulingPolicy : byte
{
    Normal = 0,
    Fifo = 1,
    RoundRobin = 2,
    Batch = 3,
    Idle = 5,
}

/// <summary>Processor time, split as <c>times</c> and <c>getrusage</c> report it. Nanoseconds.</summary>
internal struct CpuTimes
{
    public ulong User;
    public ulong System;

    public readonly ulong Total => User + System;

    public void Add(in CpuTimes other)
    {
        User += other.User;
        System += other.System;
    }
}

/// <summary>How a call that was interrupted goes on when <c>restart_syscall</c> is made. Linux: <c>restart_block</c>.</summary>
internal unsafe struct RestartBlock
{
    /// <summary>What to run; null answers <see cref="Errno.EINTR"/>. The words are its own.</summary>
    public delegate*<Task, Result<long>> Continue;
    public ulong Word0, Word1, Word2, Word3, Word4;
}

/// <summary>What a kernel thread does. Its <see cref="Run"/> returning ends the thread.</summary>
internal abstract class KernelThreadWork
{
    public abstract void Run(Task self);
}
