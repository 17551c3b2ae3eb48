namespace NanoVm.Core.Sync;

/// <summary>Threads that wait for something to become true.</summary>
/// <remarks>
/// Linux: <c>wait_queue_head</c>. A struct to be embedded; zeroed memory is an empty queue. All under <see cref="_lock"/>.
/// <code>
/// for (;;)
/// {
///     queue.PrepareToWait(node, ThreadState.Interruptible);    // first join and set the state,
///     if (condition) break;                                    // then look: a waker in between makes us Running again
///     if (thread.SignalPending) { error = Errno.ERESTARTSYS; break; }
///     PerCpu.Scheduler.Schedule();
/// }
/// queue.FinishWait(node);
/// </code>
/// </remarks>
internal struct WaitQueue
{
    private SpinLock _lock;
    private WaitNode? _first;
    private WaitNode? _last;

    /// <summary>Joins the queue, if not there yet, and marks the thread as sleeping; the next Schedule gives the processor away.</summary>
    public void PrepareToWait(WaitNode node, ThreadState state)
    {
        bool enabled = _lock.AcquireRaw();
        if (!node.IsQueued)
            Append(node);
        node.WasWoken = false;
        node.Thread.State = state;
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>The thread runs on and leaves the queue.</summary>
    public void FinishWait(WaitNode node)
    {
        bool enabled = _lock.AcquireRaw();
        node.Thread.State = ThreadState.Running;
        if (node.IsQueued)
            Unlink(node);
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>Joins without touching the thread's state: for poll, which sleeps on many queues.</summary>
    public void Add(WaitNode node)
    {
        bool enabled = _lock.AcquireRaw();
        if (!node.IsQueued)
            Append(node);
        _lock.ReleaseRaw(enabled);
    }

    public void Remove(WaitNode node)
    {
        bool enabled = _lock.AcquireRaw();
        if (node.IsQueued)
            Unlink(node);
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>Wakes all that wait. They stay in the queue until they leave it themselves.</summary>
    public void WakeAll()
    {
        if (_first is null)
            return;
        bool enabled = _lock.AcquireRaw();
        WaitNode? node = _first;
        while (node is not null)
        {
            WaitNode? next = node.Next;              // Wake may take the node out
            node.WasWoken = true;
            node.Wake();
            node = next;
        }
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>Wakes all that are not exclusive and the first exclusive one that was not woken before.</summary>
    /// <returns>Whether an exclusive waiter was woken.</returns>
    public bool WakeOne()
    {
        if (_first is null)
            return false;
        bool found = false;
        bool enabled = _lock.AcquireRaw();
        WaitNode? node = _first;
        while (node is not null && !found)
        {
            WaitNode? next = node.Next;
            if (!node.IsExclusive || !node.WasWoken)
            {
                node.WasWoken = true;
                found = node.Wake() && node.IsExclusive;
            }
            node = next;
        }
        _lock.ReleaseRaw(enabled);
        return found;
    }

    /// <summary>The queue's owner goes: all nodes are out of it, and their <see cref="WaitNode.IsQueued"/> says so. Linux: <c>POLLFREE</c>.</summary>
    public void DetachAll()
    {
        bool enabled = _lock.AcquireRaw();
        while (_first is { } node)
            Unlink(node);
        _lock.ReleaseRaw(enabled);
    }

    private void Append(WaitNode node)
    {
        node.Next = null;
        node.Previous = _last;
        if (_last is null)
            _first = node;
        else
            _last.Next = node;
        _last = node;
        node.IsQueued = true;
    }

    private void Unlink(WaitNode node)
    {
        if (node.Previous is null)
            _first = node.Next;
        else
            node.Previous.Next = node.Next;
        if (node.Next is null)
            _last = node.Previous;
        else
            node.Next.Previous = node.Previous;
        node.Next = null;
        node.Previous = null;
        node.IsQueued = false;
    }
}
