using System;

namespace NanoVm.Memory.Physical;

/// <summary>What is asked of an allocation besides its size.</summary>
/// <remarks>Linux: <c>gfp_t</c>.</remarks>
[Flags]
internal enum AllocationFlags : ushort
{
    None = 0,

    /// <summary>All bytes zero. Who leaves it out for a user's frame must overwrite the whole frame before it is mapped.</summary>
    Zeroed = 1,

    /// <summary>The caller holds a spin lock: neither sleep nor reclaim. May go a little below the low watermark.</summary>
    Atomic = 2,

    /// <summary>May take the very last frames: only for what frees memory soon (exit, the killer's victim, writeback).</summary>
    Reserve = 4,

    /// <summary>Mark the tails, so that any frame of the block leads to its first one.</summary>
    Compound = 8,

    /// <summary>Below 4 GiB. Linux: <c>GFP_DMA32</c>.</summary>
    Dma32 = 16,

    /// <summary>Below 16 MiB. Linux: <c>GFP_DMA</c>.</summary>
    Dma = 32,

    /// <summary>Only when there is plenty: for what is read ahead. Neither reclaims nor goes below the low watermark.</summary>
    NoReclaim = 64,

    /// <summary>Rather ENOMEM than somebody's death: the size is a program's wish, or there is another way. Linux: <c>__GFP_RETRY_MAYFAIL</c>.</summary>
    MayFail = 128,
}
