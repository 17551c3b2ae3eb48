namespace NanoVm.Memory.Structures;

/// <summary>How a red-black tree finds the links inside its nodes, and what it sums up over subtrees.</summary>
/// <remarks>
/// Implemented by an empty struct, so that every tree is compiled with its own traits inlined. Linux:
/// <c>struct rb_augment_callbacks</c>.
/// </remarks>
internal interface IRedBlackTraits<TNode>
    where TNode : class
{
    /// <summary>The links of <paramref name="node"/> for this tree (an object may be in several trees).</summary>
    static abstract ref RedBlackLinks<TNode> Links(TNode node);

    /// <summary>
    /// Recomputes the summary that <paramref name="node"/> keeps of its subtree from its own data and its two children's summaries.
    /// </summary>
    /// <returns>Whether it changed. A tree without summaries answers false.</returns>
    /// <remarks>The summary must depend on the subtree's set of nodes only, or on that set and its order; not on its shape.</remarks>
    static abstract bool Update(TNode node);
}

/// <summary>The order of a tree that is filled by <see cref="RedBlackTree{TNode,TTraits}.Insert{TOrder}"/>.</summary>
internal interface IRedBlackOrder<TNode>
    where TNode : class
{
    /// <summary>Whether <paramref name="left"/> stands before <paramref name="right"/>. Equal nodes keep the order of insertion.</summary>
    static abstract bool Before(TNode left, TNode right);
}
