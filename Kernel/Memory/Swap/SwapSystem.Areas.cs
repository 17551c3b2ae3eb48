using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Swap;

/// <summary>Areas come: <c>swapon</c>.</summary>
internal sealed partial class SwapSystem
{
    /// <summary>Starts to swap to a device or a file. Linux: <c>swapon</c>.</summary>
    /// <param name="file">Open for reading and writing; the area takes a reference of its own.</param>
    /// <param name="priority">Negative: below all that have one, and below earlier ones.</param>
    /// <returns>
    /// <see cref="Errno.EINVAL"/> without the header that <c>mkswap</c> writes, or when the file has holes or no disk; <see cref="Errno.EBUSY"/>
    /// when in use; <see cref="Errno.EPERM"/> when there are too many areas; <see cref="Errno.ENOMEM"/>, <see cref="Errno.EIO"/>.
    /// </returns>
    public Errno Start(MappableFile file, int priority)
    {
        _changes.Lock();
        int number = FreeNumber();
        Errno error = number < 0 ? Errno.EPERM : file.BeginSwap();
        if (error == Errno.None)
        {
            error = Start(file, priority, number);
            if (error != Errno.None)
                file.EndSwap();
        }

        _changes.Unlock();
        return error;
    }

    private int FreeNumber()
    {
        for (int i = 0; i < _areas.Length; i++)
        {
            if (_areas[i] is null)
                return i;
        }

        return -1;
    }

    private Errno Start(MappableFile file, int priority, int number)
    {
        // Reserve.
        SwapArea? area = _objects.Allocate();
        if (area is null)
            return Errno.ENOMEM;
        area.File = file;
        area.Device = file.Disk!;
        area.Number = number;
        Errno error = Prepare(area);
        if (error != Errno.None)
        {
            FreeArea(area);
            return error;
        }

        // Commit.
        file.Get();
        area.Cache.Initialize(_cache.Nodes, AllocationFlags.Atomic | AllocationFlags.Reserve);
        area.Free = area.Slots;
        area.Priority = priority >= 0 ? priority : --_lastPriority;
        bool enabled = _lock.AcquireRaw();
        _areas[number] = area;
        _memory.SwapPages += area.Slots;
        _memory.FreeSwapPages += area.Free;
        _lock.ReleaseRaw(enabled);
        return Errno.None;
    }

    /// <summary>Reads the header and finds out where the slots lie.</summary>
    private Errno Prepare(SwapArea area)
    {
        Errno error = _frames.Allocate(AllocationFlags.None, out Pfn page);
        if (error != Errno.None)
            return error;
        MappableFile file = area.File;
        error = ReadFirstPage(file, page);
        if (error == Errno.None)
            error = SwapHeader.Read(DirectMap.Page(page), file.DiskPages, mayHaveBad: file.IsDisk, out SwapHeader header);
        if (error == Errno.None)
            error = MakeMap(area, page);
        if (error == Errno.None)
            error = MakeExtents(area);
        if (error == Errno.None)
            error = MakeClusters(area);
        _frames.Put(page);
        if (error == Errno.None && area.Slots == 0)
            error = Errno.EINVAL;
        return error;
    }

    private static Errno ReadFirstPage(MappableFile file, Pfn page)
    {
        if (file.DiskPages == 0)
            return Errno.EINVAL;
        if (!file.FindOnDisk(0, out ulong sector).TryGet(out DiskPlacement placement, out Errno error))
            return error;
        if (placement != DiskPlacement.Whole)
            return Errno.EINVAL;
        var segment = new BlockSegment(page.Address, (uint)PageSize.Bytes);
        return file.Disk!.Transfer(BlockDirection.Read, sector, new ReadOnlySpan<BlockSegment>(in segment));
    }

    /// <summary>One count a slot, with those marked that must not be used. Linux: <c>setup_swap_map_and_extents</c>.</summary>
    private Errno MakeMap(SwapArea area, Pfn page)
    {
        SwapHeader.Read(DirectMap.Page(page), area.File.DiskPages, mayHaveBad: true, out SwapHeader header);
        int[]? uses = _memory.Physical.Arrays.Allocate<int>((int)header.LastPage + 1);
        if (uses is null)
            return Errno.ENOMEM;
        area.Uses = uses;
        area.Found = _memory.Physical.Arrays.Allocate<int>(uses.Length)!;
        if (area.Found is null)
            return Errno.ENOMEM;
        area.Slots = header.LastPage;
        uses[0] = SwapArea.Bad;
        for (int i = 0; i < header.BadPages; i++)
            MarkBad(area, (int)header.BadPage(i));
        return Errno.None;
    }

    private static void MarkBad(SwapArea area, int slot)
    {
        if (area.Uses[slot] == SwapArea.Bad)
            return;
        area.Uses[slot] = SwapArea.Bad;
        area.Slots--;
    }

    private Errno MakeClusters(SwapArea area)
    {
        SwapClusters.Cluster[]? clusters = _memory.Physical.Arrays.Allocate<SwapClusters.Cluster>(SwapClusters.CountFor(area.Uses.Length));
        if (clusters is null)
            return Errno.ENOMEM;
        area.Clusters.Initialize(clusters, area.Uses);
        return Errno.None;
    }

    /// <summary>Looks where every page lies: once to count the pieces, once to write them down. Linux: <c>generic_swapfile_activate</c>.</summary>
    private Errno MakeExtents(SwapArea area)
    {
        Errno error = VisitExtents(area, default, out int count);
        if (error != Errno.None)
            return error;
        SwapExtent[]? extents = _memory.Physical.Arrays.Allocate<SwapExtent>(count);
        if (extents is null)
            return Errno.ENOMEM;
        area.Extents = extents;
        return VisitExtents(area, extents, out _);
    }

    private static Errno VisitExtents(SwapArea area, Span<SwapExtent> extents, out int count)
    {
        const ulong PageSectors = 1UL << (PageSize.Shift - BlockDevice.SectorShift);
        ulong pages = (ulong)area.Uses.Length;
        count = 0;
        if (area.File.IsDisk)
        {
            if (!extents.IsEmpty)
                extents[0] = new SwapExtent(0, (uint)pages, 0);
            count = 1;
            return Errno.None;
        }

        ulong first = 0, start = 0, length = 0;
        for (ulong slot = 0; slot < pages; slot++)
        {
            if (!area.File.FindOnDisk(slot, out ulong sector).TryGet(out DiskPlacement placement, out Errno error))
                return error;
            if (placement == DiskPlacement.Hole)
                return Errno.EINVAL;
            if (placement == DiskPlacement.Scattered)
            {
                MarkBad(area, (int)slot);
                continue;
            }

            if (length != 0 && slot == first + length && sector == start + length * PageSectors)
            {
                length++;
            }
            else
            {
                first = slot;
                start = sector;
                length = 1;
                count++;
            }

            if (count <= extents.Length)
                extents[count - 1] = new SwapExtent((uint)first, (uint)length, start);
        }

        return Errno.None;
    }

    /// <summary>Frees an area that nobody knows (any more); its file is the caller's.</summary>
    private void FreeArea(SwapArea area)
    {
        KernelArrays arrays = _memory.Physical.Arrays;
        arrays.Free(area.Uses);
        arrays.Free(area.Found);
        arrays.Free(area.Extents);
        arrays.Free(area.Clusters.Array);
        _objects.Free(area);
    }
}
