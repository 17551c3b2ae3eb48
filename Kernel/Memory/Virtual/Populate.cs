using System.Runtime.CompilerServices;
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
        VirtAddr at = range.Start;
        while (at < range.End && FindVma(at) is { } area && area.Start < range.End)
        {
            if (area.Start > at)
                at = area.Start;
            VirtAddr end = VirtAddr.Min(area.End, range.End);
            if ((area.Flags & (VmFlags.Io | VmFlags.PfnMap)) == 0 && (area.Flags & (VmFlags.Locked | VmFlags.LockOnFault)) != (VmFlags.Locked | VmFlags.LockOnFault))
            {
                // Private writable pages are copied now; shared ones only when written, or every page of the file would become dirty.
                bool write = (area.Flags & (VmFlags.Write | VmFlags.Shared)) == VmFlags.Write;
                error = MayReach(area, write, anyRight: true) ? FaultIn(area, ref at, end, write) : Errno.EFAULT;
                if (error != Errno.None && (!ignoreErrors || error == Errno.EINTR))
                    break;
                if (error == Errno.None)
                    continue;
                error = Errno.None;
            }

            at = end;
        }

        MmapLock.ReadUnlock();
        return error;
    }

    /// <summary>May the running thread reach an area's pages for the kernel to bring them in? Linux: <c>check_vma_flags</c>.</summary>
    /// <param name="anyRight">Pages that may only be written or executed may be brought in by reading, too: they are to be there, nobody looks at them.</param>
    internal static bool MayReach(VmArea area, bool write, bool anyRight)
    {
        VmFlags needed = write ? VmFlags.Write : anyRight ? VmFlags.AccessMask : VmFlags.Read;
        return (area.Flags & (VmFlags.Io | VmFlags.PfnMap)) == 0 && (area.Flags & needed) != 0
            && (!ProtectionKeys.Available || ProtectionKeys.Allows(area.Flags.ProtectionKey(), write));
    }

    /// <summary>Faults in each page from <paramref name="at"/> to <paramref name="end"/>, which lie in <paramref name="area"/> and may be reached.</summary>
    /// <param name="at">How far it came: less than the end, without an error, when a program had to answer a fault. The area has to be looked up again then.</param>
    /// <param name="mayWait">For a program that answers faults. Then:</param>
    /// <remarks>Holds <see cref="MmapLock"/> for reading; it may have been released and taken again.</remarks>
    /// <returns><see cref="Errno.EFAULT"/> when nothing lies behind it, <see cref="Errno.ENOMEM"/>, <see cref="Errno.EINTR"/> when the task is killed.</returns>
    internal Errno FaultIn(VmArea area, ref VirtAddr at, VirtAddr end, bool write, bool mayWait = true)
    {
        FaultFlags flags = (mayWait ? FaultFlags.AllowRetry : FaultFlags.None) | (write ? FaultFlags.Write : FaultFlags.None);
        for (; at < end; at += PageSize.Bytes)
        {
            Pte entry = ReadPte(at);
            if (entry.IsPresent && (!write || entry.IsWritable))
            {
                if (write && !entry.IsDirty)
                    TouchByWriting(at);
                continue;
            }
            if (TaskMemory.Current.FatalSignalPending)
                return Errno.EINTR;
            PageFaultResult result = HandleMmFault(area, at, flags);
            if (result == PageFaultResult.Retry)
            {
                MmapLock.ReadLock();
                return Errno.None;
            }

            Errno error = ToErrno(result);
            if (error != Errno.None)
                return error;
            if ((at.Value & (PageSize.LargeBytes - 1)) == 0)
                PerCpu.Scheduler.CondResched();
        }

        return Errno.None;
    }

    /// <summary>A page that is there and may be written is dirty from now on, as if it had been written. Linux: <c>follow_page_pte</c> with <c>FOLL_TOUCH</c>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void TouchByWriting(VirtAddr address)
    {
        bool enabled = PageTableLock.AcquireRaw();
        if (TryFindPte(address, out PageTable<Pte> table))
        {
            ref Pte entry = ref table[Pte.IndexOf(address)];
            if (entry.IsMapped() && entry.IsWritable)
            {
                entry = entry.With(PteFlags.Dirty);
                if (!System.Frames[entry.Pfn].IsAnonymous)
                    NoteWritten(entry.Pfn);
            }
        }
        else if (TryFindPmd(address, out PmdPlace place) && place.Entry.IsHuge && place.Entry.IsWritable)
        {
            place.Entry = place.Entry.With(PteFlags.Dirty);
        }

        PageTableLock.ReleaseRaw(enabled);
    }

    /// <summary>What a system call answers for a fault that it caused itself. Linux: <c>vm_fault_to_errno</c>.</summary>
    internal static Errno ToErrno(PageFaultResult result) => result switch
    {
        PageFaultResult.Handled or PageFaultResult.Installed => Errno.None,
        PageFaultResult.OutOfMemory => Errno.ENOMEM,
        _ => Errno.EFAULT,
    };
}
