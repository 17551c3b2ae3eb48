namespace NanoVm.Tasks;

/// <summary>A task that waits on a futex, as a member of its bucket's list. Linux: <c>futex_q</c>. Guarded by the table's lock.</summary>
internal sealed class FutexWaiter
{
    public FutexWaiter? Next;
    public FutexWaiter? Previous;
    public FutexKey Key;
    public Task Task = null!;

    /// <summary>Which wake-ups it is interested in.</summary>
    public uint Bitset;

    /// <summary>In a list. False again means: has been woken, or has been given the lock.</summary>
    public bool IsQueued;

    /// <summary>The lock with priority inheritance that it waits for; null for a waiter of any other kind.</summary>
    public PiState? Pi;

    /// <summary>Neighbours among those who wait for <see cref="Pi"/>, the most urgent first.</summary>
    public FutexWaiter? LessUrgent;
    public FutexWaiter? MoreUrgent;

    /// <summary>The real-time priority it waits with, 0 for none.</summary>
    public int Priority;

    /// <summary>Waits on a condition and will be moved to the lock <see cref="RequeueTo"/> (<c>FUTEX_WAIT_REQUEUE_PI</c>).</summary>
    public bool AwaitsRequeue;
    public FutexKey RequeueTo;
}
