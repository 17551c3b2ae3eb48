using NanoVm.Core;

namespace NanoVm.Tests.Machine;

/// <summary>What the edge tells the machine about its page tables.</summary>
internal sealed unsafe partial class HostMachine
{
    public void LoadRoot(Pfn root)
    {
        Root = root;
        FlushAllPages();
    }

    public void FlushPage(VirtAddr address) => TlbFlushes++;

    public void FlushAllPages() => TlbFlushes++;
}
