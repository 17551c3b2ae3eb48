using NanoVm.Core;
using NanoVm.Memory.Check;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Mapping;

/// <summary>Checks of one file's page cache.</summary>
internal abstract partial class AddressSpace
{
    /// <summary>The areas that <c>memfsck</c> has met in its present run which map the file.</summary>
    internal int FoundAreas;

    /// <summary>The last check found the array in a state in which following it could lead anywhere.</summary>
    private bool _isBroken;

    /// <summary>Pages that <see cref="Virtual.MemorySystem.CommittedPages"/> counts for this file: all that it may have, or those that it has. 0 for files with a disk.</summary>
    internal virtual ulong CommittedPages => 0;

    /// <summary>The topmost node of the array of pages.</summary>
    internal XArrayNode? RootNode => _pages.Root;

    /// <summary>Panics unless the array and every frame in it agree.</summary>
    public void Validate()
    {
        MemoryReport report = default;
        Check(ref report);
        report.PanicIfBroken();
    }

    /// <summary>Checks the array against every frame in it, and the tree of areas. O(pages and areas of the file).</summary>
    internal virtual void Check(ref MemoryReport report)
    {
        report.PageCaches++;
        report.CommittedPages += CommittedPages;
        bool enabled = _lock.AcquireRaw();
        ulong errors = report.Errors;
        report.Unless(_pages.Check(ref report) == StoredPages, "a page cache counts its pages wrong"u8);
        bool isSound = report.Errors == errors;
        _isBroken = !isSound;
        ulong index = 0, swapped = 0;
        while (isSound && _pages.TryFind(ref index, ulong.MaxValue, out ulong entry))
        {
            if (IsPage(entry))
                CheckPage(PageOf(entry), index, ref report);
            else
                swapped++;
            if (++index == 0)
                break;
        }

        report.Unless(!isSound || swapped == SwappedPages, "a file counts its pages in swap wrong"u8);
        _lock.ReleaseRaw(enabled);
        CheckAreas(ref report);
    }

    /// <summary>Whether the cache has this very frame at <paramref name="index"/>. An array that <see cref="Check"/> found broken is not asked.</summary>
    internal bool IsAt(Pfn page, ulong index)
    {
        if (_isBroken)
            return true;
        bool enabled = _lock.AcquireRaw();
        ulong entry = _pages.Load(index);
        _lock.ReleaseRaw(enabled);
        return entry == EntryOf(page);
    }

    private void CheckPage(Pfn page, ulong index, ref MemoryReport report)
    {
        if (!report.Unless(_cache.Frames.IsRam(page), "a page cache has what is no RAM"u8, page))
            return;
        ref PageFrame frame = ref _cache.Frames[page];
        report.CachedPages++;
        if (IsShmem)
            report.SharedPages++;
        else if (frame.Has(FrameFlags.Dirty))
            report.DirtyPages++;
        report.Unless(frame.Has(FrameFlags.PageCache) && IsHome(ref frame) && frame.Index == index, "a page of the cache does not know its place"u8, page);
        report.Unless(frame.ReferenceCount > frame.MapCount, "a page of the cache lacks the cache's reference"u8, page);
        report.Unless(_pages.HasMark(index, XArrayMark.Dirty) == (!IsShmem && frame.Has(FrameFlags.Dirty)), "a page of the cache is marked wrong"u8, page);
        bool isWritten = frame.Has(FrameFlags.Writeback) && !frame.Has(FrameFlags.SwapCache);
        report.Unless(_pages.HasMark(index, XArrayMark.Writeback) == isWritten, "a page of the cache is marked wrong"u8, page);
        if (isWritten)
            report.WrittenPages++;
    }
}
