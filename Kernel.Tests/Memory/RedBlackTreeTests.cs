using NanoVm.Memory.Structures;
using Xunit;

namespace NanoVm.Tests.Memory;

public sealed class RedBlackTreeTests
{
    private sealed class Node(int key)
    {
        public readonly int Key = key;
        public int Sum = key;
        public RedBlackLinks<Node> Links;
    }

    /// <summary>Sums keys over subtrees, so that a forgotten update anywhere is seen.</summary>
    private readonly struct Traits : IRedBlackTraits<Node>, IRedBlackOrder<Node>
    {
        public static ref RedBlackLinks<Node> Links(Node node) => ref node.Links;

        public static bool Update(Node node)
        {
            int sum = node.Key + (node.Links.Left?.Sum ?? 0) + (node.Links.Right?.Sum ?? 0);
            bool changed = sum != node.Sum;
            node.Sum = sum;
            return changed;
        }

        public static bool Before(Node left, Node right) => left.Key < right.Key;
    }

    [Theory]
    [InlineData(1, 10)]
    [InlineData(2, 100)]
    [InlineData(3, 1000)]
    [InlineData(4, 100000)]
    public void A_random_stream_of_insertions_and_removals_equals_a_sorted_list(int seed, int keys)
    {
        var random = new System.Random(seed);
        var tree = new RedBlackTree<Node, Traits>();
        var model = new List<Node>();
        for (int step = 0; step < 4000; step++)
        {
            bool grows = step % 1000 < 600;
            if (model.Count == 0 || random.Next(100) < (grows ? 70 : 30))
            {
                var node = new Node(random.Next(keys));
                bool first = tree.Insert<Traits>(node);
                int at = model.FindIndex(other => other.Key > node.Key);
                at = at < 0 ? model.Count : at;
                Assert.Equal(at == 0, first);
                model.Insert(at, node);
            }
            else if (random.Next(10) == 0)
            {
                int at = random.Next(model.Count);
                var replacement = new Node(model[at].Key);
                tree.Replace(model[at], replacement);
                model[at] = replacement;
            }
            else
            {
                int at = random.Next(model.Count);
                tree.Remove(model[at]);
                Assert.False(model[at].Links.IsLinked);
                model.RemoveAt(at);
            }

            Assert.True(tree.Validate(out ulong count));
            Assert.Equal((ulong)model.Count, count);
            if (step % 50 == 0)
                AssertSameOrder(tree, model);
        }

        AssertSameOrder(tree, model);
        while (model.Count > 0)
        {
            tree.Remove(model[^1]);
            model.RemoveAt(model.Count - 1);
            Assert.True(tree.Validate(out _));
        }

        Assert.True(tree.IsEmpty);
    }

    [Fact]
    public void Ascending_insertion_keeps_the_height_logarithmic()
    {
        var tree = new RedBlackTree<Node, Traits>();
        for (int i = 0; i < 1 << 16; i++)
            tree.Insert<Traits>(new Node(i));
        Assert.True(tree.Validate(out _));
        Assert.True(Height(tree.Root) <= 2 * 17);
    }

    private static int Height(Node? node) => node is null ? 0 : 1 + Math.Max(Height(node.Links.Left), Height(node.Links.Right));

    private static void AssertSameOrder(RedBlackTree<Node, Traits> tree, List<Node> model)
    {
        Node? at = tree.First();
        foreach (Node expected in model)
        {
            Assert.Same(expected, at);
            at = RedBlackTree<Node, Traits>.Next(at!);
        }

        Assert.Null(at);
        at = tree.Last();
        for (int i = model.Count - 1; i >= 0; i--)
        {
            Assert.Same(model[i], at);
            at = RedBlackTree<Node, Traits>.Previous(at!);
        }

        Assert.Null(at);
    }
}
