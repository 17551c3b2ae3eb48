using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Mapping;

/// <summary>How an area behaves that maps a file through its page cache.</summary>
/// <remarks>Linux: <c>generic_file_vm_ops</c>, <c>shmem_vm_ops</c>. One object serves all files of a machine: what differs is in the <see cref="AddressSpace"/>.</remarks>
internal class FileMapOperations(PageCache cache) : VmOperations
{
    private readonly PageCache _cache = cache;

    /// <summary>Finds the page in the cache, or has it read. Linux: <c>filemap_fault</c>, <c>shmem_fault</c>.</summary>
    public override PageFaultResult Fault(ref VmFault fault)
    {
        AddressSpace mapping = fault.Area.File!.Mapping!;
        if (fault.PageIndex >= mapping.SizePages)
            return PageFaultResult.Sigbus;
        if (fault.Area.Userfault is not null && fault.Mm.AskUserfault(ref fault, mapping, out PageFaultResult answer))
            return answer;

        Result<Pfn> found;
        if (mapping.IsShmem)
        {
            found = mapping.FindOrCreatePage(fault.PageIndex, out bool hasSwapped);
            fault.IsMajor = hasSwapped;
        }
        else
        {
            ReadAheadHint hint = fault.Area.Has(VmFlags.RandomRead) ? ReadAheadHint.Random
                : fault.Area.Has(VmFlags.SequentialRead) ? ReadAheadHint.Sequential : ReadAheadHint.Normal;
            found = mapping.FindForFault(fault.PageIndex, ref fault.Area.File!.ReadAhead, hint, out fault.IsMajor);
        }

        if (!found.TryGet(out Pfn page, out Errno error))
            return error == Errno.ENOMEM ? PageFaultResult.OutOfMemory : PageFaultResult.Sigbus;

        // The file may have become shorter while the page was read. What is mapped in the moment after this is found by the truncation.
        if (fault.PageIndex >= mapping.SizePages)
        {
            _cache.Frames.LetGo(page);
            return PageFaultResult.Sigbus;
        }

        fault.Page = page;
        return PageFaultResult.Handled;
    }

    public override bool HasMapPages => true;

    /// <summary>Maps the neighbours that need no waiting. Linux: <c>filemap_map_pages</c>.</summary>
    public override void MapPages(ref VmFault fault, ulong first, ulong last)
    {
        AddressSpace mapping = fault.Area.File!.Mapping!;
        mapping.MapResident(ref fault, first, last);
    }

    /// <summary>Whether the pages are counted as shared memory.</summary>
    public override bool IsShmem(VmArea area) => area.File?.Mapping is { IsShmem: true };
}
