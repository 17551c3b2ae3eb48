using NanoVm.Memory.Faults;

namespace NanoVm.Memory.Mapping;

/// <summary>How an area behaves that maps a file of a disk: the first write to each shared page is announced to the file system.</summary>
/// <remarks>Linux: <c>filemap_page_mkwrite</c> with a file system's own part, such as <c>ext4_page_mkwrite</c>.</remarks>
internal sealed class DiskMapOperations(PageCache cache) : FileMapOperations(cache)
{
    public override bool HasPageMkwrite => true;

    public override PageFaultResult PageMkwrite(ref VmFault fault)
    {
        AddressSpace mapping = fault.Area.File!.Mapping!;
        if (mapping.IsSwapFile)
            return PageFaultResult.Sigbus;
        mapping.BalanceDirty();
        Core.Errno error = mapping.PrepareSharedWrite(fault.PageIndex);
        if (error == Core.Errno.ENOMEM)
            return PageFaultResult.OutOfMemory;
        if (error != Core.Errno.None || !mapping.Holds(fault.Page, fault.PageIndex))
            return PageFaultResult.Sigbus;
        mapping.MarkDirty(fault.Page);
        return PageFaultResult.Handled;
    }
}
