using NanoVm.Memory.Swap;

namespace NanoVm.Tasks;

/// <summary>The kernel thread that keeps some memory free. Linux: <c>kswapd</c>.</summary>
internal sealed class Kswapd(PageReclaim reclaim) : KernelThreadWork
{
    private readonly PageReclaim _reclaim = reclaim;

    public override void Run(Task self) => _reclaim.RunKswapd(self);
}
