using NanoVm.Core;
using NanoVm.Memory.Mapping;

namespace NanoVm.Memory.Virtual;

/// <summary>The few places where areas are made, linked, resized and freed.</summary>
/// <remarks>Linux: <c>vm_area_alloc</c>, <c>vma_link</c>, <c>__vma_adjust</c>, <c>__split_vma</c>, <c>remove_vma</c>. Holders of <see cref="MmapLock"/> for writing.</remarks>
internal sealed partial class MmStruct
{
    /// <summary>A new area, not yet linked; what is new counts as written (<c>/proc/PID/clear_refs</c>). Null when there is no memory.</summary>
    internal VmArea? AllocateArea(PageRange range, VmFlags flags, ulong pageOffset)
    {
        if (System.Areas.Allocate() is not { } area)
            return null;
        area.Mm = this;
        area.Start = range.Start;
        area.End = range.End;
        area.Flags = flags | VmFlags.SoftDirty;
        area.PageOffset = pageOffset;
        return area;
    }

    /// <summary>A second area like <paramref name="original"/>, with its own references, not yet linked. Linux: <c>vm_area_dup</c>.</summary>
    /// <returns>Null when there is no memory.</returns>
    internal static VmArea? DuplicateArea(MmStruct mm, VmArea original)
    {
        if (mm.System.Areas.Allocate() is not { } area)
            return null;
        area.Mm = mm;
        area.Start = original.Start;
        area.End = original.End;
        area.Flags = original.Flags;
        area.PageProtection = original.PageProtection;
        area.PageOffset = original.PageOffset;
        area.File = original.File;
        area.File?.Get();
        area.Operations = original.Operations;
        area.PrivateData = original.PrivateData;
        area.Policy = original.Policy?.Get();
        // A fork's child is not watched: the program knows nothing of it.
        if (ReferenceEquals(mm, original.Mm))
        {
            area.Userfault = original.Userfault;
            area.Userfault?.Get();
        }

        return area;
    }

    /// <summary>Frees an area that is linked nowhere: closes it when <paramref name="opened"/>, drops what it holds.</summary>
    internal void FreeArea(VmArea area, bool opened = true)
    {
        if (opened)
            area.Operations?.Close(area);
        if (area.AnonChain is not null)
            AnonVma.Unlink(area);
        MappableFile? file = area.File;
        area.File = null;
        area.Operations = null;
        area.PrivateData = null;
        area.Userfault?.Put();
        area.Userfault = null;
        area.Policy?.Put();
        area.Policy = null;
        file?.Put();
        System.Areas.Free(area);
    }

    /// <summary>Puts an area into the index and into its file's tree. Linux: <c>vma_link</c>.</summary>
    internal void LinkArea(VmArea area)
    {
        Areas.Insert(area);
        LinkToFile(area);
        InvalidateVmaCaches();
    }

    /// <summary>Takes an area out of both.</summary>
    internal void UnlinkArea(VmArea area)
    {
        UnlinkFromFile(area);
        Areas.Remove(area);
        InvalidateVmaCaches();
    }

    /// <summary>Moves an area's borders inside its own free room; the trees that know it by its pages learn of it.</summary>
    internal void SetBounds(VmArea area, VirtAddr start, VirtAddr end, ulong pageOffset)
    {
        if (start > area.Start)
            SplitHugeAt(start);
        if (end < area.End)
            SplitHugeAt(end);
        LeaveReverseTrees(area);
        ChangeBounds(area, start, end, pageOffset);
        EnterReverseTrees(area);
    }

    private void ChangeBounds(VmArea area, VirtAddr start, VirtAddr end, ulong pageOffset)
    {
        area.Start = start;
        area.End = end;
        area.PageOffset = pageOffset;
        Areas.Resized(area);
        InvalidateVmaCaches();
    }

    /// <summary>Takes an area out of the interval trees of its file and of its anonymous pages: its borders are about to change.</summary>
    /// <remarks>Linux: <c>vma_interval_tree_remove</c>, <c>anon_vma_interval_tree_pre_update_vma</c>. Nobody sleeps until <see cref="EnterReverseTrees"/>.</remarks>
    private static void LeaveReverseTrees(VmArea area)
    {
        UnlinkFromFile(area);
        AnonVma.LeaveTrees(area);
    }

    /// <summary>Undoes <see cref="LeaveReverseTrees"/>, with the new borders.</summary>
    private static void EnterReverseTrees(VmArea area)
    {
        LinkToFile(area);
        AnonVma.EnterTrees(area);
    }

    /// <summary>The file finds its areas when it is truncated or its pages are written back. Linux: <c>vma_link_file</c>.</summary>
    internal static void LinkToFile(VmArea area)
    {
        if (area.File?.Mapping is { } mapping)
            mapping.AddArea(area);
    }

    internal static void UnlinkFromFile(VmArea area)
    {
        if (area.File?.Mapping is { } mapping)
            mapping.RemoveArea(area);
    }

    /// <summary>An area that a merge swallowed: its pages live on in the survivor.</summary>
    private void RemoveMerged(VmArea area)
    {
        UnlinkArea(area);
        FreeArea(area);
    }

    /// <summary>Cuts <paramref name="area"/> in two at <paramref name="at"/>; it keeps the lower part.</summary>
    /// <returns>
    /// The upper part. <see cref="Errno.ENOMEM"/> without memory, or the kind's own reason not to be cut; then nothing has changed.
    /// </returns>
    /// <remarks>
    /// Linux: <c>__split_vma</c> (which does not look at <c>max_map_count</c>: see <see cref="SplitVma"/>).
    /// <code>
    ///     [ area                 )          [ area    )[ upper      )
    ///     start       at        end    →    start    at            end
    /// </code>
    /// </remarks>
    internal Result<VmArea> SplitVmaUnlimited(VmArea area, VirtAddr at)
    {
        if (area.Operations is { } operations && operations.MaySplit(area, at) is not Errno.None and var refused)
            return refused;
        if (DuplicateArea(this, area) is not { } upper)
            return Errno.ENOMEM;
        upper.Start = at;
        upper.PageOffset = area.PageIndexOf(at);
        if (AnonVma.Clone(upper, area) != Errno.None)
        {
            FreeArea(upper, opened: false);
            return Errno.ENOMEM;
        }

        upper.Operations?.Open(upper);
        SetBounds(area, area.Start, at, area.PageOffset);
        LinkArea(upper);
        System.Statistics.Count(VmCounter.VmaSplits);
        return upper;
    }

    /// <summary>As <see cref="SplitVmaUnlimited"/>, but not beyond <see cref="MemorySystem.MaxMapCount"/> areas. Linux: <c>split_vma</c>.</summary>
    internal Result<VmArea> SplitVma(VmArea area, VirtAddr at)
        => MapCount >= System.MaxMapCount ? Errno.ENOMEM : SplitVmaUnlimited(area, at);
}
