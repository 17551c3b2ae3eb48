using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Devices;

/// <summary>The screen's memory in an address space: raw frame numbers of a device, with nothing behind them to count.</summary>
/// <remarks>
/// Linux: <c>remap_pfn_range</c>. Such an area (VM_IO, VM_PFNMAP) is never swapped, never grows, is left out of core dumps, and the kernel refuses to
/// take its pages by the hand (<c>get_user_pages</c>: no direct I/O, no <c>process_vm_readv</c>). A private mapping is allowed: who writes to a page
/// of it gets a copy, an ordinary page of memory in the midst of the device's.
/// <code>
///   shared     [ pfn | pfn | pfn | pfn ]      all are the device
///   private    [ pfn | RAM | pfn | pfn ]      the second has been written to
/// </code>
/// </remarks>
internal sealed class ScreenMapping(Screen screen) : VmOperations
{
    private readonly Screen _screen = screen;

    /// <summary>Sets all entries at once, as a driver does in its <c>mmap</c>; a page for whose table there is no memory comes when it is touched.</summary>
    public override void Mapped(VmArea area)
    {
        for (VirtAddr at = area.Start; at < area.End; at += PageSize.Bytes)
        {
            if (!area.Mm.TryAllocatePte(at, out PageTable<Pte> table))
                return;
            bool enabled = area.Mm.PageTableLock.AcquireRaw();
            ref Pte entry = ref table[Pte.IndexOf(at)];
            if (entry.IsNone)
                entry = EntryOf(area, at);
            area.Mm.PageTableLock.ReleaseRaw(enabled);
        }
    }

    /// <inheritdoc/>
    public override PageFaultResult Fault(ref VmFault fault)
    {
        bool enabled = fault.Mm.PageTableLock.AcquireRaw();
        ref Pte entry = ref fault.Entry;
        if (entry.IsNone)
            entry = EntryOf(fault.Area, fault.Address);
        fault.Mm.PageTableLock.ReleaseRaw(enabled);
        return PageFaultResult.Installed;
    }

    /// <summary>For debuggers. Linux: <c>generic_access_phys</c>.</summary>
    public override unsafe ulong Access(VmArea area, VirtAddr address, Span<byte> buffer, bool write)
    {
        Pte entry = area.Mm.ReadPte(address);
        if (!entry.IsMapped() || (write && !entry.IsWritable))
            return 0;
        Span<byte> bytes = entry.IsSpecial
            ? new Span<byte>((byte*)_screen.Pixels.Value + (entry.Pfn.Address.Value - _screen.Memory.Value) + address.PageOffset, buffer.Length)
            : DirectMap.Page(entry.Pfn).Slice((int)address.PageOffset, buffer.Length);
        if (write)
            buffer.CopyTo(bytes);
        else
            bytes.CopyTo(buffer);
        return (ulong)buffer.Length;
    }

    // The kernel maps the same memory write-combining: two kinds of caching for one address are undefined (Intel SDM volume 3, 12.12.4).
    private Pte EntryOf(VmArea area, VirtAddr address)
        => new(new Pfn((_screen.Memory.Value >> PageSize.Shift) + area.PageIndexOf(address)),
            area.PageProtection | PteFlags.WriteThrough | PteFlags.Special);
}
