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

    /// <summary>In a list. False again means: has been woken.</summary>
    public bool IsQueued;
}
