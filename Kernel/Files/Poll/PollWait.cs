using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Files;

/// <summary>The table of one <c>poll</c> or <c>select</c> call: wakes the calling thread.</summary>
/// <remarks>Linux: <c>poll_wqueues</c>. From a cache; <see cref="End"/> leaves all queues and frees it.</remarks>
internal sealed class PollWait : PollTable
{
    private IoSystem _io = null!;
    private KernelThread _thread = null!;
    private PollNode? _nodes;
    private bool _triggered;

    /// <summary>Makes a table for the current thread, or null without memory.</summary>
    public static PollWait? Begin(IoSystem io)
    {
        PollWait? table = io.PollWaits.Allocate();
        if (table is null)
            return null;
        table._io = io;
        table._thread = PerCpu.Current;
        return table;
    }

    /// <summary>A node could not be allocated: the call answers ENOMEM, as waiting might be for ever.</summary>
    public bool OutOfMemory { get; private set; }

    /// <inheritdoc/>
    public override void Register(ref WaitQueue queue)
    {
        PollNode? node = _io.PollNodes.Allocate();
        if (node is null)
        {
            OutOfMemory = true;
            return;
        }
        node.Table = this;
        node.NextOfTable = _nodes;
        _nodes = node;
        node.Join(ref queue);
    }

    /// <inheritdoc/>
    internal override void Wake()
    {
        _triggered = true;
        PerCpu.Scheduler.Wake(_thread);
    }

    /// <summary>Sleeps until a queue wakes, a signal comes or the deadline passes.</summary>
    /// <param name="deadline">Monotonic nanoseconds; <see cref="ulong.MaxValue"/> for none.</param>
    /// <returns>False when the deadline has passed.</returns>
    /// <remarks>
    /// The state is set before the flag is looked at, so a queue that wakes between the two makes the thread running again and
    /// the scheduler returns at once.
    /// </remarks>
    public bool Sleep(ulong deadline)
    {
        _thread.State = ThreadState.Interruptible;
        bool inTime = true;
        if (!_triggered && !_thread.SignalPending)
        {
            if (deadline == ulong.MaxValue)
                PerCpu.Scheduler.Schedule();
            else
                inTime = PerCpu.Scheduler.ScheduleTimeout(deadline) != 0;
        }
        _thread.State = ThreadState.Running;
        _triggered = false;
        return inTime;
    }

    /// <summary>Leaves all queues and frees the table.</summary>
    public void End()
    {
        PollNode? node = _nodes;
        while (node is not null)
        {
            PollNode? next = node.NextOfTable;
            node.Leave();
            _io.PollNodes.Free(node);
            node = next;
        }
        _io.PollWaits.Free(this);
    }
}
