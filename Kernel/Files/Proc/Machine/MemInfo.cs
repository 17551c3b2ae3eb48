using System;
using NanoVm.Core;
using NanoVm.Memory.Hugetlb;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Proc.Machine;

/// <summary><c>/proc/meminfo</c>. Linux: <c>meminfo_proc_show</c>; man 5 proc.</summary>
internal sealed class MemInfo(MachineFiles machine) : ProcPage("meminfo"u8)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        MemorySystem memory = _machine.Memory;
        PhysicalMemory physical = memory.Physical;
        ulong total = physical.Frames.TotalFrames.Value;
        ulong free = physical.Frames.FreeFrames.Value;
        ulong shmem = _machine.Cache.ShmemPages.Value;
        ulong cached = _machine.Cache.Pages.Value;
        ulong fileOnly = cached > shmem ? cached - shmem : 0;
        ulong anonymous = memory.AnonymousPages;
        ulong slab = physical.SlabFrames.Value;
        ulong reserve = 0;
        ReadOnlySpan<Zone> zones = physical.Frames.Zones;
        for (int i = 0; i < zones.Length; i++)
            reserve += zones[i].WatermarkLow;
        ulong available = free + fileOnly - Math.Min(free + fileOnly, reserve);

        Line(ref w, "MemTotal:"u8, total);
        Line(ref w, "MemFree:"u8, free);
        Line(ref w, "MemAvailable:"u8, available);
        Line(ref w, "Buffers:"u8, 0);
        Line(ref w, "Cached:"u8, cached);
        Line(ref w, "SwapCached:"u8, memory.Swap is { } swap ? swap.CachedPages.Value : 0);
        LruLists lru = physical.Frames.Lru;
        ulong activeAnonymous = lru.Count(LruKind.ActiveAnonymous).Value, inactiveAnonymous = lru.Count(LruKind.InactiveAnonymous).Value;
        ulong activeFile = lru.Count(LruKind.ActiveFile).Value, inactiveFile = lru.Count(LruKind.InactiveFile).Value;
        Line(ref w, "Active:"u8, activeAnonymous + activeFile);
        Line(ref w, "Inactive:"u8, inactiveAnonymous + inactiveFile);
        Line(ref w, "Active(anon):"u8, activeAnonymous);
        Line(ref w, "Inactive(anon):"u8, inactiveAnonymous);
        Line(ref w, "Active(file):"u8, activeFile);
        Line(ref w, "Inactive(file):"u8, inactiveFile);
        Line(ref w, "Unevictable:"u8, lru.Count(LruKind.Unevictable).Value);
        Line(ref w, "Mlocked:"u8, memory.MlockedPages);
        Line(ref w, "SwapTotal:"u8, memory.SwapPages);
        Line(ref w, "SwapFree:"u8, memory.FreeSwapPages);
        Line(ref w, "Dirty:"u8, _machine.Cache.DirtyPages.Value);
        Line(ref w, "Writeback:"u8, _machine.Cache.WritebackPages.Value);
        Line(ref w, "AnonPages:"u8, anonymous);
        Line(ref w, "Mapped:"u8, memory.FileMappedPages);
        Line(ref w, "Shmem:"u8, shmem);
        Line(ref w, "KReclaimable:"u8, 0);
        Line(ref w, "Slab:"u8, slab);
        Line(ref w, "SReclaimable:"u8, 0);
        Line(ref w, "SUnreclaim:"u8, slab);
        Kilobytes(ref w, "KernelStack:"u8, _machine.KernelStackKilobytes);
        Line(ref w, "PageTables:"u8, memory.PageTablePages);
        Line(ref w, "SecPageTables:"u8, 0);
        Line(ref w, "NFS_Unstable:"u8, 0);
        Line(ref w, "Bounce:"u8, 0);
        Line(ref w, "WritebackTmp:"u8, 0);
        Line(ref w, "CommitLimit:"u8, memory.CommitLimit);
        Line(ref w, "Committed_AS:"u8, memory.CommittedPages);
        Line(ref w, "VmallocTotal:"u8, Vmalloc.TotalPages.Value);
        Line(ref w, "VmallocUsed:"u8, physical.Vmalloc.UsedPages.Value);
        Line(ref w, "VmallocChunk:"u8, 0);
        Line(ref w, "Percpu:"u8, 0);
        Line(ref w, "AnonHugePages:"u8, memory.AnonymousHugePages * FrameAllocator.HugeFrames);
        Line(ref w, "ShmemHugePages:"u8, 0);
        Line(ref w, "ShmemPmdMapped:"u8, 0);
        Line(ref w, "FileHugePages:"u8, 0);
        Line(ref w, "FilePmdMapped:"u8, 0);
        HugePool pool = memory.Hugetlb.Pool;
        Pages(ref w, "HugePages_Total:"u8, pool.Total);
        Pages(ref w, "HugePages_Free:"u8, pool.Free);
        Pages(ref w, "HugePages_Rsvd:"u8, pool.Reserved);
        Pages(ref w, "HugePages_Surp:"u8, pool.Surplus);
        Line(ref w, "Hugepagesize:"u8, FrameAllocator.HugeFrames);
        Line(ref w, "Hugetlb:"u8, pool.Total * FrameAllocator.HugeFrames);
        DirectMapSizes direct = DirectMapSizes.Of(memory);
        Kilobytes(ref w, "DirectMap4k:"u8, direct.Small);
        Kilobytes(ref w, "DirectMap2M:"u8, direct.Large);
        Kilobytes(ref w, "DirectMap1G:"u8, direct.Huge);
        return Errno.None;
    }

    // Linux: seq_put_decimal_ull_width with the names padded in the source.
    public static void Line(ref TextWriter w, ReadOnlySpan<byte> name, ulong pages)
        => Kilobytes(ref w, name, pages << (PageSize.Shift - 10));

    private static void Kilobytes(ref TextWriter w, ReadOnlySpan<byte> name, ulong kilobytes)
    {
        w.Left(name, 16);
        w.Decimal(kilobytes, 8);
        w.Text(" kB\n"u8);
    }

    // Linux: hugetlb_report_meminfo. Huge pages, not kilobytes.
    private static void Pages(ref TextWriter w, ReadOnlySpan<byte> name, ulong pages)
    {
        w.Left(name, 19);
        w.Decimal(pages, 5);
        w.Byte((byte)'\n');
    }
}
