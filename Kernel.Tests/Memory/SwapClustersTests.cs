using NanoVm.Memory.Swap;
using Xunit;

namespace NanoVm.Tests.Memory;

/// <summary>Which slot of a swap area is next.</summary>
public sealed class SwapClustersTests
{
    private readonly int[] _uses;
    private SwapClusters _clusters;

    public SwapClustersTests()
    {
        _uses = new int[1100];                              // four whole clusters and a piece
        _uses[0] = SwapArea.Bad;
        _uses[300] = SwapArea.Bad;
        _clusters.Initialize(new SwapClusters.Cluster[SwapClusters.CountFor(_uses.Length)], _uses);
    }

    private int Take()
    {
        Assert.True(_clusters.TryTake(_uses, out int slot));
        Assert.Equal(0, _uses[slot]);
        _uses[slot]++;
        return slot;
    }

    private void Return(int slot)
    {
        _uses[slot]--;
        _clusters.Return(slot);
    }

    [Fact]
    public void Slots_come_one_after_the_other_and_bad_ones_never()
    {
        var taken = new List<int>();
        for (int i = 0; i < 1098; i++)
            taken.Add(Take());
        Assert.Equal(Enumerable.Range(1, 1099).Where(slot => slot != 300), taken);
        Assert.False(_clusters.TryTake(_uses, out _));
        Assert.True(_clusters.Validate(_uses));
    }

    [Fact]
    public void Gaps_are_filled_only_when_no_cluster_is_all_free()
    {
        for (int i = 0; i < 255; i++)
            Take();
        for (int slot = 10; slot < 20; slot++)
            Return(slot);
        for (int i = 0; i < 843; i++)
            Assert.True(Take() >= 256);
        Assert.Equal(Enumerable.Range(10, 10), Enumerable.Range(0, 10).Select(_ => Take()));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Whatever_comes_and_goes_lists_and_counts_agree_with_the_slots(int seed)
    {
        var random = new System.Random(seed);
        var taken = new List<int>();
        for (int step = 0; step < 20_000; step++)
        {
            bool wantsMore = random.Next(100) < (step / 2000 % 2 == 0 ? 70 : 30);
            if (wantsMore && taken.Count < 1098)
            {
                taken.Add(Take());
            }
            else if (taken.Count > 0)
            {
                int at = random.Next(taken.Count);
                Return(taken[at]);
                taken[at] = taken[^1];
                taken.RemoveAt(taken.Count - 1);
            }

            if (step % 50 == 0)
                Assert.True(_clusters.Validate(_uses));
        }
    }
}
