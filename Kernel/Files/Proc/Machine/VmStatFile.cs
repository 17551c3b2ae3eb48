using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Proc.Machine;

/// <summary><c>/proc/vmstat</c>: a name and a number a line. Linux's names in Linux's order, then NanoVM's own.</summary>
/// <remarks>Linux: <c>vmstat_start</c>. What stands for a part that NanoVM does not have is 0, as it is there while nothing uses it.</remarks>
internal sealed class VmStatFile(MachineFiles machine) : ProcPage("vmstat"u8)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        VmStatText.Pages(ref w, _machine);
        VmStatText.Line(ref w, "nr_dirty_threshold"u8, _machine.Cache.DirtyLimit);
        VmStatText.Line(ref w, "nr_dirty_background_threshold"u8, _machine.Cache.BackgroundLimit);
        VmStatText.Events(ref w, _machine);
        VmStatText.Own(ref w, _machine);
        return Errno.None;
    }
}

/// <summary>How a name and its number are written.</summary>
internal enum StatStyle : byte
{
    /// <summary>A line of <c>/proc/vmstat</c>.</summary>
    Line,
    /// <summary>An item of <c>/proc/zoneinfo</c>, which begins its line instead of ending it.</summary>
    Item,
}

/// <summary>The parts of <c>/proc/vmstat</c>; the first is a node's file too, and is in <c>/proc/zoneinfo</c>.</summary>
internal static class VmStatText
{
    /// <summary>What there is at present: of all zones together, then of the node.</summary>
    public static void Pages(ref TextWriter w, MachineFiles machine)
    {
        ZonePages(ref w, machine, null, StatStyle.Line);
        NodePages(ref w, machine, StatStyle.Line);
    }

    /// <summary>What there is in zones. Pages. Linux: <c>NR_VM_ZONE_STAT_ITEMS</c>, <c>NR_VM_NUMA_EVENT_ITEMS</c>.</summary>
    /// <param name="zone">Null for all. The lists of pages are the node's: they are told of the zone that memory is taken from first.</param>
    public static void ZonePages(ref TextWriter w, MachineFiles machine, Zone? zone, StatStyle style)
    {
        MemorySystem memory = machine.Memory;
        LruLists lru = memory.Frames.Lru;
        PageCache cache = machine.Cache;
        bool all = zone is null || ReferenceEquals(zone, Preferred(memory.Frames.Zones));
        Line(ref w, "nr_free_pages"u8, zone?.AllFreeFrames ?? memory.Frames.FreeFrames.Value, style);
        Line(ref w, "nr_zone_inactive_anon"u8, all ? lru.Count(LruKind.InactiveAnonymous).Value : 0, style);
        Line(ref w, "nr_zone_active_anon"u8, all ? lru.Count(LruKind.ActiveAnonymous).Value : 0, style);
        Line(ref w, "nr_zone_inactive_file"u8, all ? lru.Count(LruKind.InactiveFile).Value : 0, style);
        Line(ref w, "nr_zone_active_file"u8, all ? lru.Count(LruKind.ActiveFile).Value : 0, style);
        Line(ref w, "nr_zone_unevictable"u8, all ? lru.Count(LruKind.Unevictable).Value : 0, style);
        Line(ref w, "nr_zone_write_pending"u8, all ? cache.DirtyPages.Value + cache.WritebackPages.Value : 0, style);
        Line(ref w, "nr_mlock"u8, all ? memory.MlockedPages : 0, style);
        Nothing(ref w, "nr_bounce nr_zspages nr_free_cma"u8, style);
        ulong given = zone?.Allocations ?? Allocations(machine);
        Line(ref w, "numa_hit"u8, given, style);
        Nothing(ref w, "numa_miss numa_foreign numa_interleave"u8, style);
        Line(ref w, "numa_local"u8, given, style);
        Nothing(ref w, "numa_other"u8, style);
    }

    /// <summary>What there is on the node. Pages, where the name does not say otherwise. Linux: <c>NR_VM_NODE_STAT_ITEMS</c>.</summary>
    public static void NodePages(ref TextWriter w, MachineFiles machine, StatStyle style)
    {
        MemorySystem memory = machine.Memory;
        LruLists lru = memory.Frames.Lru;
        PageCache cache = machine.Cache;
        Line(ref w, "nr_inactive_anon"u8, lru.Count(LruKind.InactiveAnonymous).Value, style);
        Line(ref w, "nr_active_anon"u8, lru.Count(LruKind.ActiveAnonymous).Value, style);
        Line(ref w, "nr_inactive_file"u8, lru.Count(LruKind.InactiveFile).Value, style);
        Line(ref w, "nr_active_file"u8, lru.Count(LruKind.ActiveFile).Value, style);
        Line(ref w, "nr_unevictable"u8, lru.Count(LruKind.Unevictable).Value, style);
        Line(ref w, "nr_slab_reclaimable"u8, 0, style);
        Line(ref w, "nr_slab_unreclaimable"u8, memory.Physical.SlabFrames.Value, style);
        Nothing(ref w, "nr_isolated_anon nr_isolated_file workingset_nodes workingset_refault_anon workingset_refault_file"u8, style);
        Nothing(ref w, "workingset_activate_anon workingset_activate_file workingset_restore_anon workingset_restore_file workingset_nodereclaim"u8, style);
        Line(ref w, "nr_anon_pages"u8, memory.AnonymousPages, style);
        Line(ref w, "nr_mapped"u8, memory.FileMappedPages, style);
        Line(ref w, "nr_file_pages"u8, cache.Pages.Value, style);
        Line(ref w, "nr_dirty"u8, cache.DirtyPages.Value, style);
        Line(ref w, "nr_writeback"u8, cache.WritebackPages.Value, style);
        Nothing(ref w, "nr_writeback_temp"u8, style);
        Line(ref w, "nr_shmem"u8, cache.ShmemPages.Value, style);
        Nothing(ref w, "nr_shmem_hugepages nr_shmem_pmdmapped nr_file_hugepages nr_file_pmdmapped"u8, style);
        Line(ref w, "nr_anon_transparent_hugepages"u8, memory.AnonymousHugePages, style);
        Nothing(ref w, "nr_vmscan_write nr_vmscan_immediate_reclaim"u8, style);
        Line(ref w, "nr_dirtied"u8, cache.Dirtied, style);
        Line(ref w, "nr_written"u8, cache.Written, style);
        Nothing(ref w, "nr_throttled_written nr_kernel_misc_reclaimable nr_foll_pin_acquired nr_foll_pin_released"u8, style);
        Line(ref w, "nr_kernel_stack"u8, machine.KernelStackKilobytes, style);
        Line(ref w, "nr_page_table_pages"u8, memory.PageTablePages, style);
        Nothing(ref w, "nr_sec_page_table_pages"u8, style);
        Line(ref w, "nr_swapcached"u8, memory.Swap?.CachedPages.Value ?? 0, style);
        Nothing(ref w, "pgpromote_success pgpromote_candidate"u8, style);
    }

    private static Zone? Preferred(ReadOnlySpan<Zone> zones)
    {
        int last = zones.Length - 1;
        while (last > 0 && zones[last].Managed.Value == 0)
            last--;
        return last < 0 ? null : zones[last];
    }

    /// <summary>What has happened since boot.</summary>
    public static void Events(ref TextWriter w, MachineFiles machine)
    {
        MemorySystem memory = machine.Memory;
        VmStat counters = memory.Statistics;
        ulong sectorsIn = 0;
        ulong sectorsOut = 0;
        for (BlockDevice? device = machine.Io.Vfs.Blocks.First; device is not null; device = device.Next)
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
        ulong freed = 0;
        ulong normal = 0;
        ReadOnlySpan<Zone> zones = memory.Physical.Frames.Zones;
        for (int i = 0; i < zones.Length; i++)
        {
            freed += zones[i].Frees;
            if (zones[i].Kind == ZoneKind.Normal)
                normal = zones[i].Allocations;
            else
                Line(ref w, zones[i].Kind == ZoneKind.Dma ? "pgalloc_dma"u8 : "pgalloc_dma32"u8, zones[i].Allocations);
        }

        Line(ref w, "pgalloc_normal"u8, normal);
        Nothing(ref w, "pgalloc_movable pgalloc_device allocstall_dma allocstall_dma32"u8);
        Line(ref w, counters, VmCounter.AllocationStalls);
        Nothing(ref w, "allocstall_movable allocstall_device pgskip_dma pgskip_dma32 pgskip_normal pgskip_movable pgskip_device"u8);
        Line(ref w, "pgfree"u8, freed);
        Line(ref w, counters, VmCounter.PgActivate);
        Line(ref w, counters, VmCounter.PgDeactivate);
        Line(ref w, counters, VmCounter.PgLazyFree);
        Line(ref w, counters, VmCounter.PgFault);
        Line(ref w, counters, VmCounter.PgMajFault);
        Line(ref w, counters, VmCounter.PgLazyFreed);
        Line(ref w, counters, VmCounter.PgRefill);
        Line(ref w, "pgreuse"u8, counters[VmCounter.WpReuse]);
        Line(ref w, counters, VmCounter.PgStealKswapd);
        Line(ref w, counters, VmCounter.PgStealDirect);
        Nothing(ref w, "pgdemote_kswapd pgdemote_direct"u8);
        Line(ref w, counters, VmCounter.PgScanKswapd);
        Line(ref w, counters, VmCounter.PgScanDirect);
        Nothing(ref w, "pgscan_direct_throttle"u8);
        Line(ref w, counters, VmCounter.PgScanAnonymous);
        Line(ref w, counters, VmCounter.PgScanFile);
        Line(ref w, counters, VmCounter.PgStealAnonymous);
        Line(ref w, counters, VmCounter.PgStealFile);
        Nothing(ref w, "zone_reclaim_failed pginodesteal slabs_scanned kswapd_inodesteal kswapd_low_wmark_hit_quickly kswapd_high_wmark_hit_quickly"u8);
        Line(ref w, counters, VmCounter.KswapdRuns);
        Nothing(ref w, "pgrotated drop_pagecache drop_slab"u8);
        Line(ref w, counters, VmCounter.OomKill);
        Nothing(ref w, "numa_pte_updates numa_huge_pte_updates numa_hint_faults numa_hint_faults_local numa_pages_migrated"u8);
        Nothing(ref w, "pgmigrate_success pgmigrate_fail thp_migration_success thp_migration_fail thp_migration_split"u8);
        Nothing(ref w, "compact_migrate_scanned compact_free_scanned compact_isolated compact_stall compact_fail compact_success"u8);
        Nothing(ref w, "compact_daemon_wake compact_daemon_migrate_scanned compact_daemon_free_scanned"u8);
        Nothing(ref w, "htlb_buddy_alloc_success htlb_buddy_alloc_fail"u8);
        Line(ref w, counters, VmCounter.UnevictableCulled);
        Nothing(ref w, "unevictable_pgs_scanned unevictable_pgs_rescued"u8);
        Line(ref w, counters, VmCounter.UnevictableMlocked);
        Line(ref w, counters, VmCounter.UnevictableMunlocked);
        Nothing(ref w, "unevictable_pgs_cleared unevictable_pgs_stranded"u8);
        Line(ref w, counters, VmCounter.ThpFaultAlloc);
        Line(ref w, counters, VmCounter.ThpFaultFallback);
        Nothing(ref w, "thp_fault_fallback_charge"u8);
        Line(ref w, counters, VmCounter.ThpCollapseAlloc);
        Line(ref w, counters, VmCounter.ThpCollapseAllocFailed);
        Nothing(ref w, "thp_file_alloc thp_file_fallback thp_file_fallback_charge thp_file_mapped"u8);
        Line(ref w, counters, VmCounter.ThpSplitPage);
        Nothing(ref w, "thp_split_page_failed thp_deferred_split_page"u8);
        Line(ref w, counters, VmCounter.ThpSplitPmd);
        Nothing(ref w, "thp_scan_exceed_none_pte thp_scan_exceed_swap_pte thp_scan_exceed_share_pte thp_split_pud"u8);
        Line(ref w, counters, VmCounter.ThpZeroPageAlloc);
        Line(ref w, counters, VmCounter.ThpZeroPageAllocFailed);
        Nothing(ref w, "thp_swpout thp_swpout_fallback balloon_inflate balloon_deflate balloon_migrate"u8);
        Line(ref w, counters, VmCounter.SwapReadAhead);
        Line(ref w, counters, VmCounter.SwapReadAheadHits);
        Nothing(ref w, "ksm_swpin_copy cow_ksm direct_map_level2_splits direct_map_level3_splits nr_unstable"u8);
    }

    /// <summary>What Linux does not count.</summary>
    public static void Own(ref TextWriter w, MachineFiles machine)
    {
        // How well reading ahead does: pages that somebody waited for, windows, pages that were read before they were asked for.
        Line(ref w, "pgcache_read_waited"u8, machine.Cache.ReadsWaited);
        Line(ref w, "pgcache_readahead_windows"u8, machine.Cache.ReadAheadWindows);
        Line(ref w, "pgcache_readahead_pages"u8, machine.Cache.ReadAheadPages);
        Line(ref w, "vmalloc_unpurged"u8, machine.Memory.Physical.Vmalloc.UnpurgedPages.Value);
        Line(ref w, "vmalloc_purges"u8, machine.Memory.Physical.Vmalloc.Purges);
        for (VmCounter counter = 0; counter < VmCounter.Count; counter++)
        {
            if (VmStat.IsOwn(counter))
                Line(ref w, machine.Memory.Statistics, counter);
        }
    }

    /// <summary>How often frames were given out. There is one node: it was always the one that was wanted.</summary>
    public static ulong Allocations(MachineFiles machine)
    {
        ulong sum = 0;
        ReadOnlySpan<Zone> zones = machine.Memory.Physical.Frames.Zones;
        for (int i = 0; i < zones.Length; i++)
            sum += zones[i].Allocations;
        return sum;
    }

    /// <summary>A name and a number.</summary>
    public static void Line(ref TextWriter w, ReadOnlySpan<byte> name, ulong value, StatStyle style = StatStyle.Line)
    {
        if (style == StatStyle.Line)
        {
            w.Text(name);
            w.Byte((byte)' ');
            w.Decimal(value);
            w.Byte((byte)'\n');
            return;
        }

        w.Text("\n      "u8);
        w.Left(name, 12);
        w.Byte((byte)' ');
        w.Decimal(value);
    }

    private static void Line(ref TextWriter w, VmStat counters, VmCounter counter) => Line(ref w, VmStat.NameOf(counter), counters[counter]);

    /// <summary>A zero for each of the names.</summary>
    private static void Nothing(ref TextWriter w, ReadOnlySpan<byte> names, StatStyle style = StatStyle.Line)
    {
        while (!names.IsEmpty)
        {
            int end = names.IndexOf((byte)' ');
            Line(ref w, end < 0 ? names : names[..end], 0, style);
            names = end < 0 ? default : names[(end + 1)..];
        }
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
}
