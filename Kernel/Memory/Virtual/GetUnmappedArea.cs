using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Memory.Mapping;

namespace NanoVm.Memory.Virtual;

/// <summary>Where a new mapping goes.</summary>
/// <remarks>
/// Linux: <c>get_unmapped_area</c>, <c>arch_get_unmapped_area_topdown</c>, <c>unmapped_area_topdown</c>, <c>unmapped_area</c>. Lecture 004,
/// "unmapped_area_topdown() - Principle". Searches go down the tree once, by the subtree gaps: O(log areas).
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Finds a place for <paramref name="length"/> bytes (whole pages, not zero).</summary>
    /// <returns>
    /// <see cref="Errno.ENOMEM"/> when it fits nowhere, <see cref="Errno.EINVAL"/> for a fixed address that is not page-aligned,
    /// <see cref="Errno.EPERM"/> below <see cref="MemorySystem.MmapMinAddress"/>.
    /// </returns>
    /// <remarks>Holds <see cref="MmapLock"/>.</remarks>
    public Result<VirtAddr> GetUnmappedArea(MappableFile? file, VirtAddr hint, ulong length, ulong pageOffset, MapFlags flags)
    {
        if (length > TaskSize.Value)
            return Errno.ENOMEM;

        VirtAddr address;
        if (file is { IsHuge: true })
        {
            if (!FindHugePlace(hint, length, flags).TryGet(out address, out Errno misfit))
                return misfit;
        }
        else if ((flags & MapFlags.Fixed) != 0)
            address = hint;
        else if (!FindPlace(hint, length, flags).TryGet(out address, out Errno error))
            return error;

        if (address.Value > TaskSize.Value - length)
            return Errno.ENOMEM;
        if (!address.IsPageAligned)
            return Errno.EINVAL;
        if (address.Value < System.MmapMinAddress && !TaskMemory.Current.HasCapability(TaskMemory.CapSysRawio))
            return Errno.EPERM;
        return address;
    }

    /// <summary>A place that starts and ends between huge pages. Linux: <c>hugetlb_get_unmapped_area</c>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private Result<VirtAddr> FindHugePlace(VirtAddr hint, ulong length, MapFlags flags)
    {
        const ulong mask = PageSize.LargeBytes - 1;
        if ((length & mask) != 0)
            return Errno.EINVAL;
        if ((flags & MapFlags.Fixed) != 0)
            return (hint.Value & mask) != 0 ? Errno.EINVAL : hint;
        if (!hint.IsZero)
        {
            VirtAddr wanted = hint.AlignDown(PageSize.LargeBytes);
            if (TaskSize.Value - length >= wanted.Value && IsFree(wanted, length))
                return wanted;
        }

        // A gap with room to move in has an aligned place: the highest of it.
        const ulong slack = PageSize.LargeBytes - PageSize.Bytes;
        if (!FindPlace(VirtAddr.Zero, length + slack, flags).TryGet(out VirtAddr found, out Errno error))
            return error;
        return (found + slack).AlignDown(PageSize.LargeBytes);
    }

    private Result<VirtAddr> FindPlace(VirtAddr hint, ulong length, MapFlags flags)
    {
        bool low = (flags & MapFlags.Map32Bit) != 0;
        if (!LegacyLayout && !low)
        {
            if (!hint.IsZero)
            {
                VirtAddr wanted = hint.PageDown();
                if (IsHintValid(wanted, length) && IsFree(wanted, length))
                    return wanted;
            }

            // A hint above 47 bits asks for the upper part of a five-level address space; nobody else is put there.
            VirtAddr limit = MmapBase;
            if (hint.Value > UserSpace.End)
                limit += TaskSize.Value - UserSpace.End;
            if (UnmappedAreaTopdown(length, new VirtAddr(PageSize.Bytes), limit, out VirtAddr found))
                return found;
        }

        return FindPlaceUpwards(hint, length, low);
    }

    /// <summary>The fallback, the unlimited-stack layout, and <c>MAP_32BIT</c>. Linux: <c>arch_get_unmapped_area</c>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private Result<VirtAddr> FindPlaceUpwards(VirtAddr hint, ulong length, bool low)
    {
        VirtAddr begin = MmapLegacyBase;
        VirtAddr end = hint.Value > UserSpace.End ? TaskSize : VirtAddr.Min(TaskSize, UserSpace.EndAddress);
        if (low)
        {
            begin = new VirtAddr(0x4000_0000);
            end = new VirtAddr(0x8000_0000);
            if (Randomize)
                begin = RandomPage(begin, 0x0200_0000);
        }

        if (length > end.Value)
            return Errno.ENOMEM;
        if (!hint.IsZero)
        {
            VirtAddr wanted = hint.PageUp();
            if (end.Value - length >= wanted.Value && IsFree(wanted, length))
                return wanted;
        }

        return UnmappedArea(length, begin, end, out VirtAddr found) ? found : Errno.ENOMEM;
    }

    /// <summary>Whether no area, nor the guard gap of a stack, is in the way.</summary>
    private bool IsFree(VirtAddr address, ulong length)
        => FindVma(address) is not { } area || address + length <= area.StartWithGap;

    /// <summary>A mapping lies below the 47-bit border whole or above it whole. Linux: <c>mmap_address_hint_valid</c>.</summary>
    private bool IsHintValid(VirtAddr address, ulong length)
    {
        if (TaskSize.Value - length < address.Value)
            return false;
        return address.Value > UserSpace.End == address.Value + length > UserSpace.End;
    }

    /// <summary>The highest free place inside <paramref name="low"/>…<paramref name="high"/>, and below the guard gaps of stacks that would have had the room.</summary>
    /// <remarks>
    /// Linux 6.1 looks for room first and for stacks second: where it finds room below a stack and would come into its guard gap, it goes on below
    /// the whole gap, also past what is free between areas that a program has fixed there.
    /// <code>
    ///              v the answer                            v not here
    ///   . . . . [new] |◄──────────── guard gap ───[A]─────[new][B]── room ──►|[ stack ]
    /// </code>
    /// </remarks>
    private bool UnmappedAreaTopdown(ulong length, VirtAddr low, VirtAddr high, out VirtAddr found)
    {
        while (HighestPlace(length, low, high, out found))
        {
            // The first stack lies far above all that is searched.
            if (Areas.Stacks <= 1 || StackWithRoom(found + length, length, high) is not { } stack)
                return true;
            high = stack.StartWithGap;
        }
        return false;
    }

    /// <summary>The highest stack whose guard gap reaches below <paramref name="end"/> while there is room for <paramref name="length"/> bytes right below it.</summary>
    /// <remarks>Cost: the areas within one guard gap of <paramref name="end"/>.</remarks>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private VmArea? StackWithRoom(VirtAddr end, ulong length, VirtAddr high)
    {
        VmArea? found = null;
        for (VmArea? area = FindVma(end); area is not null && area.Start - end < System.StackGuardGapBytes; area = area.Next)
        {
            VirtAddr roomStart = area.Previous is { } previous ? VirtAddr.Max(previous.End, end) : end;
            if (roomStart >= high)
                break;
            VirtAddr roomEnd = VirtAddr.Min(area.Start, high);
            if (area.Has(VmFlags.GrowsDown) && area.StartWithGap < end && roomEnd - roomStart >= length)
                found = area;
        }
        return found;
    }

    /// <summary>The highest place inside <paramref name="low"/>…<paramref name="high"/> that is free and in no guard gap.</summary>
    /// <remarks>
    /// <code>
    ///                      root                    right first: higher addresses. A subtree is entered only when its
    ///                     /    \                   largest gap is long enough; a node is taken when the part of its gap
    ///               [A]..gap..[B]..gap..[C]        inside low…high is long enough; else its left subtree is next.
    /// </code>
    /// </remarks>
    private bool HighestPlace(ulong length, VirtAddr low, VirtAddr high, out VirtAddr found)
    {
        found = VirtAddr.Zero;
        if (high.Value < length || high.Value - length < low.Value)
            return false;
        VirtAddr highest = high - length;       // the highest start that fits

        // Above all areas?
        VirtAddr top = VirtAddr.Max(Areas.HighestEnd, low);
        if (top <= highest)
        {
            found = highest;
            return true;
        }

        VmArea? node = Areas.Root;
        if (node is null || node.SubtreeGap < length)
            return false;
        bool fromLeft = false;          // came up from the left child: the node itself has been looked at
        bool fromRight = false;
        while (node is not null)
        {
            VirtAddr gapStart = node.Previous is { } previous ? previous.End : VirtAddr.Zero;
            if (!fromLeft)
            {
                if (!fromRight && gapStart <= highest && node.TreeLinks.Right is { } right && right.SubtreeGap >= length)
                {
                    node = right;
                    continue;
                }

                VirtAddr gapEnd = VirtAddr.Min(node.StartWithGap, high);
                VirtAddr floor = VirtAddr.Max(gapStart, low);
                if (gapEnd > floor && gapEnd - floor >= length)
                {
                    found = gapEnd - length;
                    return true;
                }

                // All gaps to the left end lower than this node starts.
                if (node.Start.Value < low.Value + length)
                    return false;
                if (node.TreeLinks.Left is { } left && left.SubtreeGap >= length)
                {
                    node = left;
                    fromRight = false;
                    continue;
                }
            }

            VmArea child = node;
            node = child.TreeLinks.Parent;
            if (node is not null)
            {
                fromRight = ReferenceEquals(node.TreeLinks.Right, child);
                fromLeft = !fromRight;
            }
        }

        return false;
    }

    /// <summary>The lowest free place inside <paramref name="low"/>…<paramref name="high"/>.</summary>
    private bool UnmappedArea(ulong length, VirtAddr low, VirtAddr high, out VirtAddr found)
    {
        found = VirtAddr.Zero;
        if (high.Value < length || high.Value - length < low.Value)
            return false;

        VmArea? node = Areas.Root;
        if (node is not null && node.SubtreeGap >= length)
        {
            bool fromLeft = false;
            bool fromRight = false;
            while (node is not null)
            {
                if (!fromRight)
                {
                    // Gaps of the left subtree end at or below this node's start.
                    if (!fromLeft && node.Start.Value >= low.Value + length && node.TreeLinks.Left is { } left && left.SubtreeGap >= length)
                    {
                        node = left;
                        continue;
                    }

                    VirtAddr gapStart = VirtAddr.Max(node.Previous is { } previous ? previous.End : VirtAddr.Zero, low);
                    if (gapStart > high - length)
                        return false;
                    VirtAddr gapEnd = VirtAddr.Min(node.StartWithGap, high);
                    if (gapEnd > gapStart && gapEnd - gapStart >= length)
                    {
                        found = gapStart;
                        return true;
                    }

                    if (node.TreeLinks.Right is { } right && right.SubtreeGap >= length)
                    {
                        node = right;
                        fromLeft = false;
                        continue;
                    }
                }

                VmArea child = node;
                node = child.TreeLinks.Parent;
                if (node is not null)
                {
                    fromLeft = ReferenceEquals(node.TreeLinks.Left, child);
                    fromRight = !fromLeft;
                }
            }
        }

        VirtAddr top = VirtAddr.Max(Areas.HighestEnd, low);
        if (top > high - length)
            return false;
        found = top;
        return true;
    }
}
