using System;
using NanoVm.Core;
using NanoVm.Core.Boot;

namespace NanoVm.Memory.Physical;

/// <summary>How the zones come to be, and the numbers about them.</summary>
internal sealed partial class FrameAllocator
{
    private const ulong DmaEnd = (16UL << 20) >> PageSize.Shift;
    private const ulong Dma32End = (4UL << 30) >> PageSize.Shift;

    /// <summary>RAM in ascending order: which frames have a meaning at all.</summary>
    private readonly BootRange[] _ram;

    /// <summary>Requests that ended in <see cref="Errno.ENOMEM"/>.</summary>
    public ulong AllocationFailures;

    /// <summary>Takes over all RAM that <paramref name="boot"/> has not reserved. Nothing may be allocated there afterwards.</summary>
    /// <param name="boot">RAM and what is taken of it.</param>
    /// <param name="table">Zeroed descriptors for all blocks with RAM.</param>
    /// <param name="processors">How many processors there can be.</param>
    /// <param name="failures">Asked before each allocation.</param>
    public FrameAllocator(BootMemory boot, FrameTable table, int processors, FailureInjection failures)
    {
        _frames = table;
        Lru = new LruLists(table);
        _failures = failures;
        _ram = new BootRange[boot.RamRangeCount];
        for (int i = 0; i < _ram.Length; i++)
            _ram[i] = boot.Ram(i);

        for (int kind = 0; kind < _zones.Length; kind++)
        {
            _zones[kind] = new Zone((ZoneKind)kind, table, processors);
            MeasureZone(_zones[kind]);
        }

        // From here on nothing may be taken from early memory: its state is copied into the descriptors and zones.
        _preferred = _zones[0];
        boot.HandOver(new Heir(this));
        MarkReserved(boot);
        for (int i = 0; i < _ram.Length; i++)
            GiveFreeParts(boot, _ram[i]);

        foreach (Zone zone in _zones)
        {
            if (zone.Managed.Value != 0)
                _preferred = zone;
        }

        SetWatermarks();
    }

    /// <summary>RAM that programs and the kernel share: all but what was reserved at boot. MemTotal.</summary>
    public PageCount TotalFrames
    {
        get
        {
            ulong frames = 0;
            foreach (Zone zone in _zones)
                frames += zone.Managed.Value;
            return new PageCount(frames);
        }
    }

    /// <summary>Frames that nobody holds, exactly. MemFree.</summary>
    public PageCount FreeFrames
    {
        get
        {
            ulong frames = 0;
            foreach (Zone zone in _zones)
                frames += zone.AllFreeFrames;
            return new PageCount(frames);
        }
    }

    /// <summary>Whether enough is free to read what is only going to be needed: a 32nd of memory.</summary>
    public bool HasRoomForReadAhead => FreeFrames.Value > TotalFrames.Value / 32;

    /// <summary>The zones, in ascending order; empty ones too.</summary>
    public ReadOnlySpan<Zone> Zones => _zones;

    /// <summary>Frames below the sum of the low watermarks are not for user programs: Linux's <c>totalreserve_pages</c>.</summary>
    public PageCount ReservedFrames
    {
        get
        {
            ulong frames = 0;
            foreach (Zone zone in _zones)
                frames += zone.WatermarkHigh;
            return new PageCount(frames);
        }
    }

    /// <summary>The number of RAM's ranges; see <see cref="RamRange"/>.</summary>
    public int RamRangeCount => _ram.Length;

    /// <summary>One range of RAM, as frame numbers from <c>first</c> up to <c>end</c>.</summary>
    public void RamRange(int index, out Pfn first, out Pfn end)
    {
        first = _ram[index].Start.Pfn;
        end = _ram[index].End.Pfn;
    }

    /// <summary>One more than the largest frame number of RAM.</summary>
    public Pfn EndFrame => _ram.Length == 0 ? default : _ram[_ram.Length - 1].End.Pfn;

    /// <summary>Whether a frame number means RAM, so that it has a descriptor. O(log ranges). Linux: <c>pfn_valid</c>.</summary>
    public bool IsRam(Pfn pfn)
    {
        if (pfn.Value > ulong.MaxValue >> PageSize.Shift)
            return false;
        PhysAddr address = pfn.Address;
        int low = 0, high = _ram.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_ram[middle].End <= address)
                low = middle + 1;
            else
                high = middle;
        }

        return low < _ram.Length && _ram[low].Start <= address;
    }

    /// <summary>Gives back what was reserved at boot and is no longer needed, such as the initramfs. Whole pages inside the range.</summary>
    public void FreeReserved(PhysAddr start, PhysAddr end)
    {
        ulong last = end.Value >> PageSize.Shift;
        for (ulong pfn = (start.Value + PageSize.Mask) >> PageSize.Shift; pfn < last; pfn++)
        {
            if (!IsRam(new Pfn(pfn)))
                continue;
            ref PageFrame frame = ref _frames[new Pfn(pfn)];
            if ((frame.Flags & FrameFlags.Reserved) == 0)
                Panic.Now("memory is given back that was not reserved"u8);
            frame = default;
            Zone zone = _zones[(int)KindOf(new Pfn(pfn))];
            zone.Managed += new PageCount(1);
            bool enabled = zone.Lock.AcquireRaw();
            WritePoison(new Pfn(pfn), 0);
            zone.Give((uint)pfn, 0);
            zone.Lock.ReleaseRaw(enabled);
        }

        SetWatermarks();
    }

    /// <summary>Serves who still asks for early memory: the heap of <c>new</c>, device mappings.</summary>
    private sealed class Heir(FrameAllocator frames) : BootMemoryHeir
    {
        public override PhysAddr Allocate(ulong bytes, ulong alignment)
        {
            int order = KmallocCaches.OrderFor((nuint)Math.Max(bytes, alignment));
            if (order > FrameTable.MaxOrder || frames.Allocate(order, AllocationFlags.Zeroed, out Pfn pfn) != Errno.None)
                Panic.Now("too little memory for the kernel's own objects"u8);
            else
                return pfn.Address;
            return default;
        }
    }

    internal static ZoneKind KindOf(Pfn pfn) =>
        pfn.Value >= Dma32End ? ZoneKind.Normal : pfn.Value >= DmaEnd ? ZoneKind.Dma32 : ZoneKind.Dma;

    private void MeasureZone(Zone zone)
    {
        ulong from = zone.Kind switch { ZoneKind.Dma => 0, ZoneKind.Dma32 => DmaEnd, _ => Dma32End };
        ulong to = zone.Kind switch { ZoneKind.Dma => DmaEnd, ZoneKind.Dma32 => Dma32End, _ => ulong.MaxValue >> PageSize.Shift };
        ulong first = ulong.MaxValue, end = 0, present = 0;
        foreach (BootRange ram in _ram)
        {
            ulong start = Math.Max(ram.Start.Pfn.Value, from);
            ulong stop = Math.Min(ram.End.Pfn.Value, to);
            if (start >= stop)
                continue;
            first = Math.Min(first, start);
            end = stop;
            present += stop - start;
        }

        zone.Start = new Pfn(present == 0 ? 0 : first);
        zone.End = new Pfn(end);
        zone.Present = new PageCount(present);
    }

    private void MarkReserved(BootMemory boot)
    {
        for (int i = 0; i < boot.ReservedRangeCount; i++)
        {
            BootRange taken = boot.Reserved(i);
            foreach (BootRange ram in _ram)
            {
                ulong first = Math.Max(taken.Start.Pfn.Value, ram.Start.Pfn.Value);
                ulong end = Math.Min(taken.End.Pfn.Value, ram.End.Pfn.Value);
                for (ulong pfn = first; pfn < end; pfn++)
                {
                    ref PageFrame frame = ref _frames[new Pfn(pfn)];
                    frame.Flags = FrameFlags.Reserved;
                    frame.ReferenceCount = 1;
                }
            }
        }
    }

    /// <summary>Gives all of one range of RAM that is not reserved to the zones, from the top down.</summary>
    private void GiveFreeParts(BootMemory boot, BootRange ram)
    {
        PhysAddr below = ram.End;
        while (below > ram.Start)
        {
            BootRange free = boot.HighestFree(below);
            if (free.IsEmpty || free.End <= ram.Start)
                return;
            GiveRange(Math.Max(free.Start.Pfn.Value, ram.Start.Pfn.Value), free.End.Pfn.Value);
            below = free.Start;
        }
    }

    // The largest aligned blocks that fit: a few hundred steps for a machine of 512 MiB, not one for each frame. Downwards, so that the
    // lists hand out low addresses first.
    private void GiveRange(ulong first, ulong end)
    {
        while (end > first)
        {
            int order = 0;
            while (order < FrameTable.MaxOrder && (end & (1UL << order)) == 0 && end - (2UL << order) >= first && end >= 2UL << order)
                order++;
            end -= 1UL << order;

            Zone zone = _zones[(int)KindOf(new Pfn(end))];
            zone.Managed += new PageCount(1UL << order);
            WritePoison(new Pfn(end), order);
            bool enabled = zone.Lock.AcquireRaw();
            zone.Give((uint)end, order);
            zone.Lock.ReleaseRaw(enabled);
        }
    }

    /// <summary>What reclaim keeps free in all zones together. <c>vm.min_free_kbytes</c>: by the size of memory, until somebody sets it.</summary>
    public ulong MinimumFreeKilobytes
    {
        get => _minimumFreeKilobytes;
        set
        {
            _hasUserMinimum = true;
            _minimumFreeKilobytes = value;
            SetWatermarks();
        }
    }

    /// <summary>How far the watermarks are apart, in 10,000ths of a zone. <c>vm.watermark_scale_factor</c>.</summary>
    public ulong WatermarkScale
    {
        get => _watermarkScale;
        set
        {
            _watermarkScale = value;
            SetWatermarks();
        }
    }

    private ulong _minimumFreeKilobytes;
    private bool _hasUserMinimum;
    private ulong _watermarkScale = 10;

    // Linux: init_per_zone_wmark_min, setup_per_zone_lowmem_reserve (ratios 256 and 32).
    private void SetWatermarks()
    {
        ulong totalFrames = TotalFrames.Value;
        if (!_hasUserMinimum)
            _minimumFreeKilobytes = Math.Max(128, Math.Min(SquareRoot(totalFrames * 4 * 16), 262144));
        ulong minimum = _minimumFreeKilobytes / 4;
        foreach (Zone zone in _zones)
        {
            ulong share = totalFrames == 0 ? 0 : minimum * zone.Managed.Value / totalFrames;
            ulong step = Math.Max(share / 4, zone.Managed.Value * _watermarkScale / 10_000);
            zone.WatermarkMin = share;
            zone.WatermarkLow = share + step;
            zone.WatermarkHigh = share + 2 * step;
        }

        for (int low = 0; low < _zones.Length; low++)
        {
            ulong above = 0;
            ulong ratio = low == (int)ZoneKind.Dma ? 256UL : 32;
            _zones[low].LowmemReserve[low] = 0;
            for (int high = low + 1; high < _zones.Length; high++)
            {
                above += _zones[high].Managed.Value;
                _zones[low].LowmemReserve[high] = above / ratio;
            }
        }
    }

    private static ulong SquareRoot(ulong value)
    {
        ulong root = 0;
        for (ulong bit = 1UL << 31; bit != 0; bit >>= 1)
        {
            ulong tried = root | bit;
            if (tried <= value / tried)
                root = tried;
        }

        return root;
    }
}
