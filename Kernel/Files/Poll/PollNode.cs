using System.Runtime.CompilerServices;
using NanoVm.Core.Sync;

namespace NanoVm.Files;

/// <summary>One place of a <see cref="PollTable"/> in one queue. Linux: <c>poll_table_entry</c>.</summary>
internal sealed unsafe class PollNode : WaitNode
{
    /// <summary>The table that it belongs to.</summary>
    internal PollTable Table = null!;

    /// <summary>The next node of the table.</summary>
    internal PollNode? NextOfTable;

    // The queue lies inside a kernel object, and kernel objects do not move; the poller holds the file that owns it.
    private void* _queue;

    /// <summary>Joins <paramref name="queue"/>.</summary>
    internal void Join(ref WaitQueue queue)
    {
        _queue = Unsafe.AsPointer(ref queue);
        queue.Add(this);
    }

    /// <summary>Leaves the queue, unless that has gone and put all its nodes out.</summary>
    internal void Leave()
    {
        if (IsQueued)
            Unsafe.AsRef<WaitQueue>(_queue).Remove(this);
    }

    /// <inheritdoc/>
    public override bool Wake()
    {
        Table.Wake();
        return true;
    }
}
