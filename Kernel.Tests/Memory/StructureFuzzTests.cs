using System.Diagnostics;
using System.Globalization;
using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Structures;
using NanoVm.Tests.Machine;
using Xunit;
using Xunit.Abstractions;

namespace NanoVm.Tests.Memory;

/// <summary>
/// The structures of memory against naive models, by streams of steps that are different in each run: after every step all of the structure is
/// validated and all of it compared.
/// </summary>
/// <remarks>
/// Structures are small and streams short, so that a whole validation costs little and millions of steps go into a minute: the interesting
/// shapes are all small. <c>NANOVM_FUZZ_SECONDS</c> says for how long each structure is tried (default 2), <c>NANOVM_FUZZ_SEED</c> with which
/// seed to begin; a failure names its seed.
/// </remarks>
public sealed unsafe class StructureFuzzTests(ITestOutputHelper output)
{
    private const int DefaultSeconds = 2;

    /// <summary>Plays streams until the time is over, and says how many steps that were.</summary>
    /// <param name="play">Plays the stream of a seed; how many steps it had.</param>
    private void Fuzz(string name, Func<System.Random, int> play)
    {
        int seconds = Setting("NANOVM_FUZZ_SECONDS", DefaultSeconds);
        int first = Setting("NANOVM_FUZZ_SEED", System.Random.Shared.Next(1 << 30));
        var clock = Stopwatch.StartNew();
        long steps = 0;
        int seed = first;
        do
        {
            try
            {
                steps += play(new System.Random(seed));
            }
            catch (Exception exception)
            {
                throw new InvalidProgramException($"{name} is wrong with NANOVM_FUZZ_SEED={seed}: {exception.Message}", exception);
            }

            seed++;
        }
        while (clock.Elapsed.TotalSeconds < seconds);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{name}: seeds {first} to {seed - 1}, {steps} steps in {clock.Elapsed.TotalSeconds:f1} s, {steps * 60e-6 / clock.Elapsed.TotalSeconds:f2} million a minute"));
    }

    private static int Setting(string name, int otherwise)
        => int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out int value) ? value : otherwise;

    // Costs nothing when it holds: Assert.Equal would be most of the time.
    private static void Must(bool holds, string what)
    {
        if (!holds)
            throw new InvalidOperationException(what);
    }

    private sealed class Node(int key)
    {
        public readonly int Key = key;
        public int Sum = key;
        public RedBlackLinks<Node> Links;
    }

    private readonly struct NodeTraits : IRedBlackTraits<Node>, IRedBlackOrder<Node>
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

    [Fact]
    public void Red_black_tree() => Fuzz("red-black tree", random =>
    {
        const int steps = 400;
        int most = 4 << random.Next(4), keys = random.Next(2) == 0 ? most : 1000;
        var tree = new RedBlackTree<Node, NodeTraits>();
        var model = new List<Node>();
        for (int step = 0; step < steps; step++)
        {
            int at = model.Count == 0 ? 0 : random.Next(model.Count);
            if (model.Count == 0 || (model.Count < most && random.Next(2) == 0))
            {
                var node = new Node(random.Next(keys));
                bool first = tree.Insert<NodeTraits>(node);
                at = 0;
                while (at < model.Count && model[at].Key <= node.Key)
                    at++;
                Must(first == (at == 0), "an insertion is wrong about being the first");
                model.Insert(at, node);
            }
            else if (random.Next(6) == 0)
            {
                var replacement = new Node(model[at].Key);
                tree.Replace(model[at], replacement);
                model[at] = replacement;
            }
            else
            {
                tree.Remove(model[at]);
                Must(!model[at].Links.IsLinked, "a removed node is linked");
                model.RemoveAt(at);
            }

            Must(tree.Validate(out ulong count) && count == (ulong)model.Count, "the tree is not valid");
            Node? node2 = tree.First();
            foreach (Node expected in model)
            {
                Must(ReferenceEquals(expected, node2), "the order is not the model's");
                node2 = RedBlackTree<Node, NodeTraits>.Next(node2!);
            }

            Must(node2 is null, "the tree has more than the model");
        }

        return steps;
    });

    private sealed class Interval(ulong first, ulong last)
    {
        public readonly ulong First = first, Last = last;
        public ulong SubtreeLast;
        public RedBlackLinks<Interval> Links;
    }

    private readonly struct IntervalTraits : IIntervalTraits<Interval>
    {
        public static ref RedBlackLinks<Interval> Links(Interval node) => ref node.Links;

        public static ref ulong SubtreeLast(Interval node) => ref node.SubtreeLast;

        public static ulong First(Interval node) => node.First;

        public static ulong Last(Interval node) => node.Last;
    }

    [Fact]
    public void Interval_tree() => Fuzz("interval tree", random =>
    {
        const int steps = 400;
        int most = 4 << random.Next(4), span = 1 << random.Next(3, 12), longest = random.Next(1, span);
        var tree = new IntervalTree<Interval, IntervalTraits>();
        var model = new List<Interval>();
        for (int step = 0; step < steps; step++)
        {
            if (model.Count == 0 || (model.Count < most && random.Next(2) == 0))
            {
                ulong first = (ulong)random.Next(span);
                var interval = new Interval(first, first + (ulong)random.Next(longest));
                tree.Insert(interval);
                model.Add(interval);
            }
            else
            {
                int at = random.Next(model.Count);
                tree.Remove(model[at]);
                model.RemoveAt(at);
            }

            Must(tree.Validate(out ulong count) && count == (ulong)model.Count, "the tree is not valid");
            ulong from = (ulong)random.Next(span), to = from + (ulong)random.Next(longest), before = 0;
            int hits = 0, expected = 0;
            for (Interval? hit = tree.FirstOverlap(from, to); hit is not null; hit = IntervalTree<Interval, IntervalTraits>.NextOverlap(hit, from, to))
            {
                Must(hit.First <= to && hit.Last >= from, "a hit does not overlap");
                Must(hit.First >= before, "hits are not in order");
                before = hit.First;
                hits++;
            }

            foreach (Interval interval in model)
                expected += interval.First <= to && interval.Last >= from ? 1 : 0;
            Must(hits == expected, $"{hits} overlaps, expected {expected}");
        }

        return steps;
    });

    [Fact]
    public void XArray()
    {
        using var machine = new HostMachine(16UL << 20);
        var nodes = new XArrayNodes(machine.Memory);
        Fuzz("XArray", random =>
        {
            const int steps = 300;
            ulong[] indices = new ulong[1 + random.Next(12)];
            for (int i = 0; i < indices.Length; i++)
            {
                indices[i] = random.Next(5) switch
                {
                    0 => (ulong)random.Next(4),
                    1 => (ulong)random.Next(200),
                    2 => (ulong)random.NextInt64(),
                    3 => ulong.MaxValue - (ulong)random.Next(70),
                    _ => 1UL << random.Next(64),
                };
            }

            var array = new XArray();
            array.Initialize(nodes);
            var model = new SortedDictionary<ulong, (ulong Entry, int Marks)>();
            for (int step = 0; step < steps; step++)
            {
                ulong index = indices[random.Next(indices.Length)];
                bool present = model.TryGetValue(index, out (ulong Entry, int Marks) was);
                int mark = random.Next(3);
                switch (random.Next(6))
                {
                    case 0 or 1:
                        ulong entry = (ulong)random.Next(1, 1000);
                        Must(array.Store(index, entry) == Errno.None, "a store fails");
                        model[index] = (entry, was.Marks);
                        break;
                    case 2:
                        Must(array.Erase(index) == was.Entry, "erase answers something else");
                        model.Remove(index);
                        break;
                    case 3 when present:
                        array.SetMark(index, (XArrayMark)mark);
                        model[index] = (was.Entry, was.Marks | 1 << mark);
                        break;
                    case 4 when present:
                        array.ClearMark(index, (XArrayMark)mark);
                        model[index] = (was.Entry, was.Marks & ~(1 << mark));
                        break;
                    default:
                        // With a failure at the first allocation a store changes nothing.
                        if (present)
                            break;
                        ulong failures = machine.Memory.Failures.Failures;
                        machine.Memory.Failures.Arm(FailureKinds.Objects, 1);
                        Errno error = array.Store(index, 5);
                        machine.Memory.Failures.Disarm();
                        Must(error == Errno.None == (machine.Memory.Failures.Failures == failures), "a failed allocation is not told, or told for nothing");
                        if (error == Errno.None)
                            model[index] = (5, 0);
                        break;
                }

                Must(array.Validate() == (ulong)model.Count, "the array is not valid");
                ulong at = 0;
                foreach ((ulong key, (ulong entry, int marks)) in model)
                {
                    Must(array.TryFind(ref at, ulong.MaxValue, out ulong found) && at == key && found == entry, "the entries are not the model's");
                    for (int i = 0; i < 3; i++)
                        Must(array.HasMark(key, (XArrayMark)i) == ((marks >> i & 1) != 0), "the marks are not the model's");
                    at++;
                    if (at == 0)
                        break;
                }

                foreach (ulong place in indices)
                    Must(array.Load(place) == (model.TryGetValue(place, out (ulong Entry, int Marks) loaded) ? loaded.Entry : 0), "a load is not the model's");
            }

            foreach (ulong index in indices)
                array.Erase(index);
            Must(array.IsEmpty && nodes.Branches.Count + nodes.Leaves.Count == 0, "nodes are left");
            return steps;
        });
    }

    [Fact]
    public void Buddy()
    {
        using var machine = new HostMachine(2UL << 20);
        FrameAllocator frames = machine.Memory.Frames;
        Fuzz("buddy", random =>
        {
            const int steps = 300;
            machine.Memory.Shrink();
            ulong free = frames.FreeFrames.Value, held = 0;
            int largest = random.Next(10);
            var owned = new HashSet<ulong>();
            var blocks = new List<(Pfn First, int Order)>();
            for (int step = 0; step < steps; step++)
            {
                if (random.Next(100) < 55)
                {
                    int order = random.Next(largest + 1);
                    AllocationFlags flags = (AllocationFlags)(random.Next(3) switch { 0 => (int)AllocationFlags.Compound, 1 => (int)AllocationFlags.Reserve, _ => 0 });
                    if (frames.Allocate(order, flags, out Pfn pfn) == Errno.None)
                    {
                        Must((pfn.Value & ((1UL << order) - 1)) == 0, "a block is not aligned to its size");
                        for (ulong i = 0; i < 1UL << order; i++)
                        {
                            Must(frames.IsRam(pfn + i), "a frame is no RAM");
                            Must(owned.Add(pfn.Value + i), "a frame is given out twice");
                        }

                        blocks.Add((pfn, order));
                        held += 1UL << order;
                    }
                }
                else if (blocks.Count > 0)
                {
                    int at = random.Next(blocks.Count);
                    (Pfn first, int order) = blocks[at];
                    blocks[at] = blocks[^1];
                    blocks.RemoveAt(blocks.Count - 1);
                    held -= 1UL << order;
                    for (ulong i = 0; i < 1UL << order; i++)
                        owned.Remove(first.Value + i);
                    if (order > 0 && random.Next(3) == 0)
                    {
                        frames.Split(first);
                        for (ulong i = 0; i < 1UL << order; i++)
                            frames.Put(first + i);
                    }
                    else
                    {
                        frames.Put(first);
                    }
                }

                frames.Validate();
                Must(frames.FreeFrames.Value == free - held, "the count of free frames is wrong");
            }

            foreach ((Pfn first, _) in blocks)
                frames.Put(first);
            machine.Memory.Shrink();
            Must(frames.FreeFrames.Value == free, "frames are lost");
            return steps;
        });
    }

    private sealed class Thing
    {
        public ulong A, B, C, D, E, F, G, H;
        public Thing? Next;
    }

    [Fact]
    public void Slab()
    {
        using var machine = new HostMachine(4UL << 20);
        var cache = new ObjectCache<Thing>(machine.Memory, "thing"u8);
        Fuzz("slab", random =>
        {
            const int steps = 400;
            int most = 1 << random.Next(8);
            var held = new List<Thing>();
            for (int step = 0; step < steps; step++)
            {
                if (held.Count == 0 || (held.Count < most && random.Next(100) < 55))
                {
                    bool fails = random.Next(8) == 0;
                    ulong failures = machine.Memory.Failures.Failures;
                    if (fails)
                        machine.Memory.Failures.Arm(1);
                    Thing? thing = cache.Allocate();
                    machine.Memory.Failures.Disarm();
                    Must(thing is null == (machine.Memory.Failures.Failures != failures), "a failed allocation is not told, or told for nothing");
                    if (thing is not null)
                    {
                        Must((thing.A | thing.B | thing.C | thing.D | thing.H) == 0 && thing.Next is null, "an object does not come zeroed");
                        thing.A = thing.H = (ulong)step;
                        thing.Next = held.Count > 0 ? held[^1] : null;
                        held.Add(thing);
                    }
                }
                else
                {
                    int at = random.Next(held.Count);
                    Must(held[at].A == held[at].H, "two objects overlap");
                    cache.Free(held[at]);
                    held[at] = held[^1];
                    held.RemoveAt(held.Count - 1);
                }

                cache.Validate();
                Must(cache.Count == (ulong)held.Count, "the count of objects is wrong");
            }

            foreach (Thing thing in held)
                cache.Free(thing);
            cache.Validate();
            Must(cache.Count == 0, "objects are left");
            return steps;
        });
    }

    /// <summary>mmap, munmap, mprotect, mremap, brk, madvise, mlock, fork, exit and touches: see <see cref="ModelRun"/>, which compares all after each step.</summary>
    [Fact]
    public void Address_spaces() => Fuzz("address spaces", random =>
    {
        const int steps = 120;
        using var run = new ModelRun(random.Next(), levels: random.Next(4) == 0 ? 5 : 4);
        for (int step = 0; step < steps; step++)
            run.Step();
        return steps;
    });
}
