using System;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Files.Proc.Machine;

/// <summary><c>/proc/buddyinfo</c>: free blocks of each order. Linux: <c>frag_show</c>.</summary>
internal sealed class BuddyInfo(MachineFiles machine) : ProcPage("buddyinfo"u8)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        ReadOnlySpan<Zone> zones = _machine.Memory.Frames.Zones;
        for (int i = 0; i < zones.Length; i++)
        {
            Zone zone = zones[i];
            if (zone.Managed.Value == 0)
                continue;
            w.Text("Node 0, zone "u8);
            w.Right(ZoneNames.Of(zone.Kind), 8);
            w.Byte((byte)' ');
            for (int order = 0; order < Zone.Orders; order++)
            {
                w.Decimal(zone.FreeBlocks(order), 6);
                w.Byte((byte)' ');
            }
            w.Byte((byte)'\n');
        }
        return Errno.None;
    }
}

/// <summary><c>/proc/pagetypeinfo</c>: as <c>buddyinfo</c>, by mobility. Blocks are of one kind here: any allocation may come out of any.</summary>
/// <remarks>Linux: <c>pagetypeinfo_show</c>.</remarks>
internal sealed class PageTypeInfo(MachineFiles machine) : ProcPage("pagetypeinfo"u8, 0x100)
{
    private const int Types = 5, Movable = 1;
    private readonly MachineFiles _machine = machine;

    private static ReadOnlySpan<byte> NameOf(int type) => type switch
    {
        0 => "Unmovable"u8,
        Movable => "Movable"u8,
        2 => "Reclaimable"u8,
        3 => "HighAtomic"u8,
        _ => "Isolate"u8,
    };

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        w.Text("Page block order: 9\nPages per block:  512\n\nFree pages count per migrate type at order  "u8);
        for (int order = 0; order < Zone.Orders; order++)
            Number(ref w, (ulong)order, 6);
        w.Byte((byte)'\n');
        ReadOnlySpan<Zone> zones = _machine.Memory.Frames.Zones;
        for (int i = 0; i < zones.Length; i++)
        {
            for (int type = 0; type < Types && zones[i].Managed.Value != 0; type++)
            {
                w.Text("Node    0, zone "u8);
                w.Right(ZoneNames.Of(zones[i].Kind), 8);
                w.Text(", type "u8);
                w.Right(NameOf(type), 12);
                w.Byte((byte)' ');
                for (int order = 0; order < Zone.Orders; order++)
                    Number(ref w, type == Movable ? zones[i].FreeBlocks(order) : 0, 6);
                w.Byte((byte)'\n');
            }
        }

        w.Text("\nNumber of blocks type  "u8);
        for (int type = 0; type < Types; type++)
        {
            w.Right(NameOf(type), 12);
            w.Byte((byte)' ');
        }

        w.Byte((byte)'\n');
        for (int i = 0; i < zones.Length; i++)
        {
            if (zones[i].Managed.Value == 0)
                continue;
            w.Text("Node 0, zone "u8);
            w.Right(ZoneNames.Of(zones[i].Kind), 8);
            w.Byte((byte)' ');
            for (int type = 0; type < Types; type++)
                Number(ref w, type == Movable ? (zones[i].Present.Value + 511) / 512 : 0, 12);
            w.Byte((byte)'\n');
        }

        return Errno.None;
    }

    private static void Number(ref TextWriter w, ulong value, int width)
    {
        w.Decimal(value, width);
        w.Byte((byte)' ');
    }
}

/// <summary><c>/proc/zoneinfo</c>. Linux: <c>zoneinfo_show_print</c>.</summary>
internal sealed class ZoneInfo(MachineFiles machine) : ProcPage("zoneinfo"u8)
{
    // DMA, DMA32, Normal, Movable, Device; the last two are never anywhere.
    private const int LinuxZones = 5;

    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        ReadOnlySpan<Zone> zones = _machine.Memory.Frames.Zones;
        bool first = true;
        for (int i = 0; i < zones.Length; i++)
        {
            Zone zone = zones[i];
            w.Text("Node 0, zone "u8);
            w.Right(ZoneNames.Of(zone.Kind), 8);
            if (first && zone.Present.Value != 0)
            {
                w.Text("\n  per-node stats"u8);
                VmStatText.NodePages(ref w, _machine, StatStyle.Item);
                first = false;
            }
            w.Text("\n  pages free     "u8);
            w.Decimal(zone.AllFreeFrames);
            w.Text("\n        boost    0"u8);
            Row(ref w, "min      "u8, zone.WatermarkMin);
            Row(ref w, "low      "u8, zone.WatermarkLow);
            Row(ref w, "high     "u8, zone.WatermarkHigh);
            Row(ref w, "spanned  "u8, zone.End.Value - zone.Start.Value);
            Row(ref w, "present  "u8, zone.Present.Value);
            Row(ref w, "managed  "u8, zone.Managed.Value);
            Row(ref w, "cma      "u8, 0);
            w.Text("\n        protection: ("u8);
            for (int j = 0; j < LinuxZones; j++)
            {
                if (j != 0)
                    w.Text(", "u8);
                w.Decimal(zone.LowmemReserve[Math.Min(j, zone.LowmemReserve.Length - 1)]);
            }
            w.Byte((byte)')');
            if (zone.Present.Value == 0)
            {
                w.Byte((byte)'\n');
                continue;
            }
            VmStatText.ZonePages(ref w, _machine, zone, StatStyle.Item);
            w.Text("\n  pagesets\n    cpu: 0\n              count: "u8);
            w.Decimal((ulong)zone.PerCpu[0].Count);
            w.Text("\n              high:  "u8);
            w.Decimal(PerCpuFrames.High);
            w.Text("\n              batch: "u8);
            w.Decimal(PerCpuFrames.Batch);
            w.Text("\n  vm stats threshold: 0\n  node_unreclaimable:  0\n  start_pfn:           "u8);
            w.Decimal(zone.Start.Value);
            w.Byte((byte)'\n');
        }
        Missing(ref w, " Movable"u8);
        Missing(ref w, "  Device"u8);
        return Errno.None;
    }

    /// <summary>A zone that Linux has, for memory that can be taken out.</summary>
    private static void Missing(ref TextWriter w, ReadOnlySpan<byte> name)
    {
        w.Text("Node 0, zone "u8);
        w.Text(name);
        w.Text("\n  pages free     0\n        boost    0\n        min      0\n        low      0\n        high     0"u8);
        w.Text("\n        spanned  0\n        present  0\n        managed  0\n        cma      0\n        protection: (0, 0, 0, 0, 0)\n"u8);
    }

    private static void Row(ref TextWriter w, ReadOnlySpan<byte> name, ulong value)
    {
        w.Text("\n        "u8);
        w.Text(name);
        w.Decimal(value);
    }
}

/// <summary><c>/proc/slabinfo</c>. Linux: <c>slab_show</c>.</summary>
internal sealed class SlabInfo(MachineFiles machine) : ProcPage("slabinfo"u8, 0x100)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        w.Text("slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n"u8);
        for (SlabCache? cache = _machine.Memory.Physical.FirstCache; cache is not null; cache = cache.Next)
        {
            w.Left(cache.Name, 17);
            w.Byte((byte)' ');
            w.Decimal(cache.ActiveObjects, 6);
            w.Byte((byte)' ');
            w.Decimal(cache.TotalObjects, 6);
            w.Byte((byte)' ');
            w.Decimal((ulong)cache.Stride, 6);
            w.Byte((byte)' ');
            w.Decimal((ulong)cache.ObjectsPerSlab, 4);
            w.Byte((byte)' ');
            w.Decimal(1UL << cache.Order, 4);
            w.Text(" : tunables    0    0    0 : slabdata "u8);
            w.Decimal(cache.ActiveSlabs, 6);
            w.Byte((byte)' ');
            w.Decimal(cache.Slabs, 6);
            w.Text("      0\n"u8);
        }
        return Errno.None;
    }
}

/// <summary><c>/proc/vmallocinfo</c>.</summary>
internal sealed class VmallocInfo(MachineFiles machine) : ProcText("vmallocinfo"u8, 0x100)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Generate(ProcOpenFile file, ref TextWriter w, ref ProcCursor cursor)
    {
        Vmalloc vmalloc = _machine.Memory.Physical.Vmalloc;
        while (vmalloc.TryNext(new VirtAddr(cursor.Position), out PageRange range, out VmallocUse use))
        {
            int start = w.Length;
            w.Text("0x"u8);
            w.Hex(range.Start.Value, 16);
            w.Text("-0x"u8);
            w.Hex(range.End.Value, 16);
            w.Decimal(range.Bytes, 8);
            w.Text(" pages="u8);
            w.Decimal(range.Count.Value);
            w.Byte((byte)' ');
            w.Text(NameOf(use));
            w.Byte((byte)'\n');
            if (w.Overflowed)
            {
                w.Truncate(start);
                return Errno.None;
            }
            cursor.Position = range.End.Value;
        }
        cursor.Ended = true;
        return Errno.None;
    }

    private static ReadOnlySpan<byte> NameOf(VmallocUse use) => use switch
    {
        VmallocUse.Stack => "kernel_stack vmalloc"u8,
        VmallocUse.Device => "ioremap"u8,
        VmallocUse.Array => "array vmalloc"u8,
        VmallocUse.Unpurged => "unpurged vm_area"u8,
        _ => "vmalloc"u8,
    };
}

/// <summary>What a word of <see cref="FrameWords"/> tells.</summary>
internal enum FrameWordKind : byte
{
    MapCount,
    Flags,
}

/// <summary><c>/proc/kpagecount</c> and <c>/proc/kpageflags</c>: eight bytes for each frame. Linux: <c>fs/proc/page.c</c>.</summary>
internal sealed class FrameWords : ProcFile
{
    private readonly MachineFiles _machine;
    private readonly FrameWordKind _kind;

    /// <summary>Makes one.</summary>
    public FrameWords(MachineFiles machine, ReadOnlySpan<byte> name, FrameWordKind kind)
        : base(name, 0x100)
    {
        _machine = machine;
        _kind = kind;
    }

    /// <inheritdoc/>
    public override Result<long> Read(TaskFiles who, ProcOpenFile file, ref IovIter to, ref long position)
    {
        if (((ulong)position & 7) != 0 || (to.Remaining & 7) != 0)
            return Errno.EINVAL;
        FrameAllocator frames = _machine.Memory.Frames;
        long total = 0;
        Span<byte> word = stackalloc byte[8];
        while (to.Remaining != 0)
        {
            var pfn = new Pfn((ulong)position / 8);
            if (pfn.Value >= frames.EndFrame.Value)
                break;
            ulong value = 0;
            if (frames.IsRam(pfn))
                value = _kind == FrameWordKind.MapCount ? (ulong)frames.MappingsOf(pfn) : FlagsOf(pfn, in frames[pfn], in frames[frames.HeadOf(pfn)], _machine.Memory.ZeroPage);
            else if (_kind == FrameWordKind.Flags)
                value = 1UL << 20;                          // KPF_NOPAGE
            System.Runtime.CompilerServices.Unsafe.WriteUnaligned(ref word[0], value);
            Errno error = to.CopyToIter(word, out int copied);
            if (error != Errno.None)
                return total != 0 ? total : error;
            position += copied;
            total += copied;
        }
        return total;
    }

    // Linux: stable_page_flags; the bits of Documentation/admin-guide/mm/pagemap.
    private static ulong FlagsOf(Pfn pfn, in PageFrame frame, in PageFrame head, Pfn zeroPage)
    {
        ulong bits = 0;
        if (pfn == zeroPage)
            return 1UL << 24 | 1UL << 32;                   // ZERO_PAGE, RESERVED
        if (frame.MapCount > 0)
            bits |= 1UL << 11;                              // MMAP
        if (head.IsAnonymous)
            bits |= 1UL << 12;                              // ANON
        if (frame.Has(FrameFlags.SwapCache))
            bits |= 1UL << 13;
        if (frame.Has(FrameFlags.SwapBacked))
            bits |= 1UL << 14;
        if (frame.Has(FrameFlags.Writeback))
            bits |= 1UL << 8;
        if (frame.Has(FrameFlags.Unevictable))
            bits |= 1UL << 18;
        if (frame.MlockCount > 0)
            bits |= 1UL << 33;
        // MAPPEDTODISK, which for anonymous pages says that nobody shares this one (PG_anon_exclusive).
        if (head.IsAnonymous && frame.MapCount == 1 && frame.ReferenceCount == 1)
            bits |= 1UL << 34;
        if (frame.Has(FrameFlags.Reserved))
            bits |= 1UL << 32;
        if (frame.Has(FrameFlags.Huge))
            bits |= 1UL << 22 | (FrameAllocator.FirstOfHuge(pfn) == pfn ? 1UL << 15 : 1UL << 16);      // THP, COMPOUND_HEAD, COMPOUND_TAIL
        if (frame.HasAny(FrameFlags.Head | FrameFlags.Tail))
            bits |= frame.Has(FrameFlags.Head) ? 1UL << 15 : 1UL << 16;
        if (head.Has(FrameFlags.HugePool))
            bits |= 1UL << 17;                              // HUGE
        if (frame.Has(FrameFlags.Slab))
            bits |= 1UL << 7;
        if (frame.Has(FrameFlags.Buddy))
            bits |= 1UL << 10;
        if (frame.Has(FrameFlags.Dirty))
            bits |= 1UL << 4;
        if (frame.Has(FrameFlags.PageTable))
            bits |= 1UL << 26;
        if (frame.Has(FrameFlags.Referenced))
            bits |= 1UL << 2;
        if (frame.Has(FrameFlags.Lru))
            bits |= 1UL << 5;
        if (frame.Has(FrameFlags.Active))
            bits |= 1UL << 6;
        if (frame.Has(FrameFlags.Locked))
            bits |= 1UL;
        if (frame.Has(FrameFlags.UpToDate))
            bits |= 1UL << 3;
        return bits;
    }
}
