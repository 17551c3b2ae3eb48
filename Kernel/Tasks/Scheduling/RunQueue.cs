using System.Numerics;
using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>The runnable tasks that do not run: one list a level, and a bit a level that has somebody. All O(1).</summary>
/// <remarks>
/// Linux: <c>rq</c>. Used with interrupts off on its own processor.
/// <code>
///   level   0 … 98    real-time priorities 99 … 1
///           99        have slept and still have some of their slice: interactive tasks, woken tasks
///           100       have used up a slice: they take turns
///           101       SCHED_IDLE: only when nobody else wants to run
/// </code>
/// A slice is filled up only at level 100, in turn, so level 99 cannot starve it.
/// </remarks>
internal sealed class RunQueue
{
    public const int AwakenedLevel = 99;
    public const int TurnLevel = 100;
    public const int IdleLevel = 101;
    public const int Levels = 102;

    private readonly Task?[] _first = new Task?[Levels];
    private readonly Task?[] _last = new Task?[Levels];
    private ulong _low, _high;

    /// <summary>How many tasks wait.</summary>
    public int Count { get; private set; }

    /// <summary>The best level from <paramref name="from"/> on at which somebody waits; <see cref="int.MaxValue"/> when nobody does.</summary>
    public int BestLevel(int from)
    {
        ulong low = from < 64 ? _low >> from << from : 0;
        ulong high = from <= 64 ? _high : _high >> (from - 64) << (from - 64);
        return low != 0 ? BitOperations.TrailingZeroCount(low)
            : high != 0 ? 64 + BitOperations.TrailingZeroCount(high) : int.MaxValue;
    }

    public void AddLast(Task task, int level)
    {
        task.RunQueueIndex = level;
        task.IsQueued = true;
        task.QueueNext = null;
        task.QueuePrevious = _last[level];
        if (_last[level] is { } last)
            last.QueueNext = task;
        else
            _first[level] = task;
        _last[level] = task;
        Mark(level);
        Count++;
    }

    public void AddFirst(Task task, int level)
    {
        task.RunQueueIndex = level;
        task.IsQueued = true;
        task.QueuePrevious = null;
        task.QueueNext = _first[level];
        if (_first[level] is { } first)
            first.QueuePrevious = task;
        else
            _last[level] = task;
        _first[level] = task;
        Mark(level);
        Count++;
    }

    public void Remove(Task task)
    {
        int level = task.RunQueueIndex;
        if (task.QueuePrevious is { } previous)
            previous.QueueNext = task.QueueNext;
        else
            _first[level] = Unsafe.As<Task?>(task.QueueNext);
        if (task.QueueNext is { } next)
            next.QueuePrevious = task.QueuePrevious;
        else
            _last[level] = Unsafe.As<Task?>(task.QueuePrevious);
        if (_first[level] is null)
            Clear(level);
        task.QueueNext = null;
        task.QueuePrevious = null;
        task.IsQueued = false;
        Count--;
    }

    /// <summary>Takes the next task to run, of level <paramref name="from"/> or behind it, out of the queue; null when nobody waits there.</summary>
    public Task? TakeBest(int from)
    {
        int level = BestLevel(from);
        if (level == int.MaxValue)
            return null;
        Task task = _first[level]!;
        Remove(task);
        return task;
    }

    private void Mark(int level)
    {
        if (level < 64)
            _low |= 1ul << level;
        else
            _high |= 1ul << (level - 64);
    }

    private void Clear(int level)
    {
        if (level < 64)
            _low &= ~(1ul << level);
        else
            _high &= ~(1ul << (level - 64));
    }
}
