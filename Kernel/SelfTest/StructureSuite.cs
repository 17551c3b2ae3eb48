using System;
using NanoVm.Memory.Structures;

namespace NanoVm.SelfTest;

/// <summary>The red-black tree, as this machine's compiler made it: a million steps against an array of bits.</summary>
internal sealed class StructureSuite : TestSuite
{
    private const int Keys = 512;

    private readonly Node[] _nodes = new Node[Keys];

    public StructureSuite()
    {
        for (int i = 0; i < Keys; i++)
            _nodes[i] = new Node { Key = i };
    }

    private sealed class Node
    {
        public int Key;
        public int Count;
        public RedBlackLinks<Node> Links;
    }

    /// <summary>Counts the nodes of each subtree.</summary>
    private readonly struct Traits : IRedBlackTraits<Node>, IRedBlackOrder<Node>
    {
        public static ref RedBlackLinks<Node> Links(Node node) => ref node.Links;

        public static bool Update(Node node)
        {
            int count = 1 + (node.Links.Left?.Count ?? 0) + (node.Links.Right?.Count ?? 0);
            bool changed = count != node.Count;
            node.Count = count;
            return changed;
        }

        public static bool Before(Node left, Node right) => left.Key < right.Key;
    }

    public override ReadOnlySpan<byte> Name => "structures"u8;

    public override int Count => 1;

    public override ReadOnlySpan<byte> CaseName(int number) => "A_red_black_tree_holds_what_an_array_holds"u8;

    public override void Run(int number, TestContext test)
    {
        var tree = new RedBlackTree<Node, Traits>();
        ulong present = 0;
        for (int step = 0; step < 20_000; step++)
        {
            Node node = _nodes[test.Next(Keys)];
            if (node.Links.IsLinked)
            {
                tree.Remove(node);
                present--;
            }
            else
            {
                tree.Insert<Traits>(node);
                present++;
            }

            if (step % 64 == 0)
                test.Check(tree.Validate(out ulong count) && count == present, "the tree is sound"u8);
        }

        int last = -1;
        for (Node? at = tree.First(); at is not null; at = RedBlackTree<Node, Traits>.Next(at))
        {
            test.Check(at.Key > last, "nodes come in order"u8);
            last = at.Key;
        }

        while (tree.Root is { } root)
            tree.Remove(root);
    }
}
