using System;
using NanoVm.Core;
using NanoVm.Memory.Structures;

namespace NanoVm.Memory.Physical;

/// <summary>A range of vmalloc space: in use, with an unmapped guard page at its end, or free.</summary>
/// <remarks>Linux: <c>vmap_area</c>, <c>vm_struct</c>. In one of <see cref="Vmalloc"/>'s two trees, under its lock.</remarks>
internal sealed class VmallocArea
{
    public RedBlackLinks<VmallocArea> Links;

    public VirtAddr Start;

    /// <summary>One past the last byte, the guard page included.</summary>
    public VirtAddr End;

    /// <summary>Of a free area: the bytes of the largest one in its subtree.</summary>
    public ulong LargestBelow;

    public VmallocUse Use;

    /// <summary>Of an area that waits to be unmapped: the next one.</summary>
    public VmallocArea? NextUnpurged;

    public ulong Bytes => End - Start;

    /// <summary>Pages that are mapped: all but the guard.</summary>
    public PageCount Pages => new((Bytes >> PageSize.Shift) - 1);

    /// <summary>Free areas know the largest one below them, so that a place is found in O(log areas).</summary>
    public readonly struct FreeTraits : IRedBlackTraits<VmallocArea>, IRedBlackOrder<VmallocArea>
    {
        public static ref RedBlackLinks<VmallocArea> Links(VmallocArea node) => ref node.Links;

        public static bool Update(VmallocArea node)
        {
            ulong largest = node.Bytes;
            if (node.Links.Left is { } left)
                largest = Math.Max(largest, left.LargestBelow);
            if (node.Links.Right is { } right)
                largest = Math.Max(largest, right.LargestBelow);
            bool changed = largest != node.LargestBelow;
            node.LargestBelow = largest;
            return changed;
        }

        public static bool Before(VmallocArea left, VmallocArea right) => left.Start < right.Start;
    }

    /// <summary>Areas in use, by address.</summary>
    public readonly struct UsedTraits : IRedBlackTraits<VmallocArea>, IRedBlackOrder<VmallocArea>
    {
        public static ref RedBlackLinks<VmallocArea> Links(VmallocArea node) => ref node.Links;

        public static bool Update(VmallocArea node) => false;

        public static bool Before(VmallocArea left, VmallocArea right) => left.Start < right.Start;
    }
}
