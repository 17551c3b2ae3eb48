using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Memory.Structures;

namespace NanoVm.Memory.Virtual;

/// <summary>The links of the tree in a <see cref="VmArea"/>, and the gap that each subtree can offer.</summary>
internal readonly struct VmAreaTraits : IRedBlackTraits<VmArea>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ref RedBlackLinks<VmArea> Links(VmArea node) => ref node.TreeLinks;

    /// <summary>The subtree's gap is the largest of the gap below this area and the gaps of its two subtrees. Linux: <c>vma_compute_gap</c>.</summary>
    public static bool Update(VmArea node)
    {
        ulong gap = VmaIndex.GapBelow(node);
        if (node.TreeLinks.Left is { } left && left.SubtreeGap > gap)
            gap = left.SubtreeGap;
        if (node.TreeLinks.Right is { } right && right.SubtreeGap > gap)
            gap = right.SubtreeGap;
        if (node.SubtreeGap == gap)
            return false;
        node.SubtreeGap = gap;
        return true;
    }
}

/// <summary>The areas of one address space, by address: lookup, neighbours, gaps, insertion. Everything else goes through this type.</summary>
/// <remarks>
/// A doubly linked list threaded through a red-black tree whose nodes know the largest gap of their subtree; another structure (a maple
/// tree) could stand here without its users noticing. Guarded by <see cref="MmStruct.MmapLock"/>. Lecture 004, "rb_subtree_gap calculation".
/// <code>
///   list      [A]--->[B]------->[C]->[D]        gap of a node: from the end of the area before it to its own start,
///                    /  \                        less the guard gap when it is a stack;
///   tree          [A]    [C]                     subtree gap: the largest one at or below the node.
///                           \
///                           [D]
/// </code>
/// </remarks>
internal struct VmaIndex
{
    private RedBlackTree<VmArea, VmAreaTraits> _tree;

    /// <summary>The area with the lowest address.</summary>
    public VmArea? First;

    /// <summary>The area with the highest address.</summary>
    public VmArea? Last;

    /// <summary>How many areas there are.</summary>
    public int Count;

    /// <summary>How many of them are stacks, with a guard gap below: an area is made one or not, and stays so.</summary>
    public int Stacks;

    /// <summary>The root, for those who draw the tree (<c>/proc/PID/vma_tree</c>).</summary>
    public readonly VmArea? Root => _tree.Root;

    /// <summary>The end of the last area; zero without areas. Linux: <c>highest_vm_end</c>.</summary>
    public readonly VirtAddr HighestEnd => Last is { } last ? last.End : VirtAddr.Zero;

    /// <summary>The free bytes between <paramref name="area"/> and the one before it, without the guard gap of a stack. Linux: <c>vma_compute_gap</c>'s first half.</summary>
    public static ulong GapBelow(VmArea area)
    {
        VirtAddr floor = area.Previous is { } previous ? previous.End : VirtAddr.Zero;
        VirtAddr ceiling = area.StartWithGap;
        return ceiling > floor ? ceiling - floor : 0;
    }

    /// <summary>The first area that ends above <paramref name="address"/>, whether or not it contains it. O(log n).</summary>
    public readonly VmArea? FirstEndingAbove(VirtAddr address)
    {
        VmArea? found = null;
        VmArea? walk = _tree.Root;
        while (walk is not null)
        {
            if (walk.End > address)
            {
                found = walk;
                if (walk.Start <= address)
                    break;
                walk = walk.TreeLinks.Left;
            }
            else
            {
                walk = walk.TreeLinks.Right;
            }
        }

        return found;
    }

    /// <summary>Puts <paramref name="area"/> in. Its range must be free. O(log n).</summary>
    public void Insert(VmArea area)
    {
        VmArea? parent = null;
        VmArea? previous = null;
        VmArea? walk = _tree.Root;
        bool left = false;
        while (walk is not null)
        {
            parent = walk;
            left = area.Start < walk.Start;
            if (left)
            {
                walk = walk.TreeLinks.Left;
            }
            else
            {
                previous = walk;
                walk = walk.TreeLinks.Right;
            }
        }

        VmArea? next = previous is null ? First : previous.Next;
        area.Previous = previous;
        area.Next = next;
        if (previous is null)
            First = area;
        else
            previous.Next = area;
        if (next is null)
        {
            Last = area;
        }
        else
        {
            next.Previous = area;
            // Before the tree changes: a rotation would renew the neighbour's sum alone and hide that those above it are stale.
            RedBlackTree<VmArea, VmAreaTraits>.Propagate(next);
        }

        _tree.InsertAt(area, parent, left);
        Counted(area, 1);
    }

    /// <summary>Puts <paramref name="area"/> in behind all others (<c>fork</c> copies in order). O(1) but for the rebalancing.</summary>
    public void Append(VmArea area)
    {
        VmArea? last = Last;
        area.Previous = last;
        area.Next = null;
        if (last is null)
            First = area;
        else
            last.Next = area;
        Last = area;
        _tree.InsertAt(area, last, left: false);        // the last area has no right child
        Counted(area, 1);
    }

    /// <summary>Takes <paramref name="area"/> out of list and tree; its own range stays as it is. O(log n).</summary>
    public void Remove(VmArea area)
    {
        VmArea? previous = area.Previous;
        VmArea? next = area.Next;
        if (previous is null)
            First = next;
        else
            previous.Next = next;
        if (next is null)
        {
            Last = previous;
        }
        else
        {
            next.Previous = previous;
            RedBlackTree<VmArea, VmAreaTraits>.Propagate(next);
        }

        _tree.Remove(area);
        area.Previous = null;
        area.Next = null;
        Counted(area, -1);
    }

    private void Counted(VmArea area, int change)
    {
        Count += change;
        if (area.Flags.IsStack())
            Stacks += change;
    }

    /// <summary>Renews the sums after <paramref name="area"/>'s start or end changed within its own free room.</summary>
    public readonly void Resized(VmArea area)
    {
        RedBlackTree<VmArea, VmAreaTraits>.Propagate(area);
        if (area.Next is { } next)
            RedBlackTree<VmArea, VmAreaTraits>.Propagate(next);
    }

    /// <summary>Forgets all areas at once, for an address space that ends; the areas keep their list links.</summary>
    public void Clear()
    {
        _tree = default;
        First = null;
        Last = null;
        Count = 0;
        Stacks = 0;
    }

    /// <summary>Whether order, links, colours, sums and counts are right.</summary>
    public readonly bool Validate()
    {
        if (!_tree.Validate(out ulong inTree) || inTree != (ulong)Count)
            return false;
        ulong inList = 0;
        int stacks = 0;
        VmArea? previous = null;
        VmArea? inOrder = _tree.First();
        for (VmArea? area = First; area is not null; area = area.Next)
        {
            if (!ReferenceEquals(area.Previous, previous) || !ReferenceEquals(area, inOrder))
                return false;
            if (area.Start >= area.End || !area.Start.IsPageAligned || !area.End.IsPageAligned)
                return false;
            if (previous is not null && previous.End > area.Start)
                return false;
            inList++;
            stacks += area.Flags.IsStack() ? 1 : 0;
            previous = area;
            inOrder = RedBlackTree<VmArea, VmAreaTraits>.Next(area);
        }

        return inOrder is null && inList == (ulong)Count && stacks == Stacks && ReferenceEquals(previous, Last);
    }
}
