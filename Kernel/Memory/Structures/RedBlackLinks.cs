namespace NanoVm.Memory.Structures;

/// <summary>What a node of a <see cref="RedBlackTree{TNode,TTraits}"/> carries: a field of the object that is the node.</summary>
/// <remarks>Linux: <c>struct rb_node</c>. Guarded by whatever lock guards the tree. All zero: in no tree.</remarks>
internal struct RedBlackLinks<TNode>
    where TNode : class
{
    public TNode? Parent;
    public TNode? Left;
    public TNode? Right;
    public bool IsRed;

    /// <summary>Whether the node is in a tree at present.</summary>
    public bool IsLinked;
}
