using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Check;
using NanoVm.Memory.Structures;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Mapping;

/// <summary>The areas, of all address spaces, that map the file: its reverse mapping.</summary>
/// <remarks>Linux: <c>i_mmap</c>. Lecture 004, "file reverse mapping". An interval tree over pages of the file.</remarks>
internal abstract partial class AddressSpace
{
    /// <summary>
    /// Guards the tree, and with it the bounds of the areas in it. A spin lock: nothing that is done to an area under it sleeps. Linux:
    /// <c>i_mmap_rwsem</c>. Taken inside an mm's <c>MmapLock</c>, around its <c>PageTableLock</c>.
    /// </summary>
    private SpinLock _areasLock;
    private IntervalTree<VmArea, AreaTraits> _areas;

    /// <summary>Areas that map the file shared and may write: who wants to seal the file against writes must see none. Linux: <c>i_mmap_writable</c>.</summary>
    public int WritableSharedAreas { get; private set; }

    /// <summary>Areas that map the file at all.</summary>
    public int AreaCount { get; private set; }

    /// <summary>Links an area of the file, by its first page and length. Linux: <c>vma_interval_tree_insert</c>. Never fails, never sleeps.</summary>
    public void AddArea(VmArea area)
    {
        bool enabled = _areasLock.AcquireRaw();
        _areas.Insert(area);
        AreaCount++;
        if ((area.Flags & (VmFlags.Shared | VmFlags.MayWrite)) == (VmFlags.Shared | VmFlags.MayWrite))
            WritableSharedAreas++;
        _areasLock.ReleaseRaw(enabled);
    }

    /// <summary>Unlinks an area before it goes or its bounds change.</summary>
    public void RemoveArea(VmArea area)
    {
        bool enabled = _areasLock.AcquireRaw();
        _areas.Remove(area);
        AreaCount--;
        if ((area.Flags & (VmFlags.Shared | VmFlags.MayWrite)) == (VmFlags.Shared | VmFlags.MayWrite))
            WritableSharedAreas--;
        _areasLock.ReleaseRaw(enabled);
    }

    /// <summary>Removes the entries of all address spaces for the pages <paramref name="first"/> to <paramref name="last"/> of the file.</summary>
    /// <param name="evenPrivateCopies">Whether anonymous copies go, too: they do when the file no longer has such a page.</param>
    /// <remarks>Linux: <c>unmap_mapping_pages</c>. O(log areas + hits + entries).</remarks>
    protected void UnmapMappingRange(ulong first, ulong last, bool evenPrivateCopies)
    {
        if (AreaCount == 0)
            return;
        bool enabled = _areasLock.AcquireRaw();
        for (VmArea? area = _areas.FirstOverlap(first, last); area is not null; area = IntervalTree<VmArea, AreaTraits>.NextOverlap(area, first, last))
        {
            ulong from = Math.Max(first, AreaTraits.First(area));
            ulong to = Math.Min(last, AreaTraits.Last(area));
            VirtAddr start = area.Start + ((from - area.PageOffset) << PageSize.Shift);
            VirtAddr end = area.Start + ((to - area.PageOffset + 1) << PageSize.Shift);
            var batch = new TlbBatch(area.Mm);
            area.Mm.UnmapPages(area, new PageRange(start, end), ref batch, keepPrivateCopies: !evenPrivateCopies);
            batch.Finish();
        }

        _areasLock.ReleaseRaw(enabled);
    }

    /// <summary>Keeps the tree as it is, for a walk from a page to its entries (<see cref="RmapWalk"/>).</summary>
    /// <returns>Whether interrupts were on, for <see cref="UnlockAreas"/>.</returns>
    internal bool LockAreas() => _areasLock.AcquireRaw();

    internal void UnlockAreas(bool interruptsWereOn) => _areasLock.ReleaseRaw(interruptsWereOn);

    /// <summary>The first area that covers the page <paramref name="index"/>, and the next one. Between the two above.</summary>
    internal VmArea? FirstArea(ulong index) => _areas.FirstOverlap(index, index);

    internal static VmArea? NextArea(VmArea area, ulong index) => IntervalTree<VmArea, AreaTraits>.NextOverlap(area, index, index);

    /// <summary>Whether the area is in the tree of those that map the file. O(log areas).</summary>
    internal bool HasArea(VmArea area)
    {
        bool enabled = _areasLock.AcquireRaw();
        bool has = _areas.Contains(area);
        _areasLock.ReleaseRaw(enabled);
        return has;
    }

    private void CheckAreas(ref MemoryReport report)
    {
        bool enabled = _areasLock.AcquireRaw();
        report.Unless(_areas.Validate(out ulong count) && count == (ulong)AreaCount, "a file's tree of areas is broken"u8);
        report.Unless(FoundAreas == AreaCount || (FoundAreas < AreaCount && report.BusyAddressSpaces != 0), "a file's tree has areas that nobody has"u8);
        _areasLock.ReleaseRaw(enabled);
    }

    private readonly struct AreaTraits : IIntervalTraits<VmArea>
    {
        public static ref RedBlackLinks<VmArea> Links(VmArea node) => ref node.SharedLinks;

        public static ref ulong SubtreeLast(VmArea node) => ref node.SharedSubtreeLast;

        public static ulong First(VmArea node) => node.PageOffset;

        public static ulong Last(VmArea node) => node.PageOffset + node.Pages.Value - 1;
    }
}
