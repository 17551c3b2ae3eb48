namespace NanoVm.Memory.Structures;

/// <summary>An intrusive red-black tree whose nodes may keep a summary of their subtree (augmentation).</summary>
/// <remarks>
/// Linux: <c>struct rb_root</c>, <c>rb_insert_augmented</c>, <c>rb_erase_augmented</c>. The rules: the root is black, a red node
/// has black children, every way from a node down to a missing child passes equally many black nodes; so the height is at most
/// 2 log2(n + 1). The tree allocates nothing. The search is its user's: walk down from <see cref="Root"/>, remember where the walk
/// ends, hand that place to <see cref="InsertAt"/>. A struct, zero means empty; do not copy one that is in use.
/// </remarks>
internal struct RedBlackTree<TNode, TTraits>
    where TNode : class
    where TTraits : struct, IRedBlackTraits<TNode>
{
    public TNode? Root;

    public readonly bool IsEmpty => Root is null;

    /// <summary>The first node in order, or none. O(log n).</summary>
    public readonly TNode? First()
    {
        TNode? node = Root;
        if (node is null)
            return null;
        while (TTraits.Links(node).Left is { } left)
            node = left;
        return node;
    }

    /// <summary>The last node in order, or none. O(log n).</summary>
    public readonly TNode? Last()
    {
        TNode? node = Root;
        if (node is null)
            return null;
        while (TTraits.Links(node).Right is { } right)
            node = right;
        return node;
    }

    /// <summary>The node after <paramref name="node"/>. Amortized O(1) over a whole walk.</summary>
    public static TNode? Next(TNode node)
    {
        if (TTraits.Links(node).Right is { } down)
        {
            while (TTraits.Links(down).Left is { } left)
                down = left;
            return down;
        }

        TNode child = node;
        TNode? up = TTraits.Links(child).Parent;
        while (up is not null && TTraits.Links(up).Right == child)
        {
            child = up;
            up = TTraits.Links(child).Parent;
        }

        return up;
    }

    /// <summary>The node before <paramref name="node"/>.</summary>
    public static TNode? Previous(TNode node)
    {
        if (TTraits.Links(node).Left is { } down)
        {
            while (TTraits.Links(down).Right is { } right)
                down = right;
            return down;
        }

        TNode child = node;
        TNode? up = TTraits.Links(child).Parent;
        while (up is not null && TTraits.Links(up).Left == child)
        {
            child = up;
            up = TTraits.Links(child).Parent;
        }

        return up;
    }

    /// <summary>Inserts by the order <typeparamref name="TOrder"/>, behind equal nodes.</summary>
    /// <returns>Whether the node became the first one.</returns>
    public bool Insert<TOrder>(TNode node)
        where TOrder : struct, IRedBlackOrder<TNode>
    {
        TNode? parent = null;
        TNode? walk = Root;
        bool left = false;
        bool first = true;
        while (walk is not null)
        {
            parent = walk;
            left = TOrder.Before(node, walk);
            if (left)
            {
                walk = TTraits.Links(walk).Left;
            }
            else
            {
                walk = TTraits.Links(walk).Right;
                first = false;
            }
        }

        InsertAt(node, parent, left);
        return first;
    }

    /// <summary>Hangs <paramref name="node"/> below <paramref name="parent"/>, where a search ended, and rebalances.</summary>
    /// <param name="node">In no tree; its own data must be final, since the summaries are made from it.</param>
    /// <param name="parent">None when the tree is empty.</param>
    /// <param name="left">Whether it becomes the left child, which must be missing; else the right one.</param>
    public void InsertAt(TNode node, TNode? parent, bool left)
    {
        ref RedBlackLinks<TNode> links = ref TTraits.Links(node);
        links.Parent = parent;
        links.Left = null;
        links.Right = null;
        links.IsRed = true;
        links.IsLinked = true;

        if (parent is null)
            Root = node;
        else if (left)
            TTraits.Links(parent).Left = node;
        else
            TTraits.Links(parent).Right = node;

        TTraits.Update(node);
        if (parent is not null)
            Propagate(parent);
        RebalanceAfterInsert(node);
    }

    /// <summary>Takes <paramref name="node"/> out and rebalances.</summary>
    public void Remove(TNode node)
    {
        ref RedBlackLinks<TNode> links = ref TTraits.Links(node);
        TNode? child;           // what moves up into the hole; may be missing
        TNode? parent;          // the hole's parent afterwards
        bool removedRed;

        if (links.Left is null || links.Right is null)
        {
            child = links.Left ?? links.Right;
            parent = links.Parent;
            removedRed = links.IsRed;
            ReplaceChild(parent, node, child);
            if (child is not null)
                TTraits.Links(child).Parent = parent;
        }
        else
        {
            // Two children: the successor, which has no left child, takes the node's place and colour.
            //
            //      node                 next
            //     /    \               /    \
            //    L      R     →       L      R
            //          /                    /
            //       next                 child
            //           \
            //           child
            TNode next = links.Right;
            while (TTraits.Links(next).Left is { } further)
                next = further;

            ref RedBlackLinks<TNode> nextLinks = ref TTraits.Links(next);
            child = nextLinks.Right;
            removedRed = nextLinks.IsRed;

            if (nextLinks.Parent == node)
            {
                parent = next;
            }
            else
            {
                parent = nextLinks.Parent!;
                TTraits.Links(parent).Left = child;
                if (child is not null)
                    TTraits.Links(child).Parent = parent;
                nextLinks.Right = links.Right;
                TTraits.Links(links.Right).Parent = next;
            }

            nextLinks.Left = links.Left;
            TTraits.Links(links.Left).Parent = next;
            nextLinks.Parent = links.Parent;
            nextLinks.IsRed = links.IsRed;
            ReplaceChild(links.Parent, node, next);
        }

        // The whole way up: the successor is on it and has other children now, so an unchanged summary below proves nothing.
        for (TNode? up = parent; up is not null; up = TTraits.Links(up).Parent)
            TTraits.Update(up);

        if (!removedRed)
            RebalanceAfterRemove(child, parent);
        links = default;
    }

    /// <summary>Puts <paramref name="replacement"/> where <paramref name="node"/> stands; both have the same place in the order.</summary>
    public void Replace(TNode node, TNode replacement)
    {
        ref RedBlackLinks<TNode> old = ref TTraits.Links(node);
        TTraits.Links(replacement) = old;
        ReplaceChild(old.Parent, node, replacement);
        if (old.Left is { } left)
            TTraits.Links(left).Parent = replacement;
        if (old.Right is { } right)
            TTraits.Links(right).Parent = replacement;
        old = default;
        Propagate(replacement);
    }

    /// <summary>Renews the summaries from <paramref name="node"/> up, after its own data changed without changing its place.</summary>
    public static void Propagate(TNode node)
    {
        for (TNode? up = node; up is not null && TTraits.Update(up); up = TTraits.Links(up).Parent)
        {
        }
    }

    private void ReplaceChild(TNode? parent, TNode old, TNode? child)
    {
        if (parent is null)
            Root = child;
        else if (TTraits.Links(parent).Left == old)
            TTraits.Links(parent).Left = child;
        else
            TTraits.Links(parent).Right = child;
    }

    private static bool IsRed(TNode? node) => node is not null && TTraits.Links(node).IsRed;

    /// <summary>Turns the edge between <paramref name="top"/> and its right child: that child comes up.</summary>
    private void RotateLeft(TNode top)
    {
        ref RedBlackLinks<TNode> topLinks = ref TTraits.Links(top);
        TNode rising = topLinks.Right!;
        ref RedBlackLinks<TNode> risingLinks = ref TTraits.Links(rising);
        TNode? between = risingLinks.Left;

        topLinks.Right = between;
        if (between is not null)
            TTraits.Links(between).Parent = top;
        risingLinks.Parent = topLinks.Parent;
        ReplaceChild(topLinks.Parent, top, rising);
        risingLinks.Left = top;
        topLinks.Parent = rising;

        TTraits.Update(top);
        TTraits.Update(rising);
    }

    /// <summary>Turns the edge between <paramref name="top"/> and its left child: that child comes up.</summary>
    private void RotateRight(TNode top)
    {
        ref RedBlackLinks<TNode> topLinks = ref TTraits.Links(top);
        TNode rising = topLinks.Left!;
        ref RedBlackLinks<TNode> risingLinks = ref TTraits.Links(rising);
        TNode? between = risingLinks.Right;

        topLinks.Left = between;
        if (between is not null)
            TTraits.Links(between).Parent = top;
        risingLinks.Parent = topLinks.Parent;
        ReplaceChild(topLinks.Parent, top, rising);
        risingLinks.Right = top;
        topLinks.Parent = rising;

        TTraits.Update(top);
        TTraits.Update(rising);
    }

    /// <summary>Repairs "a red node has black children" above the new red node.</summary>
    private void RebalanceAfterInsert(TNode node)
    {
        while (TTraits.Links(node).Parent is { } parent && TTraits.Links(parent).IsRed)
        {
            // A red parent is not the root, so there is a grandparent, and it is black.
            TNode grandparent = TTraits.Links(parent).Parent!;
            bool parentIsLeft = TTraits.Links(grandparent).Left == parent;
            TNode? uncle = parentIsLeft ? TTraits.Links(grandparent).Right : TTraits.Links(grandparent).Left;

            if (IsRed(uncle))
            {
                // Both red: push the blackness down and look again two levels up.
                TTraits.Links(parent).IsRed = false;
                TTraits.Links(uncle!).IsRed = false;
                TTraits.Links(grandparent).IsRed = true;
                node = grandparent;
                continue;
            }

            if (parentIsLeft)
            {
                if (TTraits.Links(parent).Right == node)
                {
                    RotateLeft(parent);
                    parent = node;
                }

                TTraits.Links(parent).IsRed = false;
                TTraits.Links(grandparent).IsRed = true;
                RotateRight(grandparent);
            }
            else
            {
                if (TTraits.Links(parent).Left == node)
                {
                    RotateRight(parent);
                    parent = node;
                }

                TTraits.Links(parent).IsRed = false;
                TTraits.Links(grandparent).IsRed = true;
                RotateLeft(grandparent);
            }

            break;
        }

        TTraits.Links(Root!).IsRed = false;
    }

    /// <summary>Gives back the black node that ways through <paramref name="node"/> lost.</summary>
    /// <param name="node">The top of the short side; may be missing, which is why its parent comes along.</param>
    private void RebalanceAfterRemove(TNode? node, TNode? parent)
    {
        while (parent is not null && !IsRed(node))
        {
            // The short side lacks one black, so the other side has at least one: the sibling exists.
            bool nodeIsLeft = TTraits.Links(parent).Left == node;
            TNode sibling = nodeIsLeft ? TTraits.Links(parent).Right! : TTraits.Links(parent).Left!;

            if (TTraits.Links(sibling).IsRed)
            {
                TTraits.Links(sibling).IsRed = false;
                TTraits.Links(parent).IsRed = true;
                if (nodeIsLeft)
                {
                    RotateLeft(parent);
                    sibling = TTraits.Links(parent).Right!;
                }
                else
                {
                    RotateRight(parent);
                    sibling = TTraits.Links(parent).Left!;
                }
            }

            TNode? near = nodeIsLeft ? TTraits.Links(sibling).Left : TTraits.Links(sibling).Right;
            TNode? far = nodeIsLeft ? TTraits.Links(sibling).Right : TTraits.Links(sibling).Left;
            if (!IsRed(near) && !IsRed(far))
            {
                // Shorten the other side too; the whole subtree is now short.
                TTraits.Links(sibling).IsRed = true;
                node = parent;
                parent = TTraits.Links(parent).Parent;
                continue;
            }

            if (!IsRed(far))
            {
                TTraits.Links(near!).IsRed = false;
                TTraits.Links(sibling).IsRed = true;
                if (nodeIsLeft)
                    RotateRight(sibling);
                else
                    RotateLeft(sibling);
                far = sibling;
                sibling = near!;
            }

            TTraits.Links(sibling).IsRed = TTraits.Links(parent).IsRed;
            TTraits.Links(parent).IsRed = false;
            TTraits.Links(far!).IsRed = false;
            if (nodeIsLeft)
                RotateLeft(parent);
            else
                RotateRight(parent);
            return;
        }

        if (node is not null)
            TTraits.Links(node).IsRed = false;
    }

    /// <summary>Whether links, colours, black heights and summaries are right. The user checks the order itself.</summary>
    /// <param name="count">The number of nodes seen.</param>
    public readonly bool Validate(out ulong count)
    {
        count = 0;
        if (Root is null)
            return true;
        if (TTraits.Links(Root).Parent is not null || TTraits.Links(Root).IsRed)
            return false;
        return BlackHeight(Root, ref count) >= 0;
    }

    /// <summary>The black height below and with <paramref name="node"/>, or -1 when a rule is broken. Depth is at most twice log2.</summary>
    private static int BlackHeight(TNode node, ref ulong count)
    {
        ref RedBlackLinks<TNode> links = ref TTraits.Links(node);
        count++;
        if (!links.IsLinked || (links.IsRed && (IsRed(links.Left) || IsRed(links.Right))))
            return -1;

        int left = 0;
        if (links.Left is { } leftChild)
            left = TTraits.Links(leftChild).Parent == node ? BlackHeight(leftChild, ref count) : -1;
        int right = 0;
        if (links.Right is { } rightChild)
            right = TTraits.Links(rightChild).Parent == node ? BlackHeight(rightChild, ref count) : -1;

        if (left < 0 || left != right || TTraits.Update(node))
            return -1;
        return left + (links.IsRed ? 0 : 1);
    }
}
