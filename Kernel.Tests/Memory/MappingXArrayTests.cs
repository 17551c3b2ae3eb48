using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Tests.Machine;
using Xunit;

namespace NanoVm.Tests.Memory;

public sealed class MappingXArrayTests
{
    private static ulong RandomIndex(System.Random random, int kind) => kind switch
    {
        0 => (ulong)random.Next(4),
        1 => (ulong)random.Next(200),
        2 => (ulong)random.Next(100_000),
        3 => (ulong)random.NextInt64(long.MinValue, long.MaxValue),
        _ => random.Next(6) switch
        {
            0 => 0,
            1 => 63,
            2 => 64,
            3 => ulong.MaxValue,
            4 => 1UL << random.Next(64),
            _ => ulong.MaxValue - (ulong)random.Next(70),
        },
    };

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void A_random_stream_equals_a_sorted_dictionary(int kind)
    {
        using var machine = new HostMachine(16UL << 20);
        var nodes = new XArrayNodes(machine.Memory);
        var array = new XArray();
        array.Initialize(nodes);
        var random = new System.Random(kind);
        var model = new SortedDictionary<ulong, (ulong Entry, int Marks)>();
        for (int step = 0; step < 4000; step++)
        {
            ulong index = RandomIndex(random, kind);
            switch (random.Next(8))
            {
                case 0 or 1 or 2:
                    ulong entry = (ulong)random.Next(1, 1000);
                    Assert.Equal(Errno.None, array.Store(index, entry));
                    model[index] = (entry, model.TryGetValue(index, out var old) ? old.Marks : 0);
                    break;
                case 3 or 4:
                    if (model.Count > 0 && random.Next(3) != 0)
                        index = model.Keys.ElementAt(random.Next(model.Count));
                    Assert.Equal(model.TryGetValue(index, out var gone) ? gone.Entry : 0, array.Erase(index));
                    model.Remove(index);
                    break;
                case 5 or 6:
                    if (model.Count == 0)
                        break;
                    index = model.Keys.ElementAt(random.Next(model.Count));
                    int mark = random.Next(3);
                    bool set = random.Next(2) == 0;
                    if (set)
                        array.SetMark(index, (XArrayMark)mark);
                    else
                        array.ClearMark(index, (XArrayMark)mark);
                    var was = model[index];
                    model[index] = (was.Entry, set ? was.Marks | 1 << mark : was.Marks & ~(1 << mark));
                    break;
                default:
                    Assert.Equal(model.TryGetValue(index, out var found) ? found.Entry : 0, array.Load(index));
                    CheckSearch(array, model, index, RandomIndex(random, kind), random.Next(-1, 3));
                    break;
            }

            if (step % 40 == 0)
                Assert.Equal((ulong)model.Count, array.Validate());
        }

        foreach ((ulong index, (ulong entry, int marks)) in model)
        {
            Assert.Equal(entry, array.Load(index));
            for (int mark = 0; mark < 3; mark++)
                Assert.Equal((marks >> mark & 1) != 0, array.HasMark(index, (XArrayMark)mark));
        }

        foreach (ulong index in model.Keys)
            array.Erase(index);
        Assert.True(array.IsEmpty);
        Assert.Equal(0UL, nodes.Branches.Count + nodes.Leaves.Count);
    }

    private static void CheckSearch(XArray array, SortedDictionary<ulong, (ulong Entry, int Marks)> model, ulong from, ulong last, int mark)
    {
        ulong index = from;
        bool found = mark < 0 ? array.TryFind(ref index, last, out ulong entry) : array.TryFindMarked(ref index, last, (XArrayMark)mark, out entry);
        var expected = model.Where(pair => pair.Key >= from && pair.Key <= last && (mark < 0 || (pair.Value.Marks >> mark & 1) != 0)).Select(pair => (ulong?)pair.Key).FirstOrDefault();
        Assert.Equal(expected is not null, found);
        if (expected is not null)
        {
            Assert.Equal(expected.Value, index);
            Assert.Equal(model[index].Entry, entry);
        }
    }

    [Fact]
    public void A_failed_store_changes_nothing_and_frees_what_it_took()
    {
        using var machine = new HostMachine(16UL << 20);
        var nodes = new XArrayNodes(machine.Memory);
        foreach (ulong present in new ulong[] { 0, 5, 4096, ulong.MaxValue })
        {
            foreach (ulong index in new ulong[] { 0, 1, 64, 1 << 20, 1UL << 40, ulong.MaxValue - 1 })
            {
                var array = new XArray();
                array.Initialize(nodes);
                array.Store(present, 7);
                ulong before = nodes.Branches.Count + nodes.Leaves.Count;
                for (ulong fail = 1; ; fail++)
                {
                    machine.Memory.Failures.Arm(NanoVm.Core.FailureKinds.Objects, fail);
                    Errno error = array.Store(index, 9);
                    machine.Memory.Failures.Disarm();
                    if (error == Errno.None)
                        break;
                    Assert.Equal(1UL, array.Validate());
                    Assert.Equal(7UL, array.Load(present));
                    Assert.Equal(before, nodes.Branches.Count + nodes.Leaves.Count);
                }

                array.Erase(present);
                array.Erase(index);
                Assert.True(array.IsEmpty);
                Assert.Equal(0UL, nodes.Branches.Count + nodes.Leaves.Count);
            }
        }
    }
}
