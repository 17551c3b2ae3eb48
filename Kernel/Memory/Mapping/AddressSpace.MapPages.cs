using System;
using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Mapping;

/// <summary>Fault-around: pages that are in the cache anyway.</summary>
internal abstract partial class AddressSpace
{
    /// <summary>Maps those pages from <paramref name="first"/> to <paramref name="last"/> that are complete and not being worked on.</summary>
    /// <remarks>Holds the mm's page-table lock; the cache's lock is taken inside it, which nobody does the other way round. Never sleeps.</remarks>
    internal void MapResident(ref VmFault fault, ulong first, ulong last)
    {
        ulong pages = SizePages;
        if (pages == 0 || first >= pages)
            return;
        last = Math.Min(last, pages - 1);

        bool enabled = _lock.AcquireRaw();
        ulong index = first;
        while (_pages.TryFind(ref index, last, out ulong entry))
        {
            if (IsPage(entry) && (_cache.Frames[PageOf(entry)].Flags & (FrameFlags.UpToDate | FrameFlags.Locked)) == FrameFlags.UpToDate)
                fault.MapAround(index, PageOf(entry));
            if (index++ == last)
                break;
        }

        _lock.ReleaseRaw(enabled);
    }
}
