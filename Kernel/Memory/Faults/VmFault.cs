using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Faults;

/// <summary>One page fault on its way through the handlers.</summary>
/// <remarks>Linux: <c>vm_fault</c>. Lives on the stack of the faulting thread, which holds the mm's lock for reading.</remarks>
internal ref struct VmFault
{
    public MmStruct Mm;
    public VmArea Area;

    /// <summary>The start of the page that was touched.</summary>
    public VirtAddr Address;

    /// <summary>The byte that was touched.</summary>
    public VirtAddr Exact;

    public FaultFlags Flags;

    /// <summary>The page of the file behind <see cref="Address"/>. Linux: <c>pgoff</c>.</summary>
    public ulong PageIndex;

    /// <summary>What <see cref="VmOperations.Fault"/> found, with one reference; <see cref="Pfn.None"/> before.</summary>
    public Pfn Page;

    /// <summary>Set by <see cref="VmOperations.Fault"/> when it waited for a device.</summary>
    public bool IsMajor;

    /// <summary>The page table that holds the entry; none until <see cref="MmStruct.HandleMmFault"/> made sure of it.</summary>
    public PageTable<Pte> Table;

    /// <summary>The entry as it was when the fault was looked at; it may be set only while it still reads so.</summary>
    public Pte Original;

    public readonly bool IsWrite => (Flags & FaultFlags.Write) != 0;

    /// <summary>The entry for <see cref="Address"/>. Guarded by <see cref="MmStruct.PageTableLock"/>.</summary>
    public readonly ref Pte Entry => ref Table[Pte.IndexOf(Address)];

    /// <summary>Maps the file page <paramref name="index"/> read-only if its entry, in the same table as the fault's, is empty.</summary>
    /// <param name="index">A page of the file inside <see cref="Area"/>.</param>
    /// <param name="page">Its frame; a reference is taken here when it is mapped.</param>
    /// <remarks>For <see cref="VmOperations.MapPages"/>, which is called with <see cref="MmStruct.PageTableLock"/> held. Linux: the loop body of <c>filemap_map_pages</c>.</remarks>
    public void MapAround(ulong index, Pfn page)
    {
        VirtAddr address = Area.Start + ((index - Area.PageOffset) << PageSize.Shift);
        ref Pte entry = ref Table[Pte.IndexOf(address)];
        if (!entry.IsNone)
            return;
        Mm.System.Frames.Get(page);
        Mm.SetFilePte(Area, ref entry, address, page, write: false);
        Mm.System.Statistics.Count(VmCounter.FaultAroundPages);
    }
}
