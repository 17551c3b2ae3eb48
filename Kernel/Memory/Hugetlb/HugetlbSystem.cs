using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Hugetlb;

/// <summary>The pool, and where the objects around it come from. Linux: the globals of <c>mm/hugetlb.c</c>.</summary>
internal sealed class HugetlbSystem(PhysicalMemory memory)
{
    public readonly HugePool Pool = new(memory.Frames);
    public readonly ObjectCache<HugeReservation> Reservations = new(memory, "resv_map"u8);
}
