using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Hugetlb;

/// <summary>How areas of huge pages of the pool behave. Linux: <c>hugetlb_vm_ops</c>.</summary>
internal class HugeMapOperations(HugetlbSystem system) : VmOperations
{
    private readonly HugetlbSystem _system = system;

    /// <summary>Sets up a fresh area: promises its pages, and lengthens the file that it may write. Linux: <c>hugetlbfs_file_mmap</c>.</summary>
    /// <returns>EINVAL for an offset inside a huge page; ENOMEM when the pool cannot cover it.</returns>
    public Errno Prepare(VmArea area, HugeSpace space)
    {
        const ulong pagesMask = (1UL << Physical.FrameAllocator.HugeOrder) - 1;
        if ((area.PageOffset & pagesMask) != 0 || (area.Start.Value & (PageSize.LargeBytes - 1)) != 0)
            return Errno.EINVAL;
        Errno error = Errno.None;
        if ((area.Flags & VmFlags.NoReserve) == 0)
        {
            ulong first = area.PageOffset >> Physical.FrameAllocator.HugeOrder;
            error = (area.Flags & VmFlags.MayShare) != 0
                ? space.Reserve(first, first + (area.Bytes >> PageSize.LargeShift))
                : HugeReservation.Make(_system, area);
        }

        if (error == Errno.None)
            area.Operations = this;
        return error;
    }

    /// <inheritdoc/>
    public override void Open(VmArea area) => HugeReservation.Opened(area);

    /// <inheritdoc/>
    public override void Close(VmArea area) => HugeReservation.Closed(_system, area);

    /// <inheritdoc/>
    public override bool NeedsClose => true;

    /// <summary>Only between huge pages. Linux: <c>hugetlb_vm_op_split</c>.</summary>
    public override Errno MaySplit(VmArea area, VirtAddr at) => (at.Value & (PageSize.LargeBytes - 1)) != 0 ? Errno.EINVAL : Errno.None;

    /// <summary>Faults of such areas never get here: <see cref="MmStruct.HandleMmFault"/> knows them.</summary>
    public override PageFaultResult Fault(ref VmFault fault) => PageFaultResult.Sigbus;
}
