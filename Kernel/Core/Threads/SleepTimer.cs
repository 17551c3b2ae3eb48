namespace NanoVm.Core;

/// <summary>Wakes its thread. Every thread owns one.</summary>
internal sealed class SleepTimer : TimerNode
{
    public KernelThread Thread = null!;

    public override void Fire() => PerCpu.Scheduler.Wake(Thread);
}
