using NanoVm.Core;
using NanoVm.Memory.Faults;

namespace NanoVm.Memory.Virtual;

/// <summary>Brings pages in before they are touched: <c>MAP_POPULATE</c>, <c>mlock</c>, <c>MADV_POPULATE_*</c>.</summary>
/// <remarks>Linux: <c>__mm_populate</c>, <c>populate_vma_page_range</c>, <c>faultin_vma_page_range</c>.</remarks>
internal sealed partial class MmStruct
{
    /// <summary>Populates the areas of <paramref name="range"/>, holes apart, and ignores what cannot be had, as <c>mmap</c> does.</summary>
    /// <remarks>Takes <see cref="MmapLock"/> for reading. Linux: <c>mm_populate</c>.</remarks>
    public void Populate(PageRange range) => _ = PopulateLocked(range, ignoreErrors: true);

    /// <summary>Populates the areas of <paramref name="range"/>.</summary>
    /// <returns><see cref="Errno.ENOMEM"/>: a hole, or no memory; <see cref="Errno.EFAULT"/>: beyond the end of a file.</returns>
    internal Errno PopulateLocked(PageRange range, bool ignoreErrors)
    {
        MmapLock.ReadLock();
        Errno error = Errno.None;
        VmArea? area = FindVma(range.Start);
        VirtAddr at = range.Start;
        while (at < range.End && area is not null && area.Start < range.End)
        {
            if (area.Start > at)
                at = area.Start;
            VirtAddr end = VirtAddr.Min(area.End, range.End);
            if ((area.Flags & (VmFlags.Io | VmFlags.PfnMap)) == 0 && (area.Flags & (VmFlags.Locked | VmFlags.LockOnFault)) != (VmFlags.Locked | VmFlags.LockOnFault))
            {
                // Private writable pages are copied now; shared ones only when written, or every page of the file would become dirty.
                bool write = (area.Flags & (VmFlags.Write | VmFlags.Shared)) == VmFlags.Write;
                error = FaultIn(area, new PageRange(at, end), write);
                if (error != Errno.None && !ignoreErrors)
                    break;
                error = Errno.None;
            }

            at = end;
            area = area.Next;
        }

        MmapLock.ReadUnlock();
        return error;
    }

    /// <summary>Faults in each page of a part of <paramref name="area"/>. Holds <see cref="MmapLock"/>.</summary>
    /// <returns><see cref="Errno.EFAULT"/> when the area forbids the access or nothing lies behind it, <see cref="Errno.ENOMEM"/>, <see cref="Errno.EINTR"/> when the task is killed.</returns>
    internal Errno FaultIn(VmArea area, PageRange range, bool write)
    {
        if (write ? (area.Flags & VmFlags.Write) == 0 : (area.Flags & VmFlags.AccessMask) == 0)
            return Errno.EFAULT;
        FaultFlags flags = FaultFlags.Uncounted | (write ? FaultFlags.Write : FaultFlags.None);
        for (VirtAddr address = range.Start; address < range.End; address += PageSize.Bytes)
        {
            Pte entry = ReadPte(address);
            if (entry.IsPresent && (!write || entry.IsWritable))
                continue;
            if (TaskMemory.Current.FatalSignalPending)
                return Errno.EINTR;
            Errno error = ToErrno(HandleMmFault(area, address, flags));
            if (error != Errno.None)
                return error;
            if ((address.Value & (PageSize.LargeBytes - 1)) == 0)
                PerCpu.Scheduler.CondResched();
        }

        return Errno.None;
    }

    /// <summary>What a system call answers for a fault that it caused itself. Linux: <c>vm_fault_to_errno</c>.</summary>
    internal static Errno ToErrno(PageFaultResult result) => result switch
    {
        PageFaultResult.Handled or PageFaultResult.Installed => Errno.None,
        PageFaultResult.OutOfMemory => Errno.ENOMEM,
        _ => Errno.EFAULT,
    };
}
