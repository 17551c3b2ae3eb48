using System;

namespace NanoVm.Memory.Structures;

/// <summary>How an interval tree finds the ends of its nodes' intervals, both included.</summary>
internal interface IIntervalTraits<TNode>
    where TNode : class
{
    static abstract ref RedBlackLinks<TNode> Links(TNode node);

    /// <summary>The largest end in the node's subtree; the tree's own.</summary>
    static abstract ref ulong SubtreeLast(TNode node);

    static abstract ulong First(TNode node);

    static abstract ulong Last(TNode node);
}

/// <summary>Intervals, found by what they overlap: a red-black tree by first element where each node knows the largest last one below.</summary>
/// <remarks>
/// Linux: <c>interval_tree</c>, which took the place of the priority search trees of the lectures. A query costs O(log n + hits): a
/// subtree whose largest end lies before the query has no hit, and one whose nodes all begin behind it has none either.
/// <code>
///                [20,25] 60             query [30,40]:
///               /          \            left subtree ends at 28: skipped;
///        [5,28] 28        [35,38] 60    [20,25] itself: no; [35,38]: hit; [50,60] begins behind: no
///                              \
///                            [50,60] 60
/// </code>
/// A struct, zero means empty; guarded by its owner's lock. An interval must not change while its node is in the tree.
/// </remarks>
internal struct IntervalTree<TNode, TTraits>
    where TNode : class
    where TTraits : struct, IIntervalTraits<TNode>
{
    private RedBlackTree<TNode, Tree> _tree;

    public readonly bool IsEmpty => _tree.IsEmpty;

    public void Insert(TNode node) => _tree.Insert<Tree>(node);

    public void Remove(TNode node) => _tree.Remove(node);

    /// <summary>The first interval, in order, that shares an element with the one from <paramref name="first"/> to <paramref name="last"/>.</summary>
    public readonly TNode? FirstOverlap(ulong first, ulong last)
    {
        TNode? root = _tree.Root;
        return root is null || TTraits.SubtreeLast(root) < first ? null : FirstBelow(root, first, last);
    }

    /// <summary>The next one after <paramref name="node"/>.</summary>
    public static TNode? NextOverlap(TNode node, ulong first, ulong last)
    {
        while (true)
        {
            // All further nodes are in the right subtree, or right of a node that we stand left of.
            if (TTraits.Links(node).Right is { } right && TTraits.SubtreeLast(right) >= first)
                return FirstBelow(right, first, last);

            TNode child;
            TNode? parent = node;
            do
            {
                child = parent;
                parent = TTraits.Links(child).Parent;
                if (parent is null)
                    return null;
            }
            while (TTraits.Links(parent).Right == child);

            node = parent;
            if (TTraits.First(node) > last)
                return null;
            if (TTraits.Last(node) >= first)
                return node;
        }
    }

    /// <summary>Whether this very node is in the tree; one in a sound tree need not be in this one. O(log n).</summary>
    public readonly bool Contains(TNode node)
    {
        if (!TTraits.Links(node).IsLinked)
            return false;
        TNode top = node;
        while (TTraits.Links(top).Parent is { } above)
            top = above;
        return top == _tree.Root;
    }

    /// <summary>How many there are. O(n), for checks.</summary>
    public readonly ulong Count()
    {
        ulong count = 0;
        for (TNode? node = _tree.First(); node is not null; node = RedBlackTree<TNode, Tree>.Next(node))
            count++;
        return count;
    }

    /// <summary>Whether the tree is sound and in order.</summary>
    public readonly bool Validate(out ulong count)
    {
        if (!_tree.Validate(out count))
            return false;
        TNode? previous = null;
        for (TNode? node = _tree.First(); node is not null; node = RedBlackTree<TNode, Tree>.Next(node))
        {
            if (previous is not null && TTraits.First(previous) > TTraits.First(node))
                return false;
            previous = node;
        }

        return true;
    }

    /// <summary>The leftmost hit in a subtree whose largest end is not before the query.</summary>
    private static TNode? FirstBelow(TNode node, ulong first, ulong last)
    {
        while (true)
        {
            // If the left subtree reaches the query at all, the leftmost such node is the only candidate on this side.
            if (TTraits.Links(node).Left is { } left && TTraits.SubtreeLast(left) >= first)
            {
                node = left;
                continue;
            }

            if (TTraits.First(node) > last)
                return null;
            if (TTraits.Last(node) >= first)
                return node;
            if (TTraits.Links(node).Right is { } right && TTraits.SubtreeLast(right) >= first)
            {
                node = right;
                continue;
            }

            return null;
        }
    }

    private readonly struct Tree : IRedBlackTraits<TNode>, IRedBlackOrder<TNode>
    {
        public static ref RedBlackLinks<TNode> Links(TNode node) => ref TTraits.Links(node);

        public static bool Update(TNode node)
        {
            ref RedBlackLinks<TNode> links = ref TTraits.Links(node);
            ulong largest = TTraits.Last(node);
            if (links.Left is { } left)
                largest = Math.Max(largest, TTraits.SubtreeLast(left));
            if (links.Right is { } right)
                largest = Math.Max(largest, TTraits.SubtreeLast(right));
            ref ulong kept = ref TTraits.SubtreeLast(node);
            bool changed = kept != largest;
            kept = largest;
            return changed;
        }

        public static bool Before(TNode left, TNode right) => TTraits.First(left) < TTraits.First(right);
    }
}
