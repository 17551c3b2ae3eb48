using NanoVm.Memory.Swap;

namespace NanoVm.Files;

/// <summary>Unused directory entries go when memory is low, and with them the inodes, page caches and all, that nothing else holds.</summary>
/// <remarks>Linux: <c>super_cache_scan</c>.</remarks>
internal sealed class DentryShrinker(DentryCache entries) : ObjectShrinker
{
    /// <inheritdoc/>
    public override int Count => entries.UnusedCount;

    /// <inheritdoc/>
    public override int Shrink(int objects) => entries.Shrink(objects);
}
