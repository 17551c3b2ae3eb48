using NanoVm.Core;
using NanoVm.Memory.Numa;
using NanoVm.Memory.Virtual;
using Xunit;

namespace NanoVm.Tests.Memory;

/// <summary>Memory policies of areas and of shared files, against a model that knows each page's.</summary>
public sealed class PolicyTests : VirtualTest
{
    private const int Pages = 40;

    private static readonly PolicyMode[] s_modes = [PolicyMode.Default, PolicyMode.Bind, PolicyMode.Interleave, PolicyMode.Local, PolicyMode.PreferredMany];

    private static NodeMask NodesFor(PolicyMode mode) => mode is PolicyMode.Default or PolicyMode.Local ? default : NodeMask.WithMemory;

    private MemoryPolicy? Make(PolicyMode mode)
    {
        Assert.Equal(Errno.None, MemoryPolicy.Create(Machine.System, mode, PolicyFlags.None, NodesFor(mode), out MemoryPolicy? policy));
        return policy;
    }

    private Errno Bind(ulong start, ulong pages, PolicyMode mode)
    {
        Errno error = Mm.Mbind(new VirtAddr(start), pages * Page, mode, PolicyFlags.None, NodesFor(mode), BindFlags.None);
        Check(Mm);
        return error;
    }

    private PolicyMode ModeAt(ulong address)
    {
        MemoryPolicy? policy = MmStruct.PolicyAt(Mm.FindVma(new VirtAddr(address))!, new VirtAddr(address));
        PolicyMode mode = policy?.Mode ?? PolicyMode.Default;
        policy?.Put();
        return mode;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Areas_are_as_few_as_their_policies_and_rights_allow(int seed)
    {
        var random = new System.Random(seed);
        ulong start = Map(Pages);
        var modes = new PolicyMode[Pages];
        var writable = new bool[Pages];
        Array.Fill(writable, true);
        for (int step = 0; step < 400; step++)
        {
            int first = random.Next(Pages);
            int count = random.Next(1, Pages - first + 1);
            ulong at = start + (ulong)first * Page;
            if (random.Next(4) == 0)
            {
                bool write = random.Next(2) == 0;
                Assert.Equal(Errno.None, Protect(at, (ulong)count, write ? RW : R));
                writable.AsSpan(first, count).Fill(write);
            }
            else
            {
                PolicyMode mode = s_modes[random.Next(s_modes.Length)];
                Assert.Equal(Errno.None, Bind(at, (ulong)count, mode));
                modes.AsSpan(first, count).Fill(mode);
            }

            int areas = 1 + Enumerable.Range(1, Pages - 1).Count(page => modes[page] != modes[page - 1] || writable[page] != writable[page - 1]);
            int found = 0;
            for (VmArea? area = Mm.FindVma(new VirtAddr(start)); area is not null && area.Start.Value < start + Pages * Page; area = area.Next)
                found++;
            Assert.Equal(areas, found);
            Assert.Equal(modes, Enumerable.Range(0, Pages).Select(page => ModeAt(start + (ulong)page * Page)));
        }
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public void Ranges_of_a_shared_file_are_those_of_its_last_binder(int seed)
    {
        var random = new System.Random(seed);
        SharedPolicy shared = SharedPolicy.Create(Machine.System)!;
        var modes = new PolicyMode[Pages];
        for (int step = 0; step < 2000; step++)
        {
            int first = random.Next(Pages);
            int last = random.Next(first, Pages);
            PolicyMode mode = s_modes[random.Next(s_modes.Length)];
            MemoryPolicy? policy = Make(mode);
            Assert.True(shared.TrySet((ulong)first, (ulong)last, policy));
            policy?.Put();
            modes.AsSpan(first, last - first + 1).Fill(mode);
            for (int page = 0; page < Pages; page++)
            {
                MemoryPolicy? there = shared.Find((ulong)page);
                Assert.Equal(modes[page], there?.Mode ?? PolicyMode.Default);
                there?.Put();
            }
        }

        shared.Free();
        Assert.Equal(0UL, Machine.System.Policies.Count);
        Assert.Equal(0UL, Machine.System.PolicyRanges.Count);
    }

    [Fact]
    public void What_cannot_be_bound_stays_as_it_was_and_a_home_needs_a_policy()
    {
        ulong start = Map(3);
        Assert.Equal(Errno.EFAULT, Bind(start + 2 * Page, 2, PolicyMode.Bind));
        Assert.Equal(PolicyMode.Default, ModeAt(start + 2 * Page));
        Assert.Equal(Errno.EINVAL, Mm.Mbind(new VirtAddr(start), Page, PolicyMode.Bind, PolicyFlags.None, default, BindFlags.None));
        Assert.Equal(Errno.ENOENT, Mm.SetHomeNode(new VirtAddr(start), Page, 0));
        Assert.Equal(Errno.None, Bind(start + Page, 1, PolicyMode.Bind));
        Assert.Equal(Errno.None, Mm.SetHomeNode(new VirtAddr(start), Page * 3, 0));
        Check(Mm);
        Assert.Equal(0, Mm.FindVma(new VirtAddr(start + Page))!.Policy!.HomeNode);
    }
}
