using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>On which node pages are: <c>move_pages</c>, and <c>get_mempolicy</c> with <c>MPOL_F_NODE | MPOL_F_ADDR</c>.</summary>
internal sealed partial class MmStruct
{
    /// <summary>The node of the page at <paramref name="address"/>, which is not brought in for that. Linux: <c>do_pages_stat_array</c>, <c>add_page_for_migration</c>.</summary>
    /// <returns>
    /// <see cref="Errno.ENOENT"/>: a page of a file, or one in swap or without rights, that is not there; <see cref="Errno.EFAULT"/>: nothing is mapped, or
    /// memory that was never written, or a device's.
    /// </returns>
    /// <remarks>Takes <see cref="MmapLock"/> for reading.</remarks>
    public Result<int> NodeOf(VirtAddr address)
    {
        MmapLock.ReadLock();
        Errno error = LookupVma(address) is { } area ? FindPresent(area, address) : Errno.EFAULT;
        MmapLock.ReadUnlock();
        return error == Errno.None ? 0 : error;
    }

    /// <summary>The node of the page at <paramref name="address"/>, brought in as by reading it. Linux: <c>lookup_node</c>.</summary>
    /// <returns><see cref="Errno.EFAULT"/>.</returns>
    /// <remarks>Takes <see cref="MmapLock"/> for reading.</remarks>
    public Result<int> NodeOfTouched(VirtAddr address)
        => ReachRemote(address.PageDown(), PageSize.Bytes, write: false) == PageSize.Bytes ? 0 : Errno.EFAULT;

    /// <summary>Linux: <c>follow_page</c> with <c>FOLL_DUMP</c>.</summary>
    private Errno FindPresent(VmArea area, VirtAddr address)
    {
        using (PageTableLock.Acquire())
        {
            // Memory without rights does not tell of its pages: as if they were not there.
            Errno missing = area.IsAnonymous ? Errno.EFAULT : Errno.ENOENT;
            if (TryFindPmd(address, out PmdPlace place) && place.Entry.IsHuge)
            {
                Pmd huge = place.Entry;
                if (huge.Has(PteFlags.Special))
                    return Errno.EFAULT;
                return huge.IsPresent ? Errno.None : missing;
            }

            Pte entry = TryFindPte(address, out PageTable<Pte> table) ? table[Pte.IndexOf(address)] : default;
            if (entry.IsNone)
                return missing;
            if (!entry.IsPresent)
                return Errno.ENOENT;
            return entry.IsSpecial ? Errno.EFAULT : Errno.None;
        }
    }
}
