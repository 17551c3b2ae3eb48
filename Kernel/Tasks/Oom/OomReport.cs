using System;
using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>What the log says of an end for want of memory: who asked, how memory stands, who has it, who goes.</summary>
/// <remarks>
/// Linux: <c>dump_header</c>, <c>show_mem</c>, <c>dump_tasks</c>, <c>__oom_kill_process</c>; lines and fields are named as there, those that could only be zero
/// are left out. Ten reports in five seconds, then only the last line of each. The kernel is not preempted: a report is one block.
/// </remarks>
internal sealed class OomReport
{
    private readonly ReportLimit _limit = new();

    /// <summary>All but the last line.</summary>
    /// <param name="victim">Null when nobody is to go.</param>
    public void Write(Task task, int order, ThreadGroup? victim)
    {
        if (!_limit.MayReport())
            return;
        Log.Warn($"{task.Name} invoked oom-killer: order={order}, oom_score_adj={task.Group.OomScoreAdjustment}");
        WriteMemory(task.System.Memory);
        if (task.System.Oom.DumpTasks != 0)
            WriteTasks(task.System);
        if (victim?.Leader is { } leader)
            Log.Warn($"oom-kill:constraint=CONSTRAINT_NONE,global_oom,task={leader.Name},pid={victim.Tgid},uid={leader.Credentials.Uid}");
    }

    /// <summary>The last line.</summary>
    public static void WriteVictim(ReadOnlySpan<byte> why, ThreadGroup victim)
    {
        if (victim.Leader is { } leader && OomKiller.MemoryOf(victim) is { } mm)
            Log.Warn($"{why}: Killed process {victim.Tgid} ({leader.Name}) total-vm:{Kilobytes(mm.TotalVm)}kB, anon-rss:{Kilobytes(mm.AnonymousPages)}kB, file-rss:{Kilobytes(mm.FilePages)}kB, shmem-rss:{Kilobytes(mm.ShmemPages)}kB, UID:{leader.Credentials.Uid} pgtables:{Kilobytes(mm.PageTablePages)}kB oom_score_adj:{victim.OomScoreAdjustment}");
    }

    private static void WriteMemory(MemorySystem memory)
    {
        FrameAllocator frames = memory.Frames;
        LruLists lru = frames.Lru;
        PageCache? cache = memory.PageCache;
        Log.Warn("Mem-Info:"u8);
        Log.Warn($"active_anon:{lru.Count(LruKind.ActiveAnonymous)} inactive_anon:{lru.Count(LruKind.InactiveAnonymous)}");
        Log.Warn($" active_file:{lru.Count(LruKind.ActiveFile)} inactive_file:{lru.Count(LruKind.InactiveFile)}");
        Log.Warn($" unevictable:{lru.Count(LruKind.Unevictable)} dirty:{cache?.DirtyPages ?? default} writeback:{cache?.WritebackPages ?? default}");
        Log.Warn($" slab_unreclaimable:{memory.Physical.SlabFrames}");
        Log.Warn($" mapped:{memory.FileMappedPages} shmem:{cache?.ShmemPages ?? default} pagetables:{memory.PageTablePages}");
        Log.Warn($" free:{frames.FreeFrames}");
        foreach (Zone zone in frames.Zones)
        {
            if (zone.Managed.Value != 0)
                Log.Warn($"Node 0 {NameOf(zone.Kind)} free:{Kilobytes(zone.AllFreeFrames)}kB min:{Kilobytes(zone.WatermarkMin)}kB low:{Kilobytes(zone.WatermarkLow)}kB high:{Kilobytes(zone.WatermarkHigh)}kB present:{Kilobytes(zone.Present.Value)}kB managed:{Kilobytes(zone.Managed.Value)}kB");
        }

        Log.Warn($"{cache?.Pages ?? default} total pagecache pages");
        Log.Warn($"{memory.Swap?.CachedPages ?? default} pages in swap cache");
        Log.Warn($"Free swap  = {Kilobytes(memory.FreeSwapPages)}kB");
        Log.Warn($"Total swap = {Kilobytes(memory.SwapPages)}kB");
        Log.Warn($"{frames.TotalFrames} pages RAM");
    }

    private static void WriteTasks(TaskSystem system)
    {
        Log.Warn("Tasks state (memory values in pages):"u8);
        Log.Warn("[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name"u8);
        Span<byte> line = stackalloc byte[LogText.Capacity];
        int number = 2;
        while (TryDescribe(system, ref number, line, out int length))
            Log.Warn((ReadOnlySpan<byte>)line.Slice(0, length));
    }

    /// <summary>The line of the next process that has memory, at or above <paramref name="number"/>, which moves on.</summary>
    private static bool TryDescribe(TaskSystem system, ref int number, Span<byte> line, out int length)
    {
        using var locked = system.TaskLock.Acquire();
        for (ThreadGroup? group = system.Pids.FindNextProcess(number); group is not null; group = system.Pids.FindNextProcess(number))
        {
            number = group.Tgid + 1;
            if (OomKiller.MemoryOf(group) is not { } mm || group.Leader is not { } leader)
                continue;
            var writer = new TextWriter(line);
            writer.Text("["u8);
            writer.Decimal((ulong)leader.Pid, 7);
            writer.Text("] "u8);
            writer.Decimal(leader.Credentials.Uid, 5);
            writer.Text(" "u8);
            writer.Decimal((ulong)group.Tgid, 5);
            writer.Text(" "u8);
            writer.Decimal(mm.TotalVm, 8);
            writer.Text(" "u8);
            writer.Decimal(mm.Rss, 8);
            writer.Text(" "u8);
            writer.Decimal(mm.PageTablePages << PageSize.Shift, 8);
            writer.Text(" "u8);
            writer.Decimal(mm.SwapEntries, 8);
            writer.Text("         "u8);
            writer.Signed(group.OomScoreAdjustment, 5);
            writer.Text(" "u8);
            writer.Text(leader.Name);
            length = writer.Length;
            return true;
        }

        length = 0;
        return false;
    }

    private static ulong Kilobytes(ulong pages) => pages << (PageSize.Shift - 10);

    private static ReadOnlySpan<byte> NameOf(ZoneKind kind) => kind switch
    {
        ZoneKind.Dma => "DMA"u8,
        ZoneKind.Dma32 => "DMA32"u8,
        _ => "Normal"u8,
    };
}
