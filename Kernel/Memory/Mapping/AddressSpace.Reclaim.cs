using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Mapping;

/// <summary>What reclaim asks of a file's pages.</summary>
internal abstract partial class AddressSpace
{
    /// <summary>Takes a clean page that nobody else holds out of all address spaces and out of the cache.</summary>
    /// <returns>Whether it has gone. The caller has locked it and holds a reference, the last one then.</returns>
    internal bool TryRelease(Pfn page)
    {
        ref PageFrame frame = ref _cache.Frames[page];
        if (!IsHome(ref frame))
            return false;
        ulong index = frame.Index;
        if (!Rmap.TryToUnmap(_cache.Frames, page) || frame.ReferenceCount != 2 || frame.HasAny(FrameFlags.Dirty | FrameFlags.Writeback))
            return false;
        RemovePage(page, index);
        return true;
    }
}
