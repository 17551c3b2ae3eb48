using NanoVm.Core;

namespace NanoVm.Hal;

/// <summary>Memory that devices read and write. The frame allocator lies above Hal; <c>Kernel.cs</c> hands this over.</summary>
internal abstract class DmaMemory
{
    /// <summary>Physically contiguous zeroed memory, aligned to its size rounded up to a power of two, for as long as the machine runs.</summary>
    public abstract Errno Allocate(ulong bytes, out PhysAddr address);
}
