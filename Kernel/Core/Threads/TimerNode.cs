namespace NanoVm.Core;

/// <summary>Something that happens at a time: derive, and override <see cref="Fire"/>.</summary>
/// <remarks>Linux: <c>hrtimer</c>. The links belong to <c>Hal.TimerQueue</c>, which touches them with interrupts off.</remarks>
internal abstract class TimerNode
{
    /// <summary>Monotonic nanoseconds.</summary>
    public ulong Deadline;

    /// <summary>Whether the node waits in the queue.</summary>
    public bool IsArmed;

    /// <summary>Links of the queue's heap: first child, next sibling, and the previous sibling or, for a first child, the parent.</summary>
    internal TimerNode? HeapChild;
    internal TimerNode? HeapNext;
    internal TimerNode? HeapPrevious;

    /// <summary>Called from the timer interrupt, interrupts off, the node already out of the queue (it may add itself again).</summary>
    public abstract void Fire();
}
