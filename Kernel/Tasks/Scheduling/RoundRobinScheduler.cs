using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>Who runs: round-robin with time slices that grow with priority; sleepers that wake go first while their slice lasts.</summary>
/// <remarks>
/// Linux: <c>kernel/sched/core.c</c>, <c>schedule</c>, <c>try_to_wake_up</c>, <c>context_switch</c>. The kernel itself is not preempted: a task
/// gives the processor away by sleeping, at <see cref="Scheduler.CondResched"/> and on its way back to user mode. State of other threads and
/// the run queue change with interrupts off.
/// </remarks>
internal sealed class RoundRobinScheduler : Scheduler
{
    /// <summary>The slice of nice 0, and the distance between two ticks of accounting.</summary>
    public const long SliceNanoseconds = 4_000_000;

    private readonly RunQueue _queue = new();
    private readonly TaskSystem _system;
    private Task _idle = null!;
    private Task? _previous;
    private long _tickCredit;

    /// <summary>What real-time tasks may take of the processor.</summary>
    public readonly RealTimeBandwidth RealTime = new();

    /// <summary>Switches since boot, for <c>/proc/stat</c>'s <c>ctxt</c>.</summary>
    public ulong Switches { get; private set; }

    /// <summary>Tasks in a sleep that counts as load.</summary>
    public int LoadSleepers { get; private set; }

    /// <summary>Nanoseconds that the idle task has run.</summary>
    public ulong IdleNanoseconds => _idle.RunNanoseconds;

    /// <summary>Tasks that run or could run.</summary>
    public int RunnableCount => _queue.Count + (ReferenceEquals(PerCpu.Current, _idle) ? 0 : 1);

    public RoundRobinScheduler(TaskSystem system) => _system = system;

    /// <summary>The boot thread becomes the idle task of this processor.</summary>
    public void SetIdle(Task idle)
    {
        _idle = idle;
        idle.RunningSince = Time.MonotonicNanoseconds;
    }

    /// <inheritdoc/>
    public override void Schedule()
    {
        bool enabled = Interrupts.Disable();
        Task previous = Task.Current;
        ulong now = Time.MonotonicNanoseconds;
        Account(previous, now);
        RealTime.Roll(now);
        PerCpu.NeedReschedule = false;

        if (previous.State == ThreadState.Running)
        {
            previous.InvoluntarySwitches++;
            if (!ReferenceEquals(previous, _idle))
                PutBack(previous);
        }
        else if ((previous.State == ThreadState.Interruptible && previous.SignalPending)
            || (previous.State == ThreadState.Killable && previous.FatalSignalPending))
        {
            // A signal came between the look at SignalPending and here: sleeping now could be for ever.
            previous.State = ThreadState.Running;
            PutBack(previous);
        }
        else
        {
            previous.VoluntarySwitches++;
            if (previous.SliceLeft > 0)
                previous.UsedSlice = false;
            if (previous.State is ThreadState.Uninterruptible or ThreadState.Killable)
            {
                previous.CountsAsLoad = true;
                LoadSleepers++;
            }
        }

        Task next = (RealTime.IsExhausted ? _queue.TakeBest(RunQueue.AwakenedLevel) : null) ?? _queue.TakeBest(0) ?? _idle;
        next.RunningSince = now;
        if (next.SliceLeft <= 0)
            Refill(next);
        _system.Ticker.Reprogram(next, ReferenceEquals(next, _idle), _queue.Count != 0, now);
        if (!ReferenceEquals(next, previous))
        {
            Switches++;
            _previous = previous;
            SwitchMm.Switch(previous, next);
            ContextSwitch.Switch(previous, next);
            FinishSwitch();                             // on the stack of whoever runs now
        }
        Interrupts.Restore(enabled);
    }

    /// <summary>What is left to do for the thread that has just been switched away from. Linux: <c>finish_task_switch</c>.</summary>
    public void FinishSwitch()
    {
        Task? previous = _previous;
        _previous = null;
        if (previous is { State: ThreadState.Dead })
            _system.BurySwitchedAway(previous);
    }

    /// <inheritdoc/>
    public override void Wake(KernelThread thread)
    {
        bool enabled = Interrupts.Disable();
        var task = (Task)thread;
        if (task.State is not (ThreadState.Running or ThreadState.Zombie or ThreadState.Dead))
        {
            task.State = ThreadState.Running;
            if (!task.IsQueued && !ReferenceEquals(task, PerCpu.Current))
            {
                if (task.CountsAsLoad)
                {
                    task.CountsAsLoad = false;
                    LoadSleepers--;
                }
                Enqueue(task);
            }
        }
        Interrupts.Restore(enabled);
    }

    /// <summary>Lets a new task run for the first time. The parent goes on first unless <c>sched_child_runs_first</c> says otherwise.</summary>
    /// <remarks>Linux: <c>wake_up_new_task</c>.</remarks>
    public void WakeNew(Task task)
    {
        bool enabled = Interrupts.Disable();
        bool wanted = PerCpu.NeedReschedule;
        task.State = ThreadState.Running;
        if (_system.ChildRunsFirst != 0)
        {
            _queue.AddFirst(task, LevelOf(task));
            PerCpu.NeedReschedule = true;
        }
        else
        {
            Enqueue(task);
            if (task.RealTimePriority == 0 && !ReferenceEquals(PerCpu.Current, _idle))
                PerCpu.NeedReschedule = wanted;
        }
        Interrupts.Restore(enabled);
    }

    /// <inheritdoc/>
    public override ulong ScheduleTimeout(ulong deadlineNanoseconds)
    {
        if (deadlineNanoseconds == ulong.MaxValue)
        {
            Schedule();
            return ulong.MaxValue;
        }
        ulong now = Time.MonotonicNanoseconds;
        Task self = Task.Current;
        if (deadlineNanoseconds <= now)
        {
            self.State = ThreadState.Running;
            CondResched();
            return 0;
        }
        _system.Timers.Add(self.SleepTimer, deadlineNanoseconds);
        Schedule();
        _system.Timers.Cancel(self.SleepTimer);
        now = Time.MonotonicNanoseconds;
        return deadlineNanoseconds > now ? deadlineNanoseconds - now : 0;
    }

    /// <summary>Goes behind all others of its level. Linux: <c>sched_yield</c>.</summary>
    public void Yield()
    {
        if (_queue.Count == 0)
            return;                                     // nobody to give way to
        Task self = Task.Current;
        self.SliceLeft = 0;
        self.UsedSlice = true;
        Schedule();
    }

    /// <summary>The accounting tick while <paramref name="task"/> runs; from the timer interrupt.</summary>
    /// <param name="inUser">Whether the tick interrupted user mode.</param>
    public void Tick(Task task, bool inUser)
    {
        ulong now = Time.MonotonicNanoseconds;
        Account(task, now);
        if (ReferenceEquals(task, _idle))
            return;
        // Ticks are not always as far apart: each stands for the time since the last one.
        ulong passed = Math.Min(now - _system.Ticker.StartedAt, (ulong)SliceNanoseconds);
        if (inUser)
            task.UserTicks += passed;
        else
            task.SystemTicks += passed;
        _tickCredit += (long)passed;
        if (_tickCredit >= SliceNanoseconds - AccountingTicker.ShortestNanoseconds)
        {
            _tickCredit -= SliceNanoseconds;
            CpuTimers.Tick(task, inUser);
        }
        RealTime.Roll(now);
        if (_queue.Count != 0 && (task.SliceLeft <= 0 || IsRealTimeTurnOver(task)))
            PerCpu.NeedReschedule = true;
        _system.Ticker.Reprogram(task, idle: false, _queue.Count != 0, now);
    }

    /// <summary>The priority or policy of a task has changed: it changes its place in the queue.</summary>
    public void Requeue(Task task)
    {
        bool enabled = Interrupts.Disable();
        if (task.IsQueued)
        {
            _queue.Remove(task);
            Enqueue(task);
        }
        else
        {
            PerCpu.NeedReschedule = true;
        }
        Interrupts.Restore(enabled);
    }

    /// <summary>The length of a full slice: 4 ms at nice 0, a quarter more for each step of priority, from 0.2 to 100 ms.</summary>
    /// <remarks>Linux: the weights of <c>sched_prio_to_weight</c> have the same ratio.</remarks>
    public static long SliceOf(Task task)
    {
        if (task.Policy == SchedulingPolicy.Fifo)
            return long.MaxValue;
        if (task.Policy == SchedulingPolicy.RoundRobin)
            return 100_000_000;
        long slice = SliceNanoseconds;
        for (int nice = task.Nice; nice > 0; nice--)
            slice = slice * 4 / 5;
        for (int nice = task.Nice; nice < 0; nice++)
            slice = slice * 5 / 4;
        return Math.Clamp(slice, 200_000, 100_000_000);
    }

    /// <summary>The running task's time up to now, the part not yet booked included.</summary>
    public ulong RunTimeOf(Task task)
    {
        ulong time = task.RunNanoseconds;
        if (ReferenceEquals(task, PerCpu.Current))
            time += Time.MonotonicNanoseconds - task.RunningSince;
        return time;
    }

    /// <summary>A real-time task runs that has had its part of the period, or one waits whose next period has begun.</summary>
    private bool IsRealTimeTurnOver(Task running) => running.EffectivePriority > 0
        ? RealTime.IsExhausted && _queue.BestLevel(RunQueue.AwakenedLevel) != int.MaxValue
        : !RealTime.IsExhausted && _queue.BestLevel(0) < RunQueue.AwakenedLevel;

    /// <summary>Real-time levels go behind all others once they have had their part.</summary>
    private int Rank(int level) => RealTime.IsExhausted && level < RunQueue.AwakenedLevel ? RunQueue.Levels + level : level;

    private static int LevelOf(Task task)
    {
        if (task.EffectivePriority is > 0 and int priority)
            return 99 - priority;
        if (task.Policy == SchedulingPolicy.Idle)
            return RunQueue.IdleLevel;
        return task.UsedSlice ? RunQueue.TurnLevel : RunQueue.AwakenedLevel;
    }

    private void Refill(Task task)
    {
        task.SliceLeft = SliceOf(task);
    }

    private void Account(Task task, ulong now)
    {
        ulong delta = now - task.RunningSince;
        task.RunningSince = now;
        task.RunNanoseconds += delta;
        if (task.EffectivePriority > 0)
            RealTime.Charge(delta);
        if (task.Policy != SchedulingPolicy.Fifo)
            task.SliceLeft -= (long)delta;
        if (task.SliceLeft <= 0)
            task.UsedSlice = true;
    }

    /// <summary>A running task goes back into the queue.</summary>
    private void PutBack(Task task)
    {
        int level = LevelOf(task);
        if (task.SliceLeft > 0)
            _queue.AddFirst(task, level);               // who was preempted keeps its place
        else
            _queue.AddLast(task, level);
    }

    private void Enqueue(Task task)
    {
        // One that has slept after using up its slice starts a new one in turn; the flag goes when it gets there.
        int level = LevelOf(task);
        _queue.AddLast(task, level);
        var current = (Task)PerCpu.Current;
        int running = ReferenceEquals(current, _idle) ? int.MaxValue : LevelOf(current);
        if (Rank(level) < Rank(running))
        {
            PerCpu.NeedReschedule = true;
        }
        else if (_queue.Count == 1)
        {
            _system.Ticker.Reprogram(current, idle: false, contended: true, Time.MonotonicNanoseconds);
        }
    }
}
