using System;
using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>No frame can be had by any means: one process is killed so that the rest lives.</summary>
/// <remarks>
/// Linux: <c>out_of_memory</c>, <c>oom_badness</c>. The one whose end gives most memory back (<see cref="Worth"/>), moved by its
/// <c>oom_score_adj</c>; or whoever asked, or nobody and the machine stops, when <see cref="OomSettings"/> says so. Init and kernel threads are never
/// chosen. Who needed the memory waits for the victim to end, and tries again.
/// </remarks>
internal sealed class OomKiller(TaskSystem system) : OutOfMemoryHandler
{
    private const int AdjustmentRange = 1000;

    /// <summary>How long to let a victim end before the next one is chosen.</summary>
    private const ulong PatienceNanoseconds = 2_000_000_000;

    private readonly TaskSystem _system = system;
    private readonly OomReport _report = new();

    /// <summary>Until then the last victim has time to end. Monotonic nanoseconds.</summary>
    private ulong _patience;

    /// <summary>The last victim's process number.</summary>
    private int _victim;

    /// <inheritdoc/>
    public override bool MakeRoom(int order)
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

        OomSettings settings = _system.Oom;
        if (settings.Panic != 0)
        {
            _report.Write(task, order, null);
            Panic.Now(settings.Panic == 2 ? "Out of memory: compulsory panic_on_oom is enabled"u8 : "Out of memory: system-wide panic_on_oom is enabled"u8);
        }

        ThreadGroup? victim = null;
        ReadOnlySpan<byte> why = "Out of memory"u8;
        using (_system.TaskLock.Acquire())
        {
            if (settings.KillAllocatingTask != 0 && MayDie(task.Group))
            {
                victim = task.Group;
                why = "Out of memory (oom_kill_allocating_task)"u8;
            }
            else
            {
                victim = Choose(_system);
            }

            victim?.Get();
        }

        if (victim is null)
        {
            // Nobody has memory to give back: the one that asks goes, or the machine stands still. Init and kernel threads must do without.
            if (!task.IsKernelThread && !task.Group.IsUnkillable)
                SendKill(task.Group);
            return false;
        }

        _report.Write(task, order, victim);
        OomReport.WriteVictim(why, victim);
        Kill(_system, victim);
        _patience = now + PatienceNanoseconds;
        _victim = victim.Tgid;
        _system.Memory.Statistics.Count(VmCounter.OomKill);
        victim.Put();
        if (!task.FatalSignalPending)
            WaitALittle(task);
        return !task.FatalSignalPending;
    }

    /// <summary>Whether a process may be chosen at all. Under the task lock.</summary>
    private static bool MayDie(ThreadGroup group)
        => !group.IsUnkillable && group.OomScoreAdjustment != -AdjustmentRange && MemoryOf(group) is not null;

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
            if (IsOrigin(group))
                return group;
            if (!MayDie(group) || MemoryOf(group) is not { } mm)
                continue;
            long points = Worth(group, mm) + group.OomScoreAdjustment * (total / AdjustmentRange);
            if (points < most)
                continue;                                   // of equals the youngest
            most = points;
            worst = group;
        }

        return worst;
    }

    private static bool IsOrigin(ThreadGroup group)
    {
        if (group.IsUnkillable)
            return false;
        for (Task? thread = group.Threads.First; thread is not null; thread = group.Threads.NextOf(thread))
        {
            if (thread.IsOomOrigin)
                return true;
        }

        return false;
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
    internal static MmStruct? MemoryOf(ThreadGroup group)
    {
        for (Task? thread = group.Threads.First; thread is not null; thread = group.Threads.NextOf(thread))
        {
            if (thread.Mm is { } mm && !thread.IsKernelThread)
                return mm;
        }

        return null;
    }

    /// <summary>Kills a process, and all others that live in the same memory: else it would not come free. Linux: <c>__oom_kill_process</c>.</summary>
    private static void Kill(TaskSystem system, ThreadGroup victim)
    {
        MmStruct? mm = null;
        using (system.TaskLock.Acquire())
            mm = MemoryOf(victim);
        SendKill(victim);
        for (int number = 2; mm is not null;)
        {
            ThreadGroup? other;
            using (system.TaskLock.Acquire())
            {
                other = system.Pids.FindNextProcess(number);
                while (other is not null && (ReferenceEquals(other, victim) || other.IsUnkillable || !ReferenceEquals(MemoryOf(other), mm)))
                    other = system.Pids.FindNextProcess(other.Tgid + 1);
                other?.Get();
            }

            if (other is null)
                break;
            number = other.Tgid + 1;
            SendKill(other);
            other.Put();
        }
    }

    private static void SendKill(ThreadGroup group)
    {
        using (group.Leader!.System.TaskLock.Acquire())
        {
            for (Task? thread = group.Threads.First; thread is not null; thread = group.Threads.NextOf(thread))
                thread.IsOomVictim = true;
        }

        _ = Signals.SendToProcess(group, Signals.FromKernel(SignalNumber.Kill));
    }
}
