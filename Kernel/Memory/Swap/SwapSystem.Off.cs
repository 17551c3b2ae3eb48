using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Swap;

/// <summary>Areas go: <c>swapoff</c>.</summary>
internal sealed partial class SwapSystem
{
    /// <summary>Brings all pages back and stops to swap to a device or a file. Linux: <c>swapoff</c>.</summary>
    /// <param name="file">The same device or file, opened again.</param>
    /// <returns>
    /// <see cref="Errno.EINVAL"/> when nobody swaps to it; <see cref="Errno.ENOMEM"/> when its pages do not fit, <see cref="Errno.EIO"/> when one cannot
    /// be read, <see cref="Errno.EINTR"/>: then it goes on as if nothing had been asked, and may be asked again.
    /// </returns>
    public Errno Stop(MappableFile file)
    {
        _changes.Lock();
        Errno error = Errno.EINVAL;
        foreach (SwapArea? area in _areas)
        {
            if (area is not null && IsSame(area.File, file))
            {
                error = Stop(area);
                break;
            }
        }

        _changes.Unlock();
        return error;
    }

    private static bool IsSame(MappableFile one, MappableFile other)
        => one.IsDisk == other.IsDisk && (one.IsDisk ? ReferenceEquals(one.Disk, other.Disk) : ReferenceEquals(one.Mapping, other.Mapping));

    private Errno Stop(SwapArea area)
    {
        // What is used must fit into memory, where clean pages of files make room, and into the other areas.
        LruLists lru = _frames.Lru;
        ulong room = _frames.FreeFrames.Value + lru.Count(LruKind.InactiveFile).Value + lru.Count(LruKind.ActiveFile).Value + _memory.FreeSwapPages - area.Free;
        if (area.Used > room)
            return Errno.ENOMEM;
        SetEnding(area, true);
        Errno error = Errno.None;
        PerCpu.Current.IsOomOrigin = true;                  // if all this does not fit after all, nobody else is to die for it
        while (error == Errno.None && (area.Used != 0 || area.Readers != 0))
        {
            error = BringBack(area);
            if (error == Errno.None && TaskMemory.Current.SignalPending)
                error = Errno.EINTR;
            PerCpu.Scheduler.CondResched();
        }

        PerCpu.Current.IsOomOrigin = false;
        if (area.Used != 0 || area.Readers != 0)
        {
            SetEnding(area, false);
            return error;
        }

        bool enabled = _lock.AcquireRaw();
        _areas[area.Number] = null;
        ClosePriorities(area.Priority);
        _lock.ReleaseRaw(enabled);
        MappableFile file = area.File;
        FreeArea(area);
        file.EndSwap();
        file.Put();
        return Errno.None;
    }

    /// <summary>No new slots are taken of an area that ends, and nobody counts on its free ones.</summary>
    private void SetEnding(SwapArea area, bool ending)
    {
        bool enabled = _lock.AcquireRaw();
        area.Ending = ending;
        if (ending)
        {
            _memory.FreeSwapPages -= area.Free;
            _memory.SwapPages -= area.Slots;
        }
        else
        {
            _memory.FreeSwapPages += area.Free;
            _memory.SwapPages += area.Slots;
        }

        _lock.ReleaseRaw(enabled);
    }

    /// <summary>Those below an area that goes and got their priorities by order move up by one.</summary>
    private void ClosePriorities(int gone)
    {
        if (gone >= 0)
            return;
        foreach (SwapArea? area in _areas)
        {
            if (area is not null && area.Priority < gone)
                area.Priority++;
        }

        _lastPriority++;
    }

    /// <summary>Brings in whatever page tables and files of shared memory name of the area. Linux: <c>try_to_unuse</c>.</summary>
    private Errno BringBack(SwapArea area)
    {
        Errno error = BringBackFiles(area.Number);
        MmStruct? mm = _memory.FirstMmAfter(null);
        while (mm is not null)
        {
            if (error == Errno.None)
                error = mm.BringBackSwapped(area.Number);
            MmStruct? next = _memory.FirstMmAfter(mm);
            mm.Drop();
            mm = next;
        }

        // What nobody names any more and only the cache keeps.
        for (int slot = 1; slot < area.Uses.Length && area.Used != 0; slot++)
        {
            if (area.Uses[slot] <= 0 || !TryFind(new SwapEntry(area.Number, (ulong)slot), out Pfn page))
                continue;
            Locks.Lock(page);
            Locks.WaitWritten(page);
            TryFreeCached(page, lockedByCaller: true);
            Locks.Unlock(page);
            _frames.LetGo(page);
        }

        return error;
    }
}
