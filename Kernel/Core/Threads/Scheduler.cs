namespace NanoVm.Core;

/// <summary>What sleeping code needs of the scheduler; <c>Tasks.Scheduling</c> implements it and <c>Kernel.cs</c> installs it.</summary>
internal abstract class Scheduler
{
    /// <summary>Gives the processor to another thread; returns when this one runs again. Interrupts may be on or off and stay so.</summary>
    /// <remarks>A thread whose state is not <see cref="ThreadState.Running"/> leaves the queue until <see cref="Wake"/>. Linux: <c>schedule</c>.</remarks>
    public abstract void Schedule();

    /// <summary>Makes a sleeping thread runnable. From interrupts too. A running one stays as it is. Linux: <c>wake_up_process</c>.</summary>
    public abstract void Wake(KernelThread thread);

    /// <summary>Sleeps like <see cref="Schedule"/>, but at most until the monotonic clock shows <paramref name="deadlineNanoseconds"/>.</summary>
    /// <returns>The nanoseconds left, 0 when the time was over. <see cref="ulong.MaxValue"/> as deadline never ends.</returns>
    public abstract ulong ScheduleTimeout(ulong deadlineNanoseconds);

    /// <summary>Gives way when another thread should run; for long loops in the kernel. Linux: <c>cond_resched</c>.</summary>
    public virtual void CondResched()
    {
        if (PerCpu.NeedReschedule)
            Schedule();
    }
}
