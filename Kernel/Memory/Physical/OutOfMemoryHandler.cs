namespace NanoVm.Memory.Physical;

/// <summary>Who is asked when no frame can be had by reclaim any more: it ends a process. Implemented in Tasks, which lies above.</summary>
/// <remarks>Linux: <c>out_of_memory</c>, as <c>__alloc_pages_may_oom</c> calls it.</remarks>
internal abstract class OutOfMemoryHandler
{
    /// <summary>Chooses somebody to end, or waits a little for one that is ending. Sleeps.</summary>
    /// <param name="order">What was asked for: 2^order frames.</param>
    /// <returns>Whether another try makes sense; not when the caller itself is to end.</returns>
    public abstract bool MakeRoom(int order);
}
