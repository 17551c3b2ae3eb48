namespace NanoVm.Core.Sync;

/// <summary>A place in a <see cref="WaitQueue"/>: who waits, and what happens when the queue wakes it.</summary>
/// <remarks>Linux: <c>wait_queue_entry</c>. Links belong to the queue. Derive for epoll-like callbacks.</remarks>
internal class WaitNode
{
    public KernelThread Thread = null!;

    internal WaitNode? Next;
    internal WaitNode? Previous;

    /// <summary>Whether the node is in a queue now.</summary>
    public bool IsQueued { get; internal set; }

    /// <summary>Woken alone: a <see cref="WaitQueue.WakeOne"/> that reaches it stops there.</summary>
    public bool IsExclusive;

    /// <summary>Set when the queue woke this node, cleared by <see cref="WaitQueue.PrepareToWait"/>.</summary>
    public bool WasWoken;

    /// <summary>Called by the waker under the queue's lock, interrupts off: may not sleep nor touch this queue.</summary>
    /// <returns>Whether somebody was woken, who will act on it: ends <see cref="WaitQueue.WakeOne"/> at an exclusive node.</returns>
    public virtual bool Wake()
    {
        PerCpu.Scheduler.Wake(Thread);
        return true;
    }
}
