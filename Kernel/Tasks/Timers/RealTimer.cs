using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>ITIMER_REAL of a process. Linux: <c>signal->real_timer</c>.</summary>
internal sealed class RealTimer : TimerNode
{
    public ProcessTimers Owner = null!;

    public override void Fire() => Owner.RealExpired();
}
