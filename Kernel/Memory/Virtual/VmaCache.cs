using System.Runtime.CompilerServices;

namespace NanoVm.Memory.Virtual;

/// <summary>The areas that a thread found last: four slots hashed by page number, all void when the mm's sequence has moved on.</summary>
/// <remarks>
/// Linux: <c>struct vmacache</c>. Lecture 000, "Per-thread VMA cache": per thread so that threads do not evict each other's entries; the
/// sequence number so that a change of the address space needs no walk over the threads. Only its own thread touches it.
/// </remarks>
internal struct VmaCache
{
    /// <summary>log2 of the number of slots. Linux: <c>VMACACHE_BITS</c>.</summary>
    public const int Bits = 2;
    public const int Size = 1 << Bits;

    /// <summary>The slots.</summary>
    [InlineArray(Size)]
    public struct SlotArray
    {
        private VmArea? _first;
    }

    /// <summary>Valid while equal to the mm's <see cref="MmStruct.VmaCacheSequence"/>; 64 bits never wrap. A thread that changes its mm clears the cache.</summary>
    public ulong Sequence;

    public SlotArray Slots;

    /// <summary>Counters of this thread, shown in <c>/proc/PID/status</c> beside the machine's sum in <c>/proc/vmstat</c>.</summary>
    public ulong Lookups;
    public ulong Hits;
}
