using System;
using NanoVm.Core;
using NanoVm.Files.Proc;
using NanoVm.Memory.Numa;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary><c>/proc/PID/numa_maps</c>: each area's memory policy, and its pages by node.</summary>
/// <remarks>Linux: <c>show_numa_map</c>; man 7 numa. An area without a policy of its own shows the task's. The vsyscall page is not among them.</remarks>
internal sealed class NumaMapsFile(TaskSystem system) : AreaFile(system, "numa_maps"u8)
{
    /// <inheritdoc/>
    protected override void Show(Task task, ref TextWriter w, VmArea area)
    {
        w.Hex(area.Start.Value, 8);
        w.Byte((byte)' ');
        MemoryPolicy? policy = MmStruct.PolicyAt(area, area.Start) ?? task.MemoryPolicy?.Get();
        MemoryPolicy.Write(ref w, policy);
        policy?.Put();

        if (area.File is { } file)
        {
            w.Text(" file="u8);
            int path = w.Length;
            file.WritePath(ref w);
            PathEscape.InPlace(ref w, path, "\n\t= "u8);
        }
        else if (area.IsInitialHeap)
        {
            w.Text(" heap"u8);
        }
        else if (area.IsInitialStack)
        {
            w.Text(" stack"u8);
        }

        bool huge = area.Has(VmFlags.HugeTlb);
        if (huge)
            w.Text(" huge"u8);
        var pages = default(PlacedPages);
        pages.Add(area);
        pages.Write(ref w, huge);
        w.Byte((byte)'\n');
    }

    /// <inheritdoc/>
    protected override void ShowGate(ref TextWriter w)
    {
    }
}

/// <summary>The pages of an area that have frames, and of what sort they are. Linux: <c>numa_maps</c>, <c>gather_stats</c>.</summary>
internal struct PlacedPages
{
    private ulong _pages;
    private ulong _anonymous;
    private ulong _dirty;
    private ulong _active;
    private ulong _writeback;
    private ulong _swapCache;
    private int _mostMapped;

    /// <summary>Counts them. Holds <see cref="MmStruct.MmapLock"/>. O(pages present).</summary>
    public void Add(VmArea area)
    {
        if (area.Operations is SpecialMapping)
            return;                             // the kernel's own pages are on no list
        MmStruct mm = area.Mm;
        FrameAllocator frames = mm.System.Frames;
        using (mm.PageTableLock.Acquire())
        {
            var walk = new PteTableWalk(mm, area.Range, HugeVisit.Look);
            while (walk.MoveNext())
            {
                if (walk.IsHuge)
                {
                    Pmd huge = walk.Huge.Entry;
                    if (!huge.Has(PteFlags.Special))
                        Add(frames, huge.Pfn, huge.Has(PteFlags.Dirty), huge.IsFromPool ? 1 : FrameAllocator.HugeFrames);
                    continue;
                }

                for (int i = walk.FirstIndex; i <= walk.LastIndex; i++)
                {
                    Pte entry = walk.Table[i];
                    if (entry.IsMapped() && !entry.IsSpecial)
                        Add(frames, entry.Pfn, entry.IsDirty, 1);
                }
            }
        }
    }

    private void Add(FrameAllocator frames, Pfn pfn, bool entryDirty, ulong pages)
    {
        ref PageFrame frame = ref frames[pfn];
        _pages += pages;
        if (entryDirty || frame.Has(FrameFlags.Dirty))
            _dirty += pages;
        if (frame.Has(FrameFlags.Active) || frame.Has(FrameFlags.Unevictable))
            _active += pages;
        if (frame.Has(FrameFlags.Writeback))
            _writeback += pages;
        if (frame.Has(FrameFlags.SwapCache))
            _swapCache += pages;
        if (frame.IsAnonymous)
            _anonymous += pages;
        _mostMapped = Math.Max(_mostMapped, frames.MappingsOf(pfn));
    }

    /// <summary>Writes " anon=3 dirty=3 N0=3 kernelpagesize_kB=4"; nothing without pages.</summary>
    public readonly void Write(ref TextWriter w, bool huge)
    {
        if (_pages == 0)
            return;
        Number(ref w, " anon="u8, _anonymous);
        Number(ref w, " dirty="u8, _dirty);
        if (_pages != _anonymous && _pages != _dirty)
            Number(ref w, " mapped="u8, _pages);
        if (_mostMapped > 1)
            Number(ref w, " mapmax="u8, (ulong)_mostMapped);
        Number(ref w, " swapcache="u8, _swapCache);
        if (_active < _pages && !huge)
        {
            w.Text(" active="u8);
            w.Decimal(_active);
        }

        Number(ref w, " writeback="u8, _writeback);
        Number(ref w, " N0="u8, _pages);
        Number(ref w, " kernelpagesize_kB="u8, (huge ? PageSize.LargeBytes : PageSize.Bytes) >> 10);
    }

    private static void Number(ref TextWriter w, ReadOnlySpan<byte> name, ulong value)
    {
        if (value == 0)
            return;
        w.Text(name);
        w.Decimal(value);
    }
}
