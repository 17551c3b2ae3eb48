namespace NanoVm.Memory.Swap;

/// <summary>A cache of objects that can be made again: kswapd has it shrink when memory is low.</summary>
/// <remarks>Linux: <c>struct shrinker</c>. Only kswapd calls it, which holds no lock: so it may sleep, write and take whatever locks it likes.</remarks>
internal abstract class ObjectShrinker
{
    /// <summary>The next one; owned by <see cref="PageReclaim"/>.</summary>
    internal ObjectShrinker? Next;

    /// <summary>Objects that it was to free so far and did not, since they are freed some at a time; owned by <see cref="PageReclaim"/>. Linux: <c>nr_deferred</c>.</summary>
    internal ulong Owed;

    /// <summary>Objects that could go.</summary>
    public abstract int Count { get; }

    /// <summary>Frees up to <paramref name="objects"/> of those that were longest unused.</summary>
    /// <returns>How many went.</returns>
    public abstract int Shrink(int objects);
}
