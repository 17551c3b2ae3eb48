using System;
using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Swap;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary>How much memory areas use, and with how many others they share it. Bytes.</summary>
/// <remarks>Linux: <c>mem_size_stats</c>, <c>smap_gather_stats</c>.</remarks>
internal struct AreaUsage
{
    // A page that n mappings share counts 1/n: with 12 bits behind the point, as there.
    private const int ShareBits = 12;

    public ulong Rss;
    public ulong SharedClean;
    public ulong SharedDirty;
    public ulong PrivateClean;
    public ulong PrivateDirty;
    public ulong Referenced;
    public ulong Anonymous;

    /// <summary>Of <see cref="Anonymous"/>: the program has said that it does not need them (MADV_FREE), and has not written to them since.</summary>
    public ulong LazyFree;

    /// <summary>Of <see cref="Anonymous"/>: mapped 2 MiB at once.</summary>
    public ulong AnonymousHuge;

    /// <summary>Huge pages of the pool, which count nowhere else: those that others map, too, and the others.</summary>
    public ulong SharedPool;
    public ulong PrivatePool;
    public ulong Swap;
    public ulong Locked;

    /// <summary>With the same bits behind the point as the other shares. Pages of shared memory that are in swap count for nobody here.</summary>
    private ulong _swapPss;

    private ulong _pss;
    private ulong _pssDirty;
    private ulong _pssAnonymous;
    private ulong _pssFile;
    private ulong _pssShmem;
    private ulong _pssLocked;

    public readonly ulong Pss => _pss >> ShareBits;

    public readonly ulong PssDirty => _pssDirty >> ShareBits;

    public readonly ulong PssAnonymous => _pssAnonymous >> ShareBits;

    public readonly ulong PssFile => _pssFile >> ShareBits;

    public readonly ulong PssShmem => _pssShmem >> ShareBits;

    public readonly ulong PssLocked => _pssLocked >> ShareBits;

    public readonly ulong SwapPss => _swapPss >> ShareBits;

    /// <summary>Counts the pages of an area. Holds <see cref="MmStruct.MmapLock"/>. O(pages present).</summary>
    public void Add(VmArea area)
    {
        MmStruct mm = area.Mm;
        FrameAllocator frames = mm.System.Frames;
        bool locked = area.Has(VmFlags.Locked);
        AddressSpace? shared = area.Operations is { } operations && operations.IsShmem(area) ? area.File!.Mapping : null;
        bool shmem = shared is not null;
        if (shared is not null)
            Swap += shared.CountSwapped(area.PageOffset, area.PageOffset + area.Pages.Value - 1) << PageSize.Shift;

        // What a program that may have pages of its own sees of the file's is only what no page of its own hides.
        if (shared is { SwappedPages: 0 } || !area.Flags.IsCow())
            shared = null;
        using (mm.PageTableLock.Acquire())
        {
            var walk = new PteTableWalk(mm, area.Range, HugeVisit.Look);
            while (walk.MoveNext())
            {
                if (walk.IsHuge)
                {
                    AddHuge(walk.Huge.Entry, frames, mm.System.ZeroPage, locked);
                    continue;
                }
                for (int i = walk.FirstIndex; i <= walk.LastIndex; i++)
                {
                    Pte entry = walk.Table[i];
                    if (shared is not null && !entry.IsNone && shared.IsSwapped(area.PageIndexOf(walk.AddressOf(i))))
                        Swap -= PageSize.Bytes;
                    if (entry.IsMapped())
                        AddPage(entry, frames, mm.System.ZeroPage, locked, shmem);
                    else if (entry.IsSwap())
                        AddSwapped(mm.System.Swap!.UsersOf(new SwapEntry(entry)));
                }
            }
        }
    }

    private void AddSwapped(int users)
    {
        Swap += PageSize.Bytes;
        _swapPss += (PageSize.Bytes << ShareBits) / (ulong)Math.Max(1, users);
    }

    private void AddHuge(Pmd entry, FrameAllocator frames, Pfn zeroPage, bool locked)
    {
        if (entry.Has(PteFlags.Special))
            return;
        if (entry.IsFromPool)
        {
            if (frames.MappingsOf(entry.Pfn) > 1)
                SharedPool += PageSize.LargeBytes;
            else
                PrivatePool += PageSize.LargeBytes;
            return;
        }

        AnonymousHuge += PageSize.LargeBytes;
        for (int i = 0; i < PageSize.TableEntries; i++)
            AddPage(entry.ToPte(i), frames, zeroPage, locked, shmem: false);
    }

    private void AddPage(Pte entry, FrameAllocator frames, Pfn zeroPage, bool locked, bool shmem)
    {
        Pfn pfn = entry.Pfn;
        if (pfn == zeroPage || !frames.IsRam(pfn))
            return;
        ref PageFrame frame = ref frames[pfn];
        bool anonymous = frame.IsAnonymous;
        bool dirty = entry.IsDirty || frame.Has(FrameFlags.Dirty);
        Rss += PageSize.Bytes;
        if (anonymous)
        {
            Anonymous += PageSize.Bytes;
            if (!dirty && !frame.Has(FrameFlags.SwapBacked))
                LazyFree += PageSize.Bytes;
        }
        if (entry.IsAccessed || frame.Has(FrameFlags.Referenced))
            Referenced += PageSize.Bytes;

        int sharers = Math.Max(1, frames.MappingsOf(pfn));
        ulong share = (PageSize.Bytes << ShareBits) / (ulong)sharers;
        _pss += share;
        if (anonymous)
            _pssAnonymous += share;
        else if (shmem)
            _pssShmem += share;
        else
            _pssFile += share;
        if (locked)
            _pssLocked += share;
        if (dirty)
            _pssDirty += share;
        if (sharers > 1)
        {
            if (dirty)
                SharedDirty += PageSize.Bytes;
            else
                SharedClean += PageSize.Bytes;
        }
        else if (dirty)
        {
            PrivateDirty += PageSize.Bytes;
        }
        else
        {
            PrivateClean += PageSize.Bytes;
        }
    }
}
