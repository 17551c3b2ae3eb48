using System;
using NanoVm.Core;
using NanoVm.Memory.Faults;

namespace NanoVm.Memory.Virtual;

/// <summary>How one kind of mapping behaves: a file, shared memory, a device, the kernel's special pages.</summary>
/// <remarks>
/// Linux: <c>vm_operations_struct</c>. Lecture 001, "VMA Operations". An implementation is one object for all areas of its kind; what is
/// particular to an area hangs from <see cref="VmArea.File"/> and <see cref="VmArea.PrivateData"/>.
/// </remarks>
internal abstract class VmOperations
{
    /// <summary><c>mmap</c> has made the area and linked it. For devices, whose pages are there from the start.</summary>
    /// <remarks>Holds the mm's lock for writing. Cannot fail: what it could not map is faulted in.</remarks>
    public virtual void Mapped(VmArea area)
    {
    }

    /// <summary>A further area came to be: by <c>fork</c>, a split or a move. Not called for the first one, which <c>mmap</c> made.</summary>
    public virtual void Open(VmArea area)
    {
    }

    /// <summary>An area goes.</summary>
    public virtual void Close(VmArea area)
    {
    }

    /// <summary>Whether the area has a <see cref="Close"/> that matters, so that it must not be merged away. Linux: <c>vm_ops-&gt;close != NULL</c>.</summary>
    public virtual bool NeedsClose => false;

    /// <summary>Asked before the area is cut at <paramref name="at"/>. Linux: <c>may_split</c>.</summary>
    public virtual Errno MaySplit(VmArea area, VirtAddr at) => Errno.None;

    /// <summary>Asked before <c>mremap</c> moves the area. Linux: <c>mremap</c>.</summary>
    public virtual Errno MayMove(VmArea area) => Errno.None;

    /// <summary>Asked before <c>mprotect</c> changes the area.</summary>
    public virtual Errno MayProtect(VmArea area, PageRange range, VmFlags flags) => Errno.None;

    /// <summary>Brings the page <see cref="VmFault.PageIndex"/> into memory.</summary>
    /// <returns>
    /// <see cref="PageFaultResult.Handled"/> with <see cref="VmFault.Page"/> set and one reference for the caller; <see cref="PageFaultResult.Sigbus"/>
    /// beyond the end; <see cref="PageFaultResult.OutOfMemory"/>; <see cref="PageFaultResult.Installed"/> when the entry was set here.
    /// Sets <see cref="VmFault.IsMajor"/> when it had to wait for a device.
    /// </returns>
    public abstract PageFaultResult Fault(ref VmFault fault);

    /// <summary>Whether <see cref="MapPages"/> is implemented.</summary>
    public virtual bool HasMapPages => false;

    /// <summary>Maps those of the pages <paramref name="first"/> to <paramref name="last"/> that are in memory and up to date, by <see cref="VmFault.MapAround"/>.</summary>
    /// <remarks>Linux: <c>map_pages</c> (fault-around). Must not sleep. Never past the end of the file.</remarks>
    public virtual void MapPages(ref VmFault fault, ulong first, ulong last)
    {
    }

    /// <summary>Whether the first write to a shared page must be announced by <see cref="PageMkwrite"/>.</summary>
    public virtual bool HasPageMkwrite => false;

    /// <summary>The read-only shared page <see cref="VmFault.Page"/> is about to become writable.</summary>
    /// <returns><see cref="PageFaultResult.Handled"/>, or the reason why not (a full disk is <see cref="PageFaultResult.Sigbus"/>).</returns>
    public virtual PageFaultResult PageMkwrite(ref VmFault fault) => PageFaultResult.Handled;

    /// <summary>Reads or writes memory that has no <c>PageFrame</c>, for <c>/proc/PID/mem</c> and debuggers.</summary>
    /// <returns>Bytes done, or 0.</returns>
    public virtual ulong Access(VmArea area, VirtAddr address, Span<byte> buffer, bool write) => 0;

    /// <summary>What <c>maps</c> shows instead of a path, for example <c>[vdso]</c>; empty for none.</summary>
    public virtual ReadOnlySpan<byte> NameOf(VmArea area) => default;

    /// <summary>Whether the pages are shared memory (counted as <c>RssShmem</c>).</summary>
    public virtual bool IsShmem(VmArea area) => false;
}
