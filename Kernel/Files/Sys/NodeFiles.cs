using System;
using NanoVm.Core;
using NanoVm.Files.Proc;
using NanoVm.Files.Proc.Machine;
using NanoVm.Memory.Hugetlb;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Sys;

/// <summary>What <c>/sys/devices/system/node/node0</c> tells of memory: <c>meminfo numastat vmstat</c>. The node is the whole machine.</summary>
/// <remarks>Linux: <c>drivers/base/node.c</c>; man 7 numa.</remarks>
internal static class NodeFiles
{
    /// <summary>Adds the files. At boot.</summary>
    public static void Add(SysFileSystem sys, MachineFiles machine)
    {
        sys.NodeDirectory.Add(sys, new NodeMemInfo(machine));
        sys.NodeDirectory.Add(sys, new NumaStatFile(machine));
        sys.NodeDirectory.Add(sys, new NodeVmStat(machine));
    }
}

/// <summary><c>node0/meminfo</c>. Linux: <c>node_read_meminfo</c>.</summary>
internal sealed class NodeMemInfo(MachineFiles machine) : ProcPage("meminfo"u8)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        MemorySystem memory = _machine.Memory;
        PhysicalMemory physical = memory.Physical;
        LruLists lru = physical.Frames.Lru;
        ulong total = physical.Frames.TotalFrames.Value;
        ulong free = physical.Frames.FreeFrames.Value;
        ulong slab = physical.SlabFrames.Value;
        ulong activeAnonymous = lru.Count(LruKind.ActiveAnonymous).Value, inactiveAnonymous = lru.Count(LruKind.InactiveAnonymous).Value;
        ulong activeFile = lru.Count(LruKind.ActiveFile).Value, inactiveFile = lru.Count(LruKind.InactiveFile).Value;

        Line(ref w, "MemTotal:"u8, total);
        Line(ref w, "MemFree:"u8, free);
        Line(ref w, "MemUsed:"u8, total - free);
        Line(ref w, "SwapCached:"u8, memory.Swap?.CachedPages.Value ?? 0);
        Line(ref w, "Active:"u8, activeAnonymous + activeFile);
        Line(ref w, "Inactive:"u8, inactiveAnonymous + inactiveFile);
        Line(ref w, "Active(anon):"u8, activeAnonymous);
        Line(ref w, "Inactive(anon):"u8, inactiveAnonymous);
        Line(ref w, "Active(file):"u8, activeFile);
        Line(ref w, "Inactive(file):"u8, inactiveFile);
        Line(ref w, "Unevictable:"u8, lru.Count(LruKind.Unevictable).Value);
        Line(ref w, "Mlocked:"u8, memory.MlockedPages);
        Line(ref w, "Dirty:"u8, _machine.Cache.DirtyPages.Value);
        Line(ref w, "Writeback:"u8, _machine.Cache.WritebackPages.Value);
        Line(ref w, "FilePages:"u8, _machine.Cache.Pages.Value);
        Line(ref w, "Mapped:"u8, memory.FileMappedPages);
        Line(ref w, "AnonPages:"u8, memory.AnonymousPages);
        Line(ref w, "Shmem:"u8, _machine.Cache.ShmemPages.Value);
        Line(ref w, "KernelStack:"u8, _machine.KernelStackKilobytes >> (PageSize.Shift - 10));
        Line(ref w, "PageTables:"u8, memory.PageTablePages);
        Line(ref w, "SecPageTables:"u8, 0);
        Line(ref w, "NFS_Unstable:"u8, 0);
        Line(ref w, "Bounce:"u8, 0);
        Line(ref w, "WritebackTmp:"u8, 0);
        Line(ref w, "KReclaimable:"u8, 0);
        Line(ref w, "Slab:"u8, slab);
        Line(ref w, "SReclaimable:"u8, 0);
        Line(ref w, "SUnreclaim:"u8, slab);
        Line(ref w, "AnonHugePages:"u8, memory.AnonymousHugePages * FrameAllocator.HugeFrames);
        Line(ref w, "ShmemHugePages:"u8, 0);
        Line(ref w, "ShmemPmdMapped:"u8, 0);
        w.Text("Node 0 FileHugePages:        0 kB\nNode 0 FilePmdMapped:        0 kB\n"u8);      // a column less, as there
        HugePool pool = memory.Hugetlb.Pool;
        Pages(ref w, "Node 0 HugePages_Total: "u8, pool.Total);
        Pages(ref w, "Node 0 HugePages_Free:  "u8, pool.Free);
        Pages(ref w, "Node 0 HugePages_Surp:  "u8, pool.Surplus);
        return Errno.None;
    }

    private static void Line(ref TextWriter w, ReadOnlySpan<byte> name, ulong pages)
    {
        w.Text("Node 0 "u8);
        MemInfo.Line(ref w, name, pages);
    }

    private static void Pages(ref TextWriter w, ReadOnlySpan<byte> name, ulong pages)
    {
        w.Text(name);
        w.Decimal(pages, 5);
        w.Byte((byte)'\n');
    }
}

/// <summary><c>node0/numastat</c>: pages that were given out where they were wanted, and where not. Linux: <c>node_read_numastat</c>.</summary>
internal sealed class NumaStatFile(MachineFiles machine) : ProcPage("numastat"u8)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        ulong given = VmStatText.Allocations(_machine);
        VmStatText.Line(ref w, "numa_hit"u8, given);
        VmStatText.Line(ref w, "numa_miss"u8, 0);
        VmStatText.Line(ref w, "numa_foreign"u8, 0);
        VmStatText.Line(ref w, "interleave_hit"u8, 0);
        VmStatText.Line(ref w, "local_node"u8, given);
        VmStatText.Line(ref w, "other_node"u8, 0);
        return Errno.None;
    }
}

/// <summary><c>node0/vmstat</c>: what <c>/proc/vmstat</c> begins with. Linux: <c>node_read_vmstat</c>.</summary>
internal sealed class NodeVmStat(MachineFiles machine) : ProcPage("vmstat"u8)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        VmStatText.Pages(ref w, _machine);
        return Errno.None;
    }
}
