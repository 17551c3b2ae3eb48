using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Swap;

/// <summary>Pages move between the lists.</summary>
internal sealed partial class PageReclaim
{
    /// <summary>Pages taken off the lists for a decision, each with a reference.</summary>
    [InlineArray(Batch)]
    private struct Pages
    {
        private Pfn _first;
    }

    /// <summary>What looking at the lists has cost lately: pages that turned out to be in use, and pages that had to be written. Linux: <c>anon_cost</c>, <c>file_cost</c>.</summary>
    private ulong _anonymousCost;
    private ulong _fileCost;

    /// <summary>Lets the oldest active pages become inactive when there are more of those. Linux: <c>inactive_is_low</c>, <c>shrink_active_list</c>.</summary>
    private void ShrinkActiveIfLow(LruKind active, LruKind inactive, ulong count)
    {
        bool file = active == LruKind.ActiveFile;
        for (; count > 0 && _lru.Count(inactive).Value * InactiveRatio < _lru.Count(active).Value; count--)
        {
            if (!_lru.TryTakeLast(active, out Pfn pfn))
                return;
            Statistics.Count(VmCounter.PgRefill);
            if (_frames[pfn].Has(FrameFlags.Huge))
            {
                Rmap.HugeReferenced(_frames, pfn, out _);
                _lru.Add(pfn, inactive);
                continue;
            }

            if (!_frames.TryHold(pfn))
                continue;
            // Code that runs stays: it is shared, and its next touch would wait for a disk.
            int referenced = Rmap.PageReferenced(_frames, pfn, out VmFlags flags);
            bool stays = file && referenced != 0 && (flags & VmFlags.Execute) != 0;
            if (!stays)
                Statistics.Count(VmCounter.PgDeactivate);
            _lru.Add(pfn, stays ? active : inactive);
            _frames.LetGo(pfn);
        }
    }

    /// <summary>How many active pages there may be for each inactive one: the more memory, the smaller a share is enough to see who is used. Linux: <c>inactive_ratio</c>.</summary>
    private ulong InactiveRatio
    {
        get
        {
            ulong gigabytes = _frames.TotalFrames.Bytes >> 30, ratio = 1;
            while ((ratio + 1) * (ratio + 1) <= gigabytes * 10)
                ratio++;
            return ratio;
        }
    }

    /// <summary>Looks at the oldest pages of an inactive list and frees those that nobody uses. Linux: <c>shrink_inactive_list</c>.</summary>
    private ulong ShrinkInactive(LruKind kind, ulong count)
    {
        if (count == 0)
            return 0;
        bool file = kind == LruKind.InactiveFile;
        Pages pages = default;
        int taken = 0;
        ulong scanned = 0;
        for (; count > 0 && _lru.TryTakeLast(kind, out Pfn pfn); count--)
        {
            scanned++;
            if (_frames[pfn].Has(FrameFlags.Huge))
                SplitIfIdle(pfn, ReferencesCount.Yes);
            else if (_frames.TryHold(pfn))
                pages[taken++] = pfn;
        }

        Statistics.Add(_isBackground ? VmCounter.PgScanKswapd : VmCounter.PgScanDirect, scanned);
        Statistics.Add(file ? VmCounter.PgScanFile : VmCounter.PgScanAnonymous, scanned);
        ulong freed = ShrinkPages(ref pages, taken, ReferencesCount.Yes);
        Statistics.Add(_isBackground ? VmCounter.PgStealKswapd : VmCounter.PgStealDirect, freed);
        Statistics.Add(file ? VmCounter.PgStealFile : VmCounter.PgStealAnonymous, freed);
        NoteCost(file, (ulong)taken - freed);
        return freed;
    }

    /// <summary>A page of 2 MiB was taken off its list: back when it was used lately, else as 512 small ones, which are looked at one by one.</summary>
    private void SplitIfIdle(Pfn first, ReferencesCount references)
    {
        bool stays = references == ReferencesCount.Yes
            && (Rmap.HugeReferenced(_frames, first, out VmFlags flags) != 0 || (flags & VmFlags.Locked) != 0);
        if (stays || !Rmap.SplitHugePage(_frames, first))
            _lru.Add(first, LruKind.ActiveAnonymous);
    }

    /// <summary>Linux: <c>lru_note_cost</c>. Old costs count half when many new ones have come.</summary>
    private void NoteCost(bool file, ulong cost)
    {
        if (file)
            _fileCost += cost;
        else
            _anonymousCost += cost;
        if (_anonymousCost + _fileCost <= _frames.TotalFrames.Value / 4)
            return;
        _anonymousCost /= 2;
        _fileCost /= 2;
    }

    /// <summary>Frees pages that somebody has taken off their lists, used or not: <c>MADV_PAGEOUT</c>. Linux: <c>reclaim_pages</c>.</summary>
    /// <param name="isolated">At most a batch, each with a reference, which goes.</param>
    /// <returns>How many are free now; the others are on their lists again.</returns>
    internal PageCount ReclaimIsolated(ReadOnlySpan<Pfn> isolated)
    {
        ulong freed = 0;
        Enter(background: false);
        while (!isolated.IsEmpty)
        {
            Pages pages = default;
            int count = Math.Min(isolated.Length, Batch);
            for (int i = 0; i < count; i++)
                pages[i] = isolated[i];
            freed += ShrinkPages(ref pages, count, ReferencesCount.No);
            isolated = isolated[count..];
        }

        Leave();
        return new PageCount(freed);
    }
}
