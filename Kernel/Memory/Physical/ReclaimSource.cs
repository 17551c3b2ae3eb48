using NanoVm.Core;

namespace NanoVm.Memory.Physical;

/// <summary>Something that can give frames back when there are too few: object caches, page cache, swap.</summary>
/// <remarks>
/// Linux: <c>shrinker</c>. Called by an allocation without <see cref="AllocationFlags.Atomic"/>, so no spin lock is held. What it
/// needs itself it takes from the reserve: it may not reclaim for itself.
/// </remarks>
internal abstract class ReclaimSource
{
    /// <summary>The next source; the chain is built at boot.</summary>
    internal ReclaimSource? Next;

    /// <summary>Tries to free at least <paramref name="wanted"/> frames.</summary>
    /// <returns>How many were freed, by the caller or, while he waited for his turn, by others.</returns>
    public abstract PageCount Reclaim(PageCount wanted);

    /// <summary>Nothing could be freed now: sleeps a little if that can change, because pages are being written.</summary>
    /// <returns>Whether it slept, so that another try makes sense.</returns>
    public virtual bool WaitForProgress() => false;

    /// <summary>Memory has fallen below the low watermark: time to begin, for who does so in the background. Must not sleep.</summary>
    public virtual void LowMemory()
    {
    }
}
