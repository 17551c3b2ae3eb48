using System;
using NanoVm.Core;
using NanoVm.Memory.Faults;

namespace NanoVm.Memory.Virtual;

/// <summary>Pages of the kernel's own that every program sees: the vDSO and the page with its data.</summary>
/// <remarks>
/// Linux: <c>vm_special_mapping</c>, <c>special_mapping_fault</c>. The frames live as long as the machine. Pages of a <see cref="VmFlags.PfnMap"/>
/// area are mapped raw and not counted; others are counted as file pages, so that a private copy can be made by a debugger.
/// </remarks>
internal sealed class SpecialMapping : VmOperations
{
    private readonly MemorySystem _system;
    private readonly byte[] _name;
    private readonly Pfn[] _pages;

    /// <summary>Takes frames and fills them with <paramref name="contents"/>, zeros behind it. At boot only.</summary>
    /// <param name="name">What <c>maps</c> shows.</param>
    public SpecialMapping(MemorySystem system, ReadOnlySpan<byte> name, ReadOnlySpan<byte> contents)
    {
        _system = system;
        _name = new byte[name.Length];
        name.CopyTo(_name);
        _pages = new Pfn[(contents.Length + (int)PageSize.Mask) >> PageSize.Shift];
        for (int i = 0; i < _pages.Length; i++)
        {
            if (system.Frames.Allocate(0, Physical.AllocationFlags.Zeroed, out _pages[i]) != Errno.None)
                Panic.Now("no frame for the kernel's own user pages"u8);
            ReadOnlySpan<byte> part = contents[(i << PageSize.Shift)..];
            part[..Math.Min(part.Length, (int)PageSize.Bytes)].CopyTo(DirectMap.Page(_pages[i]));
        }
    }

    public ulong Bytes => (ulong)_pages.Length << PageSize.Shift;

    /// <summary>The contents of one page, for the kernel to change.</summary>
    public Span<byte> Page(int index) => DirectMap.Page(_pages[index]);

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> NameOf(VmArea area) => _name;

    /// <inheritdoc/>
    public override Errno MaySplit(VmArea area, VirtAddr at) => Errno.None;

    /// <inheritdoc/>
    public override PageFaultResult Fault(ref VmFault fault)
    {
        ulong index = (fault.Address - fault.Area.Start) >> PageSize.Shift;
        index += fault.Area.PageOffset;
        if (index >= (ulong)_pages.Length)
            return PageFaultResult.Sigbus;
        Pfn page = _pages[index];
        if ((fault.Area.Flags & VmFlags.PfnMap) == 0)
        {
            _system.Frames.Hold(page);
            fault.Page = page;
            return PageFaultResult.Handled;
        }
        bool enabled = fault.Mm.PageTableLock.AcquireRaw();
        ref Pte entry = ref fault.Entry;
        if (entry.IsNone)
            entry = new Pte(page, fault.Area.PageProtection | PteFlags.Special);
        fault.Mm.PageTableLock.ReleaseRaw(enabled);
        return PageFaultResult.Installed;
    }
}

/// <summary>Puts a <see cref="SpecialMapping"/> into an address space.</summary>
internal sealed partial class MmStruct
{
    /// <summary>Maps all pages of <paramref name="mapping"/> at <paramref name="start"/>, where nothing is. Linux: <c>_install_special_mapping</c>.</summary>
    /// <returns><see cref="Errno.ENOMEM"/>.</returns>
    /// <remarks>Holds <see cref="MmapLock"/> for writing.</remarks>
    public Errno InstallSpecialMapping(SpecialMapping mapping, VirtAddr start, VmFlags flags)
    {
        MmapLock.AssertHeldForWriting();
        flags |= VmFlags.DontExpand | VmFlags.SoftDirty | DefaultFlags;
        flags &= ~VmFlags.LockedMask;
        ulong pages = mapping.Bytes >> PageSize.Shift;
        if (!MayExpandVm(flags, pages))
            return Errno.ENOMEM;
        if (AllocateArea(new PageRange(start, start + mapping.Bytes), flags, 0) is not { } area)
            return Errno.ENOMEM;
        area.Operations = mapping;
        ProtectionMap.Apply(area);
        LinkArea(area);
        AccountVm(flags, (long)pages);
        return Errno.None;
    }
}
