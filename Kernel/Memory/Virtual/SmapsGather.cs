using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>What an area's pages amount to, in bytes: the figures of one entry of <c>/proc/PID/smaps</c>, or of several added up.</summary>
/// <remarks>Linux: <c>struct mem_size_stats</c>, <c>smap_gather_stats</c>. Gather under the mm's lock.</remarks>
internal struct SmapsGather
{
    /// <summary>A page shared by n mappings counts 1/n; fractions are kept with 12 bits. Linux: <c>PSS_SHIFT</c>.</summary>
    private const int PssShift = 12;

    private ulong _pss;
    private ulong _pssDirty;
    private ulong _pssAnonymous;
    private ulong _pssFile;
    private ulong _pssShmem;
    private ulong _pssLocked;

    public ulong Rss;
    public ulong SharedClean;
    public ulong SharedDirty;
    public ulong PrivateClean;
    public ulong PrivateDirty;
    public ulong Referenced;
    public ulong Anonymous;
    public ulong LazyFree;
    public ulong Swap;

    public readonly ulong Pss => _pss >> PssShift;
    public readonly ulong PssDirty => _pssDirty >> PssShift;
    public readonly ulong PssAnonymous => _pssAnonymous >> PssShift;
    public readonly ulong PssFile => _pssFile >> PssShift;
    public readonly ulong PssShmem => _pssShmem >> PssShift;
    public readonly ulong PssLocked => _pssLocked >> PssShift;

    /// <summary>Adds the pages of <paramref name="area"/>. Cost: O(its tables + its present pages).</summary>
    public void Add(VmArea area)
    {
        MmStruct mm = area.Mm;
        bool raw = (area.Flags & VmFlags.PfnMap) != 0;
        bool locked = (area.Flags & VmFlags.Locked) != 0;
        var walk = new PteTableWalk(mm, area.Range);
        while (walk.MoveNext())
        {
            for (int i = walk.FirstIndex; i <= walk.LastIndex; i++)
            {
                Pte entry = walk.Table[i];
                if (entry.IsNone)
                    continue;
                if (!entry.IsMapped())
                    Swap += PageSize.Bytes;
                else if (!raw && !entry.IsSpecial)
                    AddPage(ref mm.System.Frames[entry.Pfn], entry, locked);
            }
        }
    }

    private void AddPage(ref PageFrame frame, Pte entry, bool locked)
    {
        bool dirty = entry.IsDirty || (frame.Flags & FrameFlags.Dirty) != 0;
        ulong share = (PageSize.Bytes << PssShift) / (ulong)(frame.MapCount < 1 ? 1 : frame.MapCount);
        Rss += PageSize.Bytes;
        if (entry.IsAccessed || (frame.Flags & FrameFlags.Referenced) != 0)
            Referenced += PageSize.Bytes;

        _pss += share;
        if (dirty)
            _pssDirty += share;
        if (locked)
            _pssLocked += share;
        if (frame.IsAnonymous)
        {
            Anonymous += PageSize.Bytes;
            if (!dirty)
                LazyFree += PageSize.Bytes;
            _pssAnonymous += share;
        }
        else if ((frame.Flags & FrameFlags.SwapBacked) != 0)
        {
            _pssShmem += share;
        }
        else
        {
            _pssFile += share;
        }

        bool shared = frame.MapCount > 1;
        if (shared && dirty)
            SharedDirty += PageSize.Bytes;
        else if (shared)
            SharedClean += PageSize.Bytes;
        else if (dirty)
            PrivateDirty += PageSize.Bytes;
        else
            PrivateClean += PageSize.Bytes;
    }
}
