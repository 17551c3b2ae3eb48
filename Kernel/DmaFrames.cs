using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Physical;

namespace NanoVm;

/// <summary>Gives drivers, which lie below the frame allocator, memory for their devices.</summary>
internal sealed class DmaFrames(FrameAllocator frames) : DmaMemory
{
    public override Errno Allocate(ulong bytes, out PhysAddr address)
    {
        int order = 0;
        while (PageSize.Bytes << order < bytes)
            order++;
        Errno error = frames.Allocate(order, AllocationFlags.Zeroed, out Pfn pfn);
        address = pfn.Address;
        return error;
    }
}
