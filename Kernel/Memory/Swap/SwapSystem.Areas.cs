using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Swap;

/// <summary>Areas come and go.</summary>
internal sealed partial class SwapSystem
{
    private const int SignatureOffset = 4096 - 10;
    private const int HeaderOffset = 1024;

    /// <summary>Starts to swap to a device. Linux: <c>swapon</c>.</summary>
    /// <param name="priority">Negative: below all that have one, and below earlier ones.</param>
    /// <returns><see cref="Errno.EINVAL"/> without the header that <c>mkswap</c> writes; <see cref="Errno.EBUSY"/> when in use.</returns>
    public Errno Start(BlockDevice device, int priority)
    {
        _changes.Lock();
        Errno error = StartLocked(device, priority);
        _changes.Unlock();
        return error;
    }

    private Errno StartLocked(BlockDevice device, int priority)
    {
        int number = -1;
        for (int i = _areas.Length - 1; i >= 0; i--)
        {
            if (_areas[i] is null)
                number = i;
            else if (ReferenceEquals(_areas[i]!.Device, device))
                return Errno.EBUSY;
        }

        if (number < 0)
            return Errno.EPERM;
        Errno error = ReadHeader(device, out ulong slots);
        if (error != Errno.None)
            return error;

        SwapArea? area = _objects.Allocate();
        int[]? uses = area is null ? null : _memory.Physical.Arrays.Allocate<int>((int)slots);
        if (uses is null)
        {
            if (area is not null)
                _objects.Free(area);
            return Errno.ENOMEM;
        }

        uses[0] = 1;
        area!.Device = device;
        area.Uses = uses;
        area.Cache.Initialize(_cache.Nodes, AllocationFlags.Atomic | AllocationFlags.Reserve);
        area.Free = slots - 1;
        area.Next = 1;
        area.Number = number;
        area.Priority = priority >= 0 ? priority : --_lastPriority;
        bool enabled = _lock.AcquireRaw();
        _areas[number] = area;
        _memory.SwapPages += area.Slots;
        _memory.FreeSwapPages += area.Free;
        _lock.ReleaseRaw(enabled);
        return Errno.None;
    }

    private Errno ReadHeader(BlockDevice device, out ulong slots)
    {
        slots = 0;
        if (_frames.Allocate(AllocationFlags.None, out Pfn page) != Errno.None)
            return Errno.ENOMEM;
        var segment = new BlockSegment(page.Address, (uint)PageSize.Bytes);
        Errno error = device.Transfer(BlockDirection.Read, 0, new ReadOnlySpan<BlockSegment>(in segment));
        if (error == Errno.None)
        {
            ReadOnlySpan<byte> header = DirectMap.Page(page);
            ulong pages = device.SectorCount >> (PageSize.Shift - BlockDevice.SectorShift);
            uint version = Word(header, HeaderOffset), last = Word(header, HeaderOffset + 4), bad = Word(header, HeaderOffset + 8);
            if (!header[SignatureOffset..].SequenceEqual("SWAPSPACE2"u8) || version != 1 || last == 0 || last >= pages || bad != 0 || last >= int.MaxValue)
                error = Errno.EINVAL;
            slots = (ulong)last + 1;
        }

        _frames.Put(page);
        return error;
    }

    private static uint Word(ReadOnlySpan<byte> bytes, int at) =>
        bytes[at] | ((uint)bytes[at + 1] << 8) | ((uint)bytes[at + 2] << 16) | ((uint)bytes[at + 3] << 24);

    /// <summary>Brings all pages back and stops to swap to a device. Linux: <c>swapoff</c>.</summary>
    /// <returns><see cref="Errno.EINVAL"/> when it is no swap; <see cref="Errno.ENOMEM"/> when its pages do not fit: it goes on then.</returns>
    public Errno Stop(BlockDevice device)
    {
        _changes.Lock();
        Errno error = StopLocked(device);
        _changes.Unlock();
        return error;
    }

    private Errno StopLocked(BlockDevice device)
    {
        SwapArea? area = null;
        foreach (SwapArea? candidate in _areas)
        {
            if (candidate is not null && ReferenceEquals(candidate.Device, device))
                area = candidate;
        }

        if (area is null)
            return Errno.EINVAL;

        // What is used must fit into memory and other areas; free slots of this one no longer count.
        ulong room = _frames.FreeFrames.Value + _memory.FreeSwapPages - area.Free;
        if (area.Used > room)
            return Errno.ENOMEM;
        bool enabled = _lock.AcquireRaw();
        area.Ending = true;
        _memory.FreeSwapPages -= area.Free;
        _memory.SwapPages -= area.Slots;
        _lock.ReleaseRaw(enabled);

        Errno error = Errno.None;
        for (int round = 0; area.Used != 0 && error == Errno.None && round < 100; round++)
        {
            error = BringBack(area);
            if (area.Used != 0)
                PerCpu.Scheduler.CondResched();
        }

        if (area.Used != 0)
        {
            enabled = _lock.AcquireRaw();
            area.Ending = false;
            _memory.FreeSwapPages += area.Free;
            _memory.SwapPages += area.Slots;
            _lock.ReleaseRaw(enabled);
            return error == Errno.None ? Errno.EBUSY : error;
        }

        enabled = _lock.AcquireRaw();
        _areas[area.Number] = null;
        _lock.ReleaseRaw(enabled);
        _memory.Physical.Arrays.Free(area.Uses);
        _objects.Free(area);
        return Errno.None;
    }

    /// <summary>Faults in whatever page tables name of the area. Linux: <c>try_to_unuse</c>.</summary>
    private Errno BringBack(SwapArea area)
    {
        MmStruct? mm = _memory.FirstMmAfter(null);
        Errno error = Errno.None;
        while (mm is not null)
        {
            if (error == Errno.None)
                error = mm.BringBackSwapped(area.Number);
            MmStruct? next = _memory.FirstMmAfter(mm);
            mm.Drop();
            mm = next;
        }

        if (error == Errno.None)
            error = BringBackFiles(area.Number);

        // What nobody names any more and only the cache keeps.
        for (int slot = 1; slot < area.Uses.Length; slot++)
        {
            if (area.Uses[slot] == 0 || !TryFind(new SwapEntry(area.Number, (ulong)slot), out Pfn page))
                continue;
            Locks.Lock(page);
            Locks.WaitWritten(page);
            TryFreeCached(page, lockedByCaller: true);
            Locks.Unlock(page);
            _frames.Put(page);
        }

        return error;
    }
}
