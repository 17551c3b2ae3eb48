using System;
using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>No frame can be had by any means: one process is killed so that the rest lives.</summary>
/// <remarks>
/// Linux: <c>out_of_memory</c>, <c>oom_badness</c>. The one whose end gives most memory back (<see cref="Worth"/>), moved by its
/// <c>oom_score_adj</c>. Init and kernel threads are never chosen. Who needed the memory waits for the victim to end, and tries again.
/// </remarks>
internal static class OomKiller
{
    private const int AdjustmentRange = 1000;

    /// <summary>How long to let a victim end before the next one is chosen.</summary>
    private const ulong PatienceNanoseconds = 2_000_000_000;

    /// <summary>Free swap, in pages, with which a shortage is taken to be a passing one, and how often in a row.</summary>
    private const ulong EnoughSwap = 256;
    private const int MostShortages = 100;

    /// <summary>Chooses and kills, or waits for one that is ending.</summary>
    /// <param name="task">Who needs memory; its access will be tried again, or it is the one to die.</param>
    public static void MakeRoom(Task task)
    {
        if (task.FatalSignalPending || task.FailNth.TakeInjected())
            return;                                         // an injected failure is no shortage: the access is tried again
        TaskSystem system = task.System;
        ulong now = Time.MonotonicNanoseconds;
        if (system.OomPatience > now && HasMemory(system, system.OomVictim))
        {
            WaitALittle(task);
            return;
        }

        // While swap has room the shortage may pass: everything was in use in this moment, and what is will be older in the next.
        if (system.Memory.FreeSwapPages > EnoughSwap)
        {
            if (now - system.OomLastShortage > PatienceNanoseconds)
                system.OomShortages = 0;
            system.OomLastShortage = now;
            if (++system.OomShortages <= MostShortages)
            {
                WaitALittle(task);
                return;
            }
        }

        ThreadGroup? victim = null;
        using (system.TaskLock.Acquire())
        {
            victim = Choose(system);
            victim?.Get();
        }

        if (victim is null)
        {
            // Nobody has memory to give back: the one that asks goes, or the machine stands still.
            SendKill(task.Group);
            return;
        }

        Report(task, victim);
        SendKill(victim);
        system.OomPatience = now + PatienceNanoseconds;
        system.OomVictim = victim.Tgid;
        system.OomKills++;
        bool self = ReferenceEquals(victim, task.Group);
        victim.Put();
        if (!self)
            WaitALittle(task);
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

    private static void Report(Task task, ThreadGroup victim)
    {
        MmStruct? mm = MemoryOf(victim);
        Log.Warn($"{task.Name} invoked oom-killer: {task.System.Physical.Frames.FreeFrames.Value * 4} KiB free, {task.System.Memory.FreeSwapPages * 4} KiB of swap free");
        ReadOnlySpan<byte> name = victim.Leader is { } leader ? leader.Name : default;
        Log.Warn($"Out of memory: Killed process {victim.Tgid} ({name}) anon-rss:{(mm?.AnonymousPages ?? 0) * 4}kB, file-rss:{(mm?.FilePages ?? 0) * 4}kB, shmem-rss:{(mm?.ShmemPages ?? 0) * 4}kB, swap:{(mm?.SwapEntries ?? 0) * 4}kB, oom_score_adj:{victim.OomScoreAdjustment}");
    }

    private static void SendKill(ThreadGroup group) => _ = Signals.SendToProcess(group, Signals.FromKernel(SignalNumber.Kill));
}

internal sealed unsafe partial class TaskSystem
{
    /// <summary>Until then a victim of <see cref="OomKiller"/> has time to end. Monotonic nanoseconds.</summary>
    public ulong OomPatience;
    public int OomVictim;

    /// <summary>Shortages in a row that were waited out because swap had room, and when the last one was.</summary>
    public int OomShortages;
    public ulong OomLastShortage;

    /// <summary>Processes killed for want of memory. <c>oom_kill</c>.</summary>
    public ulong OomKills;
}
