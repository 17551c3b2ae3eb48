using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Proc.Machine;

/// <summary><c>/proc/vmstat</c>: a name and a number a line.</summary>
internal sealed class VmStatFile(MachineFiles machine) : ProcPage("vmstat"u8)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        MemorySystem memory = _machine.Memory;
        PhysicalMemory physical = memory.Physical;
        ulong shmem = _machine.Cache.ShmemPages.Value;
        ulong cached = _machine.Cache.Pages.Value;
        Line(ref w, "nr_free_pages"u8, physical.Frames.FreeFrames.Value);
        LruLists lru = physical.Frames.Lru;
        ulong activeAnonymous = lru.Count(LruKind.ActiveAnonymous).Value;
        ulong inactiveAnonymous = lru.Count(LruKind.InactiveAnonymous).Value;
        ulong activeFile = lru.Count(LruKind.ActiveFile).Value;
        ulong inactiveFile = lru.Count(LruKind.InactiveFile).Value;
        Line(ref w, "nr_zone_inactive_anon"u8, inactiveAnonymous);
        Line(ref w, "nr_zone_active_anon"u8, activeAnonymous);
        Line(ref w, "nr_zone_inactive_file"u8, inactiveFile);
        Line(ref w, "nr_zone_active_file"u8, activeFile);
        Line(ref w, "nr_zone_unevictable"u8, lru.Count(LruKind.Unevictable).Value);
        Line(ref w, "nr_mlock"u8, memory.MlockedPages);
        Line(ref w, "nr_inactive_anon"u8, inactiveAnonymous);
        Line(ref w, "nr_active_anon"u8, activeAnonymous);
        Line(ref w, "nr_inactive_file"u8, inactiveFile);
        Line(ref w, "nr_active_file"u8, activeFile);
        Line(ref w, "nr_unevictable"u8, lru.Count(LruKind.Unevictable).Value);
        Line(ref w, "nr_slab_reclaimable"u8, 0);
        Line(ref w, "nr_slab_unreclaimable"u8, physical.SlabFrames.Value);
        Line(ref w, "nr_anon_pages"u8, memory.AnonymousPages);
        Line(ref w, "nr_mapped"u8, memory.FileMappedPages);
        Line(ref w, "nr_file_pages"u8, cached);
        Line(ref w, "nr_dirty"u8, _machine.Cache.DirtyPages.Value);
        Line(ref w, "nr_writeback"u8, _machine.Cache.WritebackPages.Value);
        Line(ref w, "nr_shmem"u8, shmem);
        Line(ref w, "nr_dirtied"u8, _machine.Cache.Dirtied);
        Line(ref w, "nr_written"u8, _machine.Cache.Written);
        Line(ref w, "nr_dirty_threshold"u8, _machine.Cache.DirtyLimit);
        Line(ref w, "nr_dirty_background_threshold"u8, _machine.Cache.BackgroundLimit);
        Line(ref w, "nr_page_table_pages"u8, memory.PageTablePages);
        // Not Linux's: how well reading ahead does. Pages that somebody waited for, windows, pages that were read before they were asked for.
        Line(ref w, "pgcache_read_waited"u8, _machine.Cache.ReadsWaited);
        Line(ref w, "pgcache_readahead_windows"u8, _machine.Cache.ReadAheadWindows);
        Line(ref w, "pgcache_readahead_pages"u8, _machine.Cache.ReadAheadPages);
        if (memory.Swap is { } swap)
            Line(ref w, "nr_swapcached"u8, swap.CachedPages.Value);
        ulong sectorsIn = 0;
        ulong sectorsOut = 0;
        for (BlockDevice? device = _machine.Io.Vfs.Blocks.First; device is not null; device = device.Next)
        {
            if (device is PartitionDevice)
                continue;                                   // its transfers are its disk's
            sectorsIn += device.SectorsRead;
            sectorsOut += device.SectorsWritten;
        }
        Line(ref w, "pgpgin"u8, sectorsIn >> 1);             // in KiB, as there
        Line(ref w, "pgpgout"u8, sectorsOut >> 1);
        Line(ref w, "pswpin"u8, memory.Swap?.PagesIn ?? 0);
        Line(ref w, "pswpout"u8, memory.Swap?.PagesOut ?? 0);
        ReadOnlySpan<Zone> zones = physical.Frames.Zones;
        ulong freed = 0;
        for (int i = 0; i < zones.Length; i++)
        {
            w.Text("pgalloc_"u8);
            w.Text(ZoneNames.Lower(zones[i].Kind));
            w.Byte((byte)' ');
            w.Decimal(zones[i].Allocations);
            w.Byte((byte)'\n');
            freed += zones[i].Frees;
        }
        Line(ref w, "pgfree"u8, freed);
        Line(ref w, "vmalloc_unpurged"u8, physical.Vmalloc.UnpurgedPages.Value);
        Line(ref w, "vmalloc_purges"u8, physical.Vmalloc.Purges);
        for (int i = 0; i < (int)VmCounter.Count; i++)
            Line(ref w, VmStat.NameOf((VmCounter)i), memory.Statistics[(VmCounter)i]);
        return Errno.None;
    }

    private static void Line(ref TextWriter w, ReadOnlySpan<byte> name, ulong value)
    {
        if (name.IsEmpty)
            return;
        w.Text(name);
        w.Byte((byte)' ');
        w.Decimal(value);
        w.Byte((byte)'\n');
    }
}

/// <summary>Names of zones as <c>/proc</c> writes them.</summary>
internal static class ZoneNames
{
    /// <summary>DMA, DMA32, Normal.</summary>
    public static ReadOnlySpan<byte> Of(ZoneKind kind) => (int)kind switch
    {
        0 => "DMA"u8,
        1 => "DMA32"u8,
        _ => "Normal"u8,
    };

    /// <summary>The same in small letters.</summary>
    public static ReadOnlySpan<byte> Lower(ZoneKind kind) => (int)kind switch
    {
        0 => "dma"u8,
        1 => "dma32"u8,
        _ => "normal"u8,
    };
}
