using NanoVm.Memory.Structures;
using Xunit;

namespace NanoVm.Tests.Memory;

public sealed class MappingIntervalTreeTests
{
    private sealed class Interval(ulong first, ulong last)
    {
        public readonly ulong First = first, Last = last;
        public ulong SubtreeLast;
        public RedBlackLinks<Interval> Links;
    }

    private readonly struct Traits : IIntervalTraits<Interval>
    {
        public static ref RedBlackLinks<Interval> Links(Interval node) => ref node.Links;

        public static ref ulong SubtreeLast(Interval node) => ref node.SubtreeLast;

        public static ulong First(Interval node) => node.First;

        public static ulong Last(Interval node) => node.Last;
    }

    [Theory]
    [InlineData(1, 20, 10)]
    [InlineData(2, 1000, 10)]
    [InlineData(3, 1000, 900)]
    [InlineData(4, 1000000, 100000)]
    public void Overlaps_equal_those_of_a_plain_list(int seed, int span, int length)
    {
        var random = new System.Random(seed);
        var tree = new IntervalTree<Interval, Traits>();
        var model = new List<Interval>();
        for (int step = 0; step < 2000; step++)
        {
            if (model.Count < 100 || random.Next(2) == 0)
            {
                ulong first = (ulong)random.Next(span);
                var interval = new Interval(first, first + (ulong)random.Next(length));
                tree.Insert(interval);
                model.Add(interval);
            }
            else
            {
                int at = random.Next(model.Count);
                tree.Remove(model[at]);
                model.RemoveAt(at);
            }

            if (step % 20 == 0)
            {
                Assert.True(tree.Validate(out ulong count));
                Assert.Equal((ulong)model.Count, count);
            }

            ulong from = (ulong)random.Next(span), to = from + (ulong)random.Next(length);
            var hits = new HashSet<Interval>();
            ulong last = 0;
            for (Interval? hit = tree.FirstOverlap(from, to); hit is not null; hit = IntervalTree<Interval, Traits>.NextOverlap(hit, from, to))
            {
                Assert.True(hits.Add(hit));
                Assert.True(hit.First >= last);
                last = hit.First;
            }

            Assert.True(hits.SetEquals(model.Where(item => item.First <= to && item.Last >= from)));
        }
    }
}
