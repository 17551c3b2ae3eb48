using System;
using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>No frame can be had by any means: one process is killed so that the rest lives.</summary>
/// <remarks>
/// Linux: <c>out_of_memory</c>, <c>oom_badness</c>. The one whose end gives most memory back (<see cref="Worth"/>), moved by its
/// <c>oom_score_adj</c>. Init and kernel threads are never chosen. Who needed the memory waits for the victim to end, and tries again.
/// </remarks>
internal sealed class OomKiller(TaskSystem system) : OutOfMemoryHandler
{
    private const int AdjustmentRange = 1000;

    /// <summary>How long to let a victim end before the next one is chosen.</summary>
    private const ulong PatienceNanoseconds = 2_000_000_000;

    private readonly TaskSystem _system = system;

    /// <summary>Until then the last victim has time to end. Monotonic nanoseconds.</summary>
    private ulong _patience;

    /// <summary>The last victim's process number.</summary>
    private int _victim;

    /// <inheritdoc/>
    public override bool MakeRoom()
    {
        Task task = Task.Current;
        if (task.FatalSignalPending)
            return false;
        if (task.FailNth.TakeInjected())
            return true;                                    // an injected failure is no shortage: the access is tried again
        ulong now = Time.MonotonicNanoseconds;
        if (_patience > now && HasMemory(_system, _victim))
        {
            WaitALittle(task);
            return !task.FatalSignalPending;
        }

        ThreadGroup? victim = null;
        using (_system.TaskLock.Acquire())
        {
            victim = Choose(_system);
            victim?.Get();
        }

        if (victim is null)
        {
            // Nobody has memory to give back: the one that asks goes, or the machine stands still. Init and kernel threads must do without.
            if (!task.IsKernelThread && !task.Group.IsUnkillable)
                SendKill(task.Group);
            return false;
        }

        Report(task, victim);
        SendKill(victim);
        _patience = now + PatienceNanoseconds;
        _victim = victim.Tgid;
        _system.Memory.Statistics.Count(VmCounter.OomKill);
        victim.Put();
        if (!task.FatalSignalPending)
            WaitALittle(task);
        return !task.FatalSignalPending;
    }

    private static bool HasMemory(TaskSystem system, int process)
    {
        using (system.TaskLock.Acquire())
            return system.Pids.FindProcess(process) is { } group && MemoryOf(group) is not null;
    }

    private static void WaitALittle(Task task)
    {
        task.State = ThreadState.Killable;
        PerCpu.Scheduler.ScheduleTimeout(Time.MonotonicNanoseconds + 10_000_000);
        task.State = ThreadState.Running;
    }

    private static ThreadGroup? Choose(TaskSystem system)
    {
        long total = (long)(system.Physical.Frames.TotalFrames.Value + system.Memory.SwapPages);
        ThreadGroup? worst = null;
        long most = long.MinValue;
        for (ThreadGroup? group = system.Pids.FindNextProcess(2); group is not null; group = system.Pids.FindNextProcess(group.Tgid + 1))
        {
            if (group.IsUnkillable || group.OomScoreAdjustment == -AdjustmentRange || MemoryOf(group) is not { } mm)
                continue;
            long points = Worth(group, mm) + group.OomScoreAdjustment * (total / AdjustmentRange);
            if (points <= most)
                continue;
            most = points;
            worst = group;
        }

        return worst;
    }

    /// <summary>The pages that the end of a process would give back.</summary>
    /// <remarks>
    /// Unlike Linux, pages of files count only beyond the size of the program's text: where the root lies in memory they stay in it, and a
    /// shell would look larger than one that has filled the machine with pipes and event files. What is behind descriptors is the
    /// kernel's memory and known to nobody; an eighth of a page each is what most of them hold.
    /// </remarks>
    private static long Worth(ThreadGroup group, MmStruct mm)
    {
        ulong mapped = mm.FilePages + mm.ShmemPages;
        ulong pages = mm.AnonymousPages + mm.SwapEntries + mm.PageTablePages + (mapped > mm.ExecVm ? mapped - mm.ExecVm : 0);
        if (group.Leader?.Files is { } files)
            pages += (ulong)files.Count / 8;
        return (long)pages;
    }

    /// <summary>The memory of a process, unless it is already ending with none left.</summary>
    private static MmStruct? MemoryOf(ThreadGroup group)
    {
        for (Task? thread = group.Threads.First; thread is not null; thread = group.Threads.NextOf(thread))
        {
            if (thread.Mm is { } mm && !thread.IsKernelThread)
                return mm;
        }

        return null;
    }

    /// <summary>One block in the log: who asked, how memory stands, who goes.</summary>
    private static void Report(Task task, ThreadGroup victim)
    {
        MemorySystem memory = task.System.Memory;
        FrameAllocator frames = memory.Frames;
        LruLists lru = frames.Lru;
        ReadOnlySpan<byte> name = victim.Leader is { } leader ? leader.Name : default;
        Log.Warn($"{task.Name} invoked oom-killer: pid={task.Pid}, oom_score_adj={task.Group.OomScoreAdjustment}");
        Log.Warn($"Mem-Info: active_anon:{lru.Count(LruKind.ActiveAnonymous).Value} inactive_anon:{lru.Count(LruKind.InactiveAnonymous).Value} active_file:{lru.Count(LruKind.ActiveFile).Value} inactive_file:{lru.Count(LruKind.InactiveFile).Value} slab:{memory.Physical.SlabFrames.Value} pagetables:{memory.PageTablePages} free:{frames.FreeFrames.Value}; free swap = {memory.FreeSwapPages * 4}kB, total swap = {memory.SwapPages * 4}kB");
        if (MemoryOf(victim) is { } mm)
            Log.Warn($"Out of memory: Killed process {victim.Tgid} ({name}) total-vm:{mm.TotalVm * 4}kB, anon-rss:{mm.AnonymousPages * 4}kB, file-rss:{mm.FilePages * 4}kB, shmem-rss:{mm.ShmemPages * 4}kB, swap:{mm.SwapEntries * 4}kB, UID:{victim.Leader?.Credentials.Uid ?? 0} pgtables:{mm.PageTablePages * 4}kB oom_score_adj:{victim.OomScoreAdjustment}");
    }

    private static void SendKill(ThreadGroup group)
    {
        for (Task? thread = group.Threads.First; thread is not null; thread = group.Threads.NextOf(thread))
            thread.IsOomVictim = true;
        _ = Signals.SendToProcess(group, Signals.FromKernel(SignalNumber.Kill));
    }
}
